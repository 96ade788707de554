//! What a long poll asks for: how long to wait, and for something else than what.

use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::header::{HeaderMap, IF_NONE_MATCH};

use super::Limits;
use super::refusal::Refusal;
use crate::model::{SnapshotReport, short_digest};

/// The parameter that makes a request a long poll.
const WAIT: &str = "wait";
/// The parameter that says which version the client knows.
const VERSION: &str = "version";

/// What a long poll asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wait {
    /// How long at most.
    pub span: Duration,
    /// What the client has been told before.
    pub known: Known,
}

/// What a client has been told before, as far as it says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Known {
    version: Option<u64>,
    /// State tokens; `*` is any.
    tokens: Option<Vec<String>>,
}

impl Known {
    /// Whether there is something in `report` that the client may not know.
    pub(super) fn is_outdated_by(&self, report: &SnapshotReport) -> bool {
        let other_version = self.version.is_some_and(|version| version != report.version);
        let other_state = self.tokens.as_ref().is_some_and(|tokens| {
            let present = state_token(report);
            !tokens.iter().any(|token| token == "*" || *token == present)
        });
        other_version || other_state
    }
}

/// Whether the query of a request makes it a long poll.
pub(super) fn is_asked(query: &str) -> bool {
    form_urlencoded::parse(query.as_bytes()).any(|(key, _)| key == WAIT)
}

/// What the request asks to wait for; `None` when it is no long poll.
pub(super) fn read(request: &HttpRequest, limits: &Limits) -> Result<Option<Wait>, Refusal> {
    read_query(request.query_string(), request.headers(), limits)
}

/// The same of a query and the headers that belong to it.
pub(super) fn read_query(query: &str, headers: &HeaderMap, limits: &Limits) -> Result<Option<Wait>, Refusal> {
    let Some(span) = parameter(query, WAIT)? else { return Ok(None) };
    let longest = limits.longest_wait;
    let out_of_bounds = || {
        Refusal::at(WAIT, format!("must be more than 0s and at most {}", humantime::format_duration(longest)))
    };
    let parsed = humantime::parse_duration(&span);
    let span = parsed
        .map_err(|error| Refusal::at(WAIT, format!("{span:?} is no duration such as \"30s\": {error}")))?;
    if span.is_zero() || span > longest {
        return Err(out_of_bounds());
    }
    let version = parameter(query, VERSION)?.map(|text| {
        text.parse().map_err(|_| Refusal::at(VERSION, format!("{text:?} is not a whole number")))
    });
    let known = Known { version: version.transpose()?, tokens: tokens(headers) };
    Ok(Some(Wait { span, known }))
}

/// What tells one state of what is answered from every other: it changes exactly when the answer does, and is the same
/// on every replica.
pub(super) fn state_token(report: &SnapshotReport) -> String {
    let mut content = report.registrant.as_str().as_bytes().to_vec();
    for list in [&report.provided, &report.consumed, &report.dispatched] {
        content.push(b'\n');
        for interface in list {
            content.extend_from_slice(interface.as_bytes());
            content.push(b' ');
        }
    }
    format!("{}-{:016x}", report.version, short_digest(&content))
}

fn parameter(query: &str, name: &str) -> Result<Option<String>, Refusal> {
    let mut values = form_urlencoded::parse(query.as_bytes()).filter(|(key, _)| key == name);
    let first = values.next().map(|(_, value)| value.into_owned());
    match values.next() {
        Some(_) => Err(Refusal::at(name, "is given twice")),
        None => Ok(first),
    }
}

/// The tokens of `If-None-Match`, weak ones too. What cannot be read is no token of ours, and so tells that the client
/// knows something else.
fn tokens(headers: &HeaderMap) -> Option<Vec<String>> {
    let mut values = headers.get_all(IF_NONE_MATCH).peekable();
    values.peek()?;
    let listed = values.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    let bare = listed.map(|tag| {
        let tag = tag.trim();
        tag.strip_prefix("W/").unwrap_or(tag).trim_matches('"').to_owned()
    });
    Some(bare.collect())
}

#[cfg(test)]
#[path = "wait_tests.rs"]
mod tests;
