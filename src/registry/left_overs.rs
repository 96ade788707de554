//! Clears away what a change that was cut short left behind, and what has been gone for long.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::Registry;
use super::clock::unix_millis;
use super::dependencies::consumer_entries;
use super::instances::entries_of;
use super::plan::{Plan, ownership, url_path};
use crate::catalog::{MetadataStanding, SnapshotRecord};
use crate::dubbo::{Side, decode};
use crate::model::{Registrant, SidecarId, SnapshotPart};
use crate::zookeeper::{ApplicationPlace, MetadataKey, Place};

/// How often left-overs are looked for.
const SWEEP: Duration = Duration::from_secs(30);
/// Looking takes a thirtieth of the time at most, however much there is to look at, but is not put off for longer than this.
const PAUSE: u32 = 30;
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// Znodes that are looked at in one go.
const AT_ONCE: usize = 100;

impl Registry {
    /// Looks for left-overs until the process ends.
    pub(super) async fn watch_left_overs(&self) {
        let mut suspects = HashSet::new();
        let mut idle = HashMap::new();
        let mut pause = SWEEP;
        loop {
            // The pause comes after the work, so that two looks are never closer than this.
            sleep(pause).await;
            let began = Instant::now();
            suspects = self.clear_left_overs(suspects).await;
            idle = self.clear_metadata(idle).await;
            pause = SWEEP.max(began.elapsed() * PAUSE).min(LONGEST_PAUSE);
        }
    }

    /// Deletes the documents of the application level that zoogate wrote and that no instance has named for the
    /// retention, as far as this replica has watched; consumers may still be reading those that were given up lately.
    /// `idle` says since when it has watched each.
    async fn clear_metadata(&self, idle: HashMap<MetadataKey, Instant>) -> HashMap<MetadataKey, Instant> {
        // Without instances to look at nobody seems to name anything.
        let Some(following) = self.catalog.following_since() else { return HashMap::new() };
        if !self.zookeeper.layout.reads_applications() {
            return HashMap::new();
        }
        let now = Instant::now();
        let mut still_idle = HashMap::new();
        for key in self.catalog.idle_metadata() {
            let since = idle.get(&key).copied().unwrap_or(now).max(following);
            if now.saturating_duration_since(since) < self.options.metadata_retention {
                still_idle.insert(key, since);
                continue;
            }
            let path = self.zookeeper.layout.metadata(&key);
            let outcome = self.settle(&path, || {
                let MetadataStanding::Own(version, false) = self.catalog.metadata_standing(&key) else {
                    return Ok(None);
                };
                let mut plan = Plan::default();
                plan.removals.delete(path.as_str(), version);
                Ok(Some(plan))
            });
            match outcome.await {
                Ok(()) => {
                    self.metrics.repairs.with_label_values(&["left_over"]).inc();
                    log::info!("{path} is no longer named by any instance and is cleared away");
                }
                Err(error) => log::warn!("cannot clear away {path}: {error}"),
            }
        }
        still_idle
    }

    /// Deletes znodes that name a registrant whose document does not list them, if that was so at the last look as
    /// well, and the documents of sidecars that have been gone for longer than the retention.
    async fn clear_left_overs(&self, suspects: HashSet<String>) -> HashSet<String> {
        if self.catalog.following_since().is_none() {
            return HashSet::new();
        }
        let mut by_owner: HashMap<Registrant, Vec<String>> = HashMap::new();
        for interface in self.catalog.interfaces_with_providers() {
            let providers = self.catalog.owned_providers(&interface);
            self.note_unlisted(Side::Provider, providers, &mut by_owner).await;
        }
        self.note_unlisted(Side::Consumer, self.catalog.owned_consumers(), &mut by_owner).await;
        for (address, owner) in self.catalog.owned_instances() {
            let path = self.zookeeper.layout.application_instance(&address);
            by_owner.entry(owner).or_default().push(path);
        }
        let mut found = HashSet::new();
        for (owner, mut paths) in by_owner {
            tokio::task::yield_now().await;
            let Some(listed) = self.listed_paths(&owner) else { continue };
            paths.retain(|path| !listed.contains(path));
            let (again, first): (Vec<_>, Vec<_>) =
                paths.into_iter().partition(|path| suspects.contains(path));
            found.extend(first);
            if !again.is_empty() {
                self.clear(&owner, &again).await;
            }
        }
        for sidecar in self.catalog.empty_snapshots() {
            self.forget_sidecar(&sidecar).await;
        }
        found
    }

    /// Adds those of `nodes` of which it is not plain to see that the document of their owner lists them.
    async fn note_unlisted(
        &self,
        side: Side,
        nodes: Vec<(String, Registrant)>,
        by_owner: &mut HashMap<Registrant, Vec<String>>,
    ) {
        let layout = &self.zookeeper.layout;
        for (number, (path, owner)) in nodes.into_iter().enumerate() {
            if number.is_multiple_of(AT_ONCE) {
                tokio::task::yield_now().await;
            }
            let url = decode(path.rsplit('/').next().unwrap_or_default()).unwrap_or_default();
            let is_listed = self.catalog.plainly_lists(&owner, side, &url)
                && url_path(layout, side, &url).is_ok_and(|listed| listed == path);
            if !is_listed {
                by_owner.entry(owner).or_default().push(path);
            }
        }
    }

    /// The paths that the document of `owner` lists; `None` when it cannot be trusted to say.
    fn listed_paths(&self, owner: &Registrant) -> Option<HashSet<String>> {
        let entries = match owner {
            Registrant::Sidecar(sidecar) => {
                let record = self.catalog.snapshot(sidecar);
                if record.as_ref().is_some_and(|record| record.damaged || record.is_torn()) {
                    return None;
                }
                record.map(|record| record.entries())
            }
            Registrant::Instance(key) => {
                let record = self.catalog.instance_record(key);
                record.map(|record| entries_of(&record.document))
            }
            Registrant::Dependency(key) => {
                self.catalog.dependency(key).map(|record| consumer_entries(&record.document))
            }
        };
        // Without a document that makes sense, a lease says that the registrant is there all the same.
        if entries.is_none() && self.catalog.marks(owner).is_some() {
            return None;
        }
        let SnapshotPart { providers, consumers, instances } = entries.unwrap_or_default();
        let layout = &self.zookeeper.layout;
        let providers = providers.iter().filter_map(|url| url_path(layout, Side::Provider, url).ok());
        let consumers = consumers.iter().filter_map(|url| url_path(layout, Side::Consumer, url).ok());
        let instances = instances.iter().map(|address| layout.application_instance(address));
        Some(providers.chain(consumers).chain(instances).collect())
    }

    async fn clear(&self, owner: &Registrant, paths: &[String]) {
        let ear = self.hearing.ear(owner);
        let _change = ear.change.write().await;
        let outcome = self
            .settle(owner, || {
                let Some(listed) = self.listed_paths(owner) else { return Ok(None) };
                let mut plan = Plan::default();
                let mut instances = SnapshotPart::default();
                for path in paths.iter().filter(|path| !listed.contains(*path)) {
                    if let Place::Application(ApplicationPlace::Instance { application, name }) =
                        self.zookeeper.layout.place(path)
                    {
                        instances.instances.insert(format!("{application}/{name}"));
                        continue;
                    }
                    let node = self.catalog.service_node(path).filter(|node| node.owners.contains(owner));
                    let Some(node) = node else { continue };
                    if node.owners.len() == 1 {
                        plan.removals.delete(path, node.version);
                    } else {
                        plan.removals.set(path, ownership(&node.owners, None, Some(owner)), node.version);
                    }
                }
                self.plan_instances(owner, &instances, &SnapshotPart::default(), &mut plan)?;
                if !plan.removals.is_empty()
                    && let Some(version) = self.catalog.document_version(owner)
                {
                    plan.document.check(self.zookeeper.layout.document(owner), version);
                }
                Ok(Some(plan))
            })
            .await;
        match outcome {
            Ok(()) => {
                self.metrics.repairs.with_label_values(&["left_over"]).inc_by(paths.len() as u64);
                log::info!("{} znodes were left over from {owner} and are cleared away", paths.len());
            }
            Err(error) => log::warn!("cannot clear away what was left over from {owner}: {error}"),
        }
    }

    async fn forget_sidecar(&self, sidecar: &SidecarId) {
        let registrant = Registrant::Sidecar(sidecar.clone());
        let retention = i64::try_from(self.options.snapshot_retention.as_millis()).unwrap_or(i64::MAX);
        let is_over = |record: &SnapshotRecord| {
            record.is_empty()
                && unix_millis().saturating_sub(record.modified) > retention
                && self.catalog.marks(&registrant).is_none()
                && self.hearing.last(&registrant).is_none()
        };
        if !self.catalog.snapshot(sidecar).is_some_and(|record| is_over(&record)) {
            return;
        }
        let outcome = self
            .settle(&registrant, || {
                let Some(record) = self.catalog.snapshot(sidecar).filter(|record| is_over(record)) else {
                    return Ok(None);
                };
                let mut plan = Plan::default();
                for (part, (_, version)) in &record.parts {
                    plan.old_parts.delete(self.zookeeper.layout.part(sidecar, part), *version);
                }
                plan.document.delete(self.zookeeper.layout.document(&registrant), record.version);
                Ok(Some(plan))
            })
            .await;
        match outcome {
            Ok(()) => log::info!("{registrant} has been gone for long and is forgotten"),
            Err(error) => log::warn!("cannot forget {registrant}: {error}"),
        }
    }
}
