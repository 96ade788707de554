//! The tags of microservices.

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;

use super::error::ApiError;
use super::json::Object;
use super::limits::Limits;
use super::openapi::{NewTags, Tag, Tags};
use super::query::Query;
use super::request;
use super::response;
use super::validate as rules;
use super::{microservice_form, microservices};
use crate::api::Gateway;

/// Replaces all tags of a microservice.
#[utoipa::path(
    post,
    path = "/microservices/{serviceId}/tags",
    operation_id = "setTags",
    request_body = NewTags,
    responses(
        (status = 200, description = "Nothing to say"),
        (status = 400, description = "400001 or 400012"),
    )
)]
pub async fn replace(
    request: HttpRequest,
    payload: web::Payload,
    gateway: web::Data<Gateway>,
) -> Result<HttpResponse, ApiError> {
    let (tenant, service_id) = (request::tenant(&request)?, request::service_id(&request)?);
    let limits = Limits::of(&request);
    let body = request::body(&request, payload, limits.body).await?;
    let tags = Object::root(&body)?.pairs("tags")?;
    microservice_form::check_tags(&tags, limits.tags)?;
    gateway.registry.set_tags(&tenant, &service_id, tags).await?;
    Ok(response::empty())
}

/// Changes the value of one tag.
#[utoipa::path(
    put,
    path = "/microservices/{serviceId}/tags/{key}",
    operation_id = "setTag",
    params(
        ("key" = Tag, Path, example = "region"),
        ("value" = Tag, Query, example = "north-2"),
    ),
    responses(
        (status = 200, description = "Nothing to say"),
        (status = 400, description = "400001, 400012 or 400018 (no such tag)"),
    )
)]
pub async fn set(request: HttpRequest, gateway: web::Data<Gateway>) -> Result<HttpResponse, ApiError> {
    let (tenant, service_id) = (request::tenant(&request)?, request::service_id(&request)?);
    let key = request::path_text(&request, "key", rules::TAG)?;
    let query = Query::of(&request);
    let value = query.checked("value", rules::TAG)?;
    gateway.registry.set_tag(&tenant, &service_id, &key, value).await?;
    Ok(response::empty())
}

/// Answers the tags of a microservice.
#[utoipa::path(
    get,
    path = "/microservices/{serviceId}/tags",
    operation_id = "getTags",
    responses(
        (status = 200, description = "The tags", body = Tags),
        (status = 400, description = "400001 or 400012"),
    )
)]
pub async fn get(request: HttpRequest, gateway: web::Data<Gateway>) -> Result<HttpResponse, ApiError> {
    let (tenant, service_id) = (request::tenant(&request)?, request::service_id(&request)?);
    microservices::known(&gateway, &tenant, &service_id)?;
    match gateway.catalog.tags(&tenant, &service_id).filter(|tags| !tags.pairs.is_empty()) {
        Some(tags) => response::json(&json!({ "tags": tags.pairs })),
        None => response::json(&json!({})),
    }
}

/// Removes the tags whose keys the path names, with commas between them.
#[utoipa::path(
    delete,
    path = "/microservices/{serviceId}/tags/{key}",
    operation_id = "deleteTags",
    params(
        (
            "key" = String,
            Path,
            pattern = "^[A-Za-z][A-Za-z0-9_.-]{0,63}(,[A-Za-z][A-Za-z0-9_.-]{0,63}){0,99}$",
            description = "Keys of tags, with commas between them"
        ),
    ),
    responses(
        (status = 200, description = "Nothing to say"),
        (status = 400, description = "400001, 400012 or 400018 (no such tag, and none is removed)"),
    )
)]
pub async fn delete(request: HttpRequest, gateway: web::Data<Gateway>) -> Result<HttpResponse, ApiError> {
    let (tenant, service_id) = (request::tenant(&request)?, request::service_id(&request)?);
    let keys = request::path_texts(&request, "key", rules::TAG, Limits::of(&request).tags)?;
    gateway.registry.delete_tags(&tenant, &service_id, &keys).await?;
    Ok(response::empty())
}
