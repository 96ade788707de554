//! What sidecars provide is written for the application-level consumers of Dubbo 3 as well, when that is switched on.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use crate::fixtures::applications::{SOON, found, register_shop, shop};
use crate::fixtures::{entry, nothing, one_provider, snapshot};
use crate::support::eventually::{ensure, eventually};
use crate::support::gateway::{Gateway, Options};
use crate::support::znodes::Znodes;
use crate::support::zookeeper;

fn options(root: &str) -> Options {
    Options::new(root).time_to_live(Duration::from_secs(60)).set("dubbo", "application_level", "true")
}

async fn gateway() -> (Gateway, Znodes) {
    let root = zookeeper::shared().await;
    (options(&root).start().await, Znodes::connect(&root).await)
}

/// One provider of application `shop` at 10.0.0.1.
fn of_shop(interface: &str, port: u16) -> Value {
    let mut provider = entry(interface, "10.0.0.1", port);
    provider["service"]["params"] = json!({"application": "shop", "timestamp": "1795229889041"});
    provider
}

async fn json_at(znodes: &Znodes, path: &str) -> Value {
    serde_json::from_str(&znodes.data(path).await).unwrap()
}

/// The revision that an instance names, and the interfaces of the document that stands there.
async fn offered(znodes: &Znodes, instance: &str) -> (String, Vec<String>) {
    let instance = json_at(znodes, instance).await;
    let revision = instance["payload"]["metadata"]["dubbo.metadata.revision"].as_str().unwrap().to_owned();
    let application = instance["name"].as_str().unwrap();
    let document = json_at(znodes, &format!("/dubbo/metadata/{application}/{revision}")).await;
    assert_eq!(document["revision"], revision, "{document}");
    (revision, document["services"].as_object().unwrap().keys().cloned().collect())
}

const SHOP: &str = "/services/shop/10.0.0.1:20880";

#[tokio::test]
async fn nothing_is_written_unless_it_is_switched_on() {
    let root = zookeeper::shared().await;
    let znodes = Znodes::connect(&root).await;
    let gateway = Options::new(&root).start().await;
    gateway.synced("r", &one_provider("demo.Echo", 20880)).await;
    for path in ["/services", "/dubbo/metadata", "/dubbo/mapping"] {
        assert!(!znodes.exists(path).await, "{path}");
    }
}

#[tokio::test]
async fn a_synced_provider_stands_as_an_instance_in_the_form_that_dubbo_reads() {
    let (gateway, znodes) = gateway().await;
    let mut provider = of_shop("demo.Echo", 20880);
    provider["service"]["params"]["group"] = "g1".into();
    provider["service"]["params"]["version"] = "1.0.0".into();
    gateway.synced("r", &snapshot(&[provider], &[])).await;
    let mut instance = json_at(&znodes, SHOP).await;
    let metadata = instance["payload"]["metadata"].as_object_mut().unwrap();
    for ours in ["zoogate.digest", "zoogate.owners"] {
        assert!(metadata.remove(ours).is_some_and(|value| value.is_string()), "{ours}");
    }
    let revision = metadata["dubbo.metadata.revision"].as_str().unwrap().to_owned();
    assert_eq!(
        instance,
        json!({
            "name": "shop", "id": "10.0.0.1:20880", "address": "10.0.0.1", "port": 20880, "sslPort": null,
            "payload": {
                "@class": "org.apache.dubbo.registry.zookeeper.ZookeeperInstance",
                "id": "10.0.0.1:20880", "name": "shop",
                "metadata": {
                    "dubbo.endpoints": "[{\"port\":20880,\"protocol\":\"dubbo\"}]",
                    "dubbo.metadata.revision": revision,
                    "dubbo.metadata.storage-type": "remote",
                    "timestamp": "1795229889041",
                },
            },
            "registrationTimeUTC": 1_795_229_889_041_i64, "serviceType": "DYNAMIC", "uriSpec": null,
        })
    );
    assert_eq!(
        json_at(&znodes, &format!("/dubbo/metadata/shop/{revision}")).await,
        json!({
            "app": "shop", "revision": revision,
            "services": {"g1/demo.Echo:1.0.0:dubbo": {
                "name": "demo.Echo", "group": "g1", "version": "1.0.0", "protocol": "dubbo", "port": 20880,
                "path": "demo.Echo",
                "params": {
                    "application": "shop", "dubbo": "2.0.2", "group": "g1", "interface": "demo.Echo",
                    "methods": "greet", "revision": "1.0.0", "side": "provider", "version": "1.0.0",
                },
            }},
        })
    );
    assert_eq!(znodes.data("/dubbo/mapping/demo.Echo").await, "shop");
    let tree = znodes.tree("/").await;
    let written = [
        SHOP.to_owned(),
        format!("/dubbo/metadata/shop/{revision}"),
        "/dubbo/mapping/demo.Echo".to_owned(),
        znodes.providers("demo.Echo").await.remove(0),
    ];
    let zxids: BTreeSet<i64> = written.iter().map(|path| tree[path].mzxid).collect();
    assert_eq!(zxids.len(), 1, "one transaction: {zxids:?}");
    assert!(written.iter().all(|path| tree[path].ephemeral_owner == 0));

    // In the v4 API: the application, and the interface once.
    let instance = &found(&gateway, "shop", &["dubbo://10.0.0.1:20880"]).await[0];
    let service = gateway.get(&format!("/microservices/{}", instance["serviceId"].as_str().unwrap())).await;
    assert_eq!(service.ok().json()["service"]["registerBy"], "SIDECAR");
    found(&gateway, "demo.Echo", &["dubbo://10.0.0.1:20880/demo.Echo?anyhost=true"]).await;

    gateway.synced("r", &nothing()).await;
    assert!(!znodes.exists(SHOP).await);
    assert_eq!(znodes.data("/dubbo/mapping/demo.Echo").await, "shop", "names are never removed");
}

#[tokio::test]
async fn everything_at_one_address_is_one_instance_and_a_revision_never_changes_its_content() {
    let (gateway, znodes) = gateway().await;
    let (echo, sum) = (of_shop("demo.Echo", 20880), of_shop("demo.Sum", 20880));
    let mut triple = of_shop("demo.Echo", 20880);
    triple["service"]["params"]["protocol"] = "tri".into();
    let mut disabled = of_shop("demo.Off", 20880);
    disabled["service"]["params"]["enabled"] = "false".into();
    let mut other = of_shop("demo.Echo", 20880);
    other["service"]["params"]["application"] = "depot".into();
    other["host"] = "10.0.0.2".into();
    let all = [echo.clone(), triple.clone(), sum.clone(), of_shop("demo.Sum", 20881), disabled, other];
    assert_eq!(gateway.synced("r", &snapshot(&all, &[])).await, 1);
    assert_eq!(znodes.children("/services/shop").await, ["10.0.0.1:20880", "10.0.0.1:20881"]);
    assert_eq!(znodes.children("/services/depot").await, ["10.0.0.2:20880"]);
    let (first, interfaces) = offered(&znodes, SHOP).await;
    assert_eq!(interfaces, ["demo.Echo:dubbo", "demo.Echo:tri", "demo.Sum:dubbo"]);
    let endpoints = json_at(&znodes, SHOP).await["payload"]["metadata"]["dubbo.endpoints"].clone();
    assert_eq!(endpoints, r#"[{"port":20880,"protocol":"dubbo"},{"port":20880,"protocol":"tri"}]"#);
    assert_eq!(offered(&znodes, "/services/shop/10.0.0.1:20881").await.1, ["demo.Sum:dubbo"]);
    assert_eq!(znodes.data("/dubbo/mapping/demo.Echo").await, "depot,shop");
    assert!(!znodes.exists("/dubbo/mapping/demo.Off").await);
    let document = znodes.data(&format!("/dubbo/metadata/shop/{first}")).await;

    assert_eq!(gateway.synced("r", &snapshot(std::slice::from_ref(&echo), &[])).await, 2);
    assert_eq!(znodes.children("/services/shop").await, ["10.0.0.1:20880"]);
    let (second, interfaces) = offered(&znodes, SHOP).await;
    assert_eq!(interfaces, ["demo.Echo:dubbo"]);
    assert_ne!(first, second);
    assert_eq!(znodes.data(&format!("/dubbo/metadata/shop/{first}")).await, document, "it may still be read");

    // The same again is the same revision, whoever offers it, and only parameters make another one.
    let mut elsewhere = [echo.clone(), triple.clone(), sum.clone()];
    assert_eq!(gateway.synced("r", &snapshot(&[echo, triple, sum], &[])).await, 3);
    assert_eq!(offered(&znodes, SHOP).await.0, first);
    elsewhere.iter_mut().for_each(|provider| provider["host"] = "10.0.0.9".into());
    gateway.synced("other", &snapshot(&elsewhere, &[])).await;
    assert_eq!(offered(&znodes, "/services/shop/10.0.0.9:20880").await.0, first);
    elsewhere[0]["service"]["methods"] = json!(["greet", "wave"]);
    gateway.synced("other", &snapshot(&elsewhere, &[])).await;
    assert_ne!(offered(&znodes, "/services/shop/10.0.0.9:20880").await.0, first);
    for revision in znodes.children("/dubbo/metadata/shop").await {
        let document = json_at(&znodes, &format!("/dubbo/metadata/shop/{revision}")).await;
        assert_eq!(document["revision"], revision);
    }
}

#[tokio::test]
async fn sidecars_that_share_an_address_share_the_instance_and_one_can_leave() {
    let root = zookeeper::shared().await;
    let znodes = Znodes::connect(&root).await;
    let (one, other) = (options(&root).start().await, options(&root).start().await);
    one.synced("a", &snapshot(&[of_shop("demo.Echo", 20880), of_shop("demo.Both", 20880)], &[])).await;
    other.synced("b", &snapshot(&[of_shop("demo.Sum", 20880), of_shop("demo.Both", 20880)], &[])).await;
    let all = ["demo.Both:dubbo", "demo.Echo:dubbo", "demo.Sum:dubbo"];
    assert_eq!(offered(&znodes, SHOP).await.1, all);
    assert_eq!(one.synced("a", &snapshot(&[of_shop("demo.More", 20880)], &[])).await, 2);
    assert_eq!(offered(&znodes, SHOP).await.1, ["demo.Both:dubbo", "demo.More:dubbo", "demo.Sum:dubbo"]);
    other.synced("a", &nothing()).await;
    assert_eq!(offered(&znodes, SHOP).await.1, ["demo.Both:dubbo", "demo.Sum:dubbo"]);
    let owners = json_at(&znodes, SHOP).await["payload"]["metadata"]["zoogate.owners"].to_string();
    assert!(owners.contains("/b") && !owners.contains("/a"), "{owners}");
    one.synced("b", &nothing()).await;
    assert!(!znodes.exists(SHOP).await);
}

#[tokio::test]
async fn a_mapping_is_only_ever_appended_to() {
    let root = zookeeper::shared().await;
    let znodes = Znodes::connect(&root).await;
    znodes.create("/dubbo/mapping/demo.Echo", "zebra,other, apple").await;
    znodes.create("/dubbo/mapping/demo.Named", "zebra,shop").await;
    let gateways = [options(&root).start().await, options(&root).start().await];
    let named = znodes.tree("/dubbo/mapping").await["/dubbo/mapping/demo.Named"];
    let syncs = (0..12).map(|number| {
        let mut provider = entry("demo.Echo", "10.0.0.1", 20000 + number);
        provider["service"]["params"] = json!({"application": format!("app-{number:02}")});
        let gateway = &gateways[usize::from(number % 2)];
        async move { gateway.synced(&format!("r{number}"), &snapshot(&[provider], &[])).await }
    });
    futures::future::join_all(syncs).await;
    let mapping = znodes.data("/dubbo/mapping/demo.Echo").await;
    let appended = mapping.strip_prefix("zebra,other, apple,").unwrap_or_else(|| panic!("{mapping}"));
    let names: BTreeSet<&str> = appended.split(',').collect();
    assert_eq!(names.len(), appended.split(',').count(), "{mapping}");
    assert_eq!(
        names,
        (0..12).map(|n| format!("app-{n:02}")).collect::<BTreeSet<_>>().iter().map(String::as_str).collect()
    );
    gateways[0].synced("named", &snapshot(&[of_shop("demo.Named", 20880)], &[])).await;
    let now = znodes.tree("/dubbo/mapping").await["/dubbo/mapping/demo.Named"];
    assert_eq!((now.mzxid, now.version), (named.mzxid, named.version));
}

#[tokio::test]
async fn an_instance_that_an_application_registered_itself_is_left_to_it() {
    let (gateway, znodes) = gateway().await;
    let native = shop("10.0.0.1", "0a", "local");
    register_shop(&znodes, "10.0.0.1", &native).await;
    found(&gateway, "shop", &["dubbo://10.0.0.1:20880"]).await;
    let snapshot = snapshot(&[of_shop("demo.Echo", 20880)], &[]);
    assert_eq!(gateway.synced("r", &snapshot).await, 1);
    assert_eq!(znodes.data(SHOP).await, native);
    assert_eq!(znodes.providers("demo.Echo").await.len(), 1, "the interface level is written");
    znodes.delete(SHOP).await;
    eventually("the next sync writes it", SOON, async || {
        gateway.synced("r", &snapshot).await;
        ensure(znodes.exists(SHOP).await, || "it is not there".into())
    })
    .await;
    assert_eq!(offered(&znodes, SHOP).await.1, ["demo.Echo:dubbo"]);
    // And the application takes it over, as Curator does.
    znodes.delete(SHOP).await;
    let takes_over = async || {
        match znodes.client().get_data(SHOP).await {
            Ok((_, stat)) if stat.ephemeral_owner != 0 => return Ok(()),
            Ok(_) => znodes.delete(SHOP).await,
            Err(_) => {}
        }
        let options = zookeeper_client::CreateMode::Ephemeral.with_acls(zookeeper_client::Acls::anyone_all());
        let created = znodes.client().create(SHOP, native.as_bytes(), &options).await;
        created.map(drop).map_err(|error| error.to_string())
    };
    eventually("the application has it", SOON, takes_over).await;
    gateway.synced("r", &snapshot).await;
    gateway.synced("r", &nothing()).await;
    assert_eq!(znodes.data(SHOP).await, native);
}

#[tokio::test]
async fn switching_it_takes_effect_with_the_next_sync() {
    let root = zookeeper::shared().await;
    let znodes = Znodes::connect(&root).await;
    let snapshot = snapshot(&[of_shop("demo.Echo", 20880)], &[]);
    let off = || Options::new(&root).time_to_live(Duration::from_secs(60));
    let mut gateway = off().start().await;
    assert_eq!(gateway.synced("r", &snapshot).await, 1);
    let provider = znodes.tree("/dubbo/demo.Echo").await;
    gateway.terminate();
    let mut gateway = options(&root).start().await;
    assert_eq!(gateway.synced("r", &snapshot).await, 2);
    assert_eq!(offered(&znodes, SHOP).await.1, ["demo.Echo:dubbo"]);
    assert_eq!(gateway.synced("r", &snapshot).await, 2);
    // While another replica has it otherwise, everybody stays as he is, except who is new.
    let mut other = off().start().await;
    for gateway in [&gateway, &other] {
        assert_eq!(gateway.synced("r", &snapshot).await, 2);
    }
    other.synced("s", &one_provider("demo.Other", 1)).await;
    assert!(!znodes.exists("/services/demo").await);
    gateway.terminate();
    eventually("the other removes it when it is alone", SOON, async || {
        other.synced("r", &snapshot).await;
        ensure(!znodes.exists(SHOP).await, || "it is still there".into())
    })
    .await;
    assert_eq!(other.synced("r", &snapshot).await, 3);
    let now = znodes.tree("/dubbo/demo.Echo").await;
    assert_eq!(
        now.values().map(|stat| stat.mzxid).collect::<Vec<_>>(),
        provider.values().map(|stat| stat.mzxid).collect::<Vec<_>>(),
        "the interface level never moved"
    );
    other.terminate();
}
