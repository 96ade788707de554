//! Discovery: which instances a consumer gets to see, put together from what is kept serialised.

use bytes::{BufMut, BytesMut};

use super::asker::Asker;
use super::names::Name;
use super::services::{Service, TenantServices};
use super::state::State;
use super::versions::Versions;
use super::{FindError, Found, Holds};
use crate::dubbo;
use crate::model::{InstanceKey, Microservice, Revision, ServiceKeyView, Tenant};

impl State {
    /// See [`super::Catalog::find`].
    pub(super) fn find(
        &self,
        asker: &Asker<'_>,
        service: ServiceKeyView<'_>,
        by_alias: bool,
        tags: &[String],
    ) -> Result<Found, FindError> {
        let found = self.find_versions(asker, service, by_alias, tags)?;
        Ok(self.no_older_than_applications(found, asker.tenant, service.app_id, service.service_name))
    }

    /// Raises the zxid of an answer to that of what the application level says, or ever said, of the service, and to that of
    /// the providers of this name: what looked like a provider of somebody else may have turned out to be an instance.
    fn no_older_than_applications(
        &self,
        mut found: Found,
        tenant: &Tenant,
        app_id: &str,
        service_name: &str,
    ) -> Found {
        if tenant.is_default() {
            let providers = self.nodes.interface_zxid(&dubbo::encoded(service_name));
            let least = self.application_zxid(app_id, service_name, providers).max(providers);
            found.revision.zxid = found.revision.zxid.max(least);
        }
        found
    }

    fn find_versions(
        &self,
        asker: &Asker<'_>,
        service: ServiceKeyView<'_>,
        by_alias: bool,
        tags: &[String],
    ) -> Result<Found, FindError> {
        let consumer = asker.consumer()?;
        let environment = consumer.map_or(service.environment, |consumer| &consumer.environment);
        let key = (environment, service.app_id, service.service_name);
        let key = &key as &dyn Name;
        let unknown =
            || FindError::NoSuchMicroservice(format!("{}/{}", service.app_id, service.service_name));
        let tenant = asker.services.ok_or_else(unknown)?;
        if let Some(group) = tenant.by_name.get(key) {
            if tags.is_empty() && consumer.is_none_or(|consumer| consumer.app_id == service.app_id) {
                let all = || self.assemble(&services_of(tenant, &group.versions), 0);
                return Ok(group.answer.get_or_init(all).clone());
            }
            return Ok(self.filtered(&services_of(tenant, &group.versions), consumer, tags));
        }
        match tenant.by_alias.get(key) {
            Some(versions) if by_alias => Ok(self.filtered(&services_of(tenant, versions), consumer, tags)),
            _ => Err(unknown()),
        }
    }

    /// See [`super::Catalog::instances`].
    pub(super) fn instances(
        &self,
        tenant: &Tenant,
        service_id: &str,
        consumer_id: Option<&str>,
        tags: &[String],
    ) -> Result<Found, FindError> {
        let service = self.accessible(tenant, service_id, consumer_id)?;
        let found = match tags.is_empty() {
            true => service.answer.get_or_init(|| self.assemble(&[service], 0)).clone(),
            false => self.filtered(&[service], None, tags),
        };
        Ok(self.as_described(found, tenant, service))
    }

    fn as_described(&self, found: Found, tenant: &Tenant, service: &Service) -> Found {
        match service.microservice() {
            Some(known) => self.no_older_than_applications(found, tenant, &known.app_id, &known.service_name),
            None => found,
        }
    }

    /// See [`super::Catalog::instance`].
    pub(super) fn instance_answer(
        &self,
        key: &InstanceKey,
        consumer_id: Option<&str>,
    ) -> Result<Found, FindError> {
        let unknown = || FindError::NoSuchInstance(key.to_string());
        self.asker(&key.tenant, consumer_id).consumer()?;
        let service = match self.accessible(&key.tenant, &key.service_id, consumer_id) {
            // Who may not see the microservice may not see that the instance exists.
            Err(FindError::NoSuchMicroservice(_))
                if self
                    .services
                    .get(&key.tenant, &key.service_id)
                    .is_some_and(|service| service.count() > 0) =>
            {
                return Err(unknown());
            }
            service => service?,
        };
        let (zxid, json) = match service.instances.get(&*key.instance_id) {
            Some(instance) => (instance.zxid, instance.json()),
            None => {
                let provider = service.providers.get(&*key.instance_id).ok_or_else(unknown)?;
                (provider.zxid, provider.json.as_ref())
            }
        };
        let mut document = BytesMut::with_capacity(Holds::One.opening().len() + json.len() + 1);
        document.put_slice(Holds::One.opening());
        document.put_slice(json);
        document.put_u8(b'}');
        let found = Found::new(Revision::of(zxid, json), Holds::One, document.freeze(), 1);
        Ok(self.as_described(found, &key.tenant, service))
    }

    /// A microservice by id, as far as the consumer may see it: same environment, and same application unless the
    /// provider allows others.
    fn accessible(
        &self,
        tenant: &Tenant,
        service_id: &str,
        consumer_id: Option<&str>,
    ) -> Result<&Service, FindError> {
        let unknown = || FindError::NoSuchMicroservice(service_id.to_owned());
        let consumer = self.asker(tenant, consumer_id).consumer()?;
        let service = self.services.get(tenant, service_id).ok_or_else(unknown)?;
        let provider = service.microservice().ok_or_else(unknown)?;
        let accessible = consumer.is_none_or(|consumer| {
            consumer.environment == provider.environment && may_see(consumer, provider)
        });
        if accessible { Ok(service) } else { Err(unknown()) }
    }

    fn filtered(&self, services: &[&Service], consumer: Option<&Microservice>, tags: &[String]) -> Found {
        let seen = services.iter().copied().filter(|service| {
            let provider = service.microservice();
            has_tags(service, tags)
                && provider
                    .is_some_and(|provider| consumer.is_none_or(|consumer| may_see(consumer, provider)))
        });
        let seen: Vec<&Service> = seen.collect();
        if tags.is_empty()
            && consumer.is_none_or(|consumer| {
                services.iter().all(|service| {
                    service.microservice().is_some_and(|provider| provider.app_id == consumer.app_id)
                })
            })
        {
            return self.assemble(&seen, 0);
        }
        // Whether a version may be seen follows from its properties and tags, so their last change counts as well.
        let records = services.iter().filter_map(|service| Some(service.record.as_ref()?.zxid));
        let tagged = services.iter().filter_map(|service| Some(service.tags.as_ref()?.zxid));
        let changed = records.chain(tagged).max();
        self.assemble(&seen, changed.unwrap_or(0))
    }

    /// Puts an answer together. Its zxid covers every change of an instance, and, through the folders, every creation
    /// and deletion of one.
    fn assemble(&self, services: &[&Service], at_least: i64) -> Found {
        let bytes: usize = services
            .iter()
            .flat_map(|service| {
                let own = service.instances.values().map(|instance| instance.json().len() + 1);
                own.chain(service.providers.values().map(|provider| provider.json.len() + 1))
            })
            .sum();
        let mut json = BytesMut::with_capacity(Holds::List.opening().len() + bytes + 3);
        let mut digests = Vec::new();
        let mut zxid = at_least;
        let mut count = 0;
        json.put_slice(Holds::List.opening());
        json.put_u8(b'[');
        let mut put = |instance: &[u8], digest: u64| {
            if count > 0 {
                json.put_u8(b',');
            }
            json.put_slice(instance);
            digests.put_u64(digest);
            count += 1;
        };
        for service in services {
            zxid = zxid.max(service.folder_zxid);
            for instance in service.instances.values() {
                put(instance.json(), instance.digest);
                zxid = zxid.max(instance.zxid);
            }
            for provider in service.providers.values() {
                put(&provider.json, provider.digest);
                zxid = zxid.max(provider.zxid).max(self.nodes.interface_zxid(&provider.interface));
            }
        }
        json.put_slice(b"]}");
        Found::new(Revision::of(zxid, &digests), Holds::List, json.freeze(), count)
    }
}

/// Whether a version has every one of these tags.
fn has_tags(service: &Service, tags: &[String]) -> bool {
    let known = service.tags.as_ref().map(|tags| tags.pairs.as_ref());
    tags.iter().all(|tag| known.is_some_and(|known| known.contains_key(tag)))
}

/// Whether a consumer's application may see a provider.
pub(super) fn may_see(consumer: &Microservice, provider: &Microservice) -> bool {
    consumer.app_id == provider.app_id || provider.allows_cross_app()
}

fn services_of<'s>(tenant: &'s TenantServices, versions: &Versions) -> Vec<&'s Service> {
    versions.ids().filter_map(|id| tenant.services.get(id)).collect()
}
