//! Tells those who watch of every change of an instance, in order and each once, as soon as the catalog has it.
//!
//! A watcher has a queue with a limit. When it is full the watcher is let go, so that it reconnects and asks for
//! everything anew: a change that is left out silently would never be noticed.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::sync::watch as signal;

use super::Catalog;
use super::services::{NameKey, name_key};
use super::state::State;
use crate::model::{InstanceKey, Microservice, Tenant};

/// Changes that may wait for one watcher.
const QUEUE: usize = 1_024;

/// Why nobody can watch now.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
pub enum WatchError {
    /// There are as many watchers as may be.
    #[error("there are too many watchers here, try another replica")]
    TooMany,
    /// This replica is going.
    #[error("this replica is shutting down, try another one")]
    Closing,
}

/// A change of an instance, ready to be sent.
#[derive(Debug)]
pub(super) struct Change {
    tenant: Tenant,
    provider: NameKey,
    frame: Bytes,
}

#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "UPPERCASE")]
enum Action {
    Create,
    Update,
    Delete,
}

/// The watchers of one tenant, by the id of the consumer.
type Consumers = HashMap<String, HashMap<u64, Sender<Bytes>>>;

/// Everybody who watches.
pub struct Watchers {
    tenants: Mutex<HashMap<Tenant, Consumers>>,
    next: AtomicU64,
    count: AtomicUsize,
    closing: signal::Sender<bool>,
}

impl Default for Watchers {
    fn default() -> Self {
        Self {
            tenants: Mutex::default(),
            next: AtomicU64::new(0),
            count: AtomicUsize::new(0),
            closing: signal::Sender::new(false),
        }
    }
}

/// The changes that one watcher is told of. Dropping it ends the watching.
pub struct Watch {
    changes: Receiver<Bytes>,
    watchers: Arc<Watchers>,
    tenant: Tenant,
    consumer: String,
    number: u64,
}

impl Watch {
    /// The next change as a JSON document in the v4 form; `None` when the watcher must go, because this replica does or
    /// because it was too slow.
    pub async fn next(&mut self) -> Option<Bytes> {
        self.changes.recv().await
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.watchers.count.fetch_sub(1, Ordering::Relaxed);
        let mut tenants = self.watchers.tenants.lock();
        let Some(consumers) = tenants.get_mut(&self.tenant) else { return };
        if let Some(watches) = consumers.get_mut(&self.consumer) {
            watches.remove(&self.number);
            if watches.is_empty() {
                consumers.remove(&self.consumer);
            }
        }
        if consumers.is_empty() {
            tenants.remove(&self.tenant);
        }
    }
}

impl Watchers {
    /// Watches the providers of a consumer, unless `most` do so already.
    ///
    /// # Errors
    /// [`WatchError`] when nobody can watch now.
    pub fn watch(
        self: &Arc<Self>,
        tenant: &Tenant,
        consumer: &str,
        most: usize,
    ) -> Result<Watch, WatchError> {
        let (sender, changes) = mpsc::channel(QUEUE);
        let mut tenants = self.tenants.lock();
        if self.is_closing() {
            return Err(WatchError::Closing);
        }
        if self.count.load(Ordering::Relaxed) >= most {
            return Err(WatchError::TooMany);
        }
        self.count.fetch_add(1, Ordering::Relaxed);
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let consumers = tenants.entry(tenant.clone()).or_default();
        consumers.entry(consumer.to_owned()).or_default().insert(number, sender);
        let (tenant, consumer) = (tenant.clone(), consumer.to_owned());
        Ok(Watch { changes, watchers: self.clone(), tenant, consumer, number })
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Lets everybody go, and nobody in any more.
    pub fn close(&self) {
        let mut tenants = self.tenants.lock();
        self.closing.send_replace(true);
        tenants.clear();
    }

    /// Whether this replica is going.
    pub fn is_closing(&self) -> bool {
        *self.closing.borrow()
    }

    /// Waits until this replica is going.
    pub async fn closed(&self) {
        // It fails only when the sender is gone, which `self` holds.
        let _ = self.closing.subscribe().wait_for(|closing| *closing).await;
    }

    fn tell<'c>(&self, tenant: &Tenant, consumers: impl IntoIterator<Item = &'c String>, frame: &Bytes) {
        let mut tenants = self.tenants.lock();
        let Some(watched) = tenants.get_mut(tenant) else { return };
        for consumer in consumers {
            if let Some(watches) = watched.get_mut(consumer) {
                // One whose queue is full loses it, and by that learns that it must begin anew.
                watches.retain(|_, watch| watch.try_send(frame.clone()).is_ok());
            }
        }
    }
}

impl Catalog {
    pub(super) fn tell_watchers(&self, changes: Vec<Change>) {
        if changes.is_empty() {
            return;
        }
        let state = self.state.read();
        for Change { tenant, provider, frame } in changes {
            let services = state.services.tenants.get(&tenant);
            let consumers = services.and_then(|services| services.consumers.get(&provider));
            self.watchers.tell(&tenant, consumers.into_iter().flatten(), &frame);
        }
    }
}

/// What is shown of an instance behind a provider URL.
type Shown = Option<(Arc<Microservice>, Bytes)>;

impl State {
    /// What is shown of the provider at a path, as far as anybody watches.
    pub(super) fn shown(&self, interface: &str, name: &str) -> Shown {
        if self.watchers.count() == 0 {
            return None;
        }
        let (service, instance) = self.nodes.appearance(interface, name)?;
        let provider = self.services.get(&Tenant::default(), service)?.providers.get(instance)?;
        Some((provider.microservice.clone(), provider.json.clone()))
    }

    /// Notes what became of an instance behind a provider URL.
    pub(super) fn note_provider(&mut self, before: Shown, after: Shown) {
        let (action, (microservice, json)) = match (before, after) {
            (None, Some(after)) => (Action::Create, after),
            (Some(before), None) => (Action::Delete, before),
            (Some((_, before)), Some(after)) if before != after.1 => (Action::Update, after),
            _ => return,
        };
        self.note(&Tenant::default(), &microservice, action, &json);
    }

    /// Notes what became of a registered instance.
    pub(super) fn note_instance(&mut self, key: &InstanceKey, before: Option<Bytes>, after: Option<Bytes>) {
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
        self.note(&key.tenant, &microservice, action, &json);
    }

    /// Notes that the registered instances of a microservice appear or vanish with it.
    pub(super) fn note_microservice(&mut self, tenant: &Tenant, id: &str, before: Option<Arc<Microservice>>) {
        if self.watchers.count() == 0 {
            return;
        }
        let Some(service) = self.services.get(tenant, id) else { return };
        let (action, microservice) = match (before, service.microservice().cloned()) {
            (None, Some(after)) => (Action::Create, after),
            (Some(before), None) => (Action::Delete, before),
            _ => return,
        };
        let instances: Vec<Bytes> =
            service.instances.values().map(|instance| instance.json.clone()).collect();
        for json in instances {
            self.note(tenant, &microservice, action, &json);
        }
    }

    fn note(&mut self, tenant: &Tenant, microservice: &Microservice, action: Action, json: &Bytes) {
        if self.watchers.count() == 0 {
            return;
        }
        let provider = name_key(microservice, &microservice.service_name);
        let services = self.services.tenants.get(tenant);
        if services.is_some_and(|services| services.consumers.contains_key(&provider)) {
            let frame = frame(tenant, microservice, action, json);
            self.changes.push(Change { tenant: tenant.clone(), provider, frame });
        }
    }
}

fn frame(tenant: &Tenant, microservice: &Microservice, action: Action, instance: &[u8]) -> Bytes {
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
    let mut frame = serde_json::to_vec(&Head { action, key }).unwrap_or_default();
    // The instance is JSON already: it takes the place of the closing brace.
    frame.pop();
    frame.extend_from_slice(br#","instance":"#);
    frame.extend_from_slice(instance);
    frame.push(b'}');
    frame.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_one_json_document() {
        let microservice = Microservice { service_name: "stock".into(), ..Microservice::default() };
        let frame = frame(&Tenant::default(), &microservice, Action::Update, br#"{"a":1}"#);
        let document: serde_json::Value = serde_json::from_slice(&frame).unwrap();
        assert_eq!(document["action"], "UPDATE");
        assert_eq!(document["key"]["tenant"], "default/default");
        assert_eq!(document["instance"], serde_json::json!({"a": 1}));
    }

    #[tokio::test]
    async fn a_watcher_that_is_too_slow_is_let_go_after_what_it_has_queued() {
        let watchers = Arc::new(Watchers::default());
        let tenant = Tenant::default();
        let mut slow = watchers.watch(&tenant, "c", 1).unwrap();
        assert_eq!(watchers.watch(&tenant, "c", 1).err(), Some(WatchError::TooMany));
        for _ in 0..=QUEUE {
            watchers.tell(&tenant, [&"c".to_owned()], &Bytes::from_static(b"{}"));
        }
        let mut told = 0;
        while slow.next().await.is_some() {
            told += 1;
        }
        assert_eq!(told, QUEUE);
        drop(slow);
        assert_eq!(watchers.count(), 0);
        assert!(watchers.tenants.lock().is_empty());
    }

    #[tokio::test]
    async fn everybody_is_let_go_when_the_replica_goes() {
        let watchers = Arc::new(Watchers::default());
        let mut watch = watchers.watch(&Tenant::default(), "c", 9).unwrap();
        watchers.close();
        assert_eq!(watch.next().await, None);
        watchers.closed().await;
        assert_eq!(watchers.watch(&Tenant::default(), "c", 9).err(), Some(WatchError::Closing));
    }
}
