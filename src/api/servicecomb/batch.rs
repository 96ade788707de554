//! Finding the instances of many services, and many single instances, with one request.

use actix_web::{HttpRequest, HttpResponse, web};

use super::batch_answer::{self, Answers};
use super::discovery::Seen;
use super::error::ApiError;
use super::json::Object;
use super::limits::Limits;
use super::openapi::{BatchFind, BatchFound, BatchKind, ConsumerId};
use super::query::Query;
use super::request;
use super::response;
use super::validate as rules;
use crate::api::Gateway;
use crate::catalog::{FindError, Found};
use crate::model::{InstanceKey, ServiceKey, Tenant};

/// After how many look-ups other requests of the same thread get their turn.
const TURN: usize = 256;

/// Finds instances, if that is the action asked for.
#[utoipa::path(
    post,
    path = "/instances/action",
    operation_id = "findMany",
    params(
        ("type" = inline(BatchKind), Query, description = "What to do"),
        ("X-ConsumerId" = Option<ConsumerId>, Header),
    ),
    request_body = BatchFind,
    responses(
        (status = 200, description = "What was found", body = BatchFound),
    )
)]
pub async fn action(
    request: HttpRequest,
    payload: web::Payload,
    gateway: web::Data<Gateway>,
) -> Result<HttpResponse, ApiError> {
    let query = Query::of(&request);
    let action = query.get("type");
    if action != "query" {
        return Err(ApiError::invalid(format!("Invalid action: {action}. type: must be query")));
    }
    let (tenant, consumer_id) = (request::tenant(&request)?, request::consumer_id(&request)?);
    let limits = Limits::of(&request);
    let body = request::body(&request, payload, limits.body).await?;
    let mut wanted = Wanted::read(&tenant, &Object::root(&body)?, limits.batch_elements)?;
    if query.ignores_rev() {
        wanted.forget_revisions();
    }

    let catalog = &gateway.catalog;
    let find_service = |key: &ServiceKey| catalog.find(key, consumer_id, false, &[]);
    let find_instance = |key: &InstanceKey| catalog.instance(key, consumer_id);
    // Two rounds at most: the second when a client has seen a later state than this replica knew in the first.
    if is_ahead(&wanted.services, find_service) || is_ahead(&wanted.instances, find_instance) {
        catalog.catch_up().await;
    }
    let services = collect(&wanted.services, find_service).await;
    let instances = collect(&wanted.instances, find_instance).await;
    for element in wanted.services.iter().filter(|_| consumer_id.is_some()) {
        // Of a service that could not be found there is nothing to note.
        gateway.registry.note_find(&element.key, consumer_id, false);
    }
    Ok(response::json_bytes(batch_answer::document(&services, &instances, limits.batch_answer)?))
}

fn is_ahead<K>(elements: &[Element<K>], find: impl Fn(&K) -> Result<Found, FindError>) -> bool {
    // Only those who have seen something are looked up here.
    let seen = elements.iter().filter(|element| element.seen.is_anything());
    seen.into_iter().any(|element| element.seen.is_ahead_of(&find(&element.key)))
}

async fn collect<K>(elements: &[Element<K>], find: impl Fn(&K) -> Result<Found, FindError>) -> Answers {
    let mut answers = Answers::default();
    for (index, element) in elements.iter().enumerate() {
        if index % TURN == TURN - 1 {
            tokio::task::yield_now().await;
        }
        let found = find(&element.key);
        let seen = if element.seen.is_ahead_of(&found) { Seen::NOTHING } else { element.seen };
        answers.add(index, seen, found);
    }
    answers
}

/// What a request asks for.
#[derive(Debug)]
pub struct Wanted {
    services: Vec<Element<ServiceKey>>,
    instances: Vec<Element<InstanceKey>>,
}

/// One element of a request: what to find, and what the client has seen of it.
#[derive(Debug)]
pub struct Element<K> {
    key: K,
    seen: Seen,
}

impl Wanted {
    pub fn read(tenant: &Tenant, body: &Object<'_>, most: usize) -> Result<Self, ApiError> {
        for name in ["services", "instances"] {
            rules::check_length(name, body.length(name), most)?;
        }
        let services = body
            .objects("services")?
            .iter()
            .map(|element| service(tenant, element))
            .collect::<Result<_, _>>()?;
        let instances = body
            .objects("instances")?
            .iter()
            .map(|element| instance(tenant, element))
            .collect::<Result<_, _>>()?;
        let wanted = Self { services, instances };
        if wanted.services.is_empty() && wanted.instances.is_empty() {
            return Err(ApiError::invalid("Required services or instances"));
        }
        Ok(wanted)
    }

    /// Makes every answer a full one.
    fn forget_revisions(&mut self) {
        self.services.iter_mut().for_each(|element| element.seen = Seen::NOTHING);
        self.instances.iter_mut().for_each(|element| element.seen = Seen::NOTHING);
    }
}

fn service(tenant: &Tenant, element: &Object<'_>) -> Result<Element<ServiceKey>, ApiError> {
    let service = element.required_object("service")?;
    let key = ServiceKey {
        tenant: tenant.clone(),
        environment: service.checked_text("environment", rules::ENVIRONMENT)?,
        app_id: service.checked_text("appId", rules::APP_ID)?,
        service_name: service.checked_text("serviceName", rules::SERVICE_NAME)?,
    };
    Ok(Element { key, seen: Seen::claimed(&element.text("rev")?) })
}

fn instance(tenant: &Tenant, element: &Object<'_>) -> Result<Element<InstanceKey>, ApiError> {
    let instance = element.required_object("instance")?;
    let key = InstanceKey {
        tenant: tenant.clone(),
        service_id: instance.checked_text("serviceId", rules::SERVICE_ID)?,
        instance_id: instance.checked_text("instanceId", rules::INSTANCE_ID)?,
    };
    Ok(Element { key, seen: Seen::claimed(&element.text("rev")?) })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(body: Value) -> Result<Wanted, ApiError> {
        Wanted::read(&Tenant::default(), &Object::root(&body)?, 3)
    }

    #[test]
    fn the_request_of_the_reference_is_taken() {
        let wanted = read(json!({"services": [
            {"service": {"environment": "", "appId": "default", "serviceName": "test"}, "rev": "0"}]}))
        .unwrap();
        assert_eq!(wanted.services[0].key.service_name, "test");
        assert!(wanted.instances.is_empty());
    }

    #[test]
    fn both_lists_are_taken_and_the_version_of_a_service_is_not_looked_at() {
        let wanted = read(json!({
            "services": [{"service": {"environment": "production", "appId": "string", "serviceName": "string",
                "version": "string", "tenant": null}, "rev": "string"}],
            "instances": [{"instance": {"serviceId": "string", "instanceId": "string"}, "rev": null}],
            "consumerServiceId": "somebody"}))
        .unwrap();
        assert_eq!(wanted.services.len(), 1);
        assert_eq!(wanted.instances[0].key.instance_id, "string");
    }

    #[test]
    fn one_element_that_is_not_acceptable_refuses_the_request() {
        let service = |service: Value| json!({"services": [{ "service": service }]});
        let instance = |instance: Value| json!({"instances": [{ "instance": instance }]});
        let table = [
            (json!({}), "Required services or instances"),
            (json!({"services": null, "instances": []}), "Required services or instances"),
            (json!({"services": [null]}), "services[0].service: must not be null"),
            (service(json!(null)), "services[0].service: must not be null"),
            (service(json!({"serviceName": "a"})), "services[0].service.appId: "),
            (service(json!({"appId": "a"})), "services[0].service.serviceName: "),
            (
                service(json!({"appId": "a", "serviceName": "a", "environment": "x"})),
                "services[0].service.environment: ",
            ),
            (instance(json!({"instanceId": "i"})), "instances[0].instance.serviceId: "),
            (instance(json!({"serviceId": "s", "instanceId": "a b"})), "instances[0].instance.instanceId: "),
            (json!({"services": {}}), "Unmarshal error: services: "),
            (json!({"instances": vec![Value::Null; 4]}), "instances: must not have more than 3 elements"),
        ];
        for (body, detail) in table {
            let error = read(body.clone()).unwrap_err();
            assert!(error.detail.starts_with(detail), "{body}: {error}");
        }
    }
}
