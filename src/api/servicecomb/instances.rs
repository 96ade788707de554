//! Registering, changing and removing instances.

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;

use super::error::ApiError;
use super::json::{self, Object};
use super::limits::Limits;
use super::openapi::{InstanceRegistration, NewProperties, RegisteredInstance};
use super::query::Query;
use super::request;
use super::response;
use super::{instance_form, instance_quick};
use crate::api::Gateway;
use crate::model::InstanceStatus;

/// Registers an instance; the microservice is the one in the path, whatever the body says.
#[utoipa::path(
    post,
    path = "/microservices/{serviceId}/instances",
    operation_id = "registerInstance",
    request_body = InstanceRegistration,
    responses(
        (status = 200, description = "It is registered", body = RegisteredInstance),
        (status = 400, description = "400001, 400012 or 400100 (there are too many)"),
    )
)]
pub async fn register(
    request: HttpRequest,
    payload: web::Payload,
    gateway: web::Data<Gateway>,
) -> Result<HttpResponse, ApiError> {
    let (tenant, service_id) = (request::tenant(&request)?, request::service_id(&request)?);
    let limits = Limits::of(&request);
    let body = request::raw_body(&request, payload, limits.instance_body).await?;
    let instance = match instance_quick::read(&body, &limits) {
        Some(instance) => instance,
        None => {
            instance_form::read(&Object::root(&json::parse(&body)?)?.required_object("instance")?, &limits)?
        }
    };
    let instance_id = gateway.registry.register_instance(&tenant, &service_id, instance).await?;
    response::json(&json!({ "instanceId": instance_id }))
}

/// Removes an instance.
#[utoipa::path(
    delete,
    path = "/microservices/{serviceId}/instances/{instanceId}",
    operation_id = "unregisterInstance",
    responses(
        (status = 200, description = "Nothing to say"),
        (status = 400, description = "400001 or 400017"),
    )
)]
pub async fn unregister(request: HttpRequest, gateway: web::Data<Gateway>) -> Result<HttpResponse, ApiError> {
    let key = request::instance_key(&request)?;
    gateway.registry.unregister_instance(&key).await.map_err(ApiError::of_instance)?;
    Ok(response::empty())
}

/// Changes the status of an instance.
#[utoipa::path(
    put,
    path = "/microservices/{serviceId}/instances/{instanceId}/status",
    operation_id = "setInstanceStatus",
    params(
        ("value" = InstanceStatus, Query),
    ),
    responses(
        (status = 200, description = "Nothing to say"),
        (status = 400, description = "400001 or 400017"),
    )
)]
pub async fn set_status(request: HttpRequest, gateway: web::Data<Gateway>) -> Result<HttpResponse, ApiError> {
    let key = request::instance_key(&request)?;
    let status = instance_form::status("value", Query::of(&request).get("value"))?;
    gateway.registry.set_instance_status(&key, status).await.map_err(ApiError::of_instance)?;
    Ok(response::empty())
}

/// Replaces the properties of an instance.
#[utoipa::path(
    put,
    path = "/microservices/{serviceId}/instances/{instanceId}/properties",
    operation_id = "setInstanceProperties",
    request_body = NewProperties,
    responses(
        (status = 200, description = "Nothing to say"),
        (status = 400, description = "400001 or 400017"),
    )
)]
pub async fn set_properties(
    request: HttpRequest,
    payload: web::Payload,
    gateway: web::Data<Gateway>,
) -> Result<HttpResponse, ApiError> {
    let key = request::instance_key(&request)?;
    let body = request::body(&request, payload, Limits::of(&request).properties_body).await?;
    let properties = Object::root(&body)?.pairs("properties")?;
    gateway.registry.set_instance_properties(&key, properties).await.map_err(ApiError::of_instance)?;
    Ok(response::empty())
}
