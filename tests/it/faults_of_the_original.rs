//! What the registry of the original sidecar did wrong, and zoogate must not: docs/mosn-faults.md names the test for each
//! of its faults, and those that stand nowhere else stand here.

use std::slice::from_ref;
use std::time::{Duration, Instant};

use futures::future::join_all;
use serde_json::{Value, json};

use crate::fixtures::{entry, nothing, one_provider, snapshot};
use crate::support::eventually::{ensure, eventually};
use crate::support::gateway::{Gateway, Options};
use crate::support::proxy::Proxy;
use crate::support::watcher::Watcher;
use crate::support::znodes::Znodes;
use crate::support::zookeeper::{self, ZooKeeper, four_letters};

/// Time within which something that takes seconds must have happened.
const PATIENCE: Duration = Duration::from_secs(30);

async fn gateway() -> (Gateway, Znodes) {
    let root = zookeeper::shared().await;
    (Options::new(&root).start().await, Znodes::connect(&root).await)
}

/// Every provider and consumer below the root of Dubbo.
async fn entries(znodes: &Znodes) -> Vec<String> {
    let tree = znodes.tree("/dubbo").await;
    tree.into_keys().filter(|path| path.contains("/providers/") || path.contains("/consumers/")).collect()
}

#[tokio::test]
async fn a_text_that_would_cut_a_url_or_a_path_is_refused_and_the_fault_is_told() {
    let (gateway, znodes) = gateway().await;
    gateway.synced("r", &one_provider("demo.Echo", 20880)).await;
    let before = entries(&znodes).await;
    for interface in ["q?x=1", "pct%41x", "bad%zz", "a/b", "", "providers/x", "..", "a b", "a;b", "a&b"] {
        let answer = gateway.sync("r", &one_provider(interface, 20880)).await.json();
        assert_eq!(answer["code"], 1, "{interface}: {answer}");
        let message = answer["msg"].as_str().unwrap();
        assert!(message.starts_with("provider_list[0].service.interface"), "{interface}: {message}");
    }
    assert_eq!(entries(&znodes).await, before);
}

#[tokio::test]
async fn a_provider_without_methods_is_registered_and_holds_nobody_up() {
    let (gateway, znodes) = gateway().await;
    for methods in [json!([]), Value::Null] {
        let mut bare = entry("demo.Bare", "10.0.0.1", 20880);
        bare["service"]["methods"] = methods;
        let good = entry("demo.Echo", "10.0.0.1", 20880);
        gateway.synced("r", &snapshot(&[bare, good], &[])).await;
        assert_eq!(entries(&znodes).await.len(), 2);
    }
    let urls = znodes.urls("demo.Bare", "providers").await;
    assert!(urls[0].contains("&methods=*&"), "{urls:?}");
}

#[tokio::test]
async fn what_is_taken_back_goes_whatever_was_changed_beside_it_before() {
    let (gateway, znodes) = gateway().await;
    let weighted = |interface: &str, weight: u16| {
        let mut entry = entry(interface, "10.0.0.1", 20880);
        entry["service"]["params"]["weight"] = weight.into();
        entry
    };
    let (a, b) = ("demo.A", "demo.B");
    gateway.synced("r", &snapshot(&[weighted(a, 1), weighted(b, 1)], &[weighted("demo.C", 1)])).await;
    // Both change, then one goes, then it comes back as it was at first, then all go.
    gateway.synced("r", &snapshot(&[weighted(a, 2), weighted(b, 2)], &[weighted("demo.C", 2)])).await;
    gateway.synced("r", &snapshot(&[weighted(a, 3)], &[weighted("demo.C", 2)])).await;
    assert_eq!(entries(&znodes).await.len(), 2);
    assert!(znodes.urls(b, "providers").await.is_empty());
    gateway.synced("r", &snapshot(&[weighted(a, 3), weighted(b, 1)], &[])).await;
    assert_eq!(entries(&znodes).await.len(), 2);
    gateway.synced("r", &nothing()).await;
    assert_eq!(entries(&znodes).await, [""; 0]);
}

#[tokio::test]
async fn what_a_caller_brings_stands_there_once_and_as_the_caller_wrote_it() {
    let (gateway, znodes) = gateway().await;
    let own = json!({"application": "demo", "pid": 7, "ip": "10.9.9.9", "anyhost": false, "version": "1.0.0",
        "count": 1_500_000, "time": 1_612_345_678_901_u64, "ratio": 0.5, "list": ["a", "b"]});
    let mut provider = entry("demo.Echo", "10.0.0.1", 20880);
    provider["service"]["params"] = own;
    gateway.synced("r", &snapshot(&[provider], &[])).await;
    let urls = znodes.urls("demo.Echo", "providers").await;
    let params: Vec<_> = urls[0].split(['?', '&']).skip(1).collect();
    for expected in [
        "anyhost=false",
        "count=1500000",
        "ip=10.9.9.9",
        "list=a,b",
        "pid=7",
        "ratio=0.5",
        "time=1612345678901",
        "version=1.0.0",
    ] {
        let (key, _) = expected.split_once('=').unwrap();
        let given: Vec<_> = params.iter().filter(|param| param.starts_with(&format!("{key}="))).collect();
        assert_eq!(given, [&expected], "{urls:?}");
    }
}

#[tokio::test]
async fn none_of_many_overlapping_syncs_is_dropped_and_said_to_have_succeeded() {
    let (gateway, znodes) = gateway().await;
    let ports = 20_001..20_021_u16;
    let syncs = ports.map(|port| {
        let gateway = &gateway;
        async move { (gateway.sync("r", &one_provider("demo.Echo", port)).await.json(), port) }
    });
    let mut done: Vec<(u64, u16)> = Vec::new();
    for (answer, port) in join_all(syncs).await {
        assert_eq!(answer["code"], 0, "{answer}");
        done.push((answer["service_list"]["version"].as_u64().unwrap(), port));
    }
    done.sort_unstable();
    let versions: Vec<_> = done.iter().map(|(version, _)| *version).collect();
    assert_eq!(versions, (1..=20).collect::<Vec<_>>(), "each was a change of its own");
    let urls = znodes.urls("demo.Echo", "providers").await;
    let last = format!("dubbo://10.0.0.1:{}/", done[done.len() - 1].1);
    assert!(urls.len() == 1 && urls[0].starts_with(&last), "{last} in {urls:?}");
}

#[tokio::test]
async fn a_sync_at_the_very_deadline_is_not_followed_by_a_removal() {
    const TIME_TO_LIVE: Duration = Duration::from_secs(1);
    let root = zookeeper::shared().await;
    let gateway = Options::new(&root).time_to_live(TIME_TO_LIVE).start().await;
    let znodes = Znodes::connect(&root).await;
    for round in 0..12 {
        let sent = Instant::now();
        gateway.synced("r", &one_provider("demo.Echo", 20880)).await;
        loop {
            let providers = znodes.providers("demo.Echo").await;
            // What was read later than this proves nothing.
            if sent.elapsed() >= TIME_TO_LIVE {
                break;
            }
            assert_eq!(providers.len(), 1, "round {round}, {:?} after the sync", sent.elapsed());
        }
    }
}

#[tokio::test]
async fn a_broken_connection_keeps_the_session_and_touches_no_znode() {
    let zookeeper = ZooKeeper::single().await;
    let wire = Proxy::start(zookeeper.port()).await;
    let gateway = Options::new(&wire.address().to_string()).start().await;
    let own = entry("demo.Echo", "10.0.0.1", 20880);
    let snapshot = snapshot(from_ref(&own), from_ref(&own));
    assert_eq!(gateway.synced("r", &snapshot).await, 1);
    let znodes = Znodes::connect(&zookeeper.connect_string()).await;
    let replicas = znodes.tree("/zoogate/replicas").await;
    let watcher = Watcher::start(&zookeeper.connect_string(), "/").await;
    let relists = async || {
        let metrics = gateway.ops("/metrics").send().await.body;
        let line = metrics.lines().find(|line| line.contains("relists_total{reason=\"reconnect\"}"));
        line.and_then(|line| line.rsplit(' ').next()?.parse::<u32>().ok()).unwrap_or_default()
    };
    for cuts in 1..=3 {
        wire.cut();
        eventually("it is connected again", PATIENCE, async || {
            let (relists, ready) = (relists().await, gateway.ops("/readyz").send().await);
            ensure(relists >= cuts && ready.status == 200, || format!("{relists} readings, {ready:?}"))
        })
        .await;
        assert_eq!(gateway.synced("r", &snapshot).await, 1);
    }
    assert_eq!(watcher.seen(), []);
    let now = znodes.tree("/zoogate/replicas").await;
    let owners = |tree: &std::collections::BTreeMap<String, zookeeper_client::Stat>| {
        tree.iter().map(|(path, stat)| (path.clone(), stat.ephemeral_owner)).collect::<Vec<_>>()
    };
    assert_eq!(owners(&now), owners(&replicas), "the session is the same");
}

#[tokio::test]
async fn providers_and_consumers_share_the_one_session_of_the_gateway() {
    let zookeeper = ZooKeeper::single().await;
    // The one that asks counts as well; one that has just asked may still do.
    let connections = async |count: usize| {
        let expected = format!("Connections: {}", count + 1);
        eventually(&expected, PATIENCE, async || {
            let answer = four_letters(zookeeper.port(), "srvr").await?;
            ensure(answer.lines().any(|line| line == expected), || answer)
        })
        .await;
    };
    connections(0).await;
    let gateway = Options::new(&zookeeper.connect_string()).start().await;
    for number in 0..20 {
        let provider = entry(&format!("demo.Provided{number}"), "10.0.0.1", 20880);
        let consumer = entry(&format!("demo.Used{number}"), "10.0.0.1", 20880);
        gateway.synced(&format!("r{number}"), &snapshot(&[provider], &[consumer])).await;
    }
    connections(1).await;
}

#[tokio::test]
async fn a_service_is_dispatched_under_its_own_name_only() {
    let (gateway, _) = gateway().await;
    let consumer = snapshot(&[], &[entry("UserService", "10.0.0.2", 1)]);
    let dispatched = async || {
        let answer = gateway.sync("consumer", &consumer).await.json();
        assert_eq!(answer["code"], 0, "{answer}");
        answer["service_list"].get("dispatched_interface_list").cloned()
    };
    gateway.synced("other", &one_provider("x.AdminUserService", 20880)).await;
    assert_eq!(dispatched().await, None);
    gateway.synced("own", &one_provider("UserService", 20880)).await;
    assert_eq!(dispatched().await, Some(json!(["UserService"])));
}

#[tokio::test]
async fn the_tree_of_dubbo_may_have_another_root() {
    let root = zookeeper::shared().await;
    let gateway = Options::new(&root).set("dubbo", "root", "\"/base/registry\"").start().await;
    let znodes = Znodes::connect(&root).await;
    gateway.synced("r", &one_provider("demo.Echo", 20880)).await;
    assert_eq!(znodes.children("/base/registry/demo.Echo/providers").await.len(), 1);
    assert!(!znodes.exists("/dubbo").await);
}
