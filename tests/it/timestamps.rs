//! The timestamp of a provider: a new one makes every Java consumer warm the provider up again, so it stays as long as
//! the provider is the same.

use std::time::Duration;

use serde_json::{Value, json};

use crate::fixtures::{entry, nothing, snapshot};
use crate::support::eventually::{ensure, eventually};
use crate::support::gateway::{Gateway, Options};
use crate::support::znodes::Znodes;
use crate::support::zookeeper::{self, ZooKeeper};

const PROVIDED: &str = "demo.Echo";
const USED: &str = "demo.Used";
/// Time within which something that takes seconds must have happened.
const PATIENCE: Duration = Duration::from_secs(30);

/// A provider with these methods, a consumer, and what else is provided.
fn offer(methods: Value, others: &[Value]) -> Value {
    let mut provider = entry(PROVIDED, "10.0.0.1", 20880);
    provider["service"]["methods"] = methods;
    let providers: Vec<_> = std::iter::once(provider).chain(others.iter().cloned()).collect();
    snapshot(&providers, &[entry(USED, "10.0.0.1", 20880)])
}

/// The timestamp of the only URL there, and its methods.
async fn only(znodes: &Znodes, interface: &str, category: &str) -> (i64, String) {
    let urls = znodes.urls(interface, category).await;
    assert_eq!(urls.len(), 1, "{urls:?}");
    let param = |key: &str| {
        let start = format!("{key}=");
        let mut params = urls[0].split(['?', '&']);
        params.find_map(|param| param.strip_prefix(&start)).unwrap().to_owned()
    };
    (param("timestamp").parse().unwrap(), param("methods"))
}

/// The timestamps of the provider and of the consumer.
async fn timestamps(znodes: &Znodes) -> (i64, i64) {
    (only(znodes, PROVIDED, "providers").await.0, only(znodes, USED, "consumers").await.0)
}

async fn changed(gateway: &Gateway, znodes: &Znodes, methods: &str, others: &[Value]) {
    gateway.synced("r", &offer(json!([methods]), others)).await;
    assert_eq!(only(znodes, PROVIDED, "providers").await.1, methods);
}

#[tokio::test]
async fn a_timestamp_stays_over_changes_of_any_entry_over_restarts_and_on_other_replicas() {
    let root = zookeeper::shared().await;
    let znodes = Znodes::connect(&root).await;
    let (mut one, other) = (Options::new(&root).start().await, Options::new(&root).start().await);
    one.synced("r", &offer(json!(["a"]), &[])).await;
    let first = timestamps(&znodes).await;

    changed(&one, &znodes, "b", &[]).await;
    assert_eq!(timestamps(&znodes).await, first, "its own change");
    changed(&one, &znodes, "b", &[entry("demo.Another", "10.0.0.1", 20881)]).await;
    assert_eq!(timestamps(&znodes).await, first, "another entry");
    changed(&other, &znodes, "c", &[]).await;
    assert_eq!(timestamps(&znodes).await, first, "another replica");
    one.kill();
    one.restart().await;
    changed(&one, &znodes, "d", &[]).await;
    assert_eq!(timestamps(&znodes).await, first, "a restart");
    // A provider at another address is another provider.
    let another = snapshot(&[entry(PROVIDED, "10.0.0.1", 20999)], &[]);
    one.synced("r", &another).await;
    assert!(only(&znodes, PROVIDED, "providers").await.0 > first.0);
}

#[tokio::test]
async fn a_timestamp_stays_over_an_outage() {
    let mut zookeeper = ZooKeeper::single().await;
    let gateway = Options::new(&zookeeper.connect_string()).start().await;
    gateway.synced("r", &offer(json!(["a"]), &[])).await;
    let first = timestamps(&Znodes::connect(&zookeeper.connect_string()).await).await;
    zookeeper.kill(0);
    eventually("syncs are refused", PATIENCE, async || {
        let answer = gateway.sync("r", &offer(json!(["b"]), &[])).await;
        ensure(answer.json()["code"] == 1, || format!("{answer:?}"))
    })
    .await;
    zookeeper.restart(0).await;
    eventually("syncs are taken", PATIENCE, async || {
        let answer = gateway.sync("r", &offer(json!(["b"]), &[])).await;
        ensure(answer.json()["code"] == 0, || format!("{answer:?}"))
    })
    .await;
    let znodes = Znodes::connect(&zookeeper.connect_string()).await;
    assert_eq!(timestamps(&znodes).await, first);
    assert_eq!(only(&znodes, PROVIDED, "providers").await.1, "b");
}

#[tokio::test]
async fn a_sidecar_that_returns_from_silence_finds_its_timestamps_even_at_another_replica() {
    let root = zookeeper::shared().await;
    let znodes = Znodes::connect(&root).await;
    let mut one = Options::new(&root).time_to_live(Duration::from_secs(5)).start().await;
    assert_eq!(one.synced("r", &offer(json!(["a"]), &[])).await, 1);
    let first = timestamps(&znodes).await;
    eventually("it is taken down", PATIENCE, async || {
        let urls = znodes.urls(PROVIDED, "providers").await;
        ensure(urls.is_empty(), || format!("{urls:?}"))
    })
    .await;
    let other = Options::new(&root).time_to_live(Duration::from_secs(60)).start().await;
    one.terminate();
    assert_eq!(other.synced("r", &offer(json!(["b"]), &[])).await, 3);
    assert_eq!(timestamps(&znodes).await, first);
    // What it remembered is not kept beside what it holds.
    let tree = znodes.tree("/zoogate/snapshots").await;
    let document = tree.keys().find(|path| path.ends_with("/r")).unwrap();
    let document = znodes.data(document).await;
    assert!(!document.contains("timestamps") && document.contains(PROVIDED), "{document}");
}

#[tokio::test]
async fn what_was_withdrawn_and_is_offered_anew_is_warmed_up_anew() {
    let root = zookeeper::shared().await;
    let znodes = Znodes::connect(&root).await;
    let gateway = Options::new(&root).start().await;
    gateway.synced("r", &offer(json!(["a"]), &[])).await;
    let first = timestamps(&znodes).await;
    gateway.synced("r", &nothing()).await;
    gateway.synced("r", &offer(json!(["a"]), &[])).await;
    let second = timestamps(&znodes).await;
    assert!(second.0 > first.0 && second.1 > first.1, "{first:?} {second:?}");
}

#[tokio::test]
async fn a_sidecar_that_brings_its_own_timestamp_keeps_it() {
    let root = zookeeper::shared().await;
    let znodes = Znodes::connect(&root).await;
    let gateway = Options::new(&root).start().await;
    for (own, version) in [(1_795_229_889_041_i64, 1), (1_795_229_889_042, 2)] {
        let mut provider = entry(PROVIDED, "10.0.0.1", 20880);
        provider["service"]["params"]["timestamp"] = own.into();
        assert_eq!(gateway.synced("r", &snapshot(&[provider], &[])).await, version);
        assert_eq!(only(&znodes, PROVIDED, "providers").await.0, own);
    }
}
