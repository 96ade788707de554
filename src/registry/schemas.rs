//! The use cases of a microservice's schemas. One znode lists the summaries; every change of a schema changes it as
//! well, so its version guards them all. The texts stand below it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::clock::unix_seconds;
use super::plan::{Plan, to_json};
use super::{Registry, RegistryError};
use crate::catalog::{MicroserviceRecord, PairsRecord, Registered};
use crate::model::{Microservice, Properties, SchemaDocument, Tenant};
use crate::zookeeper::CommitError;

/// Texts that are read with one request.
const TEXTS_PER_READ: usize = 8;
/// How often a change is begun anew when the texts that stood there have changed meanwhile.
const ATTEMPTS: usize = 3;

/// The texts that stand in ZooKeeper, and the version of the list at which that was so.
struct Standing {
    version: Option<i32>,
    ids: BTreeSet<String>,
}

impl Registry {
    /// Adds a schema to a microservice, or replaces it.
    ///
    /// # Errors
    /// [`RegistryError::QuotaExceeded`] for one more than the microservice may have, [`RegistryError::TooLarge`],
    /// [`RegistryError::NoSuchMicroservice`] and those of every change.
    pub async fn put_schema(
        &self,
        tenant: &Tenant,
        service_id: &str,
        schema_id: &str,
        schema: SchemaDocument,
    ) -> Result<(), RegistryError> {
        let schemas = BTreeMap::from([(schema_id.to_owned(), schema)]);
        self.write_schemas(tenant, service_id, &schemas, false).await
    }

    /// Makes the schemas of a microservice be these and no others.
    ///
    /// # Errors
    /// [`RegistryError::TooLarge`], [`RegistryError::NoSuchMicroservice`] and those of every change.
    pub async fn replace_schemas(
        &self,
        tenant: &Tenant,
        service_id: &str,
        schemas: &BTreeMap<String, SchemaDocument>,
    ) -> Result<(), RegistryError> {
        self.write_schemas(tenant, service_id, schemas, true).await
    }

    /// Removes a schema.
    ///
    /// # Errors
    /// [`RegistryError::NoSuchSchema`], [`RegistryError::NoSuchMicroservice`] and those of every change.
    pub async fn delete_schema(
        &self,
        tenant: &Tenant,
        service_id: &str,
        schema_id: &str,
    ) -> Result<(), RegistryError> {
        self.replica_in_touch()?;
        let _same_service = self.service_locks.of(&(tenant, service_id)).lock().await;
        let ids = [schema_id.to_owned()];
        let standing = self.standing(tenant, service_id, &ids).await?;
        let mut done = false;
        self.settle(&format!("schema {schema_id} of microservice {service_id}"), || {
            let record = self.changeable(tenant, service_id)?;
            let list = self.catalog.schemas(tenant, service_id);
            let Some(list) = list.filter(|list| list.pairs.contains_key(schema_id)) else {
                return if done { Ok(None) } else { Err(RegistryError::NoSuchSchema(schema_id.to_owned())) };
            };
            done = true;
            let layout = &self.zookeeper.layout;
            let mut summaries = list.pairs.as_ref().clone();
            summaries.remove(schema_id);
            let ids = record.microservice.schemas.iter().filter(|id| *id != schema_id).cloned().collect();
            let mut plan = Plan::default();
            self.plan_ids(tenant, &record, ids, &mut plan);
            plan.document.set(layout.schemas(tenant, service_id), to_json(&summaries), list.version);
            if standing.has(schema_id, Some(&list)) {
                plan.document.delete(layout.schema(tenant, service_id, schema_id), -1);
            }
            Ok(Some(plan))
        })
        .await
    }

    /// A schema with its text, which is read from ZooKeeper.
    ///
    /// # Errors
    /// [`RegistryError::NoSuchSchema`], [`RegistryError::NoSuchMicroservice`], [`RegistryError::NotConnected`] and
    /// [`RegistryError::OutcomeUnknown`].
    pub async fn schema(
        &self,
        tenant: &Tenant,
        service_id: &str,
        schema_id: &str,
    ) -> Result<SchemaDocument, RegistryError> {
        let ids = [schema_id.to_owned()];
        // One that another replica has just taken may not have arrived here.
        for behind in [true, false] {
            let microservice = self.catalog.microservice(tenant, service_id);
            let is_listed = self
                .catalog
                .schemas(tenant, service_id)
                .is_some_and(|list| list.pairs.contains_key(schema_id));
            if is_listed && let Some(schema) = self.texts(tenant, service_id, &ids).await?.pop() {
                return Ok(schema.1);
            }
            if behind && self.catalog.catch_up().await {
                continue;
            }
            if microservice.is_none() {
                return Err(RegistryError::NoSuchMicroservice(service_id.to_owned()));
            }
            break;
        }
        Err(RegistryError::NoSuchSchema(schema_id.to_owned()))
    }

    /// Those of the named schemas that exist, with their texts.
    ///
    /// # Errors
    /// [`RegistryError::NotConnected`], [`RegistryError::OutcomeUnknown`], and [`RegistryError::Refused`] when
    /// ZooKeeper does.
    pub async fn texts(
        &self,
        tenant: &Tenant,
        service_id: &str,
        ids: &[String],
    ) -> Result<Vec<(String, SchemaDocument)>, RegistryError> {
        let mut texts = Vec::new();
        for ids in ids.chunks(TEXTS_PER_READ) {
            for (id, data) in self.read_texts(tenant, service_id, ids).await? {
                // A damaged one reads as an empty one: its text cannot be known any more.
                texts.push((id, serde_json::from_slice(&data).unwrap_or_default()));
            }
        }
        Ok(texts)
    }

    async fn read_texts(
        &self,
        tenant: &Tenant,
        service_id: &str,
        ids: &[String],
    ) -> Result<Vec<(String, Vec<u8>)>, RegistryError> {
        let connection = self.zookeeper.connection().ok_or(RegistryError::NotConnected)?;
        let layout = &self.zookeeper.layout;
        let paths: Vec<String> = ids.iter().map(|id| layout.schema(tenant, service_id, id)).collect();
        let data = connection.data(&paths).await.map_err(|error| match error {
            CommitError::NotConnected => RegistryError::NotConnected,
            CommitError::Unknown(_) => RegistryError::OutcomeUnknown,
            other => RegistryError::Refused(other.to_string()),
        })?;
        Ok(ids.iter().cloned().zip(data).filter_map(|(id, data)| Some((id, data?))).collect())
    }

    async fn standing(
        &self,
        tenant: &Tenant,
        service_id: &str,
        ids: &[String],
    ) -> Result<Standing, RegistryError> {
        let version = self.catalog.schemas(tenant, service_id).map(|list| list.version);
        let mut standing = Standing { version, ids: BTreeSet::new() };
        for ids in ids.chunks(TEXTS_PER_READ) {
            let texts = self.read_texts(tenant, service_id, ids).await?;
            standing.ids.extend(texts.into_iter().map(|(id, _)| id));
        }
        Ok(standing)
    }

    async fn write_schemas(
        &self,
        tenant: &Tenant,
        service_id: &str,
        schemas: &BTreeMap<String, SchemaDocument>,
        replace: bool,
    ) -> Result<(), RegistryError> {
        self.replica_in_touch()?;
        let _same_service = self.service_locks.of(&(tenant, service_id)).lock().await;
        let mut outcome = Ok(());
        for _ in 0..ATTEMPTS {
            let listed = self.catalog.schemas(tenant, service_id).filter(|_| replace);
            let listed = listed.iter().flat_map(|list| list.pairs.keys());
            let ids: BTreeSet<String> = listed.chain(schemas.keys()).cloned().collect();
            let ids: Vec<String> = ids.into_iter().collect();
            let standing = self.standing(tenant, service_id, &ids).await?;
            outcome = self
                .settle(&format!("the schemas of microservice {service_id}"), || {
                    let list = self.catalog.schemas(tenant, service_id).filter(|_| replace);
                    let mut listed = list.iter().flat_map(|list| list.pairs.keys());
                    // Another replica has just added some: whether their texts stand has not been looked at.
                    if !listed.all(|id| ids.binary_search(id).is_ok()) {
                        return Err(RegistryError::Contended(format!("the schemas of {service_id}")));
                    }
                    self.plan_schemas(tenant, service_id, schemas, replace, &standing).map(Some)
                })
                .await;
            if !matches!(outcome, Err(RegistryError::Contended(_))) {
                break;
            }
        }
        outcome
    }

    fn plan_schemas(
        &self,
        tenant: &Tenant,
        service_id: &str,
        schemas: &BTreeMap<String, SchemaDocument>,
        replace: bool,
        standing: &Standing,
    ) -> Result<Plan, RegistryError> {
        let layout = &self.zookeeper.layout;
        let record = self.changeable(tenant, service_id)?;
        let list = self.catalog.schemas(tenant, service_id);
        let nothing = Arc::new(Properties::new());
        let known = list.as_ref().map_or(&nothing, |list| &list.pairs);
        let written = schemas.iter().map(|(id, schema)| (id.clone(), schema.summary.clone()));
        let mut summaries = if replace { Properties::new() } else { known.as_ref().clone() };
        summaries.extend(written);
        let mut ids = if replace { Vec::new() } else { record.microservice.schemas.clone() };
        for id in schemas.keys() {
            if !ids.contains(id) {
                ids.push(id.clone());
            }
        }
        let most = self.options.quotas.schemas;
        let grows = ids.len() > record.microservice.schemas.len() || summaries.len() > known.len();
        if !replace && grows && ids.len().max(summaries.len()) > most {
            return Err(RegistryError::QuotaExceeded { what: "schemas of a microservice", most });
        }
        let mut plan = Plan::default();
        self.plan_ids(tenant, &record, ids, &mut plan);
        let path = layout.schemas(tenant, service_id);
        match &list {
            None => plan.document.create(path, to_json(&summaries)),
            Some(list) => plan.document.set(path, to_json(&summaries), list.version),
        }
        for (id, schema) in schemas {
            let path = layout.schema(tenant, service_id, id);
            match standing.has(id, list.as_ref()) {
                true => plan.parts.set(path, to_json(schema), -1),
                false => plan.parts.create(path, to_json(schema)),
            }
        }
        for id in known.keys().filter(|id| !summaries.contains_key(*id)) {
            if standing.has(id, list.as_ref()) {
                plan.removals.delete(layout.schema(tenant, service_id, id), -1);
            }
        }
        Ok(plan)
    }

    /// Makes the document of a microservice list these schemas, or makes sure that it does.
    fn plan_ids(&self, tenant: &Tenant, record: &MicroserviceRecord, ids: Vec<String>, plan: &mut Plan) {
        let path = self.zookeeper.layout.microservice(tenant, &record.microservice.service_id);
        if ids == record.microservice.schemas {
            return plan.document.check(path, record.version);
        }
        let changed = Microservice {
            schemas: ids,
            mod_timestamp: unix_seconds(),
            ..record.microservice.as_ref().clone()
        };
        plan.document.set(path, to_json(&changed), record.version);
    }

    /// The document of a microservice that may be changed through this API.
    pub(super) fn changeable(
        &self,
        tenant: &Tenant,
        service_id: &str,
    ) -> Result<MicroserviceRecord, RegistryError> {
        match self.catalog.registered(tenant, service_id) {
            Registered::Record(record) => Ok(record),
            Registered::Described => Err(RegistryError::ReadOnly(format!("microservice {service_id}"))),
            Registered::Nothing => Err(RegistryError::NoSuchMicroservice(service_id.to_owned())),
        }
    }

    /// Everything that stands below a microservice, children first.
    pub(super) fn plan_no_attributes(&self, tenant: &Tenant, service_id: &str, plan: &mut Plan) {
        let layout = &self.zookeeper.layout;
        if let Some(list) = self.catalog.schemas(tenant, service_id) {
            for id in list.pairs.keys() {
                plan.document.delete(layout.schema(tenant, service_id, id), -1);
            }
            plan.document.delete(layout.schemas(tenant, service_id), list.version);
        }
        if let Some(tags) = self.catalog.tags(tenant, service_id) {
            plan.document.delete(layout.tags(tenant, service_id), tags.version);
        }
    }
}

impl Standing {
    /// Whether the text of a schema stands in ZooKeeper: what was seen there, as long as the list is the one that was
    /// current then, else what the list says.
    fn has(&self, id: &str, list: Option<&PairsRecord>) -> bool {
        if list.map(|list| list.version) == self.version {
            return self.ids.contains(id);
        }
        list.is_some_and(|list| list.pairs.contains_key(id))
    }
}
