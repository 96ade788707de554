//! Signs of life, one or many at a time.

use std::collections::HashSet;
use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web};
use futures::{StreamExt, stream};
use serde::Serialize;
use utoipa::ToSchema;

use super::error::ApiError;
use super::json::Object;
use super::limits::Limits;
use super::openapi::Heartbeats;
use super::request;
use super::response;
use super::validate as rules;
use crate::api::Gateway;
use crate::model::{InstanceKey, Tenant};

/// How many heartbeats of one request are under way at a time; a replica's first of an instance writes its mark.
const CONCURRENCY: usize = 32;

/// Takes a sign of life of one instance.
#[utoipa::path(
    put,
    path = "/microservices/{serviceId}/instances/{instanceId}/heartbeat",
    operation_id = "heartbeat",
    responses(
        (status = 200, description = "It is known to be alive"),
        (status = 400, description = "400001 or 400017"),
    )
)]
pub async fn one(request: HttpRequest, gateway: web::Data<Gateway>) -> Result<HttpResponse, ApiError> {
    let key = request::instance_key(&request)?;
    gateway.registry.heartbeat(&key).await.map_err(ApiError::of_instance)?;
    Ok(response::empty())
}

/// What became of each heartbeat.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = HeartbeatOutcomes)]
struct Outcomes {
    instances: Vec<Outcome>,
}

/// What became of one heartbeat; without a message it was taken.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = HeartbeatOutcome)]
struct Outcome {
    #[serde(skip_serializing_if = "is_empty")]
    #[schema(value_type = String)]
    service_id: Arc<str>,
    #[serde(skip_serializing_if = "is_empty")]
    #[schema(value_type = String)]
    instance_id: Arc<str>,
    #[serde(rename = "errMessage", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    error: Option<String>,
}

fn is_empty(text: &Arc<str>) -> bool {
    text.is_empty()
}

impl Outcome {
    fn new(key: InstanceKey, result: Result<(), ApiError>) -> Self {
        Self {
            service_id: key.service_id,
            instance_id: key.instance_id,
            error: result.err().map(|error| error.to_string()),
        }
    }
}

/// Takes signs of life of many instances and says of each whether it was taken. If ZooKeeper is away none can be,
/// and the request as a whole fails, so that clients move to another replica.
#[utoipa::path(
    put,
    path = "/heartbeats",
    operation_id = "heartbeats",
    request_body = Heartbeats,
    responses(
        (status = 200, description = "What became of each", body = Outcomes),
    )
)]
pub async fn many(
    request: HttpRequest,
    payload: web::Payload,
    gateway: web::Data<Gateway>,
) -> Result<HttpResponse, ApiError> {
    let tenant = request::tenant(&request)?;
    let limits = Limits::of(&request);
    let body = request::body(&request, payload, limits.body).await?;
    let keys = keys(&tenant, &Object::root(&body)?, limits.batch_elements)?;
    let mut results = stream::iter(keys)
        .map(|key| async {
            let result = beat(&gateway, &key).await;
            (key, result)
        })
        .buffered(CONCURRENCY);
    let mut instances = Vec::new();
    while let Some((key, result)) = results.next().await {
        match result {
            Err(error) if error.code.is_server_fault() => return Err(error),
            result => instances.push(Outcome::new(key, result)),
        }
    }
    response::json(&Outcomes { instances })
}

async fn beat(gateway: &Gateway, key: &InstanceKey) -> Result<(), ApiError> {
    rules::SERVICE_ID.check("serviceId", &key.service_id)?;
    rules::INSTANCE_ID.check("instanceId", &key.instance_id)?;
    gateway.registry.heartbeat(key).await.map_err(ApiError::of_instance)
}

/// The instances that `body` names, each once, in the order of their first mention.
///
/// # Errors
/// 400001 when there are none, or more than `most`.
pub fn keys(tenant: &Tenant, body: &Object<'_>, most: usize) -> Result<Vec<InstanceKey>, ApiError> {
    rules::check_length("instances", body.length("instances"), most)?;
    let elements = body.objects("instances")?;
    if elements.is_empty() {
        return Err(ApiError::field("instances", "Request format invalid. The list must not be empty"));
    }
    let mut seen = HashSet::with_capacity(elements.len());
    let mut keys = Vec::with_capacity(elements.len());
    for element in &elements {
        let key = InstanceKey {
            tenant: tenant.clone(),
            service_id: element.text("serviceId")?.into(),
            instance_id: element.text("instanceId")?.into(),
        };
        if seen.insert(key.clone()) {
            keys.push(key);
        }
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(body: Value, most: usize) -> Result<Vec<InstanceKey>, ApiError> {
        keys(&Tenant::default(), &Object::root(&body)?, most)
    }

    #[test]
    fn an_instance_that_is_named_twice_beats_once() {
        let body = json!({"Instances": [
            {"serviceId": "s", "instanceId": "b"}, {"serviceId": "s", "instanceId": "a"},
            {"serviceId": "s", "instanceId": "b"}]});
        let ids: Vec<_> = read(body, 3).unwrap().into_iter().map(|key| key.instance_id).collect();
        assert_eq!(ids, [Arc::from("b"), Arc::from("a")]);
    }

    #[test]
    fn an_empty_list_is_refused_and_so_is_a_longer_one_than_the_limit() {
        for body in [json!({}), json!({"instances": null}), json!({"instances": []}), json!(null)] {
            assert!(read(body, 9).unwrap_err().detail.contains("Request format invalid."));
        }
        let body = json!({"instances": [{"serviceId": "a"}, {"serviceId": "b"}]});
        assert!(read(body.clone(), 2).is_ok());
        assert!(read(body, 1).unwrap_err().detail.starts_with("instances: "));
    }

    #[test]
    fn an_outcome_has_a_message_only_when_it_failed() {
        let key = InstanceKey { tenant: Tenant::default(), service_id: "s".into(), instance_id: "i".into() };
        let error = ApiError::new(super::super::error::Code::NoSuchInstance, "instance i does not exist");
        let outcomes =
            Outcomes { instances: vec![Outcome::new(key.clone(), Ok(())), Outcome::new(key, Err(error))] };
        assert_eq!(
            serde_json::to_string(&outcomes).unwrap(),
            r#"{"instances":[{"serviceId":"s","instanceId":"i"},{"serviceId":"s","instanceId":"i","errMessage":"Instance does not exist(instance i does not exist)"}]}"#
        );
    }
}
