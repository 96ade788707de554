//! Many questions of one client in one look into the catalog: what they have in common is looked up once.

use super::services::{Service, TenantServices};
use super::state::State;
use super::{Catalog, FindError, Found};
use crate::model::{InstanceKey, Microservice, ServiceKeyView, Tenant};

/// Whoever asks, in one state of the catalog.
#[derive(Clone, Copy)]
pub struct Asker<'s> {
    pub(super) state: &'s State,
    pub(super) tenant: &'s Tenant,
    /// The services of the tenant, if it has any.
    pub(super) services: Option<&'s TenantServices>,
    /// The consumer, as far as it is named.
    pub(super) consumer_id: Option<&'s str>,
    /// What stands at that id.
    service: Option<&'s Service>,
}

impl State {
    /// Looks up who asks.
    pub(super) fn asker<'s>(&'s self, tenant: &'s Tenant, consumer_id: Option<&'s str>) -> Asker<'s> {
        let services = self.services.tenants.get(tenant);
        let consumer_id = consumer_id.filter(|id| !id.is_empty());
        let known = services.zip(consumer_id);
        Asker {
            state: self,
            tenant,
            services,
            consumer_id,
            service: known.and_then(|(services, id)| services.services.get(id)),
        }
    }
}

impl<'s> Asker<'s> {
    /// The consumer, if one is named.
    pub(super) fn consumer(&self) -> Result<Option<&'s Microservice>, FindError> {
        let Some(id) = self.consumer_id else { return Ok(None) };
        let consumer = self.service.and_then(Service::microservice);
        consumer
            .map(|consumer| Some(consumer.as_ref()))
            .ok_or_else(|| FindError::NoSuchMicroservice(format!("{id} (the consumer)")))
    }

    /// The consumer as it was registered through the v4 API: only that can have dependencies, since they end together.
    pub(super) fn registered_consumer(&self) -> Option<&'s Microservice> {
        self.service?.record.as_ref().map(|record| record.microservice.as_ref())
    }

    /// See [`Catalog::find`].
    ///
    /// # Errors
    /// Those of [`Catalog::find`].
    pub fn find(
        &self,
        service: ServiceKeyView<'_>,
        by_alias: bool,
        tags: &[String],
    ) -> Result<Found, FindError> {
        self.state.find(self, service, by_alias, tags)
    }

    /// See [`Catalog::instance`].
    ///
    /// # Errors
    /// Those of [`Catalog::instance`].
    pub fn instance(&self, key: &InstanceKey) -> Result<Found, FindError> {
        self.state.instance_answer(key, self.consumer_id)
    }
}

impl Catalog {
    /// Lets `ask` ask several questions of the same state. Changes wait meanwhile, so there must not be many.
    pub fn ask<T>(&self, tenant: &Tenant, consumer_id: Option<&str>, ask: impl FnOnce(Asker<'_>) -> T) -> T {
        let state = self.state.read();
        ask(state.asker(tenant, consumer_id))
    }
}
