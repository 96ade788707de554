//! What happens around every request of every listener: its name, its limits, its metrics and its log line.
//!
//! One middleware does it all, since each layer would cost every request an allocation and a dispatch of its own.

mod admission;
mod refusing;
mod request_id;
mod tallies;
mod uri_guard;

#[cfg(test)]
mod tests;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::header::{CONTENT_LENGTH, ContentType, HeaderMap, HeaderValue, TRANSFER_ENCODING};
use actix_web::http::{ConnectionType, Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpRequest, HttpResponse, web};
use futures::FutureExt;
use prometheus::{Histogram, IntCounter, IntGauge};

use self::admission::Admitted;
use self::refusing::Form;
use super::mosn;
use super::servicecomb::Frequent;
use crate::telemetry::Metrics;

pub use admission::{Admission, Bounds};
pub use request_id::HEADER as REQUEST_ID;
pub use tallies::Tallies;

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
    /// Who is let in; everybody without.
    pub admission: Option<Arc<Admission>>,
    /// The metrics of requests that come often.
    pub tallies: Tallies,
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

/// Gives back the place of a request that from now on waits for news only: those have a limit of their own.
pub fn leave(request: &HttpRequest) {
    drop(request.extensions_mut().remove::<Admitted>());
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
        let (elapsed, route) = (self.started.elapsed(), route.unwrap_or("unmatched"));
        self.counter(route, status).inc();
        self.duration(route).observe(elapsed.as_secs_f64());
        self.log(route, status, elapsed);
    }

    /// The same for a request that comes often: its metrics need not be looked up each time.
    fn note_frequent(&self, frequent: Frequent, status: StatusCode) {
        let (elapsed, route) = (self.started.elapsed(), frequent.route());
        let tally = self.observer.tallies.of(frequent);
        match tally.counter(status) {
            Some(kept) => kept.get_or_init(|| self.counter(route, status)).inc(),
            None => self.counter(route, status).inc(),
        }
        tally.duration.get_or_init(|| self.duration(route)).observe(elapsed.as_secs_f64());
        self.log(route, status, elapsed);
    }

    fn counter(&self, route: &str, status: StatusCode) -> IntCounter {
        let labels = [self.dialect, route, self.method, status.as_str()];
        self.observer.metrics.http_requests.with_label_values(&labels)
    }

    fn duration(&self, route: &str) -> Histogram {
        self.observer.metrics.http_duration.with_label_values(&[self.dialect, route])
    }

    fn log(&self, route: &str, status: StatusCode, elapsed: Duration) {
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

/// Names, bounds, counts and logs a request; for `from_fn`. A request that is not let in ends as a 429 or 503, and one
/// that takes longer than [`Observer::timeout`] as a 408, both in the form of its dialect; a panic as a counted 500, and a
/// target that the v4 API refuses as a 400, both in plain text.
///
/// # Errors
/// None of its own; answers for which there is no request any more travel as errors that carry their response.
pub async fn observe<B: MessageBody + 'static>(
    observer: web::Data<Observer>,
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let id = request_id::of(&request);
    let dialect = observer.dialect(request.path());
    let ending = Ending {
        observer: &observer,
        dialect,
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

    let form = Form::of(&request, dialect);
    let mut admitted = None;
    if let Some(admission) = &observer.admission {
        match admission.admit(&request) {
            Ok(place) => admitted = Some(place),
            Err(shed) => {
                observer.metrics.shed.with_label_values(&[shed.label()]).inc();
                let mut response = form.shed(shed, &id);
                close_unless_empty(&request, &mut response);
                ending.note(None, response.status());
                return Ok(request.into_response(response).map_into_right_body());
            }
        }
    }

    let waits = observer.may_wait(&request);
    let mut patience = observer.timeout;
    if waits {
        patience += observer.longest_wait;
        compact(request.headers_mut());
        if let Some(place) = admitted.take() {
            request.extensions_mut().insert(place);
        }
    }
    let frequent = if dialect == "servicecomb" { Frequent::recognise(&mut request) } else { None };
    let answer = tokio::time::timeout(patience, async {
        match frequent {
            Some(frequent) => Ok(frequent.answer(request).await.map_body(|_, body| EitherBody::right(body))),
            None => Ok::<_, Error>(next.call(request).await?.map_into_left_body()),
        }
    });
    // Nothing of the request is looked at after a panic, so nothing half-changed can be seen.
    let error = match AssertUnwindSafe(answer).catch_unwind().await {
        Ok(Ok(Ok(mut response))) => {
            if let Some(frequent) = frequent {
                ending.note_frequent(frequent, response.status());
            } else {
                let mut route = response.request().match_pattern();
                if let Some(route) = route.as_mut().filter(|_| waits) {
                    route.push_str(WAITING);
                }
                ending.note(route.as_deref(), response.status());
            }
            response.headers_mut().insert(REQUEST_ID, id);
            if response.status() == StatusCode::REQUEST_TIMEOUT {
                close(response.response_mut());
            }
            return Ok(response);
        }
        Ok(Ok(Err(error))) => {
            let mut response = error.error_response();
            response.headers_mut().insert(REQUEST_ID, id.clone());
            response
        }
        Ok(Err(_elapsed)) => {
            let mut response = form.late(&id);
            close(&mut response);
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

/// Ends the connection after `response`: what is left of the request's body must not be read as the next request.
fn close<B>(response: &mut HttpResponse<B>) {
    response.head_mut().set_connection_type(ConnectionType::Close);
}

/// Likewise after a request that was not read, if there is anything to read: a client that is turned away must not be
/// able to keep its connection busy.
fn close_unless_empty<B>(request: &ServiceRequest, response: &mut HttpResponse<B>) {
    let headers = request.headers();
    let is_empty = headers.get(CONTENT_LENGTH).is_none_or(|length| length == "0")
        && !headers.contains_key(TRANSFER_ENCODING);
    if !is_empty {
        close(response);
    }
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
