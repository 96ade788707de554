//! Who uses whom: what finds have shown, and what old clients say explicitly.

use std::collections::BTreeSet;
use std::sync::Arc;

use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::error::{ApiError, Code};
use super::json::Object;
use super::limits::Limits;
use super::microservices;
use super::openapi::{MoreDependencies, NewDependencies, Switch};
use super::query::Query;
use super::request;
use super::response;
use super::validate as rules;
use crate::api::Gateway;
use crate::catalog::Existence;
use crate::model::{Microservice, MicroserviceKey, ServiceKey, Tenant};

/// Most consumers in one request, and most providers of each.
const MOST: usize = 100;
const DEPRECATION: HeaderName = HeaderName::from_static("deprecation");

/// What one consumer of a request uses.
#[derive(Debug)]
pub struct Wish {
    consumer: MicroserviceKey,
    providers: BTreeSet<ServiceKey>,
}

/// Adds to what consumers use.
#[utoipa::path(
    post,
    path = "/dependencies",
    operation_id = "addDependencies",
    request_body(
        content = MoreDependencies,
        example = json!({"dependencies": [{
            "consumer": {"appId": "shop", "serviceName": "cart", "version": "1.2.0"},
            "providers": [{"serviceName": "stock"}]
        }]})
    ),
    responses(
        (status = 200, description = "Nothing to say", headers(("Deprecation" = String, description = "`true`"))),
        (status = 400, description = "400001 or 400012 (no such consumer)"),
    )
)]
pub async fn add(
    request: HttpRequest,
    payload: web::Payload,
    gateway: web::Data<Gateway>,
) -> Result<HttpResponse, ApiError> {
    change(&request, payload, &gateway, false).await
}

/// Replaces what consumers use.
#[utoipa::path(
    put,
    path = "/dependencies",
    operation_id = "setDependencies",
    request_body(
        content = NewDependencies,
        example = json!({"dependencies": [{
            "consumer": {"appId": "shop", "serviceName": "cart", "version": "1.2.0"},
            "providers": [{"serviceName": "stock"}]
        }]})
    ),
    responses(
        (status = 200, description = "Nothing to say", headers(("Deprecation" = String, description = "`true`"))),
        (status = 400, description = "400001 or 400012 (no such consumer)"),
    )
)]
pub async fn replace(
    request: HttpRequest,
    payload: web::Payload,
    gateway: web::Data<Gateway>,
) -> Result<HttpResponse, ApiError> {
    change(&request, payload, &gateway, true).await
}

async fn change(
    request: &HttpRequest,
    payload: web::Payload,
    gateway: &Gateway,
    replace: bool,
) -> Result<HttpResponse, ApiError> {
    let tenant = request::tenant(request)?;
    let body = request::body(request, payload, Limits::of(request).body).await?;
    let body = Object::root(&body)?;
    rules::check_length("dependencies", body.length("dependencies"), MOST)?;
    let wishes: Vec<Wish> = body
        .objects("dependencies")?
        .iter()
        .map(|element| read(&tenant, element, replace))
        .collect::<Result<_, _>>()?;
    if wishes.is_empty() {
        return Err(ApiError::field("dependencies", "must not be empty"));
    }
    for Wish { consumer, providers } in wishes {
        let Existence::Here(id) = gateway.catalog.existence(&consumer) else {
            let ServiceKey { app_id, service_name, .. } = &consumer.service;
            let detail = format!("consumer {app_id}/{service_name} {} does not exist", consumer.version);
            return Err(ApiError::new(Code::NoSuchMicroservice, detail));
        };
        gateway.registry.set_dependencies(&tenant, &id, &providers, replace).await?;
    }
    let mut answer = response::empty();
    answer.headers_mut().insert(DEPRECATION, HeaderValue::from_static("true"));
    Ok(answer)
}

/// Reads what one consumer uses.
///
/// # Errors
/// 400001, with the name of the field.
pub fn read(tenant: &Tenant, element: &Object<'_>, may_be_empty: bool) -> Result<Wish, ApiError> {
    let consumer = element.required_object("consumer")?;
    let service = ServiceKey {
        tenant: tenant.clone(),
        environment: consumer.checked_text("environment", rules::ENVIRONMENT)?,
        app_id: consumer.checked_text("appId", rules::APP_ID)?,
        service_name: consumer.checked_text("serviceName", rules::SERVICE_NAME)?,
    };
    let version = consumer.checked_text("version", rules::VERSION)?;
    rules::check_length(element.path("providers"), element.length("providers"), MOST)?;
    let mut providers = BTreeSet::new();
    for provider in element.objects("providers")? {
        let app_id = provider.checked_text("appId", rules::NEW_APP_ID)?;
        let key = ServiceKey {
            tenant: tenant.clone(),
            // A consumer finds providers in its own environment only.
            environment: service.environment.clone(),
            app_id: if app_id.is_empty() { service.app_id.clone() } else { app_id },
            service_name: provider.checked_text("serviceName", rules::SERVICE_NAME)?,
        };
        // Dependencies are on every version; the rule is checked because clients rely on being told of mistakes.
        provider.checked_text("version", rules::VERSION_RULE)?;
        if !providers.insert(key) {
            return Err(ApiError::field(provider.path("serviceName"), "must not be named twice"));
        }
    }
    if providers.is_empty() && !may_be_empty {
        return Err(ApiError::field(element.path("providers"), "must not be empty"));
    }
    Ok(Wish { consumer: MicroserviceKey { service, version }, providers })
}

/// Microservices; without any, the object is empty.
#[derive(Serialize, ToSchema)]
struct Providers {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    providers: Vec<Arc<Microservice>>,
}

/// Microservices; without any, the object is empty.
#[derive(Serialize, ToSchema)]
struct Consumers {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    consumers: Vec<Arc<Microservice>>,
}

/// Lists the microservices that one uses.
#[utoipa::path(
    get,
    path = "/microservices/{serviceId}/providers",
    operation_id = "listProviders",
    params(
        ("sameDomain" = Option<Switch>, Query, description = "Changes nothing"),
        ("noSelf" = Option<Switch>, Query, description = "Without itself"),
    ),
    responses(
        (status = 200, description = "Those that it uses", body = Providers),
        (status = 400, description = "400001 or 400012"),
    )
)]
pub async fn providers(request: HttpRequest, gateway: web::Data<Gateway>) -> Result<HttpResponse, ApiError> {
    let (tenant, service_id) = (request::tenant(&request)?, request::service_id(&request)?);
    microservices::known(&gateway, &tenant, &service_id)?;
    let providers = gateway.catalog.providers_of(&tenant, &service_id);
    response::json(&Providers { providers: wanted(&request, &service_id, providers)? })
}

/// Lists the microservices that use one.
#[utoipa::path(
    get,
    path = "/microservices/{serviceId}/consumers",
    operation_id = "listConsumers",
    params(
        ("sameDomain" = Option<Switch>, Query, description = "Changes nothing"),
        ("noSelf" = Option<Switch>, Query, description = "Without itself"),
    ),
    responses(
        (status = 200, description = "Those that use it", body = Consumers),
        (status = 400, description = "400001 or 400012"),
    )
)]
pub async fn consumers(request: HttpRequest, gateway: web::Data<Gateway>) -> Result<HttpResponse, ApiError> {
    let (tenant, service_id) = (request::tenant(&request)?, request::service_id(&request)?);
    microservices::known(&gateway, &tenant, &service_id)?;
    let consumers = gateway.catalog.consumers_of(&tenant, &service_id);
    response::json(&Consumers { consumers: wanted(&request, &service_id, consumers)? })
}

/// `sameDomain` changes nothing: nobody sees a microservice of another tenant.
fn wanted(
    request: &HttpRequest,
    service_id: &str,
    mut found: Vec<Arc<Microservice>>,
) -> Result<Vec<Arc<Microservice>>, ApiError> {
    let query = Query::of(request);
    query.switch("sameDomain")?;
    if query.switch("noSelf")? {
        found.retain(|microservice| microservice.service_id != service_id);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn parse(element: Value, may_be_empty: bool) -> Result<Wish, ApiError> {
        let body = json!({ "dependencies": [element] });
        let body = Object::root(&body)?;
        read(&Tenant::default(), &body.objects("dependencies")?[0], may_be_empty)
    }

    #[test]
    fn a_provider_stands_in_the_application_and_environment_of_its_consumer() {
        let consumer =
            json!({"environment": "testing", "appId": "shop", "serviceName": "c", "version": "1.0"});
        let wish =
            parse(json!({"consumer": consumer, "providers": [{"serviceName": "p", "version": "0+"}]}), false);
        let provider = wish.unwrap().providers.pop_first().unwrap();
        assert_eq!((provider.environment.as_str(), provider.app_id.as_str()), ("testing", "shop"));
        assert!(parse(json!({"consumer": consumer}), true).unwrap().providers.is_empty());
    }

    #[test]
    fn a_refusal_names_the_field() {
        let consumer = json!({"appId": "shop", "serviceName": "c", "version": "1.0"});
        for (element, field) in [
            (json!({"consumer": consumer}), "dependencies[0].providers: "),
            (
                json!({"consumer": {"appId": "shop", "serviceName": "c"}}),
                "dependencies[0].consumer.version: ",
            ),
            (
                json!({"consumer": consumer, "providers": [{"appId": "a"}]}),
                "dependencies[0].providers[0].serviceName: ",
            ),
            (
                json!({"consumer": consumer, "providers": [{"serviceName": "p"}, {"serviceName": "p"}]}),
                "dependencies[0].providers[1].serviceName: ",
            ),
        ] {
            let error = parse(element, false).unwrap_err();
            assert!(error.detail.starts_with(field), "{error}");
        }
    }
}
