//! What clients ask to choose a replica: its version, and whether it can serve.

use actix_web::{HttpResponse, web};
use bytes::Bytes;
use serde::Serialize;
use utoipa::ToSchema;

use super::error::{ApiError, Code};
use super::openapi::Empty;
use super::response;
use crate::api::Gateway;

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Version {
    version: &'static str,
    build_tag: &'static str,
    os: &'static str,
    arch: &'static str,
    api_version: &'static str,
}

/// Which build answers, and which API it speaks.
#[utoipa::path(
    get,
    path = "/version",
    operation_id = "version",
    responses(
        (status = 200, description = "The build", body = Version),
    )
)]
pub async fn version() -> Result<HttpResponse, ApiError> {
    response::json(&Version {
        version: env!("CARGO_PKG_VERSION"),
        build_tag: concat!("zoogate-", env!("CARGO_PKG_VERSION")),
        os: std::env::consts::OS,
        arch: std::env::consts::ARCH,
        api_version: "4.0.0",
    })
}

/// The instances of the registry itself. None are listed: clients would use their addresses in place of the load
/// balancer's.
#[utoipa::path(
    get,
    path = "/health",
    operation_id = "health",
    responses(
        (status = 200, description = "This replica can serve", body = Empty),
        (status = 400, description = "400002: this replica does not follow ZooKeeper"),
    )
)]
pub async fn health(gateway: web::Data<Gateway>) -> Result<HttpResponse, ApiError> {
    check(&gateway)?;
    Ok(response::json_bytes(Bytes::from_static(b"{}")))
}

/// Whether this replica can serve; clients move to another one when it cannot.
#[utoipa::path(
    get,
    path = "/health/readiness",
    operation_id = "readiness",
    responses(
        (status = 200, description = "This replica can serve"),
        (status = 400, description = "400002: this replica does not follow ZooKeeper"),
    )
)]
pub async fn readiness(gateway: web::Data<Gateway>) -> Result<HttpResponse, ApiError> {
    check(&gateway)?;
    Ok(response::empty())
}

fn check(gateway: &Gateway) -> Result<(), ApiError> {
    gateway.catalog.stale_for().map_or(Ok(()), |staleness| {
        let detail = format!("the catalog has not followed ZooKeeper for {} ms", staleness.as_millis());
        Err(ApiError::new(Code::Unhealthy, detail))
    })
}
