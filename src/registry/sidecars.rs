//! The use cases of sidecars: a snapshot comes in whole, and ZooKeeper is made to match it.

use std::collections::{BTreeMap, BTreeSet};

use super::clock::unix_millis;
use super::plan::{Plan, plan_entries, plan_lease, plan_no_lease, plan_snapshot};
use super::{Registry, RegistryError};
use crate::catalog::SnapshotRecord;
use crate::dubbo::{EntryKey, ServiceUrl, consumer_url, provider_url};
use crate::model::{Registrant, SidecarId, Snapshot, SnapshotPart, SnapshotReport};

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
            }
            let after = wanted_entries(&before, &snapshot, now);
            let mut plan = Plan::default();
            let version = record.as_ref().map(|record| record.version).or(unreadable).map_or(0, version_of);
            let changed = record.is_none() || torn || before != after;
            if changed {
                plan_snapshot(
                    &self.catalog,
                    &self.zookeeper.layout,
                    self.zookeeper.max_transaction_bytes(),
                    (sidecar, peer),
                    record.as_ref(),
                    &after,
                    &mut plan,
                );
                plan_entries(&self.catalog, &self.zookeeper.layout, &registrant, &before, &after, &mut plan)?;
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

/// The URLs that `snapshot` stands as. What was registered before under the same key keeps its timestamp: a new one
/// would make Java consumers warm the provider up again.
fn wanted_entries(before: &SnapshotPart, snapshot: &Snapshot, now: i64) -> SnapshotPart {
    let urls = before.providers.iter().chain(&before.consumers);
    let parsed = urls.filter_map(|url| ServiceUrl::parse(url).ok());
    let timestamps: BTreeMap<EntryKey, i64> =
        parsed.filter_map(|url| Some((url.entry_key(), url.timestamp()?))).collect();
    let keep = |write: &dyn Fn(i64) -> String| {
        let fresh = write(now);
        let key = ServiceUrl::parse(&fresh).map(|url| url.entry_key());
        match key.ok().and_then(|key| timestamps.get(&key)) {
            Some(timestamp) => write(*timestamp),
            None => fresh,
        }
    };
    SnapshotPart {
        providers: snapshot.providers.iter().map(|provider| keep(&|at| provider_url(provider, at))).collect(),
        consumers: snapshot.consumers.iter().map(|consumer| keep(&|at| consumer_url(consumer, at))).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Provider;

    fn snapshot(method: &str, port: u16) -> Snapshot {
        let provider = Provider {
            interface: "a.B".into(),
            protocol: "dubbo".into(),
            host: "10.0.0.1".into(),
            port,
            methods: vec![method.into()],
            params: BTreeMap::new(),
        };
        Snapshot { providers: vec![provider], consumers: Vec::new() }
    }

    #[test]
    fn a_provider_keeps_its_timestamp_when_its_methods_change_but_not_its_address() {
        let first = wanted_entries(&SnapshotPart::default(), &snapshot("x", 1), 1_000_000_000_001);
        assert_eq!(wanted_entries(&first, &snapshot("x", 1), 1_000_000_000_002), first);
        let changed = wanted_entries(&first, &snapshot("y", 1), 1_000_000_000_002);
        assert_ne!(changed, first);
        assert!(changed.providers.iter().all(|url| url.contains("timestamp=1000000000001")));
        let moved = wanted_entries(&first, &snapshot("x", 2), 1_000_000_000_002);
        assert!(moved.providers.iter().all(|url| url.contains("timestamp=1000000000002")));
    }
}
