//! Remembers the answers to the last batch finds, so that one that comes again, word for word, need not be read: a client
//! asks the same until something that it uses has changed. Kept by a digest of all that decides what is answered, with
//! what the answer rests on.

use std::sync::Arc;

use actix_web::{HttpRequest, web};
use bytes::Bytes;

use super::batch::Asked;
use crate::api::repeats::{self, Key, Outcome};
use crate::catalog::{Basis, Catalog};

/// Most services of a request that is remembered: for as long as it takes to look whether none has changed, changes wait.
pub(super) const MOST: usize = 1_000;
/// About what an entry takes beside its answer and what that rests on.
const ENTRY: usize = 300;

/// The answers to the last batch finds. The least used go when there is no room.
pub struct Repeats(repeats::Repeats<Arc<Repeat>>);

struct Repeat {
    basis: Basis,
    answer: Bytes,
}

impl Outcome for Arc<Repeat> {
    fn size(&self) -> usize {
        ENTRY + self.basis.size() + self.answer.len()
    }
}

impl Repeats {
    /// Takes about `bytes` at most; with 0 nothing is remembered.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        Self(repeats::Repeats::new(bytes))
    }

    /// Those that the application was given, if it is to remember any.
    pub(super) fn of(request: &HttpRequest) -> Option<&Self> {
        let repeats = request.app_data::<web::Data<Self>>()?;
        repeats.0.is_on().then_some(repeats)
    }

    /// What a request is remembered by.
    pub(super) fn key(&self, asked: &Asked<'_>) -> Key {
        let Asked { tenant, consumer_id, ignores_rev, body } = asked;
        // None of them has a control character.
        let consumer = consumer_id.unwrap_or_default();
        let past_rev = if *ignores_rev { "past-rev" } else { "" };
        self.0.key([&*tenant.domain, &*tenant.project, consumer, past_rev], body)
    }

    /// The answer to a request, if that is known and would be the same now.
    pub(super) fn answer(&self, key: Key, catalog: &Catalog) -> Option<Bytes> {
        let repeat = self.0.get(key)?;
        catalog.stands(&repeat.basis).then(|| repeat.answer.clone())
    }

    /// Remembers an answer with what it rests on.
    pub(super) fn remember(&self, key: Key, basis: Basis, answer: Bytes) {
        self.0.remember(key, Arc::new(Repeat { basis, answer }));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use serde_json::{Value, json};

    use super::*;
    use crate::api::servicecomb::Limits;
    use crate::model::{DependencyKey, ServiceKey, Tenant};
    use crate::telemetry::Metrics;
    use crate::zookeeper::{Layout, Node, Sink, Stat};

    fn layout() -> Layout {
        Layout { dubbo_root: "/dubbo".into(), services_root: String::new(), registry_root: "/zoogate".into() }
    }

    fn node(path: String, data: &Value, zxid: i64) -> Node {
        let stat = Stat { czxid: 1, mzxid: zxid, ..Stat::default() };
        Node { path, state: Some((data.to_string().into_bytes(), stat)) }
    }

    fn microservice(id: &str, version: &str, zxid: i64) -> Node {
        let data = json!({"serviceId": id, "appId": "shop", "serviceName": id, "version": version});
        node(layout().microservice(&Tenant::default(), id), &data, zxid)
    }

    fn dependency(provider: &str) -> String {
        let provider = ServiceKey {
            tenant: Tenant::default(),
            environment: String::new(),
            app_id: "shop".into(),
            service_name: provider.into(),
        };
        layout().dependency(&DependencyKey { consumer_id: "web".into(), provider })
    }

    fn catalog() -> Catalog {
        let catalog = Catalog::new(layout(), usize::MAX, Arc::new(Metrics::new().unwrap()));
        catalog.apply(["web", "cart", "stock"].map(|id| microservice(id, "1", 1)).into());
        catalog
    }

    fn services(revs: &[(&str, &str)]) -> Value {
        let element = |(name, rev): &(&str, &str)| json!({"service": {"appId": "shop", "serviceName": name}, "rev": rev});
        json!(revs.iter().map(element).collect::<Vec<_>>())
    }

    /// Asks, and answers whether it was known before and is known now.
    async fn ask(
        catalog: &Catalog,
        repeats: &Repeats,
        consumer_id: Option<&str>,
        body: &Value,
    ) -> (bool, bool) {
        let (tenant, body) = (Tenant::default(), body.to_string());
        let asked = Asked { tenant: &tenant, consumer_id, ignores_rev: false, body: body.as_bytes() };
        let is_known = || repeats.answer(repeats.key(&asked), catalog).is_some();
        let before = is_known();
        let answer = asked.answer(catalog, Some(repeats), &Limits::default(), drop).await.unwrap();
        assert_eq!(answer, asked.answer(catalog, None, &Limits::default(), drop).await.unwrap());
        (before, is_known())
    }

    #[test]
    fn whatever_decides_what_is_answered_makes_another_key() {
        let repeats = Repeats::new(1 << 20);
        let of = |tenant: (&str, &str), consumer_id, ignores_rev, body: &[u8]| {
            let tenant = Tenant::new(tenant.0, tenant.1);
            repeats.key(&Asked { tenant: &tenant, consumer_id, ignores_rev, body })
        };
        let (tenant, consumer, body) = (("default", "default"), Some("c"), b"{}");
        let key = of(tenant, consumer, false, body);
        assert_eq!(of(tenant, consumer, false, body), key);
        assert_ne!(of(("defaul", "tdefault"), consumer, false, body), key);
        assert_ne!(of(("default", "other"), consumer, false, body), key);
        assert_ne!(of(tenant, Some("d"), false, body), key);
        assert_ne!(of(tenant, None, false, body), key);
        assert_ne!(of(tenant, consumer, true, body), key);
        assert_ne!(of(tenant, consumer, false, b"{ }"), key);
    }

    #[tokio::test]
    async fn what_comes_again_is_known_until_one_of_its_services_changes() {
        let (catalog, repeats) = (catalog(), Repeats::new(1 << 20));
        let body = json!({"services": services(&[("cart", ""), ("nothing", "0")])});
        assert_eq!(ask(&catalog, &repeats, None, &body).await, (false, true));
        assert_eq!(ask(&catalog, &repeats, None, &body).await, (true, true));
        catalog.apply(vec![microservice("stock", "2", 2)]);
        assert_eq!(ask(&catalog, &repeats, None, &body).await, (true, true));
        catalog.apply(vec![microservice("cart", "2", 3)]);
        assert_eq!(ask(&catalog, &repeats, None, &body).await, (false, true));
        catalog.apply(vec![microservice("nothing", "1", 4)]);
        assert_eq!(ask(&catalog, &repeats, None, &body).await, (false, true));
    }

    #[tokio::test]
    async fn nothing_is_remembered_as_long_as_there_is_more_to_do_than_to_answer() {
        let (catalog, repeats) = (catalog(), Repeats::new(1 << 20));
        let body = json!({"services": services(&[("cart", ""), ("stock", "")])});
        let never = (false, false);
        // What the consumer uses is not recorded.
        assert_eq!(ask(&catalog, &repeats, Some("web"), &body).await, never);
        catalog.apply(vec![node(dependency("cart"), &json!({}), 2)]);
        assert_eq!(ask(&catalog, &repeats, Some("web"), &body).await, never);
        catalog.apply(vec![node(dependency("stock"), &json!({}), 3)]);
        assert_eq!(ask(&catalog, &repeats, Some("web"), &body).await, (false, true));
        catalog.apply(vec![Node { path: dependency("cart"), state: None }]);
        assert_eq!(ask(&catalog, &repeats, Some("web"), &body).await, never);
        // The client has seen more than this replica.
        let later = crate::model::Revision { zxid: 9, digest: 1 }.to_string();
        for name in ["cart", "nothing"] {
            let body = json!({"services": services(&[(name, &later)])});
            assert_eq!(ask(&catalog, &repeats, None, &body).await, never);
        }
        let instance = json!([{"instance": {"serviceId": "cart", "instanceId": "i"}}]);
        let both = json!({"services": services(&[("cart", "")]), "instances": instance});
        assert_eq!(ask(&catalog, &repeats, None, &both).await, never);
    }

    /// Whatever is told before a request is in its answer, also if it is told while another one is answered.
    #[test]
    fn a_change_that_is_told_while_the_same_is_asked_is_seen_by_the_next() {
        const SERVICES: usize = 40;
        const CHANGES: i64 = 20_000;
        let (catalog, repeats) = (catalog(), Repeats::new(1 << 20));
        let names: Vec<String> = (0..SERVICES).map(|number| format!("s{number}")).collect();
        catalog.apply(names.iter().map(|name| microservice(name, "1", 1)).collect());
        let folder = |number: usize, zxid| {
            let path = layout().instance_folder(&Tenant::default(), &names[number]);
            let stat = Stat { czxid: 1, mzxid: 1, pzxid: zxid, ..Stat::default() };
            Node { path, state: Some((Vec::new(), stat)) }
        };
        let asked: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "")).collect();
        let (tenant, body) = (Tenant::default(), json!({"services": services(&asked)}).to_string());
        let asked = Asked { tenant: &tenant, consumer_id: None, ignores_rev: false, body: body.as_bytes() };
        let told = AtomicI64::new(0);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for zxid in 2..=CHANGES {
                    // What is found first, and what is found in a later look.
                    let number = if zxid % 2 == 0 { 0 } else { SERVICES - 1 };
                    catalog.apply(vec![folder(number, zxid)]);
                    told.store(zxid, Ordering::Release);
                }
            });
            let mut seen = 0;
            while seen < CHANGES {
                let before = told.load(Ordering::Acquire);
                let answer = runtime
                    .block_on(asked.answer(&catalog, Some(&repeats), &Limits::default(), drop))
                    .unwrap();
                let answer: Value = serde_json::from_slice(&answer).unwrap();
                let zxid = |number: usize| {
                    let rev = answer["services"]["updated"][number]["rev"].as_str().unwrap();
                    crate::model::Revision::parse(rev).unwrap().zxid
                };
                seen = zxid(0).max(zxid(SERVICES - 1));
                assert!(seen >= before, "{seen} was answered after {before} was told");
            }
        });
    }

    #[tokio::test]
    async fn no_more_is_kept_than_there_is_memory_for() {
        let catalog = catalog();
        let body = |number: usize| json!({"services": services(&[("cart", &number.to_string())])});
        let small = Repeats::new(20_000);
        for number in 0..1_000 {
            ask(&catalog, &small, None, &body(number)).await;
        }
        let weight = small.0.weight();
        assert!(weight > 0 && weight <= 20_000, "{weight}");
        let nothing = Repeats::new(0);
        assert_eq!(ask(&catalog, &nothing, None, &body(0)).await, (false, false));
    }
}
