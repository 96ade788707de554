//! The schemas of microservices: their ids and summaries come from the catalog, their texts from ZooKeeper.

use std::collections::{BTreeMap, BTreeSet};

use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::error::{ApiError, Code};
use super::json::Object;
use super::limits::Limits;
use super::microservices;
use super::openapi::{Bit, NewSchema, NewSchemas, StoredSchema};
use super::query::Query;
use super::request;
use super::response;
use super::validate as rules;
use crate::api::Gateway;
use crate::model::{SchemaDocument, Tenant, hex_digest};

const SUMMARY: HeaderName = HeaderName::from_static("x-schema-summary");

/// A schema of a microservice; without a summary when it was only announced.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SchemaEntry)]
struct Entry {
    schema_id: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    summary: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    schema: Option<String>,
}

/// The schemas of a microservice; without any, the object is empty.
#[derive(Serialize, ToSchema)]
#[schema(as = Schemas)]
struct Listing {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    schemas: Vec<Entry>,
}

/// Lists the schemas of a microservice, those that it only announced among them; on demand with their texts.
#[utoipa::path(
    get,
    path = "/microservices/{serviceId}/schemas",
    operation_id = "listSchemas",
    params(
        ("withSchema" = Option<Bit>, Query, description = "With their texts"),
    ),
    responses(
        (status = 200, description = "The schemas", body = Listing),
        (status = 400, description = "400001 or 400012"),
    )
)]
pub async fn list(request: HttpRequest, gateway: web::Data<Gateway>) -> Result<HttpResponse, ApiError> {
    let (tenant, service_id) = (request::tenant(&request)?, request::service_id(&request)?);
    let with_texts = Query::of(&request).bit("withSchema")?;
    let microservice = microservices::known(&gateway, &tenant, &service_id)?;
    let summaries = gateway.catalog.schemas(&tenant, &service_id);
    let summaries = summaries.as_ref().map(|list| list.pairs.as_ref());
    let stored = summaries.into_iter().flat_map(|list| list.keys());
    let ids: BTreeSet<&String> = stored.clone().chain(&microservice.schemas).collect();
    let mut texts = BTreeMap::new();
    if with_texts {
        let most = Limits::of(&request).batch_answer;
        let mut bytes = 0;
        for id in stored {
            for (id, document) in
                gateway.registry.texts(&tenant, &service_id, std::slice::from_ref(id)).await?
            {
                bytes += document.schema.len();
                texts.insert(id, document.schema);
            }
            if bytes > most {
                let detail = format!("the schemas have more than {most} bytes together: ask for single ones");
                return Err(ApiError::invalid(detail));
            }
        }
    }
    let schemas = ids.into_iter().map(|id| Entry {
        schema_id: id.clone(),
        summary: summaries.and_then(|list| list.get(id)).cloned().unwrap_or_default(),
        schema: texts.remove(id),
    });
    response::json(&Listing { schemas: schemas.collect() })
}

/// Answers the text of a schema.
#[utoipa::path(
    get,
    path = "/microservices/{serviceId}/schemas/{schemaId}",
    operation_id = "getSchema",
    responses(
        (status = 200, description = "The schema", body = StoredSchema, headers(("X-Schema-Summary" = Option<String>, description = "Its summary"))),
        (status = 400, description = "400001, 400012 or 400016"),
    )
)]
pub async fn get(request: HttpRequest, gateway: web::Data<Gateway>) -> Result<HttpResponse, ApiError> {
    let (tenant, service_id) = (request::tenant(&request)?, request::service_id(&request)?);
    let schema_id = request::path_text(&request, "schemaId", rules::SCHEMA_ID)?;
    let schema = gateway.registry.schema(&tenant, &service_id, &schema_id).await?;
    let mut answer = response::json(&json!({ "schema": schema.schema }))?;
    summarise(&mut answer, &schema.summary);
    Ok(answer)
}

/// Adds a schema, or replaces it.
#[utoipa::path(
    put,
    path = "/microservices/{serviceId}/schemas/{schemaId}",
    operation_id = "putSchema",
    request_body = NewSchema,
    responses(
        (status = 200, description = "Nothing to say"),
        (status = 400, description = "400001, 400012 or 400100 (there are too many)"),
    )
)]
pub async fn put(
    request: HttpRequest,
    payload: web::Payload,
    gateway: web::Data<Gateway>,
) -> Result<HttpResponse, ApiError> {
    let (tenant, service_id) = (request::tenant(&request)?, request::service_id(&request)?);
    let schema_id = request::path_text(&request, "schemaId", rules::SCHEMA_ID)?;
    let body = request::body(&request, payload, Limits::of(&request).body).await?;
    let mut schema = read(&Object::root(&body)?)?;
    if schema.summary.is_empty() {
        schema.summary = hex_digest(schema.schema.as_bytes());
    }
    gateway.registry.put_schema(&tenant, &service_id, &schema_id, schema).await?;
    Ok(response::empty())
}

/// Makes the schemas of a microservice be those of the body and no others.
#[utoipa::path(
    post,
    path = "/microservices/{serviceId}/schemas",
    operation_id = "setSchemas",
    request_body = NewSchemas,
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
    let body = Object::root(&body)?;
    rules::check_length("schemas", body.length("schemas"), limits.schemas)?;
    let mut schemas = BTreeMap::new();
    for element in &body.objects("schemas")? {
        let schema = read(element)?;
        if schema.summary.is_empty() {
            return Err(ApiError::field(element.path("summary"), "Invalid request. It must not be empty"));
        }
        schemas.insert(element.checked_text("schemaId", rules::SCHEMA_ID)?, schema);
    }
    if schemas.is_empty() {
        return Err(ApiError::field("schemas", "Invalid request. The list must not be empty"));
    }
    gateway.registry.replace_schemas(&tenant, &service_id, &schemas).await?;
    Ok(response::empty())
}

/// Removes a schema.
#[utoipa::path(
    delete,
    path = "/microservices/{serviceId}/schemas/{schemaId}",
    operation_id = "deleteSchema",
    responses(
        (status = 200, description = "Nothing to say"),
        (status = 400, description = "400001, 400012 or 400016"),
    )
)]
pub async fn delete(request: HttpRequest, gateway: web::Data<Gateway>) -> Result<HttpResponse, ApiError> {
    let (tenant, service_id) = (request::tenant(&request)?, request::service_id(&request)?);
    let schema_id = request::path_text(&request, "schemaId", rules::SCHEMA_ID)?;
    gateway.registry.delete_schema(&tenant, &service_id, &schema_id).await?;
    Ok(response::empty())
}

/// Answers whether the text of a schema is stored, and its summary.
///
/// # Errors
/// 400012 and 400016 when the microservice or the schema does not exist.
pub async fn existence(
    gateway: &Gateway,
    tenant: &Tenant,
    query: &Query<'_>,
) -> Result<HttpResponse, ApiError> {
    let service_id = query.checked("serviceId", rules::SERVICE_ID)?;
    let schema_id = query.checked("schemaId", rules::SCHEMA_ID)?;
    let summary = || Some(gateway.catalog.schemas(tenant, service_id)?.pairs.get(schema_id)?.clone());
    let mut found = summary();
    // A client that is told "no" by mistake stores the text anew: worth a second look.
    if found.is_none() && gateway.catalog.catch_up().await {
        found = summary();
    }
    let Some(summary) = found else {
        microservices::known(gateway, tenant, service_id)?;
        return Err(ApiError::new(Code::NoSuchSchema, format!("schema {schema_id} does not exist")));
    };
    let mut answer = response::json(&json!({ "serviceId": service_id, "schemaId": schema_id }))?;
    summarise(&mut answer, &summary);
    Ok(answer)
}

fn summarise(answer: &mut HttpResponse, summary: &str) {
    // What is stored was checked to be letters and digits; what somebody wrote by hand may not be.
    if let Ok(summary) = HeaderValue::from_str(summary) {
        answer.headers_mut().insert(SUMMARY, summary);
    }
}

/// Reads a schema.
///
/// # Errors
/// 400001, with the name of the field.
pub fn read(schema: &Object<'_>) -> Result<SchemaDocument, ApiError> {
    Ok(SchemaDocument {
        summary: schema.checked_text("summary", rules::SUMMARY)?,
        schema: schema.checked_text("schema", rules::SCHEMA)?,
    })
}
