//! The sync itself, and the two addresses at which a sidecar asks what the registry holds of it.

use actix_web::{HttpRequest, HttpResponse, web};

use super::poll::{self, Waiter};
use super::refusal::Refusal;
use super::{Limits, Repeats, answer, body, identity, known_of_peer, openapi, snapshot, wait};
use crate::api::Gateway;
use crate::api::body::Body;
use crate::api::middleware;
use crate::api::peer::PeerPolicy;
use crate::model::{SidecarId, SnapshotReport};
use crate::registry::{RegistryError, Synced};

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
pub(super) async fn sync(
    request: HttpRequest,
    payload: web::Payload,
    gateway: web::Data<Gateway>,
    policy: web::Data<PeerPolicy>,
    limits: web::Data<Limits>,
    repeats: web::Data<Repeats>,
) -> HttpResponse {
    let peer = policy.peer_of(&request);
    let outcome = async {
        let sent = Sent::receive(&request, payload, &peer, &limits).await?;
        let key = repeats.key(sent.named.as_ref().map(SidecarId::as_str), &peer, &sent.body);
        if let Some(answer) = repeats.answer(key, &gateway.registry) {
            return Ok(answer);
        }
        let synced = sent.apply(&gateway, &limits).await?;
        let answer = answer::synced(&synced.report);
        let response = answer.respond();
        if let Some(standing) = synced.standing {
            repeats.remember(key, standing, answer);
        }
        Ok(response)
    };
    outcome.await.unwrap_or_else(|refusal| refused(&peer, &refusal))
}

/// The same for who asks to be kept waiting afterwards. Apart from the other, so that what a sync needs is not kept for
/// as long as somebody waits.
pub(super) async fn sync_and_wait(
    request: HttpRequest,
    payload: web::Payload,
    gateway: web::Data<Gateway>,
    policy: web::Data<PeerPolicy>,
    limits: web::Data<Limits>,
) -> HttpResponse {
    let peer = policy.peer_of(&request);
    let wait = match wait::read(&request, &limits) {
        Ok(wait) => wait,
        Err(refusal) => return refused(&peer, &refusal),
    };
    let synced = async {
        let sent = Sent::receive(&request, payload, &peer, &limits).await?;
        sent.apply(&gateway, &limits).await
    };
    let outcome = match (Box::pin(synced).await, wait) {
        (Ok(Synced { report, changed: false, .. }), Some(wait)) => {
            middleware::leave(&request);
            let sidecar = report.registrant.clone();
            poll::hold(&gateway, &limits, &sidecar, Waiter::Sidecar, &wait, report).await
        }
        (synced, _) => synced.map(|synced| synced.report),
    };
    match outcome {
        Ok(report) => answer::synced(&report).respond(),
        Err(refusal) => refused(&peer, &refusal),
    }
}

fn refused(peer: &str, refusal: &Refusal) -> HttpResponse {
    log::debug!("refused the snapshot of {peer}: {refusal}");
    answer::failed(refusal)
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
pub(super) async fn get(
    request: HttpRequest,
    gateway: web::Data<Gateway>,
    policy: web::Data<PeerPolicy>,
    limits: web::Data<Limits>,
) -> HttpResponse {
    let peer = policy.peer_of(&request);
    let outcome = match find_report(&request, &gateway, &peer).and_then(|report| {
        let wait = wait::read(&request, &limits)?;
        Ok((report, wait))
    }) {
        Ok((report, None)) => Ok(report),
        Ok((report, Some(wait))) => {
            middleware::leave(&request);
            let sidecar = report.registrant.clone();
            poll::hold(&gateway, &limits, &sidecar, Waiter::Reader, &wait, report).await
        }
        Err(refusal) => Err(refusal),
    };
    let mut response = match outcome {
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
pub(super) async fn sync_get(
    request: HttpRequest,
    gateway: web::Data<Gateway>,
    policy: web::Data<PeerPolicy>,
    limits: web::Data<Limits>,
) -> HttpResponse {
    get(request, gateway, policy, limits).await
}

/// A snapshot as it was sent.
struct Sent<'p> {
    /// Whose it is, if the header says so.
    named: Option<SidecarId>,
    peer: &'p str,
    body: Body,
}

impl<'p> Sent<'p> {
    async fn receive(
        request: &HttpRequest,
        payload: web::Payload,
        peer: &'p str,
        limits: &Limits,
    ) -> Result<Self, Refusal> {
        let named = identity::named(request)?;
        let body = body::read(request, payload, limits).await?;
        Ok(Self { named, peer, body })
    }

    async fn apply(self, gateway: &Gateway, limits: &Limits) -> Result<Synced, Refusal> {
        let Self { named, peer, body } = self;
        let (snapshot, claim) = snapshot::read(&body, peer, limits)?;
        let registrant = match named {
            Some(registrant) => registrant,
            None if snapshot.is_empty() => identity::of_peer(peer, known_of_peer(gateway, peer))?,
            None => claim.registrant(peer)?,
        };
        Ok(gateway.registry.sync(&registrant, peer, snapshot).await?)
    }
}

/// Why there is nothing to tell of a sidecar.
pub(super) fn never_synced(sidecar: &SidecarId) -> Refusal {
    Refusal::new(format!("{sidecar} never synced"))
}

fn find_report(request: &HttpRequest, gateway: &Gateway, peer: &str) -> Result<SnapshotReport, Refusal> {
    let registrant = match identity::named(request)? {
        Some(registrant) => registrant,
        None => identity::of_peer(peer, known_of_peer(gateway, peer))?,
    };
    if !gateway.catalog.was_whole() {
        return Err(RegistryError::NotConnected.into());
    }
    match gateway.registry.report(&registrant) {
        Some(report) => Ok(report),
        // A catalog that is behind cannot say that there is nothing.
        None if gateway.catalog.stale_for().is_some() => Err(RegistryError::NotConnected.into()),
        None => Err(never_synced(&registrant)),
    }
}
