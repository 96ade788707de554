//! Who uses whom, in both directions.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Catalog;
use super::asker::Asker;
use super::find::may_see;
use super::instances::KeptInstance;
use super::names::{Name, NameKey};
use super::services::{Service, TenantServices, name_key};
use super::state::{State, unreadable};
use super::topics::Topic;
use crate::dubbo::dependency_url;
use crate::model::{
    DependencyDocument, DependencyKey, InstanceKey, Microservice, Registrant, ServiceKey, ServiceKeyView,
    Tenant,
};
use crate::telemetry::Metrics;
use crate::zookeeper::{Layout, Stat};

/// A dependency as its znode holds it.
#[derive(Clone, Debug)]
pub struct DependencyRecord {
    /// What was recorded.
    pub document: Arc<DependencyDocument>,
    /// `dataVersion` of the znode.
    pub version: i32,
}

impl State {
    /// Takes a dependency as it was read.
    pub(super) fn dependency(
        &mut self,
        metrics: &Metrics,
        key: &DependencyKey,
        state: Option<(&[u8], &Stat)>,
    ) {
        let tenant = self.services.tenants.entry(key.provider.tenant.clone()).or_default();
        let name = name_of(&key.provider);
        let Some((data, stat)) = state else {
            // The next find shows it anew.
            self.services.topics.touch(Topic::Name(&key.provider.service_name));
            return tenant.forget_dependency(&key.consumer_id, &name);
        };
        let known = tenant.dependencies.entry(key.consumer_id.clone()).or_default();
        let document = serde_json::from_slice(data).map(Arc::new).unwrap_or_else(|error| {
            unreadable(metrics, false, "dependency", &key.consumer_id, &key.provider.service_name, &error);
            known.get(&name).map(|known| known.document.clone()).unwrap_or_default()
        });
        known.insert(name.clone(), DependencyRecord { document, version: stat.version });
        tenant.consumers.entry(name).or_default().insert(key.consumer_id.clone());
    }

    /// Every path of a dependency that is believed to exist.
    pub(super) fn dependency_paths(&self, layout: &Layout, paths: &mut Vec<String>) {
        for (tenant, services) in &self.services.tenants {
            for (consumer, names) in &services.dependencies {
                paths.extend(names.keys().map(|name| layout.dependency(&key_of(tenant, consumer, name))));
            }
        }
    }

    /// Notes that the instances of a microservice changed, if it is a consumer.
    pub(super) fn note_consumer(&mut self, key: &InstanceKey) {
        let services = self.services.tenants.get(&key.tenant);
        if services.is_some_and(|services| services.dependencies.contains_key(&*key.service_id)) {
            self.changed_consumers.insert((key.tenant.clone(), key.service_id.to_string()));
        }
    }
}

impl TenantServices {
    fn forget_dependency(&mut self, consumer: &str, name: &NameKey) {
        if let Some(names) = self.dependencies.get_mut(consumer) {
            names.remove(name);
            if names.is_empty() {
                self.dependencies.remove(consumer);
            }
        }
        if let Some(consumers) = self.consumers.get_mut(name) {
            consumers.remove(consumer);
            if consumers.is_empty() {
                self.consumers.remove(name);
            }
        }
    }

    fn known<'s>(&'s self, ids: impl IntoIterator<Item = &'s String>) -> Vec<Arc<Microservice>> {
        let services = ids.into_iter().filter_map(|id| self.services.get(id));
        services.filter_map(|service| service.microservice().cloned()).collect()
    }
}

impl Asker<'_> {
    /// The dependency that a successful find of `service` shows, unless it is recorded already: there must be a version
    /// that the consumer may see. It is named after the service itself, whatever alias was used.
    pub fn new_dependency(&self, service: ServiceKeyView<'_>, by_alias: bool) -> Option<DependencyKey> {
        let tenant = self.services?;
        let consumer = self.registered_consumer()?;
        let name = (consumer.environment.as_str(), service.app_id, service.service_name);
        let name = &name as &dyn Name;
        let consumer_id = self.consumer_id?;
        // Asked the other way round: comparing one name after the other takes longer.
        let is_recorded =
            |name: &dyn Name| tenant.consumers.get(name).is_some_and(|ids| ids.contains(consumer_id));
        if is_recorded(name) {
            return None;
        }
        let versions = match (tenant.by_name.get(name), tenant.by_alias.get(name)) {
            (Some(group), _) => &group.versions,
            (None, Some(versions)) if by_alias => versions,
            _ => return None,
        };
        let mut providers = versions.ids().filter_map(|id| tenant.services.get(id)?.microservice());
        let provider = providers.find(|provider| may_see(consumer, provider))?;
        let name = name_key(provider, &provider.service_name);
        (!is_recorded(&name)).then(|| key_of(self.tenant, consumer_id, &name))
    }
}

impl Catalog {
    /// A dependency as its znode holds it.
    pub fn dependency(&self, key: &DependencyKey) -> Option<DependencyRecord> {
        let state = self.state.read();
        let tenant = state.services.tenants.get(&key.provider.tenant)?;
        tenant.dependencies.get(&key.consumer_id)?.get(&name_of(&key.provider)).cloned()
    }

    /// All dependencies of a consumer.
    pub fn dependencies_of(
        &self,
        tenant: &Tenant,
        consumer_id: &str,
    ) -> Vec<(DependencyKey, DependencyRecord)> {
        let state = self.state.read();
        let services = state.services.tenants.get(tenant);
        let names = services.and_then(|services| services.dependencies.get(consumer_id));
        let names = names.into_iter().flatten();
        names.map(|(name, record)| (key_of(tenant, consumer_id, name), record.clone())).collect()
    }

    /// Every dependency of every tenant.
    pub fn dependency_keys(&self) -> Vec<DependencyKey> {
        let state = self.state.read();
        let tenants = state.services.tenants.iter();
        let consumers = tenants.flat_map(|(tenant, services)| {
            services.dependencies.iter().map(move |(consumer, names)| (tenant, consumer, names))
        });
        let keys = consumers.flat_map(|(tenant, consumer, names)| {
            names.keys().map(move |name| key_of(tenant, consumer, name))
        });
        keys.collect()
    }

    /// The microservices, every version of them, that a consumer uses.
    pub fn providers_of(&self, tenant: &Tenant, consumer_id: &str) -> Vec<Arc<Microservice>> {
        let state = self.state.read();
        let Some(services) = state.services.tenants.get(tenant) else { return Vec::new() };
        let names = services.dependencies.get(consumer_id).into_iter().flat_map(|names| names.keys());
        let groups = names.filter_map(|name| services.by_name.get(name));
        services.known(groups.flat_map(|group| group.versions.ids()))
    }

    /// The microservices that use this one, or another version of it.
    pub fn consumers_of(&self, tenant: &Tenant, service_id: &str) -> Vec<Arc<Microservice>> {
        let state = self.state.read();
        let Some(services) = state.services.tenants.get(tenant) else { return Vec::new() };
        let provider = services.services.get(service_id).and_then(Service::microservice);
        let consumers =
            provider.and_then(|provider| services.consumers.get(&name_key(provider, &provider.service_name)));
        services.known(consumers.into_iter().flatten())
    }

    /// The consumer URL that a dependency should stand as now; `None` while no instance of the consumer has an address.
    pub fn wanted_consumer_url(&self, key: &DependencyKey) -> Option<String> {
        let (microservice, instances) = {
            let state = self.state.read();
            let consumer = state.services.get(&key.provider.tenant, &key.consumer_id)?;
            let instances: Vec<KeptInstance> = consumer.instances.values().cloned().collect();
            (consumer.record.as_ref()?.microservice.clone(), instances)
        };
        // Taken apart when nobody waits for it.
        let mut instances = instances.iter().map(|kept| kept.record().document.instance);
        instances.find_map(|instance| dependency_url(&microservice, &instance, &key.provider))
    }

    /// The consumers with dependencies whose instances have changed since the last call.
    pub fn take_changed_consumers(&self) -> BTreeSet<(Tenant, String)> {
        std::mem::take(&mut self.state.write().changed_consumers).into_iter().collect()
    }

    /// `dataVersion` of the document of whoever owns znodes in Dubbo's tree.
    pub fn document_version(&self, owner: &Registrant) -> Option<i32> {
        match owner {
            Registrant::Sidecar(sidecar) => self.snapshot(sidecar).map(|record| record.version),
            Registrant::Instance(key) => self.instance_record(key).map(|record| record.version),
            Registrant::Dependency(key) => self.dependency(key).map(|record| record.version),
        }
    }
}

fn name_of(service: &ServiceKey) -> NameKey {
    (service.environment.clone(), service.app_id.clone(), service.service_name.clone())
}

fn key_of(tenant: &Tenant, consumer: &str, (environment, app_id, service_name): &NameKey) -> DependencyKey {
    DependencyKey {
        consumer_id: consumer.to_owned(),
        provider: ServiceKey {
            tenant: tenant.clone(),
            environment: environment.clone(),
            app_id: app_id.clone(),
            service_name: service_name.clone(),
        },
    }
}
