//! The use cases of ServiceComb microservices.

use futures::stream::{self, StreamExt, TryStreamExt};

use super::clock::unix_seconds;
use super::plan::{Plan, plan_document, to_json};
use super::{Registry, RegistryError};
use crate::catalog::{Existence, Registered};
use crate::model::{InstanceKey, Microservice, MicroserviceKey, Properties, Tenant};

/// Instances that are removed at once when their microservice is deleted by force.
const REMOVALS_IN_FLIGHT: usize = 16;

impl Registry {
    /// Creates a microservice whose defaults are filled in (all but id and timestamps). The same key again, with the
    /// same id or none, answers the existing id and changes nothing.
    ///
    /// # Errors
    /// [`RegistryError::MicroserviceConflict`] when the id or the key belongs to another one;
    /// [`RegistryError::QuotaExceeded`].
    pub async fn create_microservice(
        &self,
        tenant: &Tenant,
        microservice: Microservice,
    ) -> Result<String, RegistryError> {
        self.replica_in_touch()?;
        let key = microservice.key(tenant);
        let given = microservice.service_id.clone();
        let mut created = microservice;
        if given.is_empty() {
            created.service_id = key.derived_id();
        }
        created.timestamp = unix_seconds();
        created.mod_timestamp.clone_from(&created.timestamp);
        let _same_key = self.service_locks.of(&key).lock().await;
        let mut answer = created.service_id.clone();
        self.settle(&format!("microservice {}", created.service_id), || {
            if let Some(existing) = self.existing(tenant, &created, &key, &given)? {
                // Somebody may have deleted it through another replica.
                let mut plan = Plan::default();
                plan.document.check(self.zookeeper.layout.microservice(tenant, &existing), -1);
                answer = existing;
                return Ok(Some(plan));
            }
            answer.clone_from(&created.service_id);
            let most = self.options.quotas.microservices;
            if self.catalog.count_microservices(tenant) >= most {
                return Err(RegistryError::QuotaExceeded { what: "microservices of a tenant", most });
            }
            let mut plan = Plan::default();
            let path = self.zookeeper.layout.microservice(tenant, &created.service_id);
            plan_document(&self.catalog, path, to_json(&created), None, &mut plan);
            Ok(Some(plan))
        })
        .await?;
        Ok(answer)
    }

    /// Replaces the properties of a microservice.
    ///
    /// # Errors
    /// [`RegistryError::NoSuchMicroservice`] and those of every change.
    pub async fn set_microservice_properties(
        &self,
        tenant: &Tenant,
        service_id: &str,
        properties: Properties,
    ) -> Result<(), RegistryError> {
        self.replica_in_touch()?;
        self.settle(&format!("microservice {service_id}"), || {
            let record = self.changeable(tenant, service_id)?;
            let mut changed = record.microservice.as_ref().clone();
            changed.properties.clone_from(&properties);
            changed.mod_timestamp = unix_seconds();
            if changed == *record.microservice {
                return Ok(None);
            }
            let mut plan = Plan::default();
            let path = self.zookeeper.layout.microservice(tenant, service_id);
            plan.document.set(path, to_json(&changed), record.version);
            Ok(Some(plan))
        })
        .await
    }

    /// Removes a microservice with its tags, schemas and dependencies; with `force` together with its instances, each
    /// of them whole.
    ///
    /// # Errors
    /// [`RegistryError::NoSuchMicroservice`]; without `force` [`RegistryError::InUse`] and
    /// [`RegistryError::HasInstances`].
    pub async fn delete_microservice(
        &self,
        tenant: &Tenant,
        service_id: &str,
        force: bool,
    ) -> Result<(), RegistryError> {
        self.replica_in_touch()?;
        if force {
            self.unregister_all(tenant, service_id).await?;
        } else {
            // An instance that another replica has just acknowledged must stand in the way.
            self.catch_up().await?;
        }
        let mut done = false;
        self.settle(&format!("microservice {service_id}"), || {
            let record = match self.catalog.registered(tenant, service_id) {
                Registered::Record(record) => record,
                _ if done => return Ok(None),
                _ => return self.changeable(tenant, service_id).map(|_| None),
            };
            let users = self.catalog.consumers_of(tenant, service_id);
            let user = users.iter().find(|user| user.service_id != service_id);
            if let Some(user) = user.filter(|_| !force) {
                let user = format!("{} ({})", user.service_name, user.service_id);
                return Err(RegistryError::InUse(service_id.to_owned(), user));
            }
            if !force && !self.catalog.instance_ids(tenant, service_id).is_empty() {
                return Err(RegistryError::HasInstances(service_id.to_owned()));
            }
            done = true;
            let mut plan = Plan::default();
            self.plan_no_attributes(tenant, service_id, &mut plan);
            self.plan_no_dependencies(tenant, service_id, &mut plan)?;
            plan.document.delete(self.zookeeper.layout.microservice(tenant, service_id), record.version);
            // The folder of its instances no longer counts for the revision of the service: that of another version
            // takes its place, so that nobody who has seen the instances go is sent back to a time before.
            for sibling in self.catalog.siblings(tenant, service_id) {
                plan.document.set(self.zookeeper.layout.instance_folder(tenant, &sibling), "", -1);
            }
            Ok(Some(plan))
        })
        .await?;
        // Instances that registered at the last moment; from now on none can, since every registration checks that its
        // microservice exists.
        let is_gone = || !matches!(self.catalog.registered(tenant, service_id), Registered::Record(_));
        if force && self.catalog.catch_up().await && is_gone() {
            self.unregister_all(tenant, service_id).await?;
        }
        Ok(())
    }

    async fn unregister_all(&self, tenant: &Tenant, service_id: &str) -> Result<(), RegistryError> {
        let ids = self.catalog.instance_ids(tenant, service_id);
        let removals = stream::iter(ids).map(|instance_id| {
            let key = InstanceKey { tenant: tenant.clone(), service_id: service_id.into(), instance_id };
            async move {
                match self.unregister_instance(&key).await {
                    // Somebody else was faster.
                    Err(error) if error.is_absence() => Ok(()),
                    outcome => outcome,
                }
            }
        });
        removals.buffer_unordered(REMOVALS_IN_FLIGHT).try_collect().await
    }

    /// The id that a creation answers without creating anything, if the microservice exists.
    fn existing(
        &self,
        tenant: &Tenant,
        created: &Microservice,
        key: &MicroserviceKey,
        given: &str,
    ) -> Result<Option<String>, RegistryError> {
        if let Registered::Record(record) = self.catalog.registered(tenant, &created.service_id) {
            if record.microservice.key(tenant) == *key {
                return Ok(Some(created.service_id.clone()));
            }
            let id = &created.service_id;
            return Err(RegistryError::MicroserviceConflict(format!(
                "serviceId {id} belongs to another microservice"
            )));
        }
        let names = [&created.service_name, &created.alias].into_iter().filter(|name| !name.is_empty());
        for name in names {
            let mut named = key.clone();
            named.service.service_name.clone_from(name);
            let Existence::Here(id) = self.catalog.existence(&named) else { continue };
            let same_key = match self.catalog.registered(tenant, &id) {
                Registered::Record(record) => record.microservice.key(tenant) == *key,
                // Provider URLs speak of it under the id that it would get here: it becomes registered as well.
                _ if id == created.service_id => continue,
                _ => name == &created.service_name,
            };
            if same_key && given.is_empty() {
                return Ok(Some(id));
            }
            return Err(RegistryError::MicroserviceConflict(format!(
                "{name} version {} is registered with serviceId {id}",
                created.version
            )));
        }
        Ok(None)
    }
}
