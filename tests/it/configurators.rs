//! What others keep beside the providers of an interface, rules for consumers above all, stays whatever happens.

use std::collections::BTreeMap;
use std::slice::from_ref;
use std::time::Duration;

use serde_json::Value;

use crate::fixtures::{create_instance, create_service, entry, nothing, one_provider, snapshot};
use crate::support::eventually::{ensure, eventually};
use crate::support::gateway::Options;
use crate::support::znodes::{Znodes, escape};
use crate::support::zookeeper;

const INTERFACE: &str = "demo.Ruled";
/// A sidecar that falls silent is taken down after this.
const TIME_TO_LIVE: Duration = Duration::from_secs(10);
/// Time within which everything must have happened that takes seconds.
const PATIENCE: Duration = Duration::from_secs(30);
/// Left-overs go when two looks in a row, half a minute apart, have found them.
const SWEEP: Duration = Duration::from_secs(100);

/// The znodes of others, with their data.
fn foreign() -> Vec<(String, &'static str)> {
    let configurator = |interface: &str| {
        let rule =
            "override://0.0.0.0/demo.Ruled?category=configurators&dynamic=false&enabled=true&weight=200";
        format!("/dubbo/{interface}/configurators/{}", escape(rule))
    };
    let route = "condition://0.0.0.0/demo.Ruled?category=routers&dynamic=false&rule=host = 10.0.0.1 => host = 10.0.0.2";
    vec![
        (configurator(INTERFACE), "127.0.0.1"),
        (configurator("orders"), ""),
        (configurator("demo.NobodyElse"), "x"),
        (format!("/dubbo/{INTERFACE}/routers/{}", escape(route)), "127.0.0.1"),
        (format!("/dubbo/{INTERFACE}/routers/{}", escape("tag://0.0.0.0/demo.Ruled")), "{}"),
        (format!("/dubbo/{INTERFACE}/routers/below/and/further"), "deep"),
        (format!("/dubbo/{INTERFACE}/configurators-of-mine/x"), "another folder"),
        ("/dubbo/config/dubbo/demo.Ruled.configurators".into(), "scope: service"),
        ("/dubbo/config/dubbo/demo.Ruled.condition-router".into(), "enabled: true"),
        ("/dubbo/mapping/demo.Ruled".into(), "shop,cart"),
        (format!("/dubbo/metadata/{INTERFACE}/provider/shop"), "{\"parameters\":{}}"),
    ]
}

/// What ZooKeeper knows of them that must not change.
async fn state(znodes: &Znodes) -> BTreeMap<String, (String, i64, i64, i32)> {
    let tree = znodes.tree("/dubbo").await;
    let mut state = BTreeMap::new();
    for (path, data) in foreign() {
        let stat = tree.get(&path).unwrap_or_else(|| panic!("{path} is gone"));
        let now = znodes.data(&path).await;
        assert_eq!(now, data, "{path}");
        state.insert(path, (now, stat.czxid, stat.mzxid, stat.version));
    }
    state
}

#[tokio::test]
async fn configurators_and_routers_survive_everything() {
    let root = zookeeper::shared().await;
    let znodes = Znodes::connect(&root).await;
    for (path, data) in foreign() {
        znodes.create(&path, data).await;
    }
    let before = state(&znodes).await;
    let mut gateway = Options::new(&root).time_to_live(TIME_TO_LIVE).start().await;
    let unchanged = async |what: &str| assert_eq!(state(&znodes).await, before, "after {what}");

    let used = entry(INTERFACE, "10.0.0.1", 20880);
    gateway.synced("r", &snapshot(from_ref(&used), from_ref(&used))).await;
    unchanged("a sync").await;
    gateway.synced("r", &one_provider(INTERFACE, 20881)).await;
    unchanged("a change").await;
    let service = create_service(&gateway, "orders").await;
    let instance = create_instance(&gateway, &service, 8080).await;
    gateway.delete(&format!("/microservices/{service}/instances/{instance}")).await.ok();
    gateway.delete(&format!("/microservices/{service}?force=true")).await.ok();
    unchanged("an instance came and went").await;
    gateway.synced("r", &nothing()).await;
    unchanged("a removal").await;

    gateway.synced("r", &one_provider(INTERFACE, 20880)).await;
    let own = znodes.providers(INTERFACE).await.remove(0);
    znodes.delete(&own).await;
    eventually("it is repaired", PATIENCE, async || {
        gateway.synced("r", &one_provider(INTERFACE, 20880)).await;
        ensure(znodes.exists(&own).await, || format!("{own} is not back"))
    })
    .await;
    unchanged("a repair").await;
    eventually("it is silent for too long", PATIENCE, async || {
        let providers = znodes.providers(INTERFACE).await;
        ensure(providers.is_empty(), || format!("{providers:?}"))
    })
    .await;
    unchanged("a lapse").await;

    gateway.terminate();
    gateway.restart().await;
    gateway.kill();
    gateway.restart().await;
    unchanged("restarts").await;

    // What a change that was cut short leaves behind, below the very interface.
    let left = format!("/dubbo/{INTERFACE}/providers/{}", escape("dubbo://10.0.0.9:1/demo.Ruled"));
    let owner: Value =
        serde_json::from_str("{\"registeredBy\":\"zoogate\",\"registrants\":[\"snapshots/00/nobody\"]}")
            .unwrap();
    znodes.create(&left, &owner.to_string()).await;
    eventually("left-overs are cleared away", SWEEP, async || {
        ensure(!znodes.exists(&left).await, || format!("{left} is still there"))
    })
    .await;
    unchanged("a sweep of left-overs").await;
}
