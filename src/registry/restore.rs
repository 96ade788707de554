//! Puts back documents that somebody else deleted or damaged, as the catalog knew them.

use std::time::Duration;

use tokio::time::sleep;

use super::plan::{Plan, plan_parts, snapshot_documents, to_json};
use super::{Registry, RegistryError};
use crate::catalog::{InstanceRecord, MicroserviceRecord, Registered, SnapshotRecord};
use crate::model::{InstanceKey, Registrant, SidecarId, Tenant};

/// How far the `dataVersion` of a restored document is brought forward at most; it takes a step for each.
const MAX_VERSION_STEPS: i32 = 2_000;

/// How long the restoring of a microservice waits.
const SECOND_THOUGHT: Duration = Duration::from_millis(400);

impl Registry {
    pub(super) async fn restore_snapshot(
        &self,
        sidecar: &SidecarId,
        lost: &SnapshotRecord,
    ) -> Result<(), RegistryError> {
        let registrant = Registrant::Sidecar(sidecar.clone());
        let ear = self.hearing.ear(&registrant);
        let _change = ear.change.write().await;
        let entries = lost.entries();
        let count = lost.document.parts.as_ref().map_or(0, |parts| parts.count);
        let (mut document, parts) = snapshot_documents(sidecar, &lost.document.peer, &entries, count);
        document.timestamps.clone_from(&lost.document.timestamps);
        if lost.document.parts.as_ref().is_some_and(|known| known.digest != entries.digest()) {
            // Only a part of it is known: the sidecar's next sync writes the whole.
            return Ok(());
        }
        let mut restored = false;
        self.settle(&registrant, || {
            let record = self.catalog.snapshot(sidecar);
            let whole = record.as_ref().is_some_and(|record| !record.damaged && record.entries() == entries);
            let newer =
                record.as_ref().is_some_and(|record| !record.damaged && record.document != lost.document);
            // Changed and deleted once more meanwhile: what it said last is about to be restored.
            let newer = newer || self.catalog.is_lost_again(sidecar);
            if whole || newer || self.catalog.marks(&registrant).is_none() {
                restored = restored && whole;
                return Ok(None);
            }
            restored = true;
            let layout = &self.zookeeper.layout;
            let path = layout.document(&registrant);
            let mut plan = Plan::default();
            plan.document.check(layout.lease(&registrant), -1);
            match &record {
                Some(record) => plan.document.set(path, to_json(&document), record.version),
                None => {
                    // Creation starts the version anew, but it must not go back for those who have seen it.
                    let steps = lost.version.min(MAX_VERSION_STEPS);
                    plan.document
                        .create(path.clone(), if steps == 0 { to_json(&document) } else { String::new() });
                    for step in 0..steps {
                        let data = if step + 1 == steps { to_json(&document) } else { String::new() };
                        plan.document.set(path.clone(), data, step);
                    }
                }
            }
            plan_parts(layout, sidecar, record.as_ref(), &parts, &mut plan);
            Ok(Some(plan))
        })
        .await?;
        self.count_document(restored, &registrant);
        Ok(())
    }

    pub(super) async fn restore_instance(
        &self,
        key: &InstanceKey,
        lost: &InstanceRecord,
    ) -> Result<(), RegistryError> {
        let registrant = Registrant::from(key.clone());
        let ear = self.hearing.ear(&registrant);
        let _change = ear.change.write().await;
        let mut restored = false;
        self.settle(&registrant, || {
            let record = self.catalog.instance_record(key);
            let whole = record.as_ref().is_some_and(|record| !record.damaged);
            if whole || self.catalog.marks(&registrant).is_none() {
                // Gone together with its lease, as whoever is unregistered: nothing was restored after all.
                restored = restored && whole;
                return Ok(None);
            }
            restored = true;
            let layout = &self.zookeeper.layout;
            let path = layout.document(&registrant);
            let mut plan = Plan::default();
            plan.document.check(layout.lease(&registrant), -1);
            match &record {
                Some(record) => plan.document.set(path, to_json(&lost.document), record.version),
                None => plan.document.create(path, to_json(&lost.document)),
            }
            Ok(Some(plan))
        })
        .await?;
        self.count_document(restored, &registrant);
        Ok(())
    }

    pub(super) async fn restore_microservice(
        &self,
        tenant: &Tenant,
        id: &str,
        lost: &MicroserviceRecord,
    ) -> Result<(), RegistryError> {
        // Deleting a microservice by force may leave an instance that registered at the last moment, which then follows
        // it: only what is still there after a while proves that nobody meant to delete the microservice.
        sleep(SECOND_THOUGHT).await;
        let mut restored = false;
        let what = format!("microservice {id}");
        self.settle(&what, || {
            let layout = &self.zookeeper.layout;
            let path = layout.microservice(tenant, id);
            let mut plan = Plan::default();
            match self.catalog.registered(tenant, id) {
                // What the catalog goes on showing of a damaged one carries the version of the damage.
                Registered::Record(record) if record.version == lost.version && !restored => {
                    plan.document.set(path, to_json(lost.microservice.as_ref()), record.version);
                }
                Registered::Record(_) => return Ok(None),
                _ => {
                    // An instance that is still registered proves that nobody meant to delete it.
                    let instance = self.catalog.instance_ids(tenant, id).into_iter().next();
                    let Some(instance_id) = instance else { return Ok(None) };
                    let key = InstanceKey { tenant: tenant.clone(), service_id: id.into(), instance_id };
                    plan.document.check(layout.document(&Registrant::from(key)), -1);
                    plan.document.create(path, to_json(lost.microservice.as_ref()));
                }
            }
            restored = true;
            Ok(Some(plan))
        })
        .await?;
        self.count_document(restored, &what);
        Ok(())
    }

    fn count_document(&self, restored: bool, what: &dyn std::fmt::Display) {
        if restored {
            self.metrics.repairs.with_label_values(&["document"]).inc();
            log::warn!("{what}: the document, which somebody deleted or damaged, is put back");
        }
    }
}
