//! The use cases of dependencies: who uses whom, and where the consumer stands in Dubbo's tree for it.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::stream::{self, StreamExt};
use tokio::sync::mpsc::Receiver;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::clock::unix_seconds;
use super::plan::{Plan, plan_entries, to_json};
use super::{Registry, RegistryError};
use crate::catalog::{DependencyRecord, Registered};
use crate::model::{
    DependencyDocument, DependencyKey, Registrant, ServiceKey, SnapshotPart, Tenant, short_digest,
};

/// Dependencies that are recorded at once.
const IN_FLIGHT: usize = 16;
/// Dependencies that are taken from the queue together.
const BATCH: usize = 256;
/// How often every dependency is compared with what it should be.
const SWEEP: Duration = Duration::from_secs(60);
/// Every replica sees an instance of a consumer come and go; they act one after the other, so that the first one's
/// change is seen by the others before their turn. In milliseconds.
const STAGGER: u64 = 500;

impl Registry {
    /// Records dependencies until the process ends.
    pub(super) async fn record_dependencies(&self, mut noted: Receiver<DependencyKey>) {
        let mut sweep = interval(SWEEP);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut keys = Vec::new();
        let mut turn: Option<Instant> = None;
        loop {
            tokio::select! {
                _ = noted.recv_many(&mut keys, BATCH) => {
                    self.settle_all(std::mem::take(&mut keys), true).await;
                }
                () = self.catalog.consumers_changed.notified() => {
                    turn.get_or_insert_with(|| Instant::now() + self.turn());
                }
                () = sleep_until(turn.unwrap_or_else(Instant::now)), if turn.is_some() => {
                    turn = None;
                    let changed = self.catalog.take_changed_consumers();
                    let keys = changed.iter().flat_map(|(tenant, id)| self.catalog.dependencies_of(tenant, id));
                    self.settle_all(keys.map(|(key, _)| key).collect(), false).await;
                }
                _ = sweep.tick() => {
                    if self.catalog.following_since().is_some() {
                        self.settle_all(self.catalog.dependency_keys(), false).await;
                    }
                }
            }
        }
    }

    /// Makes the dependencies of a consumer include these, or with `replace` be these.
    ///
    /// # Errors
    /// [`RegistryError::NoSuchMicroservice`] and those of every change.
    pub async fn set_dependencies(
        &self,
        tenant: &Tenant,
        consumer_id: &str,
        providers: &BTreeSet<ServiceKey>,
        replace: bool,
    ) -> Result<(), RegistryError> {
        self.replica_in_touch()?;
        self.settle(&format!("the dependencies of microservice {consumer_id}"), || {
            self.changeable(tenant, consumer_id)?;
            let mut plan = Plan::default();
            for provider in providers {
                let key = DependencyKey { consumer_id: consumer_id.to_owned(), provider: provider.clone() };
                if self.catalog.dependency(&key).is_none() {
                    self.plan_dependency(&key, None, &mut plan)?;
                }
            }
            if replace {
                let known = self.catalog.dependencies_of(tenant, consumer_id);
                for (key, record) in known.iter().filter(|(key, _)| !providers.contains(&key.provider)) {
                    self.plan_no_dependency(key, record, &mut plan)?;
                }
            }
            if plan.is_empty() {
                return Ok(None);
            }
            // The consumer must not be deleted at the same moment.
            let consumer = self.zookeeper.layout.microservice(tenant, consumer_id);
            plan.document.check(consumer, -1);
            Ok(Some(plan))
        })
        .await
    }

    /// Takes away every dependency of a consumer.
    pub(super) fn plan_no_dependencies(
        &self,
        tenant: &Tenant,
        consumer_id: &str,
        plan: &mut Plan,
    ) -> Result<(), RegistryError> {
        let known = self.catalog.dependencies_of(tenant, consumer_id);
        known.iter().try_for_each(|(key, record)| self.plan_no_dependency(key, record, plan))
    }

    fn turn(&self) -> Duration {
        let replica = self.zookeeper.replica();
        let digest = replica.map_or(0, |replica| short_digest(replica.as_str().as_bytes()));
        Duration::from_millis(50 + digest % STAGGER)
    }

    async fn settle_all(&self, keys: Vec<DependencyKey>, create: bool) {
        stream::iter(keys)
            .for_each_concurrent(IN_FLIGHT, |key| async move {
                if let Err(error) = self.settle_dependency(&key, create).await {
                    log::debug!("cannot record the dependency of {key}: {error}");
                }
                self.recorder.done(&key);
                // Most need no change and none of this waits: let others have their turn.
                tokio::task::yield_now().await;
            })
            .await;
    }

    /// Makes a dependency stand as it should, or go when its consumer is gone; `create` records it first.
    async fn settle_dependency(&self, key: &DependencyKey, create: bool) -> Result<(), RegistryError> {
        let tenant = &key.provider.tenant;
        self.settle(key, || {
            let record = self.catalog.dependency(key);
            let mut plan = Plan::default();
            match (self.catalog.registered(tenant, &key.consumer_id), &record) {
                (Registered::Nothing, Some(record)) => self.plan_no_dependency(key, record, &mut plan)?,
                (Registered::Record(_), Some(record))
                    if record.document.url == self.catalog.wanted_consumer_url(key) => {}
                (Registered::Record(_), Some(record)) => {
                    self.plan_dependency(key, Some(record), &mut plan)?
                }
                (Registered::Record(_), None) if create => self.plan_dependency(key, None, &mut plan)?,
                _ => {}
            }
            if plan.is_empty() {
                return Ok(None);
            }
            if let Registered::Record(_) = self.catalog.registered(tenant, &key.consumer_id) {
                let consumer = self.zookeeper.layout.microservice(tenant, &key.consumer_id);
                plan.document.check(consumer, -1);
            }
            Ok(Some(plan))
        })
        .await
    }

    fn plan_dependency(
        &self,
        key: &DependencyKey,
        record: Option<&DependencyRecord>,
        plan: &mut Plan,
    ) -> Result<(), RegistryError> {
        let document = DependencyDocument {
            consumer: key.consumer_id.clone(),
            environment: key.provider.environment.clone(),
            app_id: key.provider.app_id.clone(),
            service_name: key.provider.service_name.clone(),
            timestamp: record.map_or_else(unix_seconds, |record| record.document.timestamp.clone()),
            url: self.catalog.wanted_consumer_url(key),
        };
        let path = self.zookeeper.layout.dependency(key);
        match record {
            None => plan.document.create(path, to_json(&document)),
            Some(record) => plan.document.set(path, to_json(&document), record.version),
        }
        let before = record.map(|record| consumer_entries(&record.document)).unwrap_or_default();
        let owner = Registrant::from(key.clone());
        let after = consumer_entries(&document);
        plan_entries(&self.catalog, &self.zookeeper.layout, &owner, &before, &after, plan)
    }

    fn plan_no_dependency(
        &self,
        key: &DependencyKey,
        record: &DependencyRecord,
        plan: &mut Plan,
    ) -> Result<(), RegistryError> {
        plan.document.delete(self.zookeeper.layout.dependency(key), record.version);
        let owner = Registrant::from(key.clone());
        let before = consumer_entries(&record.document);
        plan_entries(&self.catalog, &self.zookeeper.layout, &owner, &before, &SnapshotPart::default(), plan)
    }
}

/// The consumer URL of a dependency in the form in which those of sidecars are compared.
pub(super) fn consumer_entries(document: &DependencyDocument) -> SnapshotPart {
    SnapshotPart { consumers: document.url.iter().cloned().collect(), ..SnapshotPart::default() }
}
