//! Registering ServiceComb instances: new ones, others in the place of known ones, and the same ones again.

use super::clock::unix_seconds;
use super::plan::{Plan, plan_lease};
use super::{Registry, RegistryError};
use crate::catalog::InstanceRecord;
use crate::dubbo::instance_urls;
use crate::model::{Instance, InstanceDocument, InstanceKey, Microservice, Registrant, Tenant, hex_digest};

impl Registry {
    /// Registers an instance whose defaults are filled in (all but id, service id, version and timestamps) and answers
    /// its id: the caller's, or that of the instance with the same endpoints, or a new one. What is registered under
    /// the id already is replaced whole; when that changes nothing, only the lease is renewed, and ZooKeeper asked
    /// whether all of it still stands.
    ///
    /// # Errors
    /// [`RegistryError::NoSuchMicroservice`], [`RegistryError::QuotaExceeded`] and those of every change.
    pub async fn register_instance(
        &self,
        tenant: &Tenant,
        service_id: &str,
        instance: Instance,
    ) -> Result<String, RegistryError> {
        // What tells who it is, unless it says so itself.
        let endpoints = if instance.instance_id.is_empty() { instance.endpoint_set() } else { Vec::new() };
        if let Some(instance_id) = self.confirm_instance(tenant, service_id, &instance, &endpoints).await? {
            return Ok(instance_id);
        }
        // Two registrations of the same endpoints at the same time must find the same id.
        let _same_endpoints = match endpoints.is_empty() {
            true => None,
            false => Some(self.endpoint_locks.of(&(tenant, service_id, &endpoints)).lock().await),
        };
        let known = self.known_instance_id(tenant, service_id, &instance, &endpoints);
        let instance_id = known.unwrap_or_else(|| new_instance_id(tenant, service_id, &endpoints));
        let key = instance_key(tenant, service_id, &instance_id);
        let registrant = Registrant::from(key.clone());
        if self.catalog.time_to_live(&key).is_some() {
            // A sign of life also when it has to be refused.
            self.hearing.touch(&registrant);
        }
        self.replica_in_touch()?;
        let ear = self.hearing.touch(&registrant);
        let _change = ear.change.write().await;
        self.finish_lapse(&ear).await?;
        // Also when there is nothing to write: the conditions ask ZooKeeper whether what the catalog shows is so. Somebody
        // may have unregistered it through another replica.
        self.settle_heard(&ear, &registrant, || {
            self.plan_registration(&key, &registrant, &instance).map(Some)
        })
        .await?;
        self.hearing.touch(&registrant);
        Ok(instance_id)
    }

    /// Renews the lease of an instance that is registered as it is given, once ZooKeeper has said that it is, and
    /// answers its id. `None` when there is anything to write. Clients that register the same again and again, or all at
    /// once, do not wait for one another: they change nothing, so they only keep those out who do.
    async fn confirm_instance(
        &self,
        tenant: &Tenant,
        service_id: &str,
        instance: &Instance,
        endpoints: &[String],
    ) -> Result<Option<String>, RegistryError> {
        let known = self.known_instance_id(tenant, service_id, instance, endpoints);
        let Some(instance_id) = known else { return Ok(None) };
        let key = instance_key(tenant, service_id, &instance_id);
        if self.catalog.time_to_live(&key).is_none() {
            return Ok(None);
        }
        let registrant = Registrant::from(key.clone());
        // A sign of life also when it has to be refused.
        let ear = self.hearing.touch(&registrant);
        self.replica_in_touch()?;
        let _no_change = ear.change.read().await;
        if ear.is_lapsing() {
            return Ok(None);
        }
        let mut stands = true;
        self.carry_out(&registrant, || {
            let plan = self.plan_registration(&key, &registrant, instance)?;
            stands = !plan.changes_anything();
            Ok(stands.then_some(plan))
        })
        .await?;
        self.hearing.touch(&registrant);
        Ok(stands.then_some(instance_id))
    }

    /// The id under which `given` is to be registered if that is known: the caller's, or that of the instance with
    /// the same endpoints.
    fn known_instance_id(
        &self,
        tenant: &Tenant,
        service_id: &str,
        given: &Instance,
        endpoints: &[String],
    ) -> Option<String> {
        match given.instance_id.is_empty() {
            true => self.catalog.instance_with_endpoints(tenant, service_id, endpoints),
            false => Some(given.instance_id.clone()),
        }
    }

    /// Makes `given` stand as the instance `key`, with a lease and a mark of this replica. Where there is nothing to write
    /// the plan has conditions only.
    fn plan_registration(
        &self,
        key: &InstanceKey,
        registrant: &Registrant,
        given: &Instance,
    ) -> Result<Plan, RegistryError> {
        // Not earlier: with a new session this replica gets a new name.
        let replica = self.replica_in_touch()?;
        let microservice = self.registered_microservice(&key.tenant, &key.service_id)?;
        let record = self.catalog.instance_record(key);
        let document = instance_document(key, &microservice, given, record.as_ref());
        let most = self.options.quotas.instances;
        if record.is_none() && self.catalog.count_instances(&key.tenant) >= most {
            return Err(RegistryError::QuotaExceeded { what: "instances of a tenant", most });
        }
        if let Some(record) = &record
            && let Some(first) = self.plan_mark_first(registrant, record, &replica)
        {
            return Ok(first);
        }
        let layout = &self.zookeeper.layout;
        let mut plan = Plan::default();
        // The microservice must not be deleted at the same moment.
        plan.document.check(layout.microservice(&key.tenant, &key.service_id), -1);
        match record.as_ref().filter(|record| record.document == document && !record.damaged) {
            Some(record) => plan.document.check(layout.document(registrant), record.version),
            None => self.plan_document(registrant, record.as_ref(), &document, &mut plan)?,
        }
        plan_lease(&self.catalog, layout, registrant, &replica, &mut plan);
        Ok(plan)
    }
}

/// The id of an instance that brings none: 32 hex digits. Derived from its set of endpoints, so that replicas that register
/// the same instance at the same time find the same id, and so that it keeps it when it returns after a long silence.
fn new_instance_id(tenant: &Tenant, service_id: &str, endpoints: &[String]) -> String {
    if endpoints.is_empty() {
        return uuid::Uuid::new_v4().simple().to_string();
    }
    hex_digest(format!("{tenant}/{service_id} {}", endpoints.join(" ")).as_bytes())[..32].to_owned()
}

fn instance_key(tenant: &Tenant, service_id: &str, instance_id: &str) -> InstanceKey {
    InstanceKey { tenant: tenant.clone(), service_id: service_id.into(), instance_id: instance_id.into() }
}

/// The document of a registration. What does not differ from what is there keeps its times, so that registering the
/// same again changes nothing; what does keeps the time of the first registration.
fn instance_document(
    key: &InstanceKey,
    microservice: &Microservice,
    given: &Instance,
    record: Option<&InstanceRecord>,
) -> InstanceDocument {
    let now = unix_seconds();
    let known = record.map(|record| &record.document.instance);
    let mut instance = Instance {
        instance_id: key.instance_id.to_string(),
        service_id: key.service_id.to_string(),
        version: microservice.version.clone(),
        timestamp: known.map_or_else(|| now.clone(), |known| known.timestamp.clone()),
        mod_timestamp: known.map_or_else(|| now.clone(), |known| known.mod_timestamp.clone()),
        ..given.clone()
    };
    if known.is_some_and(|known| *known != instance) {
        instance.mod_timestamp = now;
    }
    let providers = instance_urls(microservice, &instance, &key.tenant).into_iter().collect();
    InstanceDocument { instance, providers }
}
