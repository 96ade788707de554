//! Keeps a request waiting until there is news for its sidecar: it sleeps until the catalog wakes it.

use tokio::time::{Instant, sleep_until};

use super::Limits;
use super::refusal::Refusal;
use super::sync::never_synced;
use super::wait::{Wait, state_token};
use crate::api::Gateway;
use crate::catalog::WatchError;
use crate::model::{SidecarId, SnapshotReport};
use crate::registry::RegistryError;

/// Parts of the time to live after which a sidecar that waits counts as heard again.
const BEATS: u32 = 3;

/// Who waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waiter {
    /// Somebody who only reads: what is known is told also while ZooKeeper is away.
    Reader,
    /// The sidecar itself, which is alive as long as it waits.
    Sidecar,
}

/// Answers the present state of `sidecar` as soon as it is not what the client knows, or else when the time is up or
/// this replica goes. `present` is what it was just now.
pub(super) async fn hold(
    gateway: &Gateway,
    limits: &Limits,
    sidecar: &SidecarId,
    waiter: Waiter,
    wait: &Wait,
    present: SnapshotReport,
) -> Result<SnapshotReport, Refusal> {
    if wait.known.is_outdated_by(&present) {
        return Ok(present);
    }
    let catalog = &gateway.catalog;
    let listener = match catalog.listeners.listen(sidecar, &present.consumed, limits.waiting) {
        Ok(listener) => listener,
        Err(WatchError::Closing) => return Ok(present),
        Err(WatchError::TooMany) => return Err(full(gateway, limits, waiter)),
    };
    let told = state_token(&present);
    drop(present);
    let end = Instant::now() + wait.span;
    let beat = gateway.registry.sidecar_time_to_live() / BEATS;
    let mut was_stale = catalog.stale_for().is_some();
    loop {
        if waiter == Waiter::Sidecar {
            gateway.registry.still_there(sidecar);
        }
        let now = Instant::now();
        let is_stale = catalog.stale_for().is_some();
        let is_lost = is_stale && !was_stale;
        was_stale = is_stale;
        if waiter == Waiter::Sidecar && (is_lost || !gateway.registry.is_connected()) {
            return Err(RegistryError::NotConnected.into());
        }
        let Some(report) = gateway.registry.report(sidecar) else {
            return Err(never_synced(sidecar));
        };
        let is_over = now >= end || is_lost || catalog.listeners.is_closing();
        // Of a change that arrives in parts there will be news once it is whole.
        if is_over || (!report.torn && state_token(&report) != told) {
            return Ok(report);
        }
        drop(report);
        let next = if waiter == Waiter::Sidecar { end.min(now + beat) } else { end };
        tokio::select! {
            () = listener.woken() => {}
            () = sleep_until(next) => {}
        }
    }
}

fn full(gateway: &Gateway, limits: &Limits, waiter: Waiter) -> Refusal {
    gateway.metrics.shed.with_label_values(&["waiting_polls"]).inc();
    let stands = if waiter == Waiter::Sidecar { "; the snapshot stands" } else { "" };
    let text = format!("wait: {} requests wait here already, ask again later{stands}", limits.waiting);
    // In time to be heard before it counts as silent.
    Refusal::busy(text, gateway.registry.sidecar_time_to_live() / BEATS)
}
