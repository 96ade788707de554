//! What happens around every request of every listener: its name, its limits, its metrics and its log line.
//!
//! One middleware does it all, since each layer would cost every request an allocation and a dispatch of its own.

mod request_id;
mod uri_guard;

#[cfg(test)]
mod tests;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::header::{ContentType, HeaderMap, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::{Error, HttpResponse, web};
use futures::FutureExt;
use prometheus::IntGauge;

use super::mosn;
use crate::telemetry::Metrics;

pub use request_id::HEADER as REQUEST_ID;

/// Which dialect a listener's requests are counted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListenerKind {
    /// Both dialects; the path tells which.
    Http,
    /// Probes and metrics.
    Ops,
}

/// What [`observe`] works with: one per listener.
pub struct Observer {
    /// Whose requests these are.
    pub listener: ListenerKind,
    /// Where they are counted.
    pub metrics: Arc<Metrics>,
    /// How long one may take, its body included.
    pub timeout: Duration,
    /// How much longer one may take that asks to be kept waiting.
    pub longest_wait: Duration,
}

impl Observer {
    /// The `dialect` label of a path.
    fn dialect(&self, path: &str) -> &'static str {
        let is_under =
            |root: &str| path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        match self.listener {
            ListenerKind::Ops => "ops",
            ListenerKind::Http if is_under("/v4") || is_under("/registry/v3") => "servicecomb",
            ListenerKind::Http if mosn::owns(path) => "mosn",
            ListenerKind::Http => "other",
        }
    }

    /// Whether a request may be kept waiting until there is something to answer.
    fn may_wait(&self, request: &ServiceRequest) -> bool {
        self.listener == ListenerKind::Http && mosn::may_wait(request.path(), request.uri().query())
    }
}

/// What stands behind the route of requests that wait for news: how long they take says nothing of the others.
const WAITING: &str = "?wait";

/// How a request ended.
struct Ending<'a> {
    observer: &'a Observer,
    dialect: &'static str,
    method: &'static str,
    id: &'a HeaderValue,
    started: Instant,
}

impl Ending<'_> {
    fn note(&self, route: Option<&str>, status: StatusCode) {
        let elapsed = self.started.elapsed();
        let route = route.unwrap_or("unmatched");
        let metrics = &self.observer.metrics;
        metrics.http_requests.with_label_values(&[self.dialect, route, self.method, status.as_str()]).inc();
        metrics.http_duration.with_label_values(&[self.dialect, route]).observe(elapsed.as_secs_f64());
        log::debug!(
            "request dialect={} method={} route={route} status={} us={} id={}",
            self.dialect,
            self.method,
            status.as_u16(),
            elapsed.as_micros(),
            self.id.to_str().unwrap_or("-"),
        );
    }
}

/// Names, bounds, counts and logs a request; for `from_fn`. A panic ends as a counted 500, a request that takes longer
/// than [`Observer::timeout`] as a 408, and a target that the v4 API refuses as a 400, all in plain text.
///
/// # Errors
/// None of its own; answers for which there is no request any more travel as errors that carry their response.
pub async fn observe<B: MessageBody + 'static>(
    observer: web::Data<Observer>,
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let id = request_id::of(&request);
    let ending = Ending {
        observer: &observer,
        dialect: observer.dialect(request.path()),
        method: label_of(request.method()),
        id: &id,
        started: Instant::now(),
    };
    let _in_flight = InFlight::enter(&observer.metrics.http_in_flight);

    if uri_guard::refuses(request.uri()) {
        let response = plain(StatusCode::BAD_REQUEST, "invalid request URI", &id);
        ending.note(None, response.status());
        return Ok(request.into_response(response).map_into_right_body());
    }

    let waits = observer.may_wait(&request);
    let mut patience = observer.timeout;
    if waits {
        patience += observer.longest_wait;
        compact(request.headers_mut());
    }
    let answer = tokio::time::timeout(patience, async { next.call(request).await });
    // Nothing of the request is looked at after a panic, so nothing half-changed can be seen.
    let error = match AssertUnwindSafe(answer).catch_unwind().await {
        Ok(Ok(Ok(mut response))) => {
            let mut route = response.request().match_pattern();
            if let Some(route) = route.as_mut().filter(|_| waits) {
                route.push_str(WAITING);
            }
            ending.note(route.as_deref(), response.status());
            response.headers_mut().insert(REQUEST_ID, id);
            return Ok(response.map_into_left_body());
        }
        Ok(Ok(Err(error))) => {
            let mut response = error.error_response();
            response.headers_mut().insert(REQUEST_ID, id.clone());
            response
        }
        Ok(Err(_elapsed)) => {
            let mut response = plain(StatusCode::REQUEST_TIMEOUT, "the request took too long", &id);
            // What is left of its body must not be read as the next request.
            response.head_mut().set_connection_type(actix_web::http::ConnectionType::Close);
            response
        }
        Err(_panic) => {
            observer.metrics.panics.inc();
            plain(StatusCode::INTERNAL_SERVER_ERROR, "internal error", &id)
        }
    };
    ending.note(None, error.status());
    Err(InternalError::from_response("answered by the middleware", error).into())
}

/// The answer to a path that nothing stands at.
pub async fn not_found() -> HttpResponse {
    HttpResponse::NotFound().content_type(ContentType::plaintext()).body("404 page not found")
}

fn plain(status: StatusCode, text: &'static str, id: &HeaderValue) -> HttpResponse {
    HttpResponse::build(status)
        .content_type(ContentType::plaintext())
        .insert_header((REQUEST_ID, id.clone()))
        .body(text)
}

/// Gives back the room that the server makes for more headers than most requests have: it is several kilobytes, and is
/// kept for as long as the request.
fn compact(headers: &mut HeaderMap) {
    let mut compact = HeaderMap::with_capacity(headers.len_keys());
    for (name, value) in headers.iter() {
        compact.append(name.clone(), value.clone());
    }
    *headers = compact;
}

/// Clients may invent methods; labels may not grow with them.
fn label_of(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        Method::PATCH => "PATCH",
        _ => "other",
    }
}

/// Counts a request until it ends, also when its client goes away and its future is dropped.
struct InFlight<'a>(&'a IntGauge);

impl<'a> InFlight<'a> {
    fn enter(gauge: &'a IntGauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}
