//! Puts back what somebody else deleted or damaged.
//!
//! Every repair is guarded by what proves that the registration still lives: a znode is restored only together with a
//! check of its registrant's document, a document only together with a check of its lease. So taking a registration
//! down, which removes both in one transaction, is never undone by a repair that was planned a moment earlier.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use futures::stream::{self, StreamExt};
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::dependencies::consumer_entries;
use super::instances::entries_of;
use super::plan::{Plan, ownership, plan_lease, url_path};
use super::{Registry, RegistryError};
use crate::catalog::{Loss, SnapshotRecord};
use crate::dubbo::Side;
use crate::model::{Registrant, ReplicaId};

/// How often everything is compared even if nothing was heard of a loss.
const COMPARISON: Duration = Duration::from_secs(300);
/// When a repair that failed is tried again.
const RETRY: Duration = Duration::from_secs(1);
/// How long news of losses is gathered before it is acted on.
const GATHER: Duration = Duration::from_millis(20);
/// Repairs that are made at once: a slow one must not hold up the others.
const REPAIRS_IN_FLIGHT: usize = 32;

impl Registry {
    /// Repairs until the process ends.
    pub(super) async fn watch_losses(&self) {
        let mut comparison = interval(COMPARISON);
        comparison.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut compared: Option<Instant> = None;
        let mut failed = Vec::new();
        loop {
            tokio::select! {
                () = self.catalog.losses.notified() => {}
                () = sleep(RETRY), if !failed.is_empty() => {}
                _ = comparison.tick() => compared = None,
            }
            // Several znodes of a registration vanish one after the other: look once, when all have been told of.
            sleep(GATHER).await;
            let following = self.catalog.following_since();
            if following.is_none() {
                // What is lost is kept until it can be told from what has not arrived yet.
                continue;
            }
            // The older ones first: of several states of one document the last one counts.
            let mut losses = std::mem::take(&mut failed);
            losses.append(&mut self.catalog.take_losses());
            if following != compared {
                compared = following;
                failed.extend(self.verify_everything().await);
            }
            failed.extend(self.repair(losses).await);
        }
    }

    /// Repairs what can be repaired, and answers what could not be.
    async fn repair(&self, losses: Vec<Loss>) -> Vec<Loss> {
        // Documents first: what they list is looked at after.
        let mut registrations = HashSet::new();
        let mut documents = Vec::new();
        let mut snapshots = HashMap::new();
        for loss in losses {
            match &loss {
                Loss::Registration(registrant) => drop(registrations.insert(registrant.clone())),
                Loss::Snapshot(id, _) => drop(registrations.insert(Registrant::Sidecar(id.clone()))),
                Loss::Instance(key, _) => drop(registrations.insert(Registrant::from(key.clone()))),
                Loss::Microservice(..) | Loss::Replica(_) => {}
            }
            match loss {
                Loss::Registration(_) => {}
                Loss::Snapshot(id, record) => drop(snapshots.insert(id, record)),
                loss => documents.push(loss),
            }
        }
        documents.extend(snapshots.into_iter().map(|(id, record)| Loss::Snapshot(id, record)));
        let repairs = stream::iter(documents).map(|loss| async move {
            let outcome = self.restore_document(&loss).await;
            outcome.err().map(|error| {
                log::warn!("cannot restore a document yet: {error}");
                loss
            })
        });
        let mut failed: Vec<Loss> =
            repairs.buffer_unordered(REPAIRS_IN_FLIGHT).filter_map(std::future::ready).collect().await;
        failed.extend(self.restore_all(registrations).await);
        failed
    }

    async fn restore_document(&self, loss: &Loss) -> Result<(), RegistryError> {
        match loss {
            Loss::Registration(_) => Ok(()),
            Loss::Snapshot(sidecar, record) => self.restore_snapshot(sidecar, record).await,
            Loss::Instance(key, record) => self.restore_instance(key, record).await,
            Loss::Microservice(tenant, id, record) => self.restore_microservice(tenant, id, record).await,
            Loss::Replica(replica) => self.restore_replica(replica).await,
        }
    }

    async fn restore_all(&self, registrants: impl IntoIterator<Item = Registrant>) -> Vec<Loss> {
        let repairs = stream::iter(registrants).map(|registrant| async move {
            let outcome = self.restore_entries(&registrant).await;
            // Most need no repair and none of this waits: let others have their turn.
            tokio::task::yield_now().await;
            outcome.err().map(|error| {
                log::warn!("cannot repair {registrant} yet: {error}");
                Loss::Registration(registrant)
            })
        });
        repairs.buffer_unordered(REPAIRS_IN_FLIGHT).filter_map(std::future::ready).collect().await
    }

    async fn verify_everything(&self) -> Vec<Loss> {
        let sidecars = self.catalog.sidecars().into_iter().map(Registrant::Sidecar);
        let instances = self.catalog.instance_keys().into_iter().map(Registrant::from);
        let dependencies = self.catalog.dependency_keys().into_iter().map(Registrant::from);
        let mut failed = Vec::new();
        // First, since without it the others take this replica for dead.
        if let Some(replica) = self.zookeeper.replica()
            && self.restore_replica(&replica).await.is_err()
        {
            failed.push(Loss::Replica(replica));
        }
        failed.extend(self.restore_all(sidecars.chain(instances).chain(dependencies)).await);
        failed
    }

    async fn restore_replica(&self, replica: &ReplicaId) -> Result<(), RegistryError> {
        if self.zookeeper.replica().as_ref() == Some(replica) && !self.catalog.replicas().contains(replica) {
            self.zookeeper
                .announce_again()
                .await
                .map_err(|error| RegistryError::Refused(format!("this replica is not announced: {error}")))?;
            log::warn!("the znode of this replica, which somebody deleted, is put back");
            self.metrics.repairs.with_label_values(&["replica"]).inc();
        }
        Ok(())
    }

    /// Puts back what is missing of the provider and consumer znodes, the application level, and the lease, of a
    /// registration.
    async fn restore_entries(&self, registrant: &Registrant) -> Result<(), RegistryError> {
        // The common case without a lock: nothing is missing.
        if self.plan_restore(registrant)?.is_none() {
            return Ok(());
        }
        let ear = self.hearing.ear(registrant);
        let _change = ear.change.write().await;
        let (mut entries, mut lease) = (0, 0);
        self.settle(registrant, || {
            let plan = self.plan_restore(registrant)?;
            // Nothing, too, when what seemed to be missing had only not arrived yet.
            (entries, lease) = plan.as_ref().map_or((0, 0), |plan| {
                // Nothing but a lease is created beside the entries.
                (plan.additions.changed_paths().len(), plan.document.changed_paths().len().min(1))
            });
            Ok(plan)
        })
        .await?;
        for (kind, restored) in [("entry", entries), ("lease", lease)] {
            self.metrics.repairs.with_label_values(&[kind]).inc_by(restored as u64);
        }
        if entries + lease > 0 {
            log::warn!(
                "{registrant}: {entries} entries and {lease} lease that somebody deleted or damaged are put back"
            );
        }
        self.look_again(registrant.clone());
        Ok(())
    }

    /// Has a registration repaired whose znodes were damaged between a commit and its reading. The catalog has never seen
    /// them whole, so no news of a loss will come of that.
    pub(super) fn look_again(&self, registrant: Registrant) {
        if !matches!(self.plan_restore(&registrant), Ok(None)) {
            self.catalog.suspect(registrant);
        }
    }

    fn plan_restore(&self, registrant: &Registrant) -> Result<Option<Plan>, RegistryError> {
        let known = match registrant {
            Registrant::Sidecar(sidecar) => {
                let whole = |record: &SnapshotRecord| !record.is_empty() && !record.is_torn();
                let record = self.catalog.snapshot(sidecar).filter(whole);
                record.map(|record| (record.version, record.entries()))
            }
            Registrant::Instance(key) => {
                let record = self.catalog.instance_record(key);
                record.map(|record| (record.version, entries_of(&record.document)))
            }
            Registrant::Dependency(key) => {
                let record = self.catalog.dependency(key);
                record.map(|record| (record.version, consumer_entries(&record.document)))
            }
        };
        let Some((version, entries)) = known else { return Ok(None) };
        let layout = &self.zookeeper.layout;
        let mut plan = Plan::default();
        for (side, urls) in [(Side::Provider, &entries.providers), (Side::Consumer, &entries.consumers)] {
            for url in urls {
                let path = url_path(layout, side, url)?;
                match self.catalog.service_node(&path) {
                    None => plan.additions.create(path, ownership(&[], Some(registrant), None)),
                    Some(node) if node.owners.contains(registrant) => {}
                    // A Dubbo application has registered the very same URL by itself: it stays its own.
                    Some(node) if node.owners.is_empty() && node.ephemeral => {}
                    Some(node) => {
                        plan.additions.set(
                            path,
                            ownership(&node.owners, Some(registrant), None),
                            node.version,
                        );
                    }
                }
            }
        }
        self.plan_instances(registrant, &entries, &entries, &mut plan)?;
        let lease_is_missing =
            self.catalog.marks(registrant).is_none() && !matches!(registrant, Registrant::Dependency(_));
        if plan.additions.is_empty() && !lease_is_missing {
            return Ok(None);
        }
        plan.document.check(layout.document(registrant), version);
        if !lease_is_missing && !matches!(registrant, Registrant::Dependency(_)) {
            plan.document.check(layout.lease(registrant), -1);
        }
        if lease_is_missing {
            match self.zookeeper.replica().filter(|_| self.hears(registrant)) {
                Some(replica) => {
                    plan_lease(&self.catalog, layout, registrant, &replica, &mut plan);
                }
                // Heard elsewhere, if at all: with a mark it would seem to have been silent for long. Without one it
                // is an orphan, which gets its time to live like any other.
                None => plan.document.create(layout.lease(registrant), ""),
            }
        }
        Ok(Some(plan))
    }
}
