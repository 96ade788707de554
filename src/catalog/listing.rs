//! All microservices of a tenant as the v4 API lists them, kept as they are sent.
//!
//! Of what was listed last each microservice keeps its part, so that a change costs putting the parts together again
//! and not writing every one of them. The parts share their memory with the whole.

use std::cmp::Ordering;
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use parking_lot::Mutex;

use super::Catalog;
use super::services::TenantServices;
use crate::model::{Microservice, Tenant};

/// Changes that are remembered until somebody asks; after more of them everything is sorted anew.
const MOST_CHANGES: usize = 256;
/// Putting more microservices together would hold up the other requests of the thread.
const MOST_INLINE: usize = 256;
const NOTHING: Bytes = Bytes::from_static(b"{}");

/// What a microservice was before a change, and what it is after.
type Change = (Option<Arc<Microservice>>, Option<Arc<Microservice>>);

/// All microservices of a tenant as they are listed.
#[derive(Default)]
pub(super) struct Listing {
    kept: Mutex<Kept>,
    /// Held by whoever puts them together; others wait for the outcome.
    parts: Arc<tokio::sync::Mutex<Parts>>,
}

#[derive(Default)]
struct Kept {
    /// The whole, unless something has changed since.
    whole: Option<Bytes>,
    /// What has changed since the parts were put together; `None` when nobody has counted.
    changes: Option<Vec<Change>>,
}

/// The microservices in the order in which they are listed.
#[derive(Default)]
struct Parts(Vec<Part>);

struct Part {
    microservice: Arc<Microservice>,
    json: Bytes,
}

impl Listing {
    /// Takes note of a change of one microservice.
    pub fn note(&self, before: Option<Arc<Microservice>>, after: Option<Arc<Microservice>>) {
        let mut kept = self.kept.lock();
        kept.whole = None;
        if let Some(changes) = &mut kept.changes {
            changes.push((before, after));
            if changes.len() > MOST_CHANGES {
                kept.changes = None;
            }
        }
    }

    fn whole(&self) -> Option<Bytes> {
        self.kept.lock().whole.clone()
    }

    fn take_changes(&self) -> Option<Vec<Change>> {
        self.kept.lock().changes.as_mut().map(std::mem::take)
    }

    /// Keeps the whole, unless it is not the last word any more.
    fn keep(&self, whole: &Bytes) {
        let mut kept = self.kept.lock();
        if kept.changes.as_ref().is_some_and(Vec::is_empty) {
            kept.whole = Some(whole.clone());
        }
    }

    /// From now on every change counts.
    fn begin(&self) {
        self.kept.lock().changes = Some(Vec::new());
    }

    /// The parts may be wrong.
    fn give_up(&self) {
        *self.kept.lock() = Kept::default();
    }
}

impl Parts {
    fn of(microservices: Vec<Arc<Microservice>>) -> Self {
        let mut parts: Vec<Part> = microservices.into_iter().map(Part::new).collect();
        parts.sort_unstable_by(|one, other| in_order(&one.microservice, &other.microservice));
        Self(parts)
    }

    fn change(&mut self, (before, after): Change) {
        if let Some(Ok(place)) = before.map(|before| self.place(&before)) {
            self.0.remove(place);
        }
        if let Some(after) = after {
            match self.place(&after) {
                Ok(place) => self.0[place] = Part::new(after),
                Err(place) => self.0.insert(place, Part::new(after)),
            }
        }
    }

    fn place(&self, microservice: &Microservice) -> Result<usize, usize> {
        self.0.binary_search_by(|part| in_order(&part.microservice, microservice))
    }

    /// Puts the parts together.
    fn join(&mut self) -> Bytes {
        const OPENING: &[u8] = br#"{"services":["#;
        if self.0.is_empty() {
            return NOTHING;
        }
        let bytes: usize = self.0.iter().map(|part| part.json.len() + 1).sum();
        let mut whole = BytesMut::with_capacity(OPENING.len() + bytes + 1);
        whole.put_slice(OPENING);
        for (index, part) in self.0.iter().enumerate() {
            if index > 0 {
                whole.put_u8(b',');
            }
            whole.put_slice(&part.json);
        }
        whole.put_slice(b"]}");
        let whole = whole.freeze();
        let mut at = OPENING.len();
        for part in &mut self.0 {
            let end = at + part.json.len();
            part.json = whole.slice(at..end);
            at = end + 1;
        }
        whole
    }
}

impl Part {
    fn new(microservice: Arc<Microservice>) -> Self {
        // invariant: a struct of texts, lists and maps with text keys always has a JSON form
        let json = serde_json::to_vec(&microservice).map(Bytes::from).unwrap_or_default();
        Self { microservice, json }
    }
}

/// By key; two that have the same one, because only one of them was registered through the v4 API, by id.
pub(super) fn in_order(one: &Microservice, other: &Microservice) -> Ordering {
    key(one).cmp(&key(other))
}

fn key(one: &Microservice) -> [&str; 5] {
    [&one.app_id, &one.service_name, &one.version, &one.environment, &one.service_id]
}

fn known(services: &TenantServices) -> Vec<Arc<Microservice>> {
    services.services.values().filter_map(|service| service.microservice().cloned()).collect()
}

impl Catalog {
    /// All microservices of a tenant, sorted by key, those of sidecars and Dubbo applications among them.
    pub fn microservices(&self, tenant: &Tenant) -> Vec<Arc<Microservice>> {
        let mut known = self.state.read().services.tenants.get(tenant).map(known).unwrap_or_default();
        known.sort_unstable_by(|one, other| in_order(one, other));
        known
    }

    /// The same as a JSON object with the list `services`, which is left out when it is empty.
    pub async fn listing(&self, tenant: &Tenant) -> Bytes {
        let listing = self.state.read().services.tenants.get(tenant).map(|services| services.listing.clone());
        let Some(listing) = listing else { return NOTHING };
        if let Some(whole) = listing.whole() {
            return whole;
        }
        let mut parts = listing.parts.clone().lock_owned().await;
        if let Some(whole) = listing.whole() {
            return whole;
        }
        let all = match listing.take_changes() {
            Some(changes) => {
                changes.into_iter().for_each(|change| parts.change(change));
                None
            }
            None => {
                let state = self.state.read();
                // No change is made meanwhile.
                listing.begin();
                state.services.tenants.get(tenant).map(known)
            }
        };
        let is_long = all.as_ref().map_or(parts.0.len(), Vec::len) > MOST_INLINE;
        let join = {
            let listing = listing.clone();
            move || {
                if let Some(all) = all {
                    *parts = Parts::of(all);
                }
                let whole = parts.join();
                listing.keep(&whole);
                whole
            }
        };
        if !is_long {
            return join();
        }
        match tokio::task::spawn_blocking(join).await {
            Ok(whole) => whole,
            Err(_) => {
                listing.give_up();
                Parts::of(self.microservices(tenant)).join()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::telemetry::Metrics;
    use crate::zookeeper::{Layout, Node, Sink, Stat};

    fn layout() -> Layout {
        Layout { dubbo_root: "/dubbo".into(), services_root: String::new(), registry_root: "/zoogate".into() }
    }

    fn catalog() -> Catalog {
        Catalog::new(layout(), usize::MAX, Arc::new(Metrics::new().unwrap()))
    }

    fn microservice(number: usize, version: &str) -> Node {
        let id = format!("id-{}", number * 7 % 1_000);
        let state = Microservice {
            service_id: id.clone(),
            app_id: "shop".into(),
            service_name: format!("service-{number}"),
            version: version.into(),
            ..Microservice::default()
        };
        let stat = Stat { czxid: 1, mzxid: 1, ..Stat::default() };
        let data = serde_json::to_vec(&state).unwrap();
        Node { path: layout().microservice(&Tenant::default(), &id), state: Some((data, stat)) }
    }

    fn none(number: usize) -> Node {
        Node { state: None, ..microservice(number, "") }
    }

    /// What is listed, after it was compared with what is known.
    async fn listed(catalog: &Catalog) -> Value {
        let tenant = Tenant::default();
        let services = catalog.microservices(&tenant);
        let whole = catalog.listing(&tenant).await;
        let expected = match services.is_empty() {
            true => "{}".to_owned(),
            false => format!(r#"{{"services":{}}}"#, serde_json::to_string(&services).unwrap()),
        };
        assert_eq!(whole, expected);
        // Asked again, it is the very same memory.
        assert_eq!(catalog.listing(&tenant).await.as_ptr(), whole.as_ptr());
        serde_json::from_slice(&whole).unwrap()
    }

    #[tokio::test]
    async fn what_is_listed_follows_every_change() {
        let catalog = catalog();
        assert_eq!(listed(&catalog).await, json!({}));
        catalog.apply(vec![microservice(2, "1"), microservice(1, "1")]);
        let names = |listed: &Value| {
            let services = listed["services"].as_array().unwrap();
            let text = |one: &Value| format!("{} {}", one["serviceName"], one["version"]).replace('"', "");
            services.iter().map(text).collect::<Vec<_>>()
        };
        assert_eq!(names(&listed(&catalog).await), ["service-1 1", "service-2 1"]);
        catalog.apply(vec![microservice(1, "2")]);
        assert_eq!(names(&listed(&catalog).await), ["service-1 2", "service-2 1"]);
        // There and back again, and twice between two looks.
        catalog.apply(vec![
            none(2),
            microservice(2, "3"),
            microservice(0, "1"),
            none(0),
            microservice(3, "1"),
        ]);
        assert_eq!(names(&listed(&catalog).await), ["service-1 2", "service-2 3", "service-3 1"]);
        catalog.apply(vec![none(1), none(2), none(3)]);
        assert_eq!(listed(&catalog).await, json!({}));
        let nobody = Tenant::new("somebody", "else");
        assert_eq!(catalog.listing(&nobody).await, "{}");
    }

    #[tokio::test]
    async fn a_long_list_follows_few_changes_and_many() {
        let catalog = catalog();
        let count = 3 * MOST_CHANGES;
        let length = |listed: Value| listed["services"].as_array().unwrap().len();
        catalog.apply((0..count).map(|number| microservice(number, "1")).collect());
        assert_eq!(length(listed(&catalog).await), count);
        for changes in [1, MOST_CHANGES - 1, MOST_CHANGES, MOST_CHANGES + 1, 1, count, 3] {
            let version = changes.to_string();
            catalog.apply((0..changes).map(|number| microservice(number, &version)).collect());
            assert_eq!(length(listed(&catalog).await), count, "{changes}");
        }
        catalog.apply((0..count).step_by(2).map(none).collect());
        assert_eq!(length(listed(&catalog).await), count / 2);
    }

    #[tokio::test]
    async fn whoever_goes_away_leaves_a_list_that_still_follows() {
        let catalog = catalog();
        catalog.apply((0..2 * MOST_INLINE).map(|number| microservice(number, "1")).collect());
        for version in ["2", "3"] {
            let tenant = Tenant::default();
            // Polled once, so that it has begun.
            let began = futures::poll!(Box::pin(catalog.listing(&tenant)));
            drop(began);
            catalog.apply(vec![microservice(5, version)]);
            listed(&catalog).await;
        }
    }
}
