//! What the v4 API does over `WebSocket`s: a consumer is told of every change of what it uses, and an instance shows
//! that it is alive by answering pings.

use std::sync::Arc;
use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, rt, web};
use actix_ws::{CloseCode, CloseReason};
use tokio::time::timeout;

use super::error::ApiError;
use super::limits::Limits;
use super::request;
use super::socket::{Heard, PING, Socket, WRITE, reason};
use crate::api::Gateway;
use crate::catalog::{Lane, Watch, Watchers};
use crate::model::InstanceKey;

/// Clients look for these words.
const UNKNOWN: &str = "service does not exist";
/// What tells a client that its instance must be registered anew.
const INSTANCE_GONE: u16 = 4001;

/// Tells a consumer of every change of the instances of what it uses. There is no first snapshot: clients find first.
///
/// # Errors
/// 400001 when the request is no WebSocket handshake.
#[utoipa::path(
    get,
    path = "/microservices/{serviceId}/watcher",
    operation_id = "watch",
    responses(
        (
            status = 101,
            description = "A WebSocket on which every frame is a change, as JSON: `action` (CREATE, UPDATE, DELETE), \
                `key` and `instance`. For an unknown consumer one frame says `service does not exist`"
        ),
        (status = 400, description = "400001, also when it is no WebSocket handshake"),
    )
)]
pub async fn watch(
    request: HttpRequest,
    payload: web::Payload,
    gateway: web::Data<Gateway>,
    lane: web::Data<Lane>,
) -> Result<HttpResponse, ApiError> {
    let (tenant, consumer) = (request::tenant(&request)?, request::service_id(&request)?);
    let is_known = || gateway.catalog.microservice(&tenant, &consumer).is_some();
    // One that another replica has just registered may not have arrived here.
    let is_known = is_known() || (gateway.catalog.catch_up().await && is_known());
    if !is_known {
        let (answer, mut socket) = Socket::open(&request, payload, PING, None)?;
        rt::spawn(async move {
            socket.send(UNKNOWN).await;
            socket.close(Some(CloseCode::Normal.into())).await;
        });
        return Ok(answer);
    }
    let watchers = &gateway.catalog.watchers;
    let watch = match watchers.watch(&tenant, &consumer, Limits::of(&request).watchers, &lane) {
        Ok(watch) => watch,
        Err(error) => {
            gateway.metrics.shed.with_label_values(&["watchers"]).inc();
            return Err(ApiError::busy(error.to_string()));
        }
    };
    let (answer, socket) = Socket::open(&request, payload, PING, Some(watch.changes()))?;
    rt::spawn(attend(socket, watch, watchers.clone()));
    Ok(answer)
}

/// Stays with a watcher until it ends. The changes themselves go past this.
async fn attend(mut socket: Socket, watch: Watch, watchers: Arc<Watchers>) {
    let end = loop {
        tokio::select! {
            () = watch.ended() => {
                // Who is too slow for what is left learns of the end by the connection.
                let _ = timeout(WRITE, watch.drained()).await;
                break Some(if watchers.is_closing() {
                    going()
                } else {
                    reason(CloseCode::Again, "too many changes wait: find anew")
                });
            }
            heard = socket.hear() => if let Heard::Over(reason) = heard {
                break reason;
            },
        }
    };
    drop(watch);
    socket.close(end).await;
}

/// Keeps an instance alive for as long as the client answers pings.
///
/// # Errors
/// 400001 when the request is no WebSocket handshake.
#[utoipa::path(
    get,
    path = "/microservices/{serviceId}/instances/{instanceId}/heartbeat",
    operation_id = "heartbeatSocket",
    responses(
        (
            status = 101,
            description = "A WebSocket that keeps the instance alive while its client answers pings. It is closed \
                with code 4001 when the instance must be registered anew"
        ),
        (status = 400, description = "400001, also when it is no WebSocket handshake"),
    )
)]
pub async fn heartbeat(
    request: HttpRequest,
    payload: web::Payload,
    gateway: web::Data<Gateway>,
) -> Result<HttpResponse, ApiError> {
    let key = request::instance_key(&request)?;
    let record = gateway.catalog.instance_record(&key);
    let check = record.and_then(|record| record.document.instance.health_check.clone()).unwrap_or_default();
    // An instance that promises to beat more often would lapse between two pings.
    let interval = PING.min(Duration::from_secs(u64::from(check.interval.max(1))));
    let (answer, socket) = Socket::open(&request, payload, interval, None)?;
    rt::spawn(keep_alive(socket, key, gateway.into_inner()));
    Ok(answer)
}

async fn keep_alive(mut socket: Socket, key: InstanceKey, gateway: Arc<Gateway>) {
    let mut end = beat(&gateway, &key).await;
    while end.is_none() {
        end = tokio::select! {
            () = gateway.catalog.watchers.closed() => Some(going()),
            heard = socket.hear() => match heard {
                Heard::Pong => beat(&gateway, &key).await,
                Heard::Pinged if gateway.catalog.instance_record(&key).is_none() => Some(gone()),
                Heard::Pinged => None,
                Heard::Over(reason) => return socket.close(reason).await,
            },
        };
    }
    socket.close(end).await;
}

/// Renews the lease; answers why that is over.
async fn beat(gateway: &Gateway, key: &InstanceKey) -> Option<CloseReason> {
    match gateway.registry.heartbeat(key).await {
        Ok(()) => None,
        Err(error) if error.is_absence() => Some(gone()),
        // Another replica may be able to.
        Err(error) => Some(reason(CloseCode::Again, &error.to_string())),
    }
}

fn gone() -> CloseReason {
    reason(CloseCode::Other(INSTANCE_GONE), "instance does not exist")
}

fn going() -> CloseReason {
    reason(CloseCode::Away, "this replica is shutting down")
}
