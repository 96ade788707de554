//! Whether the process lives and whether it should get traffic. Liveness never depends on ZooKeeper: restarting a
//! replica mends nothing when the ensemble is away.

use std::collections::BTreeMap;
use std::fmt::Write;

use actix_web::http::StatusCode;
use actix_web::http::header::ContentType;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::Ops;

/// 200 as long as the process answers at all.
#[utoipa::path(
    method(get, head),
    path = "/livez",
    operation_id = "live",
    responses((status = 200, description = "It lives", body = String, content_type = "text/plain"))
)]
pub(super) async fn live() -> HttpResponse {
    text(StatusCode::OK, "ok\n".to_owned())
}

/// 200, or 503 with one reason per line; with `?verbose` every check. Lines that begin with `[!]` tell what an operator
/// should know besides.
#[utoipa::path(
    method(get, head),
    path = "/readyz",
    operation_id = "ready",
    params(("verbose" = Option<String>, Query, description = "Whatever its value: tell every check")),
    responses(
        (status = 200, description = "It should get traffic", body = String, content_type = "text/plain"),
        (status = 503, description = "It should not, for these reasons", body = String, content_type = "text/plain"),
    )
)]
pub(super) async fn ready(request: HttpRequest, ops: web::Data<Ops>) -> HttpResponse {
    let report = ops.readiness.report();
    let is_ready = report.iter().all(|(_, state)| state.is_ok());
    let is_verbose = request.query_string().split('&').any(|flag| flag.split('=').next() == Some("verbose"));
    let mut lines = String::new();
    for (check, state) in report {
        // Writing to a string cannot fail.
        let _ = match state {
            Ok(()) if is_verbose => writeln!(lines, "[+] {check}: ok"),
            Err(reason) if is_verbose => writeln!(lines, "[-] {check}: {reason}"),
            Err(reason) => writeln!(lines, "{check}: {reason}"),
            Ok(()) => Ok(()),
        };
    }
    if lines.is_empty() {
        lines.push_str("ok\n");
    }
    for note in ops.readiness.notes().values() {
        let _ = writeln!(lines, "[!] {note}");
    }
    text(status(is_ready), lines)
}

/// Whether this replica should get traffic: `ready` or `not ready`.
#[derive(Serialize, ToSchema)]
pub(super) struct Health {
    #[schema(pattern = "^(not )?ready$")]
    status: &'static str,
    checks: BTreeMap<&'static str, Check>,
    /// What an operator should know besides, by subject.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    notes: BTreeMap<&'static str, String>,
}

/// What readiness depends on.
#[derive(Serialize, ToSchema)]
struct Check {
    ready: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    reason: Option<String>,
}

/// The same as JSON, for who prefers to parse.
#[utoipa::path(
    method(get, head),
    path = "/health",
    operation_id = "checks",
    responses(
        (status = 200, description = "It should get traffic", body = Health),
        (status = 503, description = "It should not", body = Health),
    )
)]
pub(super) async fn health(ops: web::Data<Ops>) -> HttpResponse {
    let checks: BTreeMap<_, _> = ops
        .readiness
        .report()
        .into_iter()
        .map(|(name, state)| (name, Check { ready: state.is_ok(), reason: state.err() }))
        .collect();
    let is_ready = checks.values().all(|check| check.ready);
    let word = if is_ready { "ready" } else { "not ready" };
    HttpResponse::build(status(is_ready)).json(Health { status: word, checks, notes: ops.readiness.notes() })
}

fn status(is_ready: bool) -> StatusCode {
    if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}

fn text(status: StatusCode, lines: String) -> HttpResponse {
    HttpResponse::build(status).content_type(ContentType::plaintext()).body(lines)
}
