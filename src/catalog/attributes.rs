//! What stands below a microservice: its tags, and what its schemas are called. The texts of schemas can be large and
//! many, so they stay in ZooKeeper and only their summaries are kept.

use std::sync::Arc;

use super::Catalog;
use super::state::{State, unreadable};
use crate::model::{Properties, Tenant};
use crate::telemetry::Metrics;
use crate::zookeeper::Stat;

/// Tags by key, or the summaries of schemas by id, as their znode holds them.
#[derive(Clone, Debug)]
pub struct PairsRecord {
    /// The pairs.
    pub pairs: Arc<Properties>,
    /// `dataVersion` of the znode.
    pub version: i32,
    pub(super) zxid: i64,
}

/// Which of the two znodes below a microservice is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attribute {
    Tags,
    Schemas,
}

impl State {
    /// Takes the tags or summaries of a microservice as they were read.
    pub(super) fn attribute(
        &mut self,
        metrics: &Metrics,
        tenant: &Tenant,
        id: &str,
        attribute: Attribute,
        state: Option<(&[u8], &Stat)>,
    ) {
        self.services.change(tenant, id, |service| {
            let slot = match attribute {
                Attribute::Tags => &mut service.tags,
                Attribute::Schemas => &mut service.schemas,
            };
            *slot = state.map(|(data, stat)| PairsRecord {
                pairs: serde_json::from_slice(data).map(Arc::new).unwrap_or_else(|error| {
                    unreadable(metrics, false, "attribute", id, &format!("{attribute:?}"), &error);
                    // What was known goes on standing; the next change overwrites the damage.
                    slot.as_ref().map(|known| known.pairs.clone()).unwrap_or_default()
                }),
                version: stat.version,
                zxid: stat.mzxid,
            });
        });
    }
}

impl Catalog {
    /// The tags of a microservice; `None` when nobody has set any.
    pub fn tags(&self, tenant: &Tenant, service_id: &str) -> Option<PairsRecord> {
        self.state.read().services.get(tenant, service_id)?.tags.clone()
    }

    /// The summaries of the schemas of a microservice, by id; `None` when it has had none.
    pub fn schemas(&self, tenant: &Tenant, service_id: &str) -> Option<PairsRecord> {
        self.state.read().services.get(tenant, service_id)?.schemas.clone()
    }

    /// How many microservices a tenant has registered through the v4 API.
    pub fn count_microservices(&self, tenant: &Tenant) -> usize {
        self.state.read().services.tenants.get(tenant).map_or(0, |services| services.registered)
    }

    /// How many instances a tenant has registered through the v4 API.
    pub fn count_instances(&self, tenant: &Tenant) -> usize {
        self.state.read().services.tenants.get(tenant).map_or(0, |services| services.instances)
    }
}
