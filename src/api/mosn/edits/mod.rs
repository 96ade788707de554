//! The endpoints that name one service a call, of mainline MOSN and of the original's first generation: each call is an
//! edit of the sidecar's snapshot, and `/heartbeat` keeps the snapshot alive.

mod answer;
mod body;
mod mainline;

use actix_web::{HttpRequest, HttpResponse, web};

pub(super) use self::answer::method_not_allowed;
use self::answer::{EditAnswer, FirstGenerationAnswer};
use self::body::{Asked, Form};
use super::refusal::Refusal;
use super::{Limits, identity};
use crate::api::Gateway;
use crate::api::peer::PeerPolicy;
use crate::dubbo::Side;
#[cfg(feature = "fuzzing")]
use crate::model::{Consumer, Provider};
use crate::model::{SidecarId, SnapshotReport};
#[cfg(feature = "fuzzing")]
use crate::registry::Edit;
use crate::registry::RegistryError;

/// One of the four calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Publish,
    Unpublish,
    Subscribe,
    Unsubscribe,
}

impl Call {
    fn side(self) -> Side {
        match self {
            Self::Publish | Self::Unpublish => Side::Provider,
            Self::Subscribe | Self::Unsubscribe => Side::Consumer,
        }
    }

    fn is_removal(self) -> bool {
        matches!(self, Self::Unpublish | Self::Unsubscribe)
    }

    /// The words that clients know.
    fn success(self) -> &'static str {
        match self {
            Self::Publish => "publish success",
            Self::Unpublish => "unpub success",
            Self::Subscribe => "subscribe success",
            Self::Unsubscribe => "unsubscribe success",
        }
    }

    /// What stands in front of a reason.
    fn failure(self) -> &'static str {
        match self {
            Self::Publish => "publish fail, err: ",
            Self::Unpublish => "unpub fail, err: ",
            Self::Subscribe => "subscribe fail, err: ",
            Self::Unsubscribe => "unsubscribe fail, err: ",
        }
    }
}

/// Adds a provider to what is registered for the sidecar.
#[utoipa::path(
    post,
    path = "/pub",
    operation_id = "publish",
    request_body = super::openapi::Edit,
    responses((
        status = 200,
        description = "Whether it was committed, in the form of who asked",
        body = EditAnswer<'_>,
        content_type = "application/json"
    ))
)]
pub(super) async fn publish(
    request: HttpRequest,
    payload: web::Payload,
    gateway: web::Data<Gateway>,
    policy: web::Data<PeerPolicy>,
    limits: web::Data<Limits>,
) -> HttpResponse {
    edit(Call::Publish, &request, payload, &gateway, &policy, &limits).await
}

/// Takes a provider away. One that is not there is no error.
#[utoipa::path(
    post,
    path = "/unpub",
    operation_id = "unpublish",
    request_body = super::openapi::Edit,
    responses((
        status = 200,
        description = "Whether it was committed, in the form of who asked",
        body = EditAnswer<'_>,
        content_type = "application/json"
    ))
)]
pub(super) async fn unpublish(
    request: HttpRequest,
    payload: web::Payload,
    gateway: web::Data<Gateway>,
    policy: web::Data<PeerPolicy>,
    limits: web::Data<Limits>,
) -> HttpResponse {
    edit(Call::Unpublish, &request, payload, &gateway, &policy, &limits).await
}

/// Adds a consumer to what is registered for the sidecar.
#[utoipa::path(
    post,
    path = "/sub",
    operation_id = "subscribe",
    request_body = super::openapi::Edit,
    responses((
        status = 200,
        description = "Whether it was committed, in the form of who asked",
        body = EditAnswer<'_>,
        content_type = "application/json"
    ))
)]
pub(super) async fn subscribe(
    request: HttpRequest,
    payload: web::Payload,
    gateway: web::Data<Gateway>,
    policy: web::Data<PeerPolicy>,
    limits: web::Data<Limits>,
) -> HttpResponse {
    edit(Call::Subscribe, &request, payload, &gateway, &policy, &limits).await
}

/// Takes a consumer away. One that is not there is no error.
#[utoipa::path(
    post,
    path = "/unsub",
    operation_id = "unsubscribe",
    request_body = super::openapi::Edit,
    responses((
        status = 200,
        description = "Whether it was committed, in the form of who asked",
        body = EditAnswer<'_>,
        content_type = "application/json"
    ))
)]
pub(super) async fn unsubscribe(
    request: HttpRequest,
    payload: web::Payload,
    gateway: web::Data<Gateway>,
    policy: web::Data<PeerPolicy>,
    limits: web::Data<Limits>,
) -> HttpResponse {
    edit(Call::Unsubscribe, &request, payload, &gateway, &policy, &limits).await
}

/// Keeps alive what is registered for the sidecar, and tells what that is. It never changes anything of it; a sidecar
/// that never registered anything is answered without lists.
#[utoipa::path(
    get,
    path = "/heartbeat",
    operation_id = "heartbeatOfSidecar",
    responses((
        status = 200,
        description = "Whether it counted, and what is registered",
        body = FirstGenerationAnswer<'_>,
        content_type = "application/json"
    ))
)]
pub(super) async fn heartbeat(
    request: HttpRequest,
    gateway: web::Data<Gateway>,
    policy: web::Data<PeerPolicy>,
) -> HttpResponse {
    let peer = policy.peer_of(&request);
    let registrant = match identity::named(&request) {
        Ok(Some(registrant)) => Ok(registrant),
        Ok(None) => of_peer(&gateway, &peer).await,
        Err(refusal) => Err(refusal),
    };
    let registrant = match registrant {
        Ok(registrant) => registrant,
        Err(refusal) => return answer::failure(&refusal),
    };
    match gateway.registry.hear(&registrant).await {
        Ok(report) => answer::success("ack success", report.as_ref()),
        Err(RegistryError::OutcomeUnknown) => answer::failure(&Refusal::new("ack fail timeout")),
        Err(error) => answer::failure(&error.into()),
    }
}

/// Reads the body of any of the four calls, and shows what it asks to be added.
#[cfg(feature = "fuzzing")]
pub(super) fn read_any(
    call: u8,
    body: &[u8],
    peer: &str,
    limits: &Limits,
    provider: impl FnOnce(&Provider),
    consumer: impl FnOnce(&Consumer),
) {
    const CALLS: [Call; 4] = [Call::Publish, Call::Unpublish, Call::Subscribe, Call::Unsubscribe];
    let (_, Ok(asked)) = body::read(body, CALLS[usize::from(call) % 4], peer, limits) else { return };
    match asked.edit {
        Edit::Provide(added) => provider(&added),
        Edit::Consume(added) => consumer(&added),
        Edit::Remove(_) => {}
    }
    let _ = asked.claim.registrant(peer);
}

/// Refuses a request whose body, which would tell the form, is not looked at.
pub(super) fn refuse(refusal: &Refusal) -> HttpResponse {
    answer::failure(refusal)
}

async fn edit(
    call: Call,
    request: &HttpRequest,
    payload: web::Payload,
    gateway: &Gateway,
    policy: &PeerPolicy,
    limits: &Limits,
) -> HttpResponse {
    let peer = policy.peer_of(request);
    let (form, outcome) = match super::body::read(request, payload, limits).await {
        Ok(body) => {
            let (form, asked) = body::read(&body, call, &peer, limits);
            match asked {
                Ok(asked) => (form, apply(asked, request, gateway, &peer).await),
                Err(refusal) => (form, Err(refusal)),
            }
        }
        Err(refusal) => (Form::FirstGeneration, Err(refusal)),
    };
    match outcome {
        Ok(report) => answer::done(form, call, &report),
        Err(refusal) => {
            log::debug!("refused an edit of {peer}: {refusal}");
            answer::failed(form, call, &refusal)
        }
    }
}

async fn apply(
    asked: Asked,
    request: &HttpRequest,
    gateway: &Gateway,
    peer: &str,
) -> Result<SnapshotReport, Refusal> {
    let registrant = match identity::named(request)? {
        Some(registrant) => registrant,
        None if asked.claim.is_silent() => of_peer(gateway, peer).await?,
        None => asked.claim.registrant(peer)?,
    };
    Ok(gateway.registry.edit(&registrant, peer, &asked.edit).await?.report)
}

/// For whom `peer` speaks when nothing else says it.
async fn of_peer(gateway: &Gateway, peer: &str) -> Result<SidecarId, Refusal> {
    if super::known_of_peer(gateway, peer).next().is_none() {
        // Another replica may just have heard it for the first time. Without a connection what is known has to do.
        gateway.catalog.catch_up().await;
    }
    identity::of_editing_peer(peer, super::known_of_peer(gateway, peer))
}
