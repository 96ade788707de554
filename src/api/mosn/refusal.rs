//! Why a request of this dialect failed: one text, because `msg` is all that its clients see. Only what says nothing of
//! the request itself, but that it came at a bad time, has another status than 200, for what stands in between.

use std::fmt;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::RETRY_AFTER;

use crate::api::body::BodyError;
use crate::api::retry_seconds;
use crate::registry::RegistryError;

/// Longest text, in bytes: it may quote what the caller sent.
const MAX_BYTES: usize = 1000;

/// When to repeat what came while everybody else came too.
const SOON: Duration = Duration::from_secs(1);

/// Why a request failed, as it stands in `msg`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub(super) struct Refusal {
    text: String,
    status: StatusCode,
    retry_after: Option<Duration>,
}

impl Refusal {
    pub(super) fn new(text: impl Into<String>) -> Self {
        let mut text = text.into();
        if text.len() > MAX_BYTES {
            let end = (0..=MAX_BYTES).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
            text.truncate(end);
            text.push_str("...");
        }
        Self { text, status: StatusCode::OK, retry_after: None }
    }

    /// There is no room for it now; when to repeat it.
    pub(super) fn busy(text: impl Into<String>, retry_after: Duration) -> Self {
        let retry_after = Some(retry_after);
        Self { status: StatusCode::SERVICE_UNAVAILABLE, retry_after, ..Self::new(text) }
    }

    /// The same with another status.
    pub(super) fn with_status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    /// Makes the answer of this status out of its text.
    pub(super) fn answer(&self, respond: impl FnOnce(StatusCode, &str) -> HttpResponse) -> HttpResponse {
        let mut response = respond(self.status, &self.text);
        if let Some(retry_after) = self.retry_after {
            response.headers_mut().insert(RETRY_AFTER, retry_seconds(retry_after));
        }
        response
    }

    /// A refusal of what stands at `place`.
    pub(super) fn at(place: impl fmt::Display, reason: impl fmt::Display) -> Self {
        Self::new(format!("{place}: {reason}"))
    }
}

impl From<RegistryError> for Refusal {
    fn from(error: RegistryError) -> Self {
        match error {
            RegistryError::Busy => Self::busy(error.to_string(), SOON),
            error => Self::new(error.to_string()),
        }
    }
}

impl From<BodyError> for Refusal {
    fn from(error: BodyError) -> Self {
        let refusal = Self::at("body", &error);
        match error {
            BodyError::NoRoom => Self::busy(refusal.text, SOON),
            BodyError::Late(_) => refusal.with_status(StatusCode::REQUEST_TIMEOUT),
            BodyError::TooLong(_) | BodyError::Broken(_) => refusal,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_does_not_echo_a_whole_body() {
        let text = Refusal::at("body", "\u{e9}".repeat(MAX_BYTES)).to_string();
        assert!(text.len() < MAX_BYTES + 8 && text.ends_with("\u{e9}..."), "{text}");
    }

    #[test]
    fn a_lost_session_is_told_in_the_words_that_clients_know() {
        assert_eq!(Refusal::from(RegistryError::NotConnected).to_string(), "zk not connected.");
    }
}
