//! The use cases of ServiceComb instances that are registered.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::clock::unix_seconds;
use super::plan::{Plan, plan_document, plan_entries, plan_lease, plan_no_lease, to_json};
use super::{Registry, RegistryError};
use crate::catalog::InstanceRecord;
use crate::dubbo::instance_urls;
use crate::model::{
    Instance, InstanceDocument, InstanceKey, InstanceStatus, Microservice, Properties, Registrant, ReplicaId,
    SnapshotPart, Tenant,
};

impl Registry {
    /// Removes an instance.
    ///
    /// # Errors
    /// [`RegistryError::NoSuchInstance`] and those of every change.
    pub async fn unregister_instance(&self, key: &InstanceKey) -> Result<(), RegistryError> {
        let registrant = Registrant::from(key.clone());
        let mut done = false;
        self.replica_in_touch()?;
        let ear = self.hearing.ear(&registrant);
        let _change = ear.change.write().await;
        self.settle_heard(&ear, &registrant, || {
            let Some(record) = self.catalog.instance_record(key) else {
                return if done { Ok(None) } else { Err(self.no_such_instance(key)) };
            };
            let replica = self.replica_in_touch()?;
            if !self.catalog.is_marked(&registrant, &replica) {
                // Whoever marks it without having heard it would take it for silent at once.
                self.hearing.touch(&registrant);
            }
            if let Some(first) = self.plan_mark_first(&registrant, &record, &replica) {
                return Ok(Some(first));
            }
            done = true;
            self.plan_unregister(&registrant, &record).map(Some)
        })
        .await
    }

    /// Takes a sign of life of an instance. It is a write only when this replica hears the instance for the first
    /// time. Without a connection it is accepted for as long as this replica's session can still be alive, and for half
    /// the time to live of the instance at most.
    ///
    /// # Errors
    /// [`RegistryError::NoSuchInstance`], and [`RegistryError::NotConnected`] when another replica should be asked.
    pub async fn heartbeat(&self, key: &InstanceKey) -> Result<(), RegistryError> {
        let registrant = Registrant::from(key.clone());
        // In the order of every sign of life: it is noted, and then it is looked whether everything stands.
        let ear = self.hearing.touch_again(&registrant).or_else(|| {
            let is_known = self.catalog.time_to_live(key).is_some();
            is_known.then(|| self.hearing.touch(&registrant))
        });
        let replica = self.zookeeper.present_replica();
        if let Some(ear) = ear
            && let Some((time_to_live, marked)) = self.catalog.lease_of(&registrant, replica.as_deref())
        {
            if let Some(lost) = self.zookeeper.disconnected_for() {
                // Whoever registered it anew through another replica meanwhile has to hear it in time.
                let alone = self.zookeeper.session_timeout().min(time_to_live / 2);
                let alive = lost < alone;
                // One whose silence is being acted on may be gone already, and nobody knows for how long the connection has
                // been lost of a process that stood still.
                return if alive && marked && !ear.is_lapsing() && !self.has_stood_still() {
                    Ok(())
                } else {
                    Err(RegistryError::NotConnected)
                };
            }
            if marked && !ear.is_lapsing() && !self.has_stood_still() {
                return Ok(());
            }
        }
        self.replica_in_touch()?;
        let ear = self.hearing.ear(&registrant);
        let _change = ear.change.write().await;
        self.finish_lapse(&ear).await?;
        self.wake_up().await?;
        let layout = &self.zookeeper.layout;
        self.settle_heard(&ear, &registrant, || {
            let Some(record) = self.catalog.instance_record(key) else {
                return Err(self.no_such_instance(key));
            };
            let replica = self.replica_in_touch()?;
            let mut plan = Plan::default();
            plan.document.check(layout.document(&registrant), record.version);
            let is_marked_anew = plan_lease(&self.catalog, layout, &registrant, &replica, &mut plan);
            Ok(is_marked_anew.then_some(plan))
        })
        .await?;
        self.hearing.touch(&registrant);
        Ok(())
    }

    /// Changes the status of an instance.
    ///
    /// # Errors
    /// [`RegistryError::NoSuchInstance`] and those of every change.
    pub async fn set_instance_status(
        &self,
        key: &InstanceKey,
        status: InstanceStatus,
    ) -> Result<(), RegistryError> {
        self.change_instance(key, |instance| instance.status = status).await
    }

    /// Replaces the properties of an instance.
    ///
    /// # Errors
    /// [`RegistryError::NoSuchInstance`] and those of every change.
    pub async fn set_instance_properties(
        &self,
        key: &InstanceKey,
        properties: Properties,
    ) -> Result<(), RegistryError> {
        self.change_instance(key, |instance| instance.properties.clone_from(&properties)).await
    }

    async fn change_instance(
        &self,
        key: &InstanceKey,
        change: impl Fn(&mut Instance),
    ) -> Result<(), RegistryError> {
        let registrant = Registrant::from(key.clone());
        self.replica_in_touch()?;
        let ear = self.hearing.ear(&registrant);
        let _change = ear.change.write().await;
        self.finish_lapse(&ear).await?;
        self.settle_heard(&ear, &registrant, || {
            let Some(record) = self.catalog.instance_record(key) else {
                return Err(self.no_such_instance(key));
            };
            let replica = self.replica_in_touch()?;
            // Whoever is changed is there, and whoever marks it without having heard it would take it for silent at once.
            self.hearing.touch(&registrant);
            if let Some(first) = self.plan_mark_first(&registrant, &record, &replica) {
                return Ok(Some(first));
            }
            let layout = &self.zookeeper.layout;
            let mut plan = Plan::default();
            plan_lease(&self.catalog, layout, &registrant, &replica, &mut plan);
            let mut instance = record.document.instance.clone();
            change(&mut instance);
            if instance == record.document.instance && !record.damaged {
                // The catalog may be behind somebody who changed it through another replica.
                plan.document.check(layout.document(&registrant), record.version);
                return Ok(Some(plan));
            }
            instance.mod_timestamp = unix_seconds();
            let microservice = self.registered_microservice(&key.tenant, &key.service_id)?;
            let providers: BTreeSet<String> =
                instance_urls(&microservice, &instance, &key.tenant).into_iter().collect();
            let document = InstanceDocument { instance, providers };
            self.plan_document(&registrant, Some(&record), &document, &mut plan)?;
            Ok(Some(plan))
        })
        .await
    }

    /// What must be done before an instance can be changed that this replica has not marked. Its document begins at
    /// version 0 again when it is unregistered and registered, so the version alone does not tell which of the two it
    /// is that a plan was made from. The mark of this replica does: it goes with the registration, and nobody else puts
    /// it back.
    pub(super) fn plan_mark_first(
        &self,
        registrant: &Registrant,
        record: &InstanceRecord,
        replica: &ReplicaId,
    ) -> Option<Plan> {
        if self.catalog.is_marked(registrant, replica) {
            return None;
        }
        let layout = &self.zookeeper.layout;
        let mut plan = Plan { is_preparation: true, ..Plan::default() };
        plan.document.check(layout.document(registrant), record.version);
        plan_lease(&self.catalog, layout, registrant, replica, &mut plan);
        Some(plan)
    }

    /// Everything that takes an instance out of ZooKeeper, guarded by the version of its document.
    pub(super) fn plan_unregister(
        &self,
        registrant: &Registrant,
        record: &InstanceRecord,
    ) -> Result<Plan, RegistryError> {
        let layout = &self.zookeeper.layout;
        let mut plan = Plan::default();
        plan.document.delete(layout.document(registrant), record.version);
        plan_no_lease(&self.catalog, layout, registrant, &mut plan);
        let before = entries_of(&record.document);
        plan_entries(&self.catalog, layout, registrant, &before, &SnapshotPart::default(), &mut plan)?;
        Ok(plan)
    }

    pub(super) fn plan_document(
        &self,
        registrant: &Registrant,
        record: Option<&InstanceRecord>,
        document: &InstanceDocument,
        plan: &mut Plan,
    ) -> Result<(), RegistryError> {
        let layout = &self.zookeeper.layout;
        let path = layout.document(registrant);
        plan_document(&self.catalog, path, to_json(document), record.map(|record| record.version), plan);
        let before = record.map(|record| entries_of(&record.document)).unwrap_or_default();
        plan_entries(&self.catalog, layout, registrant, &before, &entries_of(document), plan)
    }

    pub(super) fn registered_microservice(
        &self,
        tenant: &Tenant,
        service_id: &str,
    ) -> Result<Arc<Microservice>, RegistryError> {
        Ok(self.changeable(tenant, service_id)?.microservice)
    }

    fn no_such_instance(&self, key: &InstanceKey) -> RegistryError {
        if self.catalog.is_provider_instance(key) {
            RegistryError::ReadOnly(format!("instance {}", key.instance_id))
        } else {
            RegistryError::NoSuchInstance(key.instance_id.to_string())
        }
    }
}

/// The provider URLs of an instance in the form in which those of sidecars are compared.
pub(super) fn entries_of(document: &InstanceDocument) -> SnapshotPart {
    SnapshotPart { providers: document.providers.clone(), ..SnapshotPart::default() }
}
