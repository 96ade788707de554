//! The in-memory copy of the registry that answers every read.
//!
//! One task, the feed, tells it of every change; readers take a lock for as long as it takes to copy a few pointers.

mod answers;
mod application_changes;
mod application_queries;
mod applications;
mod asker;
mod attributes;
mod child_lists;
mod dependencies;
mod few;
mod find;
mod gauges;
mod instances;
mod leases;
mod left_overs;
mod listeners;
mod listing;
mod names;
mod nodes;
mod offers;
mod providers;
mod quiet;
mod registrants;
mod services;
mod snapshots;
mod state;
mod taken_apart;
mod topics;
#[cfg(test)]
mod topics_tests;
mod versions;
mod watch;

use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};

use ahash::RandomState;
use parking_lot::{Mutex, RwLock};
use tokio::sync::Notify;

use crate::model::{
    InstanceKey, Microservice, MicroserviceKey, Registrant, ServiceKey, SidecarId, SnapshotPart, Tenant,
};
use crate::telemetry::Metrics;
use crate::zookeeper::{Batch, Layout, Node, Place, Sink, ZooKeeper};

use taken_apart::{Reply, TakenApart};

pub use answers::{Existence, FindError, Found, Holds, LeaseView, Registered};
pub use application_queries::MetadataStanding;
pub use applications::{ApplicationNode, MappingRecord, Standing};
pub use asker::Asker;
pub use attributes::PairsRecord;
pub use dependencies::DependencyRecord;
pub use few::Few;
pub use instances::InstanceRecord;
pub use listeners::{Listener, Listeners};
pub use nodes::ServiceNode;
pub use services::MicroserviceRecord;
pub use snapshots::SnapshotRecord;
pub use state::Loss;
pub use topics::{Basis, Moment};
pub use watch::{Changes, Event, Lane, Watch, WatchError, Watchers};

/// Changes that are made under one lock: a long reading must not keep readers waiting.
const CHANGES_PER_LOCK: usize = 64;

/// The in-memory copy of the registry that answers every read.
pub struct Catalog {
    layout: Layout,
    metrics: Arc<Metrics>,
    state: RwLock<state::State>,
    /// That of the services, so that what depends on it can be made without a lock.
    hasher: RandomState,
    freshness: Mutex<Freshness>,
    /// Told when something of a registration may have been lost.
    pub losses: Notify,
    /// Told when the instances of a consumer have changed.
    pub consumers_changed: Notify,
    /// Those who want to hear of changes.
    pub watchers: Arc<Watchers>,
    /// Those who wait for news of a sidecar.
    pub listeners: Arc<Listeners>,
    /// Where to ask for what has not arrived yet. Weak, because ZooKeeper's feed holds the catalog.
    source: OnceLock<Weak<ZooKeeper>>,
}

#[derive(Default)]
struct Freshness {
    stale_since: Option<Instant>,
    following_since: Option<Instant>,
    was_whole: bool,
}

impl Catalog {
    /// An empty catalog, stale until its feed has read everything once. A list of providers or consumers that exceeds
    /// `list_warning` bytes is reported.
    pub fn new(layout: Layout, list_warning: usize, metrics: Arc<Metrics>) -> Self {
        let mut state = state::State { is_new: true, ..state::State::default() };
        state.nodes.lists = child_lists::ChildLists::new(list_warning);
        let (watchers, listeners) = (state.watchers.clone(), state.listeners.clone());
        let hasher = state.services.hasher.clone();
        Self {
            layout,
            metrics,
            state: RwLock::new(state),
            hasher,
            freshness: Mutex::new(Freshness { stale_since: Some(Instant::now()), ..Freshness::default() }),
            losses: Notify::new(),
            consumers_changed: Notify::new(),
            watchers,
            listeners,
            source: OnceLock::new(),
        }
    }

    /// Says where to ask for what has not arrived yet.
    pub fn set_source(&self, zookeeper: &Arc<ZooKeeper>) {
        // Set once at start-up; a second call would name the same link.
        let _ = self.source.set(Arc::downgrade(zookeeper));
    }

    /// Finds the instances of all versions of a service. The consumer, if named, must exist; its environment replaces
    /// that of `service`, and what its application may not see is left out. `by_alias` also tries the name as an alias.
    /// Versions without every one of `tags` are left out.
    ///
    /// # Errors
    /// [`FindError::NoSuchMicroservice`] when no version of the service, or the consumer, exists.
    pub fn find(
        &self,
        service: &ServiceKey,
        consumer_id: Option<&str>,
        by_alias: bool,
        tags: &[String],
    ) -> Result<Found, FindError> {
        self.ask(&service.tenant, consumer_id, |asker| asker.find(service.view(), by_alias, tags))
    }

    /// The instances of one microservice.
    ///
    /// # Errors
    /// [`FindError::NoSuchMicroservice`] when it, or the consumer, does not exist, or it may not be seen.
    pub fn instances(
        &self,
        tenant: &Tenant,
        service_id: &str,
        consumer_id: Option<&str>,
        tags: &[String],
    ) -> Result<Found, FindError> {
        self.state.read().instances(tenant, service_id, consumer_id, tags)
    }

    /// One instance; [`Found::json`] is its object.
    ///
    /// # Errors
    /// [`FindError`] when it or its microservice does not exist or may not be seen.
    pub fn instance(&self, key: &InstanceKey, consumer_id: Option<&str>) -> Result<Found, FindError> {
        self.state.read().instance_answer(key, consumer_id)
    }

    /// One microservice, whoever registered it.
    pub fn microservice(&self, tenant: &Tenant, service_id: &str) -> Option<Arc<Microservice>> {
        self.state.read().services.get(tenant, service_id)?.microservice().cloned()
    }

    /// Whether exactly this version of a service is registered, by name or by alias. What only provider URLs speak of
    /// is not: whoever asks is about to register it, and takes an id that is answered for one that can be changed.
    pub fn existence(&self, key: &MicroserviceKey) -> Existence {
        let state = self.state.read();
        let ServiceKey { tenant, environment, app_id, service_name } = &key.service;
        let name = (environment.as_str(), app_id.as_str(), service_name.as_str());
        let name = &name as &dyn names::Name;
        let Some(services) = state.services.tenants.get(tenant) else { return Existence::Nowhere };
        let groups = [services.by_name.get(name).map(|group| &group.versions), services.by_alias.get(name)];
        let is_registered =
            |id: &&String| services.services.get(*id).is_some_and(|service| service.record.is_some());
        let ids = |versions: &versions::Versions| versions.of(&key.version).find(is_registered).cloned();
        let mut registered = groups.iter().flatten().flat_map(|versions| versions.ids());
        match groups.iter().flatten().find_map(|versions| ids(versions)) {
            Some(id) => Existence::Here(id),
            None if registered.any(|id| is_registered(&id)) => Existence::OtherVersions,
            None => Existence::Nowhere,
        }
    }

    /// `None` while the catalog follows ZooKeeper; otherwise for how long it has not.
    pub fn stale_for(&self) -> Option<Duration> {
        self.freshness.lock().stale_since.map(|since| since.elapsed())
    }

    /// Whether everything has been read at least once. Before that, what the catalog lacks says nothing.
    pub fn was_whole(&self) -> bool {
        self.freshness.lock().was_whole
    }

    /// Since when the catalog has followed ZooKeeper without a break.
    pub fn following_since(&self) -> Option<Instant> {
        self.freshness.lock().following_since
    }

    /// Waits, for a bounded time, until everything has arrived that ZooKeeper had committed before the call. True
    /// when it has; false when it had to be given up.
    pub async fn catch_up(&self) -> bool {
        match self.source.get().and_then(Weak::upgrade) {
            Some(zookeeper) if zookeeper.connection().is_some() => zookeeper.refresh(Vec::new(), true).await,
            _ => false,
        }
    }

    /// What stands at a service id.
    pub fn registered(&self, tenant: &Tenant, service_id: &str) -> Registered {
        let state = self.state.read();
        match state.services.get(tenant, service_id) {
            Some(service) => match (&service.record, &service.described) {
                (Some(record), _) => Registered::Record(record.clone()),
                (None, Some(_)) => Registered::Described,
                (None, None) => Registered::Nothing,
            },
            None => Registered::Nothing,
        }
    }

    /// How long an instance that was registered through the v4 API may be silent; `None` for all others.
    pub fn time_to_live(&self, key: &InstanceKey) -> Option<Duration> {
        self.state.read().services.time_to_live(key)
    }

    /// Whether the id is that of an instance behind a provider URL.
    pub fn is_provider_instance(&self, key: &InstanceKey) -> bool {
        let state = self.state.read();
        let service = state.services.get(&key.tenant, &key.service_id);
        service.is_some_and(|service| service.providers.contains_key(&*key.instance_id))
    }

    /// The other versions of a microservice, as far as they ever had an instance.
    pub fn siblings(&self, tenant: &Tenant, service_id: &str) -> Vec<String> {
        self.state.read().services.siblings(tenant, service_id)
    }

    /// The ids of the instances registered for a microservice.
    pub fn instance_ids(&self, tenant: &Tenant, service_id: &str) -> Vec<Arc<str>> {
        let state = self.state.read();
        let service = state.services.get(tenant, service_id);
        service.map(|service| service.instances.keys().cloned().collect()).unwrap_or_default()
    }

    /// How many instances a microservice has, of every kind.
    pub fn count_of(&self, tenant: &Tenant, service_id: &str) -> usize {
        let state = self.state.read();
        state.services.get(tenant, service_id).map_or(0, services::Service::count)
    }

    /// The `dataVersion` of a document that makes no sense and of which nothing better is known.
    pub fn unreadable_version(&self, path: &str) -> Option<i32> {
        self.state.read().unreadable.get(path).copied()
    }

    /// The snapshot of a sidecar.
    pub fn snapshot(&self, sidecar: &SidecarId) -> Option<SnapshotRecord> {
        self.state.read().snapshots.get(sidecar)
    }

    /// The sidecars whose last change came from `peer`.
    pub fn sidecars_of_peer(&self, peer: &str) -> Vec<SidecarId> {
        self.state.read().snapshots.of_peer(peer)
    }

    /// Every sidecar that has a document.
    pub fn sidecars(&self) -> Vec<SidecarId> {
        self.state.read().snapshots.sidecars().cloned().collect()
    }

    /// Every instance registered through the v4 API.
    pub fn instance_keys(&self) -> Vec<InstanceKey> {
        self.state.read().services.instance_keys().collect()
    }

    /// The provider or consumer znode at `path`.
    pub fn service_node(&self, path: &str) -> Option<ServiceNode> {
        self.state.read().nodes.get(&self.layout, path).cloned()
    }

    /// The URLs that stand in the name of one registrant, whatever its document says.
    pub fn entries_of(&self, registrant: &Registrant) -> SnapshotPart {
        let state = self.state.read();
        let mut entries = state.nodes.entries_of(registrant);
        entries.instances = state.applications.instances_of(registrant);
        entries
    }

    /// Whether the interface has a provider, whoever registered it.
    pub fn has_provider(&self, interface: &str) -> bool {
        let state = self.state.read();
        state.nodes.has_provider(interface) || state.offers.has(interface, None)
    }

    /// What may have been lost since the last call.
    pub fn take_losses(&self) -> Vec<Loss> {
        std::mem::take(&mut self.state.write().losses)
    }

    /// Has a registration looked at as if something of it had been lost.
    pub fn suspect(&self, registrant: Registrant) {
        self.state.write().losses.push(Loss::Registration(registrant));
        self.losses.notify_one();
    }
}

impl Catalog {
    /// Takes znodes; answers the paths of those that it wants to be read besides.
    fn take(&self, nodes: Vec<TakenApart>) -> Vec<String> {
        let mut nodes = nodes.into_iter();
        let mut wanted = Vec::new();
        let (mut lost, mut consumers_changed) = (false, false);
        let mut news = Vec::new();
        while nodes.len() > 0 {
            let mut state = self.state.write();
            state.is_new = false;
            for node in nodes.by_ref().take(CHANGES_PER_LOCK) {
                state.apply(&self.layout, &self.metrics, node);
            }
            lost |= !state.losses.is_empty();
            consumers_changed |= !state.changed_consumers.is_empty();
            wanted.append(&mut state.applications.wanted);
            let changes = std::mem::take(&mut state.changes);
            news.append(&mut state.news);
            drop(state);
            self.tell_watchers(changes);
        }
        // When all has been applied: who is woken looks once.
        self.listeners.tell(&news);
        if consumers_changed {
            self.consumers_changed.notify_one();
        }
        if lost {
            self.losses.notify_one();
        }
        wanted
    }
}

impl Sink for Catalog {
    fn take_apart(self: Arc<Self>, nodes: Vec<(Node, Place)>) -> Box<dyn Batch> {
        let nodes = nodes.into_iter().map(|(node, place)| self.apart(node, place)).collect();
        Box::new(Reply { catalog: self, nodes })
    }

    fn apply(&self, nodes: Vec<Node>) -> Vec<String> {
        let apart = |node: Node| {
            let place = self.layout.place(&node.path);
            self.apart(node, place)
        };
        self.take(nodes.into_iter().map(apart).collect())
    }

    fn touch(&self, folders: Vec<String>, zxid: i64) {
        for folders in folders.chunks(CHANGES_PER_LOCK) {
            let mut state = self.state.write();
            folders.iter().for_each(|folder| state.touch(&self.layout, folder, zxid));
        }
    }

    fn is_new(&self) -> bool {
        self.state.read().is_new
    }

    fn known_paths(&self) -> Vec<String> {
        self.state.read().paths(&self.layout)
    }

    fn following(&self, following: bool) {
        let mut freshness = self.freshness.lock();
        if following {
            freshness.stale_since = None;
            freshness.following_since = Some(Instant::now());
            freshness.was_whole = true;
        } else {
            freshness.stale_since.get_or_insert_with(Instant::now);
            freshness.following_since = None;
        }
        drop(freshness);
        self.listeners.wake_all();
        // After a full reading everything is compared with what the documents say.
        self.losses.notify_one();
    }
}
