//! How a request is refused before its dialect has seen it, or after it has taken too long: in the form that the clients
//! of its dialect look for.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::dev::ServiceRequest;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderValue, RETRY_AFTER};

use super::admission::Shed;
use super::{REQUEST_ID, plain};
use crate::api::{mosn, retry_seconds, servicecomb};

/// The form of a request's refusal: what has to be known of it when the request itself is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The v4 API; whether a page of another origin asks.
    ServiceComb(bool),
    /// Sidecars; whether they look for a snapshot in the answer.
    Mosn(bool),
    /// Anybody else.
    Plain,
}

impl Form {
    /// That of `request`, which is one of `dialect`.
    pub fn of(request: &ServiceRequest, dialect: &str) -> Self {
        match dialect {
            "servicecomb" => Self::ServiceComb(servicecomb::is_cross_origin(request.headers())),
            "mosn" => Self::Mosn(mosn::answers_snapshots(request.path())),
            _ => Self::Plain,
        }
    }

    /// The answer to who is not let in.
    pub fn shed(self, shed: Shed, id: &HeaderValue) -> HttpResponse {
        let status = match shed {
            Shed::Requests | Shed::Changes => StatusCode::SERVICE_UNAVAILABLE,
            Shed::Peer(_) => StatusCode::TOO_MANY_REQUESTS,
        };
        self.answer(status, shed.text(), Some(shed.retry_after()), id)
    }

    /// The answer to a request that takes too long.
    pub fn late(self, id: &HeaderValue) -> HttpResponse {
        self.answer(StatusCode::REQUEST_TIMEOUT, "the request took too long", None, id)
    }

    fn answer(
        self,
        status: StatusCode,
        text: &'static str,
        retry_after: Option<Duration>,
        id: &HeaderValue,
    ) -> HttpResponse {
        let mut response = match self {
            Self::ServiceComb(is_cross_origin) => {
                servicecomb::refuse(is_cross_origin, status, text, retry_after)
            }
            Self::Mosn(is_snapshot) => mosn::refuse(is_snapshot, status, text, retry_after),
            Self::Plain => plain(status, text, id),
        };
        let headers = response.headers_mut();
        headers.insert(REQUEST_ID, id.clone());
        if let Some(span) = retry_after {
            headers.insert(RETRY_AFTER, retry_seconds(span));
        }
        response
    }
}
