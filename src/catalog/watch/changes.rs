//! Finds out what watchers are to be told: what changed in what is shown of an instance, as a JSON document in the v4
//! form, written once for all who hear of it.

use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;

use super::super::Catalog;
use super::super::instances::KeptInstance;
use super::super::names::NameKey;
use super::super::services::name_key;
use super::super::state::State;
use super::queue::Event;
use crate::model::{InstanceKey, Microservice, Tenant};

/// A change of an instance, ready to be told.
#[derive(Debug)]
pub(in crate::catalog) struct Change {
    tenant: Tenant,
    provider: NameKey,
    event: Arc<Event>,
}

#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "UPPERCASE")]
enum Action {
    Create,
    Update,
    Delete,
}

impl Catalog {
    pub(in crate::catalog) fn tell_watchers(&self, changes: Vec<Change>) {
        if changes.is_empty() {
            return;
        }
        let state = self.state.read();
        let told = changes.iter().flat_map(|Change { tenant, provider, event }| {
            let services = state.services.tenants.get(tenant);
            let consumers = services.and_then(|services| services.consumers.get(provider));
            consumers.into_iter().flatten().map(move |consumer| (tenant, consumer.as_str(), event))
        });
        self.watchers.tell(told);
    }
}

/// What is shown of an instance behind a provider URL.
type Shown = Option<(Arc<Microservice>, Bytes)>;

impl State {
    /// What is shown of the provider at a path, as far as anybody watches.
    pub(in crate::catalog) fn shown(&self, interface: &str, name: &str) -> Shown {
        if self.watchers.count() == 0 {
            return None;
        }
        let (service, instance) = self.nodes.appearance(interface, name)?;
        let provider = self.services.get(&Tenant::default(), service)?.providers.get(instance)?;
        Some((provider.microservice.clone(), provider.json.clone()))
    }

    /// Notes what became of an instance behind a provider URL.
    pub(in crate::catalog) fn note_provider(&mut self, before: Shown, after: Shown) {
        let (action, (microservice, json)) = match (before, after) {
            (None, Some(after)) => (Action::Create, after),
            (Some(before), None) => (Action::Delete, before),
            (Some((_, before)), Some(after)) if before != after.1 => (Action::Update, after),
            _ => return,
        };
        self.note(&Tenant::default(), &microservice, action, &json);
    }

    /// Notes what became of a registered instance.
    pub(in crate::catalog) fn note_instance(
        &mut self,
        key: &InstanceKey,
        before: Option<&[u8]>,
        after: Option<&[u8]>,
    ) {
        if before == after {
            return;
        }
        self.note_consumer(key);
        let (action, json) = match (before, after) {
            (None, Some(after)) => (Action::Create, after),
            (Some(_), Some(after)) => (Action::Update, after),
            (Some(before), None) => (Action::Delete, before),
            (None, None) => return,
        };
        // Without its microservice it is not shown, and was told of when that changed.
        let service = self.services.get(&key.tenant, &key.service_id);
        let Some(microservice) = service.and_then(|service| service.microservice().cloned()) else { return };
        self.note(&key.tenant, &microservice, action, json);
    }

    /// Notes that the registered instances of a microservice appear or vanish with it.
    pub(in crate::catalog) fn note_microservice(
        &mut self,
        tenant: &Tenant,
        id: &str,
        before: Option<Arc<Microservice>>,
    ) {
        if self.watchers.count() == 0 {
            return;
        }
        let Some(service) = self.services.get(tenant, id) else { return };
        let (action, microservice) = match (before, service.microservice().cloned()) {
            (None, Some(after)) => (Action::Create, after),
            (Some(before), None) => (Action::Delete, before),
            _ => return,
        };
        let instances: Vec<KeptInstance> = service.instances.values().cloned().collect();
        for instance in instances {
            self.note(tenant, &microservice, action, instance.json());
        }
    }

    fn note(&mut self, tenant: &Tenant, microservice: &Microservice, action: Action, json: &[u8]) {
        if self.watchers.count() == 0 {
            return;
        }
        let provider = name_key(microservice, &microservice.service_name);
        let services = self.services.tenants.get(tenant);
        if services.is_some_and(|services| services.consumers.contains_key(&provider)) {
            let event = Arc::new(Event::new(document(tenant, microservice, action, json)));
            self.changes.push(Change { tenant: tenant.clone(), provider, event });
        }
    }
}

fn document(tenant: &Tenant, microservice: &Microservice, action: Action, instance: &[u8]) -> Bytes {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Key<'a> {
        tenant: String,
        #[serde(skip_serializing_if = "str::is_empty")]
        environment: &'a str,
        app_id: &'a str,
        service_name: &'a str,
        version: &'a str,
    }
    #[derive(Serialize)]
    struct Head<'a> {
        action: Action,
        key: Key<'a>,
    }
    let key = Key {
        tenant: tenant.to_string(),
        environment: &microservice.environment,
        app_id: &microservice.app_id,
        service_name: &microservice.service_name,
        version: &microservice.version,
    };
    // invariant: a struct of texts always has a JSON form
    let mut document = serde_json::to_vec(&Head { action, key }).unwrap_or_default();
    // The instance is JSON already: it takes the place of the closing brace.
    document.pop();
    document.extend_from_slice(br#","instance":"#);
    document.extend_from_slice(instance);
    document.push(b'}');
    document.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_one_json_document() {
        let microservice = Microservice { service_name: "stock".into(), ..Microservice::default() };
        let document = document(&Tenant::default(), &microservice, Action::Update, br#"{"a":1}"#);
        let document: serde_json::Value = serde_json::from_slice(&document).unwrap();
        assert_eq!(document["action"], "UPDATE");
        assert_eq!(document["key"]["tenant"], "default/default");
        assert_eq!(document["instance"], serde_json::json!({"a": 1}));
    }
}
