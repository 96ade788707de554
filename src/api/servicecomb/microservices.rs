//! Registering, changing, listing and removing microservices.

use std::collections::BTreeSet;
use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web};
use futures::{StreamExt, stream};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::error::{ApiError, Code};
use super::json::Object;
use super::limits::Limits;
use super::openapi::{
    CreatedMicroservice, MicroserviceRegistration, Microservices, NewProperties, Removals, Removed, Switch,
};
use super::query::Query;
use super::request;
use super::response;
use super::{instance_form, microservice_form, validate};
use crate::api::Gateway;
use crate::model::{Microservice, Properties, Tenant};

/// Most instances in the body that creates a microservice: each is a registration of its own.
const MAX_INSTANCES: usize = 1000;
/// Microservices of one request that are removed at once.
const REMOVALS_IN_FLIGHT: usize = 8;

/// Creates a microservice, then what its body brings along. If that fails the microservice stays, and the answer
/// says what is wrong with the rest.
#[utoipa::path(
    post,
    path = "/microservices",
    operation_id = "createMicroservice",
    request_body(
        content = MicroserviceRegistration,
        example = json!({
            "service": {"serviceId": "cart-id", "appId": "shop", "serviceName": "cart", "version": "1.2.0"},
            "tags": {"region": "north-1"},
            "instances": [{"instanceId": "cart-1", "hostName": "node-1", "endpoints": ["rest://10.0.0.7:8080"]}]
        })
    ),
    responses(
        (status = 200, description = "It exists now", body = CreatedMicroservice),
        (status = 400, description = "400001, 400010 (its id or its key belongs to another) or 400100 (there are too many)"),
    )
)]
pub async fn create(
    request: HttpRequest,
    payload: web::Payload,
    gateway: web::Data<Gateway>,
) -> Result<HttpResponse, ApiError> {
    let (tenant, limits) = (request::tenant(&request)?, Limits::of(&request));
    let body = request::body(&request, payload, limits.body).await?;
    let body = Object::root(&body)?;
    let microservice = microservice_form::read(&body.required_object("service")?, limits.schemas)?;
    let tags = body.pairs("tags")?;
    validate::check_length("instances", body.length("instances"), MAX_INSTANCES)?;
    let instances = body.objects("instances")?;

    let service_id = gateway.registry.create_microservice(&tenant, microservice).await?;
    let mut problems = Vec::new();
    if !tags.is_empty() {
        problems.extend(tag(&gateway, &tenant, &service_id, tags, &limits).await.err());
    }
    for instance in &instances {
        problems.extend(register(&gateway, &tenant, &service_id, instance, &limits).await.err());
    }
    match collected(&problems) {
        Some(error) => Err(error),
        None => response::json(&json!({ "serviceId": service_id })),
    }
}

async fn tag(
    gateway: &Gateway,
    tenant: &Tenant,
    service_id: &str,
    tags: Properties,
    limits: &Limits,
) -> Result<(), ApiError> {
    microservice_form::check_tags(&tags, limits.tags)?;
    Ok(gateway.registry.set_tags(tenant, service_id, tags).await?)
}

async fn register(
    gateway: &Gateway,
    tenant: &Tenant,
    service_id: &str,
    instance: &Object<'_>,
    limits: &Limits,
) -> Result<String, ApiError> {
    let instance = instance_form::read(instance, limits)?;
    Ok(gateway.registry.register_instance(tenant, service_id, instance).await?)
}

/// One error for all `problems`: the caller's fault, unless one of them is ours.
fn collected(problems: &[ApiError]) -> Option<ApiError> {
    let worst = problems.iter().find(|error| error.code.is_server_fault());
    let code = worst.map_or(Code::InvalidParameters, |error| error.code);
    let details: Vec<&str> = problems.iter().map(|error| error.detail.as_str()).collect();
    (!problems.is_empty()).then(|| ApiError::new(code, details.join("; ")))
}

#[derive(Serialize, ToSchema)]
#[schema(as = OneMicroservice)]
pub struct Single {
    service: Arc<Microservice>,
}

/// Lists all microservices of a tenant.
#[utoipa::path(
    get,
    path = "/microservices",
    operation_id = "listMicroservices",
    responses(
        (status = 200, description = "All of them", body = Microservices),
    )
)]
pub async fn list(request: HttpRequest, gateway: web::Data<Gateway>) -> Result<HttpResponse, ApiError> {
    Ok(response::json_bytes(gateway.catalog.listing(&request::tenant(&request)?).await))
}

/// Answers one microservice.
#[utoipa::path(
    get,
    path = "/microservices/{serviceId}",
    operation_id = "getMicroservice",
    responses(
        (status = 200, description = "The microservice", body = Single),
        (status = 400, description = "400001 or 400012"),
    )
)]
pub async fn get(request: HttpRequest, gateway: web::Data<Gateway>) -> Result<HttpResponse, ApiError> {
    let (tenant, service_id) = (request::tenant(&request)?, request::service_id(&request)?);
    response::json(&Single { service: known(&gateway, &tenant, &service_id)? })
}

/// The microservice `service_id`.
///
/// # Errors
/// 400012 when it does not exist.
pub fn known(gateway: &Gateway, tenant: &Tenant, service_id: &str) -> Result<Arc<Microservice>, ApiError> {
    gateway.catalog.microservice(tenant, service_id).ok_or_else(|| {
        ApiError::new(Code::NoSuchMicroservice, format!("microservice {service_id} does not exist"))
    })
}

/// Replaces the properties of a microservice. What else the body holds is not looked at.
#[utoipa::path(
    put,
    path = "/microservices/{serviceId}/properties",
    operation_id = "setMicroserviceProperties",
    request_body = NewProperties,
    responses(
        (status = 200, description = "Nothing to say"),
        (status = 400, description = "400001 or 400012"),
    )
)]
pub async fn set_properties(
    request: HttpRequest,
    payload: web::Payload,
    gateway: web::Data<Gateway>,
) -> Result<HttpResponse, ApiError> {
    let (tenant, service_id) = (request::tenant(&request)?, request::service_id(&request)?);
    let body = request::body(&request, payload, Limits::of(&request).properties_body).await?;
    let properties = Object::root(&body)?.pairs("properties")?;
    gateway.registry.set_microservice_properties(&tenant, &service_id, properties).await?;
    Ok(response::empty())
}

/// Removes a microservice.
#[utoipa::path(
    delete,
    path = "/microservices/{serviceId}",
    operation_id = "deleteMicroservice",
    params(
        ("force" = Option<Switch>, Query, description = "Remove it although it has instances or consumers"),
    ),
    responses(
        (status = 200, description = "Nothing to say"),
        (status = 400, description = "400001, 400012, 400013 (it has instances) or 400023 (others use it)"),
    )
)]
pub async fn delete(request: HttpRequest, gateway: web::Data<Gateway>) -> Result<HttpResponse, ApiError> {
    let (tenant, service_id) = (request::tenant(&request)?, request::service_id(&request)?);
    let force = Query::of(&request).switch("force")?;
    gateway.registry.delete_microservice(&tenant, &service_id, force).await?;
    Ok(response::empty())
}

/// What became of one microservice that was to be removed.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Removal {
    service_id: String,
    #[serde(rename = "errMessage", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    error: Option<String>,
}

/// Removes many microservices and says of each whether it was removed. If ZooKeeper is away none can be, and the
/// request as a whole fails.
#[utoipa::path(
    delete,
    path = "/microservices",
    operation_id = "deleteMicroservices",
    request_body = Removals,
    responses(
        (status = 200, description = "What became of each", body = Removed),
    )
)]
pub async fn delete_many(
    request: HttpRequest,
    payload: web::Payload,
    gateway: web::Data<Gateway>,
) -> Result<HttpResponse, ApiError> {
    let (tenant, limits) = (request::tenant(&request)?, Limits::of(&request));
    let body = request::body(&request, payload, limits.body).await?;
    let body = Object::root(&body)?;
    validate::check_length("serviceIds", body.length("serviceIds"), limits.batch_elements)?;
    let force = body.boolean("force")?;
    let ids: BTreeSet<String> = body.texts("serviceIds")?.into_iter().collect();
    ids.iter().try_for_each(|id| validate::SERVICE_ID.check("serviceIds", id))?;
    if ids.is_empty() {
        return Err(ApiError::field("serviceIds", "must not be empty"));
    }
    let gateway = &gateway;
    let mut removals = stream::iter(ids)
        .map(|service_id| {
            let tenant = &tenant;
            async move {
                let outcome = gateway.registry.delete_microservice(tenant, &service_id, force).await;
                (service_id, outcome.map_err(ApiError::from))
            }
        })
        .buffered(REMOVALS_IN_FLIGHT);
    let mut services = Vec::new();
    while let Some((service_id, outcome)) = removals.next().await {
        match outcome {
            Err(error) if error.code.is_server_fault() => return Err(error),
            outcome => services.push(Removal { service_id, error: outcome.err().map(|e| e.to_string()) }),
        }
    }
    response::json(&json!({ "services": services }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::RegistryError;

    #[test]
    fn problems_are_collected_and_a_fault_of_ours_shows() {
        assert_eq!(collected(&[]), None);
        let mut problems =
            vec![ApiError::field("tags.a", "x"), ApiError::field("instances[0].hostName", "y")];
        let error = collected(&problems).unwrap();
        assert_eq!(
            (error.code, error.detail.as_str()),
            (Code::InvalidParameters, "tags.a: x; instances[0].hostName: y")
        );
        problems.push(RegistryError::NotConnected.into());
        assert_eq!(collected(&problems).unwrap().code, Code::Unavailable);
    }
}
