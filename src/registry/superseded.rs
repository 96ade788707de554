//! Takes away the old form of a provider some time after its new one came. Consumers on dubbo-go drop what has gone before they
//! read what has come, and confuse changes that follow each other at once: see `docs/adr/0010`.

use std::collections::VecDeque;
use std::mem::take;
use std::time::Instant;

use futures::stream::{self, StreamExt};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::sleep_until;

use super::Registry;
use super::plan::{Plan, plan_entries};
use super::sidecars::version_of;
use crate::model::{Registrant, SidecarId, SnapshotPart};

/// Changes whose old forms wait to be taken away. Those of more changes are left to the sweep of left-overs.
const MOST_WAITING: usize = 100_000;
/// Changes whose old forms are taken away at once.
const CHANGES_IN_FLIGHT: usize = 32;

/// A change of a sidecar that left old forms behind.
struct Change {
    sidecar: SidecarId,
    /// The version of its snapshot: after the next change they are the matter of that.
    version: u64,
    due: Instant,
}

/// The changes that left old forms behind, in the order in which they are due.
#[derive(Default)]
pub(super) struct Superseded {
    changes: Mutex<VecDeque<Change>>,
    news: Notify,
}

impl Superseded {
    /// Those that are due, as soon as there are any.
    async fn due(&self) -> VecDeque<Change> {
        loop {
            let first = self.changes.lock().front().map(|change| change.due);
            let Some(first) = first else {
                self.news.notified().await;
                continue;
            };
            sleep_until(first.into()).await;
            let mut changes = self.changes.lock();
            let now = Instant::now();
            let later = changes.partition_point(|change| change.due <= now);
            let rest = changes.split_off(later);
            return std::mem::replace(&mut changes, rest);
        }
    }
}

impl Registry {
    /// Has what the document of `sidecar` calls superseded in this version taken away after the overlap.
    pub(super) fn clear_superseded_later(&self, sidecar: &SidecarId, version: u64) {
        let mut changes = self.superseded.changes.lock();
        if changes.len() < MOST_WAITING {
            let due = Instant::now() + self.options.replacement_overlap;
            changes.push_back(Change { sidecar: sidecar.clone(), version, due });
            self.superseded.news.notify_one();
        }
    }

    /// Takes away what is due until the process ends.
    pub(super) async fn watch_superseded(&self) {
        loop {
            let due = self.superseded.due().await;
            stream::iter(due)
                .for_each_concurrent(CHANGES_IN_FLIGHT, |change| self.clear_superseded(change))
                .await;
        }
    }

    async fn clear_superseded(&self, change: Change) {
        let Change { sidecar, version, .. } = change;
        let registrant = Registrant::Sidecar(sidecar.clone());
        let ear = self.hearing.ear(&registrant);
        let _change = ear.change.write().await;
        let outcome = self.settle(&registrant, || {
            let record = self.catalog.snapshot(&sidecar);
            let Some(mut record) = record.filter(|record| version_of(record.version) == version) else {
                return Ok(None);
            };
            let providers = take(&mut record.document.superseded);
            let before = SnapshotPart { providers, ..SnapshotPart::default() };
            let (layout, mut plan) = (&self.zookeeper.layout, Plan::default());
            plan_entries(&self.catalog, layout, &registrant, &before, &SnapshotPart::default(), &mut plan)?;
            if !plan.removals.is_empty() {
                plan.document.check(layout.document(&registrant), record.version);
            }
            Ok(Some(plan))
        });
        if let Err(error) = outcome.await {
            log::debug!("what a change of {registrant} has superseded is left to the sweep: {error}");
        }
    }
}
