//! What others keep beside the registrations never disturbs anybody, is never touched, and is counted.

use std::collections::BTreeMap;

use serde_json::json;

use crate::fixtures::applications::{
    DUBBO, SOON, SPRING, curator, found, metric, offers, register_shop, shop,
};
use crate::fixtures::{entry, nothing, snapshot};
use crate::support::eventually::{ensure, eventually};
use crate::support::gateway::{Gateway, Options};
use crate::support::znodes::{Znodes, escape};
use crate::support::zookeeper;

async fn counted(gateway: &Gateway, kind: &str, count: usize) {
    eventually(&format!("{kind} are counted"), SOON, async || {
        let value = metric(gateway, &format!("zoogate_foreign_znodes{{kind=\"{kind}\"}}")).await;
        ensure(value == Some(count as f64), || format!("{value:?} instead of {count}"))
    })
    .await;
}

#[tokio::test]
async fn foreign_znodes_of_every_kind_disturb_nobody_stay_as_they_are_and_are_counted() {
    let root = zookeeper::shared().await;
    let znodes = Znodes::connect(&root).await;
    let early = Options::new(&root).set("dubbo", "application_level", "true").start().await;
    let native = "dubbo://10.0.0.9:20880/demo.Echo?application=native&interface=demo.Echo";
    let dubbo = |name: &str| curator(DUBBO, name, "10.0.0.5", 20880, &json!({}));
    let foreign: Vec<(String, String, &str)> = [
        ("/dubbo/demo.Echo/providers/%ZZ", "x", "provider_name"),
        ("/dubbo/demo.Echo/providers/no-url-at-all", "", "provider_name"),
        ("/dubbo/demo.Echo/consumers/%ZZ", "", "consumer_name"),
        ("/dubbo/demo.Echo/garbage", "\u{1}", "unknown_child"),
        ("/dubbo/demo.Echo/configurators/override", "x", ""),
        ("/dubbo/config/dubbo/demo.Echo.configurators", "enabled: true", "config"),
        ("/dubbo/config/dubbo/shop.tag-router", "", "config"),
        ("/dubbo/metadata/demo.Echo/provider/shop", "{}", "service_definition"),
        ("/dubbo/metadata/demo.Echo/1.0.0/provider/shop", "{}", "service_definition"),
        ("/dubbo/metadata/shop/0123456789abcdef0123456789abcdef", "not JSON", "metadata_revision"),
        ("/dubbo/metadata/shop/0123456789abcdef0123456789abcdef01234567", "[]", "metadata_revision"),
        ("/dubbo/mapping/demo.Echo", "native,other", "mapping"),
        ("/dubbo/mapping/demo.Odd", "127.0.0.1", "mapping"),
        ("/services/shop/no-json", "127.0.0.1", "instance_malformed"),
        ("/services/shop/10.0.0.4:20880", "{", "instance_malformed"),
        (
            "/services/other/11111111-2222",
            &curator(SPRING, "other", "h", 8080, &json!({})),
            "instance_payload",
        ),
        (
            "/services/other/x",
            r#"{"name":"other","address":"h","port":1,"payload":null}"#,
            "instance_payload",
        ),
        ("/services/wrong/10.0.0.5:20880", &dubbo("right"), "instance_malformed"),
    ]
    .map(|(path, data, kind)| (path.to_owned(), data.to_owned(), kind))
    .into();
    for (path, data, _) in &foreign {
        znodes.create(path, data).await;
    }
    let native = format!("/dubbo/demo.Echo/providers/{}", escape(native));
    znodes.create(&native, "10.0.0.9").await;
    let named = "/dubbo/metadata/shop/0abc";
    znodes.create(named, &offers("shop", "0abc", &["demo.Sum"])).await;
    register_shop(&znodes, "10.0.0.9", &shop("10.0.0.9", "0abc", "remote")).await;
    let before = znodes.tree("/").await;

    let late = Options::new(&root).set("dubbo", "application_level", "true").start().await;
    let mut provider = entry("demo.Echo", "10.0.0.1", 20880);
    provider["service"]["params"] = json!({"application": "shop"});
    early.synced("r", &snapshot(&[provider], &[])).await;
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    // The group of the configuration counts beside its files, and the revision that is named is somebody else's too.
    for kind in foreign.iter().map(|(_, _, kind)| *kind).chain(["config", "metadata_revision"]) {
        *kinds.entry(kind).or_default() += 1;
    }
    kinds.remove("");
    for gateway in [&early, &late] {
        found(gateway, "demo.Sum", &["dubbo://10.0.0.9:20880"]).await;
        found(gateway, "demo.Echo", &["dubbo://10.0.0.1:20880"]).await;
        for (kind, count) in &kinds {
            counted(gateway, kind, *count).await;
        }
    }
    early.synced("r", &nothing()).await;
    let after = znodes.tree("/").await;
    // zoogate appends to a mapping, and to nothing else.
    let untouched = foreign.iter().map(|(path, _, _)| path).chain([&native]);
    for path in untouched.filter(|path| *path != "/dubbo/mapping/demo.Echo") {
        let times = |tree: &BTreeMap<String, zookeeper_client::Stat>| {
            tree.get(path).map(|stat| (stat.czxid, stat.mzxid, stat.num_children))
        };
        assert_eq!(times(&after), times(&before), "{path}");
    }
    assert_eq!(znodes.data("/dubbo/mapping/demo.Echo").await, "native,other,shop");

    for (path, _, _) in &foreign {
        znodes.delete(path).await;
    }
    for kind in kinds
        .into_keys()
        .filter(|kind| !matches!(*kind, "metadata_revision" | "config" | "service_definition"))
    {
        for gateway in [&early, &late] {
            counted(gateway, kind, 0).await;
        }
    }
    assert_eq!(early.ops("/readyz").send().await.status, 200);
}
