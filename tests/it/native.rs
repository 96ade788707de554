//! Dubbo applications that register themselves, in every shape that their versions write, as the v4 API shows them.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::eventually::{ensure, eventually};
use crate::support::gateway::{Gateway, Options};
use crate::support::znodes::{Znodes, escape};
use crate::support::zookeeper;

const INTERFACE: &str = "demo.Native";
/// Time within which a change that somebody else made in ZooKeeper must be seen.
const SOON: Duration = Duration::from_secs(10);

async fn gateway() -> (Gateway, Znodes) {
    let root = zookeeper::shared().await;
    (Options::new(&root).start().await, Znodes::connect(&root).await)
}

async fn register(znodes: &Znodes, url: &str) -> String {
    let path = format!("/dubbo/{INTERFACE}/providers/{}", escape(url));
    znodes.create(&path, "10.0.0.1").await;
    path
}

/// The instances of the interface under this application and version, by their only endpoint, once there are `count`.
async fn found(gateway: &Gateway, application: &str, version: &str, count: usize) -> BTreeMap<String, Value> {
    let path = format!("/instances?appId={application}&serviceName={INTERFACE}");
    eventually("the v4 API finds the providers", SOON, async || {
        let answer = gateway.get(&path).await;
        let instances = answer.json()["instances"].as_array().cloned().unwrap_or_default();
        let mut found = BTreeMap::new();
        for instance in instances.into_iter().filter(|instance| instance["version"] == version) {
            assert_eq!(instance["endpoints"].as_array().map(Vec::len), Some(1), "{instance}");
            found.insert(instance["endpoints"][0].as_str().unwrap().to_owned(), instance);
        }
        ensure(found.len() == count, || format!("{answer:?}"))?;
        Ok::<_, String>(found)
    })
    .await
}

#[tokio::test]
async fn providers_of_every_version_of_dubbo_are_instances_with_their_parameters() {
    let (gateway, znodes) = gateway().await;
    let java_2_7 = "dubbo://10.0.0.1:20880/demo.Native?anyhost=true&application=demo&deprecated=false&dubbo=2.0.2\
        &dynamic=true&generic=false&group=g1&interface=demo.Native&metadata-type=remote&methods=add,say&pid=4711\
        &release=&revision=1.0.0&service.name=ServiceBean:g1/demo.Native:1.0.0&side=provider\
        &timestamp=1795229889041&version=1.0.0";
    let java_3_3 = "tri://10.0.0.2:50051/demo.Native?application=demo&deprecated=false&dubbo=2.0.2&dynamic=true\
        &generic=false&group=g2&interface=demo.Native&methods=add,say&prefer.serialization=hessian2,fastjson2\
        &release=3.3.6&revision=1.0.0&service-name-mapping=true&side=provider&timestamp=1795229889041&version=1.0.0";
    let go = "dubbo://[2001:db8::3]:20000/demo.Native?anyhost=true&app.version=3.3.2&application=demo&cluster=failover\
        &environment=&export=true&interface=demo.Native&loadbalance=random&methods=Say&pid=17&registry.role=3\
        &release=dubbo-golang-3.3.2&retries=2&serialization=hessian2&side=provider&timestamp=1795229889&version=1.0.0\
        &warmup=100&weight=100";
    for url in [java_2_7, java_3_3, go] {
        register(&znodes, url).await;
    }
    let found = found(&gateway, "demo", "1.0.0", 3).await;
    let ids: Vec<_> = found.values().map(|instance| &instance["serviceId"]).collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "groups do not make another version: {ids:?}");
    for (url, host, group, release) in [
        (java_2_7, "10.0.0.1", Some("g1"), ""),
        (java_3_3, "10.0.0.2", Some("g2"), "3.3.6"),
        (go, "2001:db8::3", None, "dubbo-golang-3.3.2"),
    ] {
        let instance = &found[url];
        assert_eq!(instance["status"], "UP", "{instance}");
        assert_eq!(instance["hostName"], host, "{instance}");
        // Java writes milliseconds and Go seconds.
        assert_eq!(instance["timestamp"], "1795229889", "{instance}");
        let properties = &instance["properties"];
        assert_eq!(properties.get("group"), group.map(|group| json!(group)).as_ref(), "{instance}");
        assert_eq!(properties["release"], release, "{instance}");
        let (_, query) = url.split_once('?').unwrap();
        assert_eq!(properties.as_object().map(|own| own.len()), Some(query.split('&').count()), "{instance}");
    }
    let id = ids[0].as_str().unwrap();
    let service = gateway.get(&format!("/microservices/{id}")).await.ok().json()["service"].clone();
    assert_eq!(service["serviceName"], INTERFACE, "{service}");
    assert_eq!((&service["appId"], &service["version"]), (&json!("demo"), &json!("1.0.0")), "{service}");
    assert_eq!(service["framework"]["name"], "Dubbo", "{service}");
    assert_ne!(service["registerBy"], "SIDECAR", "{service}");
}

#[tokio::test]
async fn providers_that_say_little_get_the_defaults() {
    let (gateway, znodes) = gateway().await;
    let bare = "dubbo://10.0.0.1:20880/demo.Native";
    let odd =
        "rest://provider.local/api/demo.Native?interface=demo.Native&flag&version=&x=1;y=2&timestamp=soon";
    let old =
        "dubbo://10.0.0.2:20880/demo.Native?default.version=2.6.0&default.group=old&default.application=demo";
    for url in [bare, odd, old] {
        register(&znodes, url).await;
    }
    let without_version = found(&gateway, "default", "0.0.0", 2).await;
    assert_eq!(without_version[bare].get("properties").filter(|own| **own != json!({})), None);
    let properties = json!({
        "interface": "demo.Native", "flag": "", "version": "", "x": "1", "y": "2", "timestamp": "soon",
    });
    assert_eq!(without_version[odd]["properties"], properties);
    // Nothing says when they began but the znode.
    for instance in without_version.values() {
        let timestamp: i64 = instance["timestamp"].as_str().unwrap().parse().unwrap();
        assert!(timestamp > 1_700_000_000, "{instance}");
    }
    let of_old = found(&gateway, "demo", "2.6.0", 1).await;
    assert_eq!(of_old[old]["properties"]["group"], "old");
}

#[tokio::test]
async fn providers_that_dubbo_would_not_call_are_not_up() {
    let (gateway, znodes) = gateway().await;
    let url = |port: u16, rest: &str| format!("dubbo://10.0.0.1:{port}/demo.Native?application=demo{rest}");
    let (down, up) =
        (["&enabled=false", "&disabled=true", "&enabled=no"], ["", "&enabled=true", "&disabled="]);
    let mut expected = BTreeMap::new();
    for (rests, status) in [(down, "DOWN"), (up, "UP")] {
        for rest in rests {
            let url = url(20_880 + u16::try_from(expected.len()).unwrap(), rest);
            register(&znodes, &url).await;
            expected.insert(url, status);
        }
    }
    let found = found(&gateway, "demo", "0.0.0", expected.len()).await;
    for (url, status) in expected {
        assert_eq!(found[&url]["status"], status, "{url}");
    }
}

#[tokio::test]
async fn a_provider_that_is_switched_off_and_on_again_keeps_no_trace_of_it() {
    let (gateway, znodes) = gateway().await;
    let url = "dubbo://10.0.0.1:20880/demo.Native?application=demo";
    let off = format!("{url}&enabled=false");
    let on = register(&znodes, url).await;
    assert_eq!(found(&gateway, "demo", "0.0.0", 1).await[url]["status"], "UP");
    znodes.delete(&on).await;
    let path = register(&znodes, &off).await;
    eventually("it is down", SOON, async || {
        let found = found(&gateway, "demo", "0.0.0", 1).await;
        ensure(found.get(&off).is_some_and(|one| one["status"] == "DOWN"), || format!("{found:?}"))
    })
    .await;
    znodes.delete(&path).await;
    register(&znodes, url).await;
    eventually("it is up", SOON, async || {
        let found = found(&gateway, "demo", "0.0.0", 1).await;
        ensure(found.get(url).is_some_and(|one| one["status"] == "UP"), || format!("{found:?}"))
    })
    .await;
}
