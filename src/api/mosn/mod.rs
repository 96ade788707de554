//! The sync dialect of MOSN sidecars: one call carries everything that a sidecar provides and consumes, and is repeated
//! as its heartbeat. Failures are answered with status 200 and `code` 1, which is what its clients read.

mod answer;
mod body;
mod entry;
mod identity;
mod json;
mod openapi;
mod refusal;
mod snapshot;

use actix_web::http::Method;
use actix_web::{HttpRequest, HttpResponse, web};

pub use self::openapi::openapi;
use self::refusal::Refusal;
use super::Gateway;
use super::peer::PeerPolicy;
use crate::model::{SidecarId, SnapshotReport};
use crate::registry::RegistryError;

/// How much one snapshot may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest request body, in bytes.
    pub body_bytes: usize,
    /// Most providers and consumers together.
    pub entries: usize,
}

/// 4 MiB and 10,000 entries.
impl Default for Limits {
    fn default() -> Self {
        Self { body_bytes: 4 * 1024 * 1024, entries: 10_000 }
    }
}

/// The routes of the dialect. They need [`Gateway`], [`PeerPolicy`] and [`Limits`] as [`web::Data`].
pub fn configure(config: &mut web::ServiceConfig) {
    config
        .service(
            web::resource("/registry/info/sync")
                .route(web::post().to(sync))
                .route(web::get().to(sync_get))
                .default_service(web::to(|| async {
                    answer::method_not_allowed(&[Method::GET, Method::POST])
                })),
        )
        .service(
            web::resource("/registry/info/get")
                .route(web::get().to(get))
                .default_service(web::to(|| async { answer::method_not_allowed(&[Method::GET]) })),
        );
}

/// Makes the registry hold what the snapshot says and nothing else of this sidecar. The same call, repeated within 15
/// seconds (by default), keeps it there. What fails is answered with status 200 and `code` 1.
#[utoipa::path(
    post,
    path = "/registry/info/sync",
    operation_id = "sync",
    request_body = openapi::Snapshot,
    responses((
        status = 200,
        description = "Whether it was committed",
        body = answer::Answer<'_>,
        content_type = "application/json"
    ))
)]
async fn sync(
    request: HttpRequest,
    payload: web::Payload,
    gateway: web::Data<Gateway>,
    policy: web::Data<PeerPolicy>,
    limits: web::Data<Limits>,
) -> HttpResponse {
    let peer = policy.peer_of(&request);
    match apply(&request, payload, &gateway, &peer, &limits).await {
        Ok(report) => answer::synced(&report),
        Err(refusal) => {
            log::debug!("refused the snapshot of {peer}: {refusal}");
            answer::failed(&refusal)
        }
    }
}

/// Answers what the registry holds of a sidecar. What fails is answered with status 200 and `code` 1.
#[utoipa::path(
    get,
    path = "/registry/info/get",
    operation_id = "getSnapshot",
    responses((
        status = 200,
        description = "What the registry holds",
        body = answer::Answer<'_>,
        content_type = "application/json",
        headers((
            "X-Registry-Staleness-Ms" = Option<u64>,
            description = "While ZooKeeper is away: for how long the answer may have been out of date"
        ))
    ))
)]
async fn get(
    request: HttpRequest,
    gateway: web::Data<Gateway>,
    policy: web::Data<PeerPolicy>,
) -> HttpResponse {
    let peer = policy.peer_of(&request);
    let mut response = match find_report(&request, &gateway, &peer) {
        Ok(report) => answer::found(&report),
        Err(refusal) => answer::failed(&refusal),
    };
    if let Some(stale_for) = gateway.catalog.stale_for() {
        answer::mark_stale(&mut response, stale_for);
    }
    response
}

/// The same at the address of the sync, as old clients ask for it.
#[utoipa::path(
    get,
    path = "/registry/info/sync",
    operation_id = "getSnapshotAtSync",
    responses((
        status = 200,
        description = "What the registry holds",
        body = answer::Answer<'_>,
        content_type = "application/json",
        headers((
            "X-Registry-Staleness-Ms" = Option<u64>,
            description = "While ZooKeeper is away: for how long the answer may have been out of date"
        ))
    ))
)]
async fn sync_get(
    request: HttpRequest,
    gateway: web::Data<Gateway>,
    policy: web::Data<PeerPolicy>,
) -> HttpResponse {
    get(request, gateway, policy).await
}

async fn apply(
    request: &HttpRequest,
    payload: web::Payload,
    gateway: &Gateway,
    peer: &str,
    limits: &Limits,
) -> Result<SnapshotReport, Refusal> {
    let named = identity::named(request)?;
    let body = body::read(request, payload, limits).await?;
    let (snapshot, claim) = snapshot::read(&body, peer, limits)?;
    let registrant = match named {
        Some(registrant) => registrant,
        None if snapshot.is_empty() => of_peer(gateway, peer)?,
        None => claim.registrant(peer)?,
    };
    Ok(gateway.registry.sync(&registrant, peer, snapshot).await?)
}

fn find_report(request: &HttpRequest, gateway: &Gateway, peer: &str) -> Result<SnapshotReport, Refusal> {
    let registrant = match identity::named(request)? {
        Some(registrant) => registrant,
        None => of_peer(gateway, peer)?,
    };
    match gateway.registry.report(&registrant) {
        Some(report) => Ok(report),
        // A catalog that is behind cannot say that there is nothing.
        None if gateway.catalog.stale_for().is_some() => Err(RegistryError::NotConnected.into()),
        None => Err(Refusal::new(format!("{registrant} never synced"))),
    }
}

/// For whom `peer` speaks when neither header nor entries say it.
fn of_peer(gateway: &Gateway, peer: &str) -> Result<SidecarId, Refusal> {
    let known = gateway.registry.registrants_of_peer(peer).into_iter().map(|registrant| {
        let report = gateway.registry.report(&registrant);
        let ever_had_an_entry = report.is_some_and(|report| {
            report.version > 1 || !report.provided.is_empty() || !report.consumed.is_empty()
        });
        (registrant, ever_had_an_entry)
    });
    identity::of_peer(peer, known)
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
