//! The use cases of a microservice's tags.

use super::plan::{Plan, to_json};
use super::{Registry, RegistryError};
use crate::model::{Properties, Tenant};

impl Registry {
    /// Replaces all tags of a microservice.
    ///
    /// # Errors
    /// [`RegistryError::NoSuchMicroservice`] and those of every change.
    pub async fn set_tags(
        &self,
        tenant: &Tenant,
        service_id: &str,
        tags: Properties,
    ) -> Result<(), RegistryError> {
        self.change_tags(tenant, service_id, |_| Ok(tags.clone())).await
    }

    /// Changes the value of a tag that the microservice has.
    ///
    /// # Errors
    /// [`RegistryError::NoSuchTag`], [`RegistryError::NoSuchMicroservice`] and those of every change.
    pub async fn set_tag(
        &self,
        tenant: &Tenant,
        service_id: &str,
        key: &str,
        value: &str,
    ) -> Result<(), RegistryError> {
        self.change_tags(tenant, service_id, |known| {
            let mut tags = known.clone();
            let tag = tags.get_mut(key).ok_or_else(|| RegistryError::NoSuchTag(key.to_owned()))?;
            value.clone_into(tag);
            Ok(tags)
        })
        .await
    }

    /// Removes tags; when the microservice does not have one of them, none.
    ///
    /// # Errors
    /// [`RegistryError::NoSuchTag`], [`RegistryError::NoSuchMicroservice`] and those of every change.
    pub async fn delete_tags(
        &self,
        tenant: &Tenant,
        service_id: &str,
        keys: &[String],
    ) -> Result<(), RegistryError> {
        let mut done = false;
        self.change_tags(tenant, service_id, |known| {
            let missing = keys.iter().find(|key| !known.contains_key(*key));
            if let Some(key) = missing.filter(|_| !done) {
                return Err(RegistryError::NoSuchTag(key.clone()));
            }
            done = true;
            Ok(known
                .iter()
                .filter(|(key, _)| !keys.contains(key))
                .map(|(k, v)| (k.clone(), v.clone()))
                .collect())
        })
        .await
    }

    async fn change_tags(
        &self,
        tenant: &Tenant,
        service_id: &str,
        mut change: impl FnMut(&Properties) -> Result<Properties, RegistryError>,
    ) -> Result<(), RegistryError> {
        self.replica_in_touch()?;
        self.settle(&format!("the tags of microservice {service_id}"), || {
            self.registered_microservice(tenant, service_id)?;
            let layout = &self.zookeeper.layout;
            let record = self.catalog.tags(tenant, service_id);
            let nothing = Properties::new();
            let known = record.as_ref().map_or(&nothing, |record| record.pairs.as_ref());
            let tags = change(known)?;
            if tags == *known {
                return Ok(None);
            }
            let mut plan = Plan::default();
            // The microservice must not be deleted at the same moment.
            plan.document.check(layout.microservice(tenant, service_id), -1);
            let path = layout.tags(tenant, service_id);
            match record {
                None => plan.document.create(path, to_json(&tags)),
                Some(record) => plan.document.set(path, to_json(&tags), record.version),
            }
            Ok(Some(plan))
        })
        .await
    }
}
