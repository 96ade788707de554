//! Finding the instances of many services, and many single instances, with one request.

use std::borrow::Cow;

use actix_web::{HttpRequest, HttpResponse, web};

use super::batch_answer::{self, Answers};
use super::batch_body;
use super::error::ApiError;
use super::json::{self, Object};
use super::limits::Limits;
use super::openapi::{BatchFind, BatchFound, BatchKind, ConsumerId};
use super::query::Query;
use super::quick;
use super::request;
use super::response;
use super::validate as rules;
use crate::api::Gateway;
use crate::catalog::Catalog;
use crate::model::{DependencyKey, InstanceKey, ServiceKeyView, Tenant};

/// How many services are found in one look into the catalog.
const LOOK: usize = 32;
/// After how many looks other requests of the same thread get their turn.
const TURN: usize = 8;

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
    let body = request::raw_body(&request, payload, limits.body).await?;
    let mut wanted = match Wanted::read_quickly(&tenant, &body, limits.batch_elements) {
        Some(wanted) => wanted,
        None => Wanted::read(&tenant, &Object::root(&json::parse(&body)?)?, limits.batch_elements)?,
    };
    if query.ignores_rev() {
        wanted.forget_revisions();
    }

    let mut round = Round::default();
    // Two rounds at most: the second when a client has seen a later state than this replica knew in the first.
    if !round.find(&gateway.catalog, &tenant, consumer_id, &wanted, false).await {
        gateway.catalog.catch_up().await;
        round = Round::default();
        round.find(&gateway.catalog, &tenant, consumer_id, &wanted, true).await;
    }
    gateway.registry.note_dependencies(round.dependencies);
    let answer = batch_answer::document(&round.services, &round.instances, limits.batch_answer)?;
    Ok(response::json_bytes(answer))
}

/// What was found.
#[derive(Default)]
struct Round {
    services: Answers,
    instances: Answers,
    /// What the consumer is shown to use and was not known to.
    dependencies: Vec<DependencyKey>,
}

impl Round {
    /// Finds all that is `wanted`. Unless it is the `last` round, it ends with false as soon as it turns out that the client
    /// has seen a later state than the catalog knows.
    async fn find(
        &mut self,
        catalog: &Catalog,
        tenant: &Tenant,
        consumer_id: Option<&str>,
        wanted: &Wanted<'_>,
        last: bool,
    ) -> bool {
        for (look, elements) in wanted.services.chunks(LOOK).enumerate() {
            take_turns(look).await;
            let is_known = catalog.ask(tenant, consumer_id, |asker| {
                elements.iter().enumerate().all(|(index, element)| {
                    let service = element.key.view();
                    // Of a service that could not be found there is nothing to note.
                    self.dependencies.extend(asker.new_dependency(service, false));
                    let found = asker.find(service, false, &[]);
                    self.services.compare(look * LOOK + index, &element.rev, found, last)
                })
            });
            if !is_known {
                return false;
            }
        }
        for (look, elements) in wanted.instances.chunks(LOOK).enumerate() {
            take_turns(look).await;
            let is_known = catalog.ask(tenant, consumer_id, |asker| {
                elements.iter().enumerate().all(|(index, element)| {
                    let found = asker.instance(&element.key);
                    self.instances.compare(look * LOOK + index, &element.rev, found, last)
                })
            });
            if !is_known {
                return false;
            }
        }
        true
    }
}

async fn take_turns(look: usize) {
    if look % TURN == TURN - 1 {
        tokio::task::yield_now().await;
    }
}

/// What a request asks for.
#[derive(Debug, PartialEq, Eq)]
pub struct Wanted<'b> {
    services: Vec<Element<'b, Service<'b>>>,
    instances: Vec<Element<'b, InstanceKey>>,
}

/// One element of a request: what to find, and what the client says it has seen of it.
#[derive(Debug, PartialEq, Eq)]
struct Element<'b, K> {
    key: K,
    rev: Cow<'b, str>,
}

/// A service of the tenant that asks.
#[derive(Debug, PartialEq, Eq)]
struct Service<'b> {
    environment: Cow<'b, str>,
    app_id: Cow<'b, str>,
    service_name: Cow<'b, str>,
}

impl Service<'_> {
    fn view(&self) -> ServiceKeyView<'_> {
        let Self { environment, app_id, service_name } = self;
        ServiceKeyView { environment, app_id, service_name }
    }
}

impl<'b> Wanted<'b> {
    /// Reads a body.
    ///
    /// # Errors
    /// 400001 when there are no elements, or more than `most` of a kind, or one is not acceptable.
    pub fn read(tenant: &Tenant, body: &Object<'_>, most: usize) -> Result<Self, ApiError> {
        for name in ["services", "instances"] {
            rules::check_length(name, body.length(name), most)?;
        }
        let services = body.objects("services")?.iter().map(service).collect::<Result<_, _>>()?;
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

    /// The same of most bodies that [`Self::read`] accepts, in less time; `None` for all others.
    pub fn read_quickly(tenant: &Tenant, body: &'b [u8], most: usize) -> Option<Self> {
        let mut body: batch_body::Body<'b> = quick::read(body)?;
        let (services, instances) = (body.services()?, body.instances()?);
        if services.len().max(instances.len()) > most || services.len() + instances.len() == 0 {
            return None;
        }
        let services = services.into_iter().map(|(service, rev)| {
            let [environment, app_id, service_name] = service;
            let is_acceptable = rules::ENVIRONMENT.accepts(&environment)
                && rules::APP_ID.accepts(&app_id)
                && rules::SERVICE_NAME.accepts(&service_name);
            let key = Service { environment, app_id, service_name };
            is_acceptable.then_some(Element { key, rev })
        });
        let instances = instances.into_iter().map(|(instance, rev)| {
            let [service_id, instance_id] = instance;
            let is_acceptable =
                rules::SERVICE_ID.accepts(&service_id) && rules::INSTANCE_ID.accepts(&instance_id);
            let (service_id, instance_id) = (service_id.into_owned(), instance_id.into_owned());
            let key = InstanceKey { tenant: tenant.clone(), service_id, instance_id };
            is_acceptable.then_some(Element { key, rev })
        });
        Some(Self {
            services: services.collect::<Option<_>>()?,
            instances: instances.collect::<Option<_>>()?,
        })
    }

    /// Makes every answer a full one.
    fn forget_revisions(&mut self) {
        self.services.iter_mut().for_each(|element| element.rev = Cow::Borrowed(""));
        self.instances.iter_mut().for_each(|element| element.rev = Cow::Borrowed(""));
    }
}

fn service<'b>(element: &Object<'_>) -> Result<Element<'b, Service<'b>>, ApiError> {
    let service = element.required_object("service")?;
    let key = Service {
        environment: service.checked_text("environment", rules::ENVIRONMENT)?.into(),
        app_id: service.checked_text("appId", rules::APP_ID)?.into(),
        service_name: service.checked_text("serviceName", rules::SERVICE_NAME)?.into(),
    };
    Ok(Element { key, rev: element.text("rev")?.into() })
}

fn instance<'b>(tenant: &Tenant, element: &Object<'_>) -> Result<Element<'b, InstanceKey>, ApiError> {
    let instance = element.required_object("instance")?;
    let key = InstanceKey {
        tenant: tenant.clone(),
        service_id: instance.checked_text("serviceId", rules::SERVICE_ID)?,
        instance_id: instance.checked_text("instanceId", rules::INSTANCE_ID)?,
    };
    Ok(Element { key, rev: element.text("rev")?.into() })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(body: Value) -> Result<Wanted<'static>, ApiError> {
        let careful = Wanted::read(&Tenant::default(), &Object::root(&body)?, 3);
        let text = body.to_string();
        if let Some(quick) = Wanted::read_quickly(&Tenant::default(), text.as_bytes(), 3) {
            assert_eq!(Ok(&quick), careful.as_ref(), "{text}");
        }
        careful
    }

    #[test]
    fn both_ways_of_reading_agree_and_the_usual_request_takes_the_quick_one() {
        let of = |text: &str| {
            let value: Value = serde_json::from_str(text).unwrap();
            let careful = Object::root(&value).and_then(|root| Wanted::read(&Tenant::default(), &root, 3));
            let quick = Wanted::read_quickly(&Tenant::default(), text.as_bytes(), 3);
            if let Some(quick) = &quick {
                assert_eq!(Ok(quick), careful.as_ref(), "{text}");
            }
            (quick.is_some(), careful.is_ok())
        };
        for usual in [
            r#"{"services":[{"service":{"appId":"a","serviceName":"s"}}]}"#,
            r#"{"services":[{"service":{"environment":"","appId":"a","serviceName":"s","version":"1"},"rev":"0"}],
                "instances":null,"consumerServiceId":"c"}"#,
            r#"{"services":[],"instances":[{"rev":"1","instance":{"serviceId":"s","instanceId":"i"}}]}"#,
            r#"{"services":[{"rev":"\u0031","service":{"serviceName":"a\u002eb","appId":"a"}}]}"#,
        ] {
            assert_eq!(of(usual), (true, true), "{usual}");
        }
        for unusual in [
            r#"{"Services":[{"service":{"appId":"a","serviceName":"s"}}]}"#,
            r#"{"services":[{"service":{"appid":"a","serviceName":"s"}}]}"#,
            r#"{"services":[{"service":{"appId":"b","appId":"a","serviceName":"s"}}]}"#,
            r#"{"services":[{"service":{"appId":"a","serviceName":"s"},"rev":null}]}"#,
            r#"{"services":[{"service":{"appId":"a","serviceName":"s"},"Rev":"1","rev":"2"}]}"#,
        ] {
            assert_eq!(of(unusual), (false, true), "{unusual}");
        }
        for wrong in [
            "null",
            "[]",
            "[[],[]]",
            r#"{"services":[["a"]]}"#,
            r#"{"services":[{"service":["","a","s"]}]}"#,
            r#"{"services":[{"service":{"appId":"a"}}]}"#,
            r#"{"services":[{"service":{"appId":"a","serviceName":"s"},"rev":1}]}"#,
            r#"{"services":[{"service":{"appId":"a","serviceName":"s","environment":"x"}}]}"#,
            r#"{"instances":[{"instance":{"serviceId":"s","instanceId":"a b"}}]}"#,
            r#"{"services":[{},{},{},{}]}"#,
        ] {
            assert_eq!(of(wrong), (false, false), "{wrong}");
        }
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
