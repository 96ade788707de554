//! The dialect of MOSN sidecars. One call carries everything that a sidecar provides and consumes, and is repeated as
//! its heartbeat; older ones name one service a call. Failures are answered with status 200 and `code` 1, which is what
//! its clients read.

mod answer;
mod body;
mod edits;
mod entry;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod identity;
mod json;
mod openapi;
#[cfg(feature = "pieces")]
pub mod pieces;
mod poll;
mod refusal;
mod repeats;
mod snapshot;
mod sync;
mod wait;

use std::time::Duration;

use actix_web::guard::fn_guard;
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpResponse, web};

pub use self::openapi::openapi;
use self::refusal::Refusal;
pub use self::repeats::Repeats;
use super::Gateway;
use crate::model::SidecarId;

/// What one request may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest request body, in bytes.
    pub body_bytes: usize,
    /// Most providers and consumers together in a snapshot.
    pub entries: usize,
    /// Port of a provider that comes alone and names none.
    pub export_port: u16,
    /// How long a request may be kept waiting for news.
    pub longest_wait: Duration,
    /// How many requests may wait for news.
    pub waiting: usize,
}

/// 4 MiB, 10,000 entries, port 20882, and 20,000 requests that wait for a minute at most.
impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 4 * 1024 * 1024,
            entries: 10_000,
            export_port: 20_882,
            longest_wait: Duration::from_secs(60),
            waiting: 20_000,
        }
    }
}

const SYNC: &str = "/registry/info/sync";
const GET: &str = "/registry/info/get";

/// The routes of the dialect. They need [`Gateway`], [`PeerPolicy`](super::peer::PeerPolicy) and [`Limits`] as [`web::Data`].
pub fn configure(config: &mut web::ServiceConfig) {
    let is_poll = fn_guard(|context| context.head().uri.query().is_some_and(wait::is_asked));
    let only_post = || web::to(|| async { edits::method_not_allowed(&[Method::POST]) });
    config
        .service(
            web::resource("/registry/info/sync")
                .route(web::post().guard(is_poll).to(sync::sync_and_wait))
                .route(web::post().to(sync::sync))
                .route(web::get().to(sync::sync_get))
                .default_service(web::to(|| async {
                    answer::method_not_allowed(&[Method::GET, Method::POST])
                })),
        )
        .service(
            web::resource("/registry/info/get")
                .route(web::get().to(sync::get))
                .default_service(web::to(|| async { answer::method_not_allowed(&[Method::GET]) })),
        )
        .service(web::resource("/pub").route(web::post().to(edits::publish)).default_service(only_post()))
        .service(web::resource("/unpub").route(web::post().to(edits::unpublish)).default_service(only_post()))
        .service(web::resource("/sub").route(web::post().to(edits::subscribe)).default_service(only_post()))
        .service(
            web::resource("/unsub").route(web::post().to(edits::unsubscribe)).default_service(only_post()),
        )
        .service(
            web::resource("/heartbeat")
                .route(web::get().to(edits::heartbeat))
                .default_service(web::to(|| async { edits::method_not_allowed(&[Method::GET]) })),
        );
}

/// Whether a path belongs to this dialect.
pub fn owns(path: &str) -> bool {
    let is_below_registry =
        path.strip_prefix("/registry").is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    is_below_registry || matches!(path, "/pub" | "/unpub" | "/sub" | "/unsub" | "/heartbeat")
}

/// Whether a request may be kept waiting, for up to [`Limits::longest_wait`].
pub fn may_wait(path: &str, query: Option<&str>) -> bool {
    query.is_some_and(|query| matches!(path, SYNC | GET) && wait::is_asked(query))
}

/// Whether the clients of `path` look for a snapshot in the answer.
pub fn answers_snapshots(path: &str) -> bool {
    matches!(path, SYNC | GET)
}

/// Refuses a request before it is read, in the form of a snapshot or else of an edit.
pub fn refuse(
    is_snapshot: bool,
    status: StatusCode,
    text: &str,
    retry_after: Option<Duration>,
) -> HttpResponse {
    let refusal = match retry_after {
        Some(span) => Refusal::busy(text, span),
        None => Refusal::new(text),
    };
    let refusal = refusal.with_status(status);
    if is_snapshot { answer::failed(&refusal) } else { edits::refuse(&refusal) }
}

/// The sidecars that `peer` synced for, each with whether it ever had an entry.
fn known_of_peer(gateway: &Gateway, peer: &str) -> impl Iterator<Item = (SidecarId, bool)> {
    gateway.registry.registrants_of_peer(peer).into_iter().map(|registrant| {
        let report = gateway.registry.report(&registrant);
        let ever_had_an_entry = report.is_some_and(|report| {
            report.version > 1 || !report.provided.is_empty() || !report.consumed.is_empty()
        });
        (registrant, ever_had_an_entry)
    })
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
