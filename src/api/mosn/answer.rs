//! What a sidecar is answered: always the same three fields, whether it went well or not.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::body::BoxBody;
use actix_web::http::header::{ALLOW, CONTENT_TYPE, ETAG, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use bytes::Bytes;
use serde::Serialize;
use utoipa::ToSchema;

use super::refusal::Refusal;
use super::wait::state_token;
use crate::api::stale_milliseconds;
use crate::model::SnapshotReport;

const JSON: HeaderValue = HeaderValue::from_static("application/json;charset=utf-8");

/// For how many milliseconds the answer may have been out of date.
const STALENESS: HeaderName = HeaderName::from_static("x-registry-staleness-ms");

/// What every request is answered: `code` 0 is success, and `msg` says why it is none.
#[derive(Serialize, ToSchema)]
#[schema(as = SyncAnswer)]
pub(super) struct Answer<'a> {
    #[schema(maximum = 1)]
    code: u8,
    msg: &'a str,
    service_list: ServiceList<'a>,
}

/// Interfaces provided and consumed, and those of the latter that have a provider; `version` is 0 in failures only.
#[derive(Default, Serialize, ToSchema)]
struct ServiceList<'a> {
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub_interface_list: &'a [String],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    sub_interface_list: &'a [String],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    dispatched_interface_list: &'a [String],
    version: u64,
}

/// The answer to a request that went well.
#[derive(Clone)]
pub(super) struct Success {
    body: Bytes,
    state: Option<HeaderValue>,
}

impl Success {
    /// How many bytes it has.
    pub(super) fn len(&self) -> usize {
        self.body.len()
    }

    /// The response that carries it.
    pub(super) fn respond(&self) -> HttpResponse {
        let mut response = HttpResponse::with_body(StatusCode::OK, BoxBody::new(self.body.clone()));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, JSON);
        if let Some(state) = &self.state {
            headers.insert(ETAG, state.clone());
        }
        response
    }
}

pub(super) fn synced(report: &SnapshotReport) -> Success {
    success("registry service success", report)
}

pub(super) fn found(report: &SnapshotReport) -> HttpResponse {
    success("get service list succ", report).respond()
}

/// The status is 200 also for most failures: clients look at `code`.
pub(super) fn failed(refusal: &Refusal) -> HttpResponse {
    refusal.answer(failure)
}

/// Read as an empty snapshot, a request of another method would take everything down.
pub(super) fn method_not_allowed(allowed: &[Method]) -> HttpResponse {
    allow_only(allowed, |msg| failure(StatusCode::METHOD_NOT_ALLOWED, msg))
}

/// Says in the form of `refuse` which methods there are.
pub(super) fn allow_only(allowed: &[Method], refuse: impl FnOnce(&str) -> HttpResponse) -> HttpResponse {
    let allowed = allowed.iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
    let mut response = refuse(&format!("only {allowed} is allowed here"));
    if let Ok(value) = HeaderValue::from_str(&allowed) {
        response.headers_mut().insert(ALLOW, value);
    }
    response
}

pub(super) fn mark_stale(response: &mut HttpResponse, stale_for: Duration) {
    response.headers_mut().insert(STALENESS, stale_milliseconds(stale_for));
}

fn success(msg: &str, report: &SnapshotReport) -> Success {
    let service_list = ServiceList {
        pub_interface_list: &report.provided,
        sub_interface_list: &report.consumed,
        dispatched_interface_list: &report.dispatched,
        version: report.version,
    };
    // Names and numbers can always be written.
    let body = serde_json::to_vec(&Answer { code: 0, msg, service_list }).unwrap_or_default().into();
    Success { body, state: HeaderValue::from_str(&format!("\"{}\"", state_token(report))).ok() }
}

fn failure(status: StatusCode, msg: &str) -> HttpResponse {
    respond(status, &Answer { code: 1, msg, service_list: ServiceList::default() })
}

pub(super) fn respond(status: StatusCode, answer: &impl Serialize) -> HttpResponse {
    HttpResponse::build(status).insert_header((CONTENT_TYPE, JSON)).json(answer)
}

#[cfg(test)]
mod tests {
    use actix_web::body::MessageBody;

    use super::*;
    use crate::model::SidecarId;

    fn text(response: HttpResponse) -> String {
        assert_eq!(response.headers().get(CONTENT_TYPE).unwrap(), "application/json;charset=utf-8");
        String::from_utf8(response.into_body().try_into_bytes().unwrap().to_vec()).unwrap()
    }

    fn report(provided: &[&str], consumed: &[&str], dispatched: &[&str]) -> SnapshotReport {
        let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        SnapshotReport {
            registrant: SidecarId::parse("shop@10.0.0.7").unwrap(),
            provided: owned(provided),
            consumed: owned(consumed),
            dispatched: owned(dispatched),
            version: 3,
            torn: false,
        }
    }

    #[test]
    fn success_reads_as_clients_know_it() {
        assert_eq!(
            text(synced(&report(&["a", "b"], &["c", "d"], &[])).respond()),
            r#"{"code":0,"msg":"registry service success","service_list":{"pub_interface_list":["a","b"],"sub_interface_list":["c","d"],"version":3}}"#,
        );
    }

    #[test]
    fn empty_lists_are_left_out_and_dispatched_ones_come_last() {
        assert_eq!(
            text(found(&report(&[], &[], &[]))),
            r#"{"code":0,"msg":"get service list succ","service_list":{"version":3}}"#,
        );
        assert!(
            text(found(&report(&[], &["c"], &["c"])))
                .contains(r#"{"sub_interface_list":["c"],"dispatched_interface_list":["c"],"version":3}"#)
        );
    }

    #[test]
    fn failure_reads_as_clients_know_it() {
        let response = failed(&Refusal::new("zk not connected."));
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(text(response), r#"{"code":1,"msg":"zk not connected.","service_list":{"version":0}}"#);
    }

    #[test]
    fn a_stale_answer_says_for_how_long() {
        let mut response = found(&report(&[], &[], &[]));
        mark_stale(&mut response, Duration::from_millis(1500));
        assert_eq!(response.headers().get("X-Registry-Staleness-Ms").unwrap(), "1500");
    }
}
