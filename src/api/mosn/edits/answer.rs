//! How an edit is answered: to each generation in its own form, always with status 200.

use actix_web::HttpResponse;
use actix_web::http::{Method, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use super::Call;
use super::body::Form;
use crate::api::mosn::answer::{allow_only, respond};
use crate::api::mosn::refusal::Refusal;
use crate::model::SnapshotReport;

/// What mainline MOSN answers: `err_no` 0 is success, and `err_msg` says why it is none.
#[derive(Serialize, ToSchema)]
#[schema(as = MainlineAnswer)]
pub(in crate::api::mosn) struct MainlineAnswer<'a> {
    #[schema(maximum = 1)]
    err_no: u8,
    err_msg: &'a str,
}

/// What the original's first generation answers: `code` 0 is success, and `msg` says why it is none. The lists hold
/// everything that is registered for the sidecar.
#[derive(Serialize, ToSchema)]
#[schema(as = FirstGenerationAnswer)]
pub(in crate::api::mosn) struct FirstGenerationAnswer<'a> {
    #[schema(maximum = 1)]
    code: u8,
    msg: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub_interface_list: &'a [String],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    sub_interface_list: &'a [String],
}

/// Either of them.
#[derive(Serialize, ToSchema)]
#[schema(as = EditAnswer)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
pub(in crate::api::mosn) enum EditAnswer<'a> {
    FirstGeneration(FirstGenerationAnswer<'a>),
    Mainline(MainlineAnswer<'a>),
}

pub(super) fn done(form: Form, call: Call, report: &SnapshotReport) -> HttpResponse {
    match form {
        Form::Mainline => respond(StatusCode::OK, &MainlineAnswer { err_no: 0, err_msg: call.success() }),
        Form::FirstGeneration => success(call.success(), Some(report)),
    }
}

pub(super) fn failed(form: Form, call: Call, refusal: &Refusal) -> HttpResponse {
    let text = format!("{}{refusal}", call.failure());
    refusal.answer(|status, _| match form {
        Form::Mainline => respond(status, &MainlineAnswer { err_no: 1, err_msg: &text }),
        Form::FirstGeneration => refuse(status, &text),
    })
}

/// A success of the first generation.
pub(super) fn success(msg: &str, report: Option<&SnapshotReport>) -> HttpResponse {
    let (provided, consumed): (&[String], &[String]) =
        report.map_or((&[], &[]), |report| (&report.provided, &report.consumed));
    let answer =
        FirstGenerationAnswer { code: 0, msg, pub_interface_list: provided, sub_interface_list: consumed };
    respond(StatusCode::OK, &answer)
}

/// A failure of the first generation.
pub(in crate::api::mosn) fn failure(refusal: &Refusal) -> HttpResponse {
    refusal.answer(refuse)
}

/// To a request of another method; its body, which would tell the form, is not looked at.
pub(in crate::api::mosn) fn method_not_allowed(allowed: &[Method]) -> HttpResponse {
    allow_only(allowed, |msg| refuse(StatusCode::METHOD_NOT_ALLOWED, msg))
}

fn refuse(status: StatusCode, msg: &str) -> HttpResponse {
    let answer = FirstGenerationAnswer { code: 1, msg, pub_interface_list: &[], sub_interface_list: &[] };
    respond(status, &answer)
}
