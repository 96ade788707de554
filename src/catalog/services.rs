//! Microservices and their instances as the v4 API shows them: those registered through it, and those that stand
//! behind provider URLs of sidecars and Dubbo applications.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU64;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ahash::{HashMap, RandomState};
use bytes::Bytes;

use super::Found;
use super::attributes::PairsRecord;
use super::dependencies::DependencyRecord;
use super::instances::KeptInstance;
use super::listing::Listing;
use super::names::{Name, NameKey};
use super::topics::{Topic, Topics};
use super::versions::Versions;
use crate::model::{InstanceKey, Microservice, Registrant, Tenant};
use crate::zookeeper::Layout;

/// The services of one tenant.
#[derive(Default)]
pub(super) struct TenantServices {
    pub services: HashMap<String, Service>,
    /// All versions of a service, by what a consumer names, as ids by version.
    pub by_name: HashMap<NameKey, Group>,
    /// The same by alias.
    pub by_alias: HashMap<NameKey, Versions>,
    /// What each consumer uses, by the consumer's id.
    pub dependencies: HashMap<String, BTreeMap<NameKey, DependencyRecord>>,
    /// The same the other way round: the ids of those who use a service.
    pub consumers: HashMap<NameKey, BTreeSet<String>>,
    /// All of them as they are listed.
    pub listing: Arc<Listing>,
    /// How many services are registered through the v4 API.
    pub registered: usize,
    /// How many instances are.
    pub instances: usize,
}

/// All versions of one service.
#[derive(Default)]
pub(super) struct Group {
    pub versions: Versions,
    /// The answer to a find that sees every version; emptied by every change of one.
    pub answer: OnceLock<Found>,
}

/// One microservice, whoever registered it.
#[derive(Default)]
pub(super) struct Service {
    /// What was registered through the v4 API.
    pub record: Option<MicroserviceRecord>,
    /// What its provider URLs say of it, when there are any.
    pub described: Option<Arc<Microservice>>,
    /// The instances registered through the v4 API, by id.
    pub instances: BTreeMap<Arc<str>, KeptInstance>,
    /// Those behind provider URLs, by id.
    pub providers: BTreeMap<String, ProviderInstance>,
    /// Its tags.
    pub tags: Option<PairsRecord>,
    /// The summaries of its schemas.
    pub schemas: Option<PairsRecord>,
    /// `pzxid` of the folder of its instances.
    pub folder_zxid: i64,
    /// Digests of sets of endpoints, with the ids of the instances that have them.
    by_endpoints: BTreeSet<(NonZeroU64, Arc<str>)>,
    /// The answer that lists this version alone; emptied by every change.
    pub answer: OnceLock<Found>,
}

/// A microservice as its znode holds it.
#[derive(Clone, Debug)]
pub struct MicroserviceRecord {
    /// The microservice.
    pub microservice: Arc<Microservice>,
    /// `dataVersion` of its znode.
    pub version: i32,
    pub(super) zxid: i64,
}

/// An instance that stands behind a provider URL, or in Dubbo's application level.
pub(super) struct ProviderInstance {
    pub json: Bytes,
    pub digest: u64,
    /// zxid of the provider znode's last change.
    pub zxid: i64,
    /// The interface as the path spells it; empty when it stands in no folder of providers.
    pub interface: String,
    /// What its URL says of the microservice.
    pub microservice: Arc<Microservice>,
}

impl Service {
    /// What the API shows of it; `None` when nothing is left.
    pub fn microservice(&self) -> Option<&Arc<Microservice>> {
        self.record.as_ref().map(|record| &record.microservice).or(self.described.as_ref())
    }

    /// How many instances it has, of every kind.
    pub fn count(&self) -> usize {
        self.instances.len() + self.providers.len()
    }

    /// Whether anything is known of it.
    pub fn is_gone(&self) -> bool {
        self.record.is_none()
            && self.instances.is_empty()
            && self.providers.is_empty()
            && self.tags.is_none()
            && self.schemas.is_none()
            && self.folder_zxid == 0
    }

    /// Takes an instance out, and out of the index.
    pub fn remove_instance(&mut self, id: &str) -> Option<KeptInstance> {
        let (id, removed) = self.instances.remove_entry(id)?;
        if let Some(endpoints) = removed.endpoints {
            self.by_endpoints.remove(&(endpoints, id));
        }
        Some(removed)
    }

    /// Puts an instance in, and into the index.
    pub fn insert_instance(&mut self, id: Arc<str>, instance: KeptInstance) {
        if let Some(endpoints) = instance.endpoints {
            self.by_endpoints.insert((endpoints, id.clone()));
        }
        self.instances.insert(id, instance);
    }

    /// The ids of the instances whose set of endpoints has this digest, in their order.
    pub fn with_endpoints(&self, digest: NonZeroU64) -> impl Iterator<Item = &Arc<str>> {
        let known = self.by_endpoints.range((digest, Arc::from(""))..);
        known.take_while(move |(other, _)| *other == digest).map(|(_, id)| id)
    }

    /// Takes what its provider URLs say of it from the first of them: the same on every replica, and at no cost that
    /// grows with their number.
    pub fn describe(&mut self) {
        let first = self.providers.values().next().map(|provider| &provider.microservice);
        let same = match (&self.described, first) {
            (Some(described), Some(first)) => Arc::ptr_eq(described, first),
            (None, None) => true,
            _ => false,
        };
        if !same {
            self.described = first.cloned();
        }
    }
}

/// `registerBy` of what a sidecar synced.
pub(super) const SIDECAR: &str = "SIDECAR";

impl TenantServices {
    /// Files `microservice` under its name and alias.
    fn file(&mut self, id: &str, microservice: &Microservice) {
        let group = self.by_name.entry(name_key(microservice, &microservice.service_name)).or_default();
        group.versions.insert(&microservice.version, id);
        group.answer = OnceLock::new();
        if !microservice.alias.is_empty() {
            let versions = self.by_alias.entry(name_key(microservice, &microservice.alias)).or_default();
            versions.insert(&microservice.version, id);
        }
    }

    /// Takes `microservice` out of where [`Self::file`] put it.
    fn unfile(&mut self, topics: &mut Topics, id: &str, microservice: &Microservice) {
        topics.touch(Topic::Name(&microservice.service_name));
        let key = name(microservice, &microservice.service_name);
        let key = &key as &dyn Name;
        if let Some(group) = self.by_name.get_mut(key) {
            group.answer = OnceLock::new();
            group.versions.remove(&microservice.version, id);
            if group.versions.is_empty() {
                self.by_name.remove(key);
            }
        }
        let key = name(microservice, &microservice.alias);
        let key = &key as &dyn Name;
        if let Some(versions) = self.by_alias.get_mut(key) {
            versions.remove(&microservice.version, id);
            if versions.is_empty() {
                self.by_alias.remove(key);
            }
        }
    }

    /// Forgets every answer that shows the service `id`.
    pub fn invalidate(&mut self, topics: &mut Topics, id: &str) {
        if does_wrong!("stale-answer") {
            return;
        }
        let Some(service) = self.services.get_mut(id) else { return };
        service.answer = OnceLock::new();
        if let Some(microservice) = service.microservice() {
            topics.touch(Topic::Name(&microservice.service_name));
            let key = name(microservice, &microservice.service_name);
            if let Some(group) = self.by_name.get_mut(&key as &dyn Name) {
                group.answer = OnceLock::new();
            }
        }
    }

    /// Changes the service `id` and keeps the indexes and answers true to it.
    fn change<T>(&mut self, topics: &mut Topics, id: &str, change: impl FnOnce(&mut Service) -> T) -> T {
        let service = match self.services.get_mut(id) {
            Some(service) => service,
            None => self.services.entry(id.to_owned()).or_default(),
        };
        let before = service.microservice().cloned();
        let count = |service: &Service| (usize::from(service.record.is_some()), service.instances.len());
        let counted = count(service);
        let result = change(service);
        let counts = count(service);
        self.registered = self.registered + counts.0 - counted.0;
        self.instances = self.instances + counts.1 - counted.1;
        let after = service.microservice().cloned();
        if service.is_gone() {
            self.services.remove(id);
        }
        let same = match (&before, &after) {
            (Some(before), Some(after)) => Arc::ptr_eq(before, after),
            (None, None) => true,
            _ => false,
        };
        if !same {
            self.listing.note(before.clone(), after.clone());
            topics.touch(Topic::Service(id));
            if let Some(before) = before {
                self.unfile(topics, id, &before);
            }
            if let Some(after) = after {
                self.file(id, &after);
            }
        }
        // Touches the name under which it stands now as well.
        self.invalidate(topics, id);
        result
    }
}

pub(super) fn name_key(microservice: &Microservice, name: &str) -> NameKey {
    (microservice.environment.clone(), microservice.app_id.clone(), name.to_owned())
}

fn name<'m>(microservice: &'m Microservice, name: &'m str) -> (&'m str, &'m str, &'m str) {
    (&microservice.environment, &microservice.app_id, name)
}

/// All tenants.
#[derive(Default)]
pub(super) struct Services {
    pub tenants: HashMap<Tenant, TenantServices>,
    /// Makes the digests of endpoints; keyed, so that nobody can choose endpoints that collide.
    pub hasher: RandomState,
    /// When what is found by name last changed.
    pub topics: Topics,
}

impl Services {
    pub fn get(&self, tenant: &Tenant, id: &str) -> Option<&Service> {
        self.tenants.get(tenant)?.services.get(id)
    }

    pub fn change<T>(&mut self, tenant: &Tenant, id: &str, change: impl FnOnce(&mut Service) -> T) -> T {
        let services = match self.tenants.get_mut(tenant) {
            Some(services) => services,
            None => self.tenants.entry(tenant.clone()).or_default(),
        };
        services.change(&mut self.topics, id, change)
    }

    /// The other versions of a microservice, as far as they ever had an instance.
    pub fn siblings(&self, tenant: &Tenant, id: &str) -> Vec<String> {
        let Some(services) = self.tenants.get(tenant) else { return Vec::new() };
        let microservice = services.services.get(id).and_then(Service::microservice);
        let key = microservice.map(|microservice| name(microservice, &microservice.service_name));
        let group = key.and_then(|key| services.by_name.get(&key as &dyn Name));
        let ids = group.into_iter().flat_map(|group| group.versions.ids());
        let had_instances =
            |other: &&String| services.services.get(*other).is_some_and(|service| service.folder_zxid > 0);
        ids.filter(|other| *other != id).filter(had_instances).cloned().collect()
    }

    /// How long an instance may be silent.
    pub fn time_to_live(&self, key: &InstanceKey) -> Option<Duration> {
        let instances = &self.get(&key.tenant, &key.service_id)?.instances;
        Some(instances.get(&*key.instance_id)?.time_to_live())
    }

    /// Every instance registered through the v4 API.
    pub fn instance_keys(&self) -> impl Iterator<Item = InstanceKey> {
        self.tenants.iter().flat_map(|(tenant, services)| {
            services.services.iter().flat_map(move |(service_id, service)| {
                let service_id: Arc<str> = service_id.as_str().into();
                service.instances.keys().map(move |instance_id| InstanceKey {
                    tenant: tenant.clone(),
                    service_id: service_id.clone(),
                    instance_id: instance_id.clone(),
                })
            })
        })
    }

    /// Every path that is believed to exist.
    pub fn paths(&self, layout: &Layout, paths: &mut Vec<String>) {
        for (tenant, services) in &self.tenants {
            for (id, service) in &services.services {
                if service.record.is_some() {
                    paths.push(layout.microservice(tenant, id));
                }
                if service.tags.is_some() {
                    paths.push(layout.tags(tenant, id));
                }
                if service.schemas.is_some() {
                    paths.push(layout.schemas(tenant, id));
                }
                if service.folder_zxid != 0 {
                    paths.push(layout.instance_folder(tenant, id));
                }
            }
        }
        paths.extend(self.instance_keys().map(|key| layout.document(&Registrant::from(key))));
    }
}
