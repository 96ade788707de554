//! The first question of every client: is my microservice registered already?

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;

use super::error::{ApiError, Code};
use super::openapi::{
    AppId, Environment, ExactVersion, ExistenceKind, Existing, SchemaId, ServiceId, ServiceName,
};
use super::query::Query;
use super::request;
use super::response;
use super::schemas;
use super::validate as rules;
use crate::api::Gateway;
use crate::catalog::Existence;
use crate::model::{MicroserviceKey, ServiceKey, ServiceKeyView, Tenant};

/// Answers the id of a microservice or a schema that exists, and an error otherwise.
#[utoipa::path(
    get,
    path = "/existence",
    operation_id = "existence",
    params(
        ("type" = inline(ExistenceKind), Query, description = "What to look for", example = "microservice"),
        ("appId" = Option<AppId>, Query, description = "Needed for a microservice", example = "shop"),
        ("serviceName" = Option<ServiceName>, Query, description = "Needed for a microservice", example = "cart"),
        ("version" = Option<ExactVersion>, Query, description = "Needed for a microservice", example = "1.2.0"),
        ("env" = Option<Environment>, Query, description = "Of a microservice"),
        ("serviceId" = Option<ServiceId>, Query, description = "Needed for a schema"),
        ("schemaId" = Option<SchemaId>, Query, description = "Needed for a schema"),
    ),
    responses(
        (status = 200, description = "It exists", body = Existing, headers(("X-Schema-Summary" = Option<String>, description = "Of a schema"))),
        (status = 400, description = "400001, 400012, 400016 (no such schema) or 400026 (no such version)"),
    )
)]
pub async fn existence(request: HttpRequest, gateway: web::Data<Gateway>) -> Result<HttpResponse, ApiError> {
    let tenant = request::tenant(&request)?;
    let query = Query::of(&request);
    match query.get("type") {
        "microservice" => microservice(&gateway, &microservice_key(tenant, &query)?),
        "schema" => schemas::existence(&gateway, &tenant, &query).await,
        _ => Err(ApiError::field("type", "must be microservice or schema")),
    }
}

fn microservice_key(tenant: Tenant, query: &Query<'_>) -> Result<MicroserviceKey, ApiError> {
    Ok(MicroserviceKey {
        service: service_key(tenant, query)?,
        version: query.checked("version", rules::VERSION)?.into(),
    })
}

/// The service that `query` names; its version, if any, is not looked at.
///
/// # Errors
/// 400001 when a part of its name is not acceptable.
pub fn service_key(tenant: Tenant, query: &Query<'_>) -> Result<ServiceKey, ApiError> {
    let ServiceKeyView { environment, app_id, service_name } = service_view(query)?;
    Ok(ServiceKey {
        tenant,
        environment: environment.into(),
        app_id: app_id.into(),
        service_name: service_name.into(),
    })
}

/// The same without its tenant, and without a copy.
///
/// # Errors
/// 400001 when a part of its name is not acceptable.
pub fn service_view<'q>(query: &'q Query<'_>) -> Result<ServiceKeyView<'q>, ApiError> {
    Ok(ServiceKeyView {
        environment: query.checked("env", rules::ENVIRONMENT)?,
        app_id: query.checked("appId", rules::APP_ID)?,
        service_name: query.checked("serviceName", rules::SERVICE_NAME)?,
    })
}

fn microservice(gateway: &Gateway, key: &MicroserviceKey) -> Result<HttpResponse, ApiError> {
    let ServiceKey { app_id, service_name, .. } = &key.service;
    match gateway.catalog.existence(key) {
        Existence::Here(id) => response::json(&json!({ "serviceId": id })),
        Existence::OtherVersions => Err(ApiError::new(
            Code::NoSuchVersion,
            format!("microservice {app_id}/{service_name} has no version {}", key.version),
        )),
        Existence::Nowhere => Err(ApiError::new(
            Code::NoSuchMicroservice,
            format!("microservice {app_id}/{service_name} does not exist"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_a_microservice_but_its_environment_must_be_named() {
        let key = |text: &str| microservice_key(Tenant::default(), &Query::parse(text));
        let found = key("appId=shop&serviceName=cart&version=1.0.0").unwrap();
        assert_eq!((found.version.as_str(), found.service.environment.as_str()), ("1.0.0", ""));
        for (text, field) in [
            ("serviceName=cart&version=1.0.0", "appId"),
            ("appId=shop&version=1.0.0", "serviceName"),
            ("appId=shop&serviceName=cart", "version"),
            ("appId=shop&serviceName=cart&version=0%2B", "version"),
            ("appId=shop&serviceName=cart&version=1.0.0&env=prod", "env"),
        ] {
            assert!(key(text).unwrap_err().detail.starts_with(&format!("{field}: ")), "{text}");
        }
    }

    #[test]
    fn a_find_does_not_look_at_the_version() {
        for version in ["", "&version=0%2B", "&version=0%252B", "&version=latest"] {
            let text = format!("appId=shop&serviceName=shop:cart&env=production{version}");
            assert!(service_key(Tenant::default(), &Query::parse(&text)).is_ok(), "{version}");
        }
    }
}
