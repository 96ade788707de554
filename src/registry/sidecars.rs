//! The use cases of sidecars: a snapshot comes in whole, and ZooKeeper is made to match it.

use std::collections::BTreeSet;

use super::clock::unix_millis;
use super::plan::{Plan, SnapshotChange, plan_entries, plan_lease, plan_no_lease, plan_snapshot};
use super::timestamps::wanted_entries;
use super::{Registry, RegistryError};
use crate::catalog::SnapshotRecord;
use crate::dubbo::ServiceUrl;
use crate::model::{Registrant, SidecarId, Snapshot, SnapshotPart, SnapshotReport, Timestamps};

impl Registry {
    /// Makes ZooKeeper match `snapshot`, the whole of what `sidecar` provides and consumes, in one transaction.
    /// An unchanged snapshot writes nothing and only renews the lease. `peer` is the address that asked.
    ///
    /// # Errors
    /// [`RegistryError`]; nothing was changed, unless it says that the outcome is unknown.
    pub async fn sync(
        &self,
        sidecar: &SidecarId,
        peer: &str,
        snapshot: Snapshot,
    ) -> Result<SnapshotReport, RegistryError> {
        let registrant = Registrant::Sidecar(sidecar.clone());
        // Also a snapshot that has to be refused is a sign of life, of somebody who is registered.
        let known = self.catalog.marks(&registrant).map(|_| self.hearing.touch(&registrant));
        let replica = self.replica_in_touch()?;
        let ear = known.unwrap_or_else(|| self.hearing.touch(&registrant));
        let now = unix_millis();
        let mut settled = (SnapshotPart::default(), 0);
        let mut plan = || {
            let record = self.catalog.snapshot(sidecar);
            let mut before = record.as_ref().map(SnapshotRecord::entries).unwrap_or_default();
            let unreadable = self.catalog.unreadable_version(&self.zookeeper.layout.document(&registrant));
            let torn = record.as_ref().is_some_and(|record| record.damaged || record.is_torn());
            if torn || unreadable.is_some() {
                let standing = self.catalog.entries_of(&registrant);
                before.providers.extend(standing.providers);
                before.consumers.extend(standing.consumers);
                before.instances.extend(standing.instances);
            }
            let remembered = record.as_ref().map(|record| &record.document.timestamps);
            let mut after = wanted_entries(&before, remembered, &snapshot, now);
            after.instances = self.wanted_instances(&before, &after.providers);
            let mut plan = Plan::default();
            let version = record.as_ref().map(|record| record.version).or(unreadable).map_or(0, version_of);
            let changed = record.is_none() || torn || before != after;
            if changed {
                let change = SnapshotChange {
                    sidecar,
                    peer,
                    record: record.as_ref(),
                    after: &after,
                    timestamps: Timestamps::new(),
                };
                let limit = self.zookeeper.max_transaction_bytes();
                plan_snapshot(&self.catalog, &self.zookeeper.layout, limit, change, &mut plan);
                plan_entries(&self.catalog, &self.zookeeper.layout, &registrant, &before, &after, &mut plan)?;
                self.plan_instances(&registrant, &before, &after, &mut plan)?;
            } else if let Some(record) = &record {
                // Guards the mark below against a document that was changed meanwhile.
                plan.document.check(self.zookeeper.layout.document(&registrant), record.version);
            }
            let guards = plan.document.operations.len();
            if after.is_empty() && before.is_empty() && self.catalog.marks(&registrant).is_none() {
                // Nothing was registered, so nothing keeps it alive.
            } else if after.is_empty() {
                plan_no_lease(&self.catalog, &self.zookeeper.layout, &registrant, &mut plan);
            } else {
                plan_lease(&self.catalog, &self.zookeeper.layout, &registrant, &replica, &mut plan);
            }
            settled = (after, if changed { version + 1 } else { version });
            Ok((changed || plan.document.operations.len() > guards).then_some(plan))
        };
        // The common case first: nothing has changed and this replica has said so already.
        let unchanged = !ear.is_lapsing() && matches!(plan(), Ok(None));
        if !unchanged {
            let _change = ear.change.lock().await;
            self.finish_lapse(&ear).await?;
            self.settle(&registrant, &mut plan).await?;
            // A large change takes its time, and its time to live begins when it is acknowledged.
            self.hearing.touch(&registrant);
        }
        let (entries, version) = settled;
        Ok(self.snapshot_report(sidecar, &entries, version))
    }

    /// What is registered for `sidecar`; `None` when it never synced.
    pub fn report(&self, sidecar: &SidecarId) -> Option<SnapshotReport> {
        let record = self.catalog.snapshot(sidecar)?;
        Some(self.snapshot_report(sidecar, &record.entries(), version_of(record.version)))
    }

    /// The sidecars that `peer` synced for, as far as they ever had an entry.
    pub fn registrants_of_peer(&self, peer: &str) -> Vec<SidecarId> {
        let known = self.catalog.sidecars_of_peer(peer);
        let meant = known.into_iter().filter(|sidecar| {
            // A document that is empty and was never changed only says that somebody has nothing to say.
            self.catalog.snapshot(sidecar).is_some_and(|record| !record.is_empty() || record.version > 0)
        });
        meant.collect()
    }

    fn snapshot_report(&self, sidecar: &SidecarId, entries: &SnapshotPart, version: u64) -> SnapshotReport {
        let interfaces = |urls: &BTreeSet<String>| -> BTreeSet<String> {
            let parsed = urls.iter().filter_map(|url| ServiceUrl::parse(url).ok());
            parsed.map(|url| url.interface().to_owned()).collect()
        };
        let consumed = interfaces(&entries.consumers);
        let dispatched = consumed.iter().filter(|interface| self.catalog.has_provider(interface));
        SnapshotReport {
            registrant: sidecar.clone(),
            provided: interfaces(&entries.providers).into_iter().collect(),
            dispatched: dispatched.cloned().collect(),
            consumed: consumed.into_iter().collect(),
            version,
        }
    }
}

/// The version that clients see of a document with this `dataVersion`: the first is 1, and 0 stands for failures.
fn version_of(data_version: i32) -> u64 {
    u64::try_from(data_version).unwrap_or(0) + 1
}
