//! What a sidecar provides is found through the v4 API, and what a ServiceComb application registers stands where
//! Dubbo looks.

use std::time::Duration;

use serde_json::{Value, json};

use crate::fixtures::{create_instance, create_service, entry, find, id_in, instances, nothing, snapshot};
use crate::support::eventually::{ensure, eventually};
use crate::support::gateway::{Gateway, Options};
use crate::support::znodes::{Znodes, escape};
use crate::support::zookeeper;

/// Time within which a change that somebody else made in ZooKeeper must be seen.
const SOON: Duration = Duration::from_secs(2);

async fn gateway() -> (Gateway, Znodes) {
    let root = zookeeper::shared().await;
    (Options::new(&root).start().await, Znodes::connect(&root).await)
}

/// The instances that the v4 API finds of a Dubbo interface of application `demo`, once there are `count`.
async fn found(gateway: &Gateway, interface: &str, count: usize) -> Vec<Value> {
    let path = format!("/instances?appId=demo&serviceName={interface}");
    eventually("the v4 API finds the providers", SOON, async || {
        let answer = gateway.get(&path).await;
        let instances = answer.json()["instances"].as_array().cloned().unwrap_or_default();
        ensure(answer.status == 200 && instances.len() == count, || format!("{answer:?}"))?;
        Ok::<_, String>(instances)
    })
    .await
}

/// A provider URL as a native Dubbo application writes it.
fn native_url(host: &str, interface: &str) -> String {
    format!(
        "dubbo://{host}:20880/{interface}?anyhost=true&application=demo&dubbo=2.0.2&interface={interface}\
         &methods=greet&release=3.3.0&side=provider&timestamp=1795229889041&version=1.2.0"
    )
}

#[tokio::test]
async fn a_synced_provider_is_found_through_the_v4_api() {
    let (gateway, znodes) = gateway().await;
    let mut provider = entry("com.example.Greeter", "10.0.0.1", 20880);
    provider["service"]["params"] = json!({"application": "demo", "version": "1.2.0", "weight": 50});
    gateway.synced("sidecar", &snapshot(&[provider], &[])).await;
    let instance = &found(&gateway, "com.example.Greeter", 1).await[0];
    assert_eq!(instance["status"], "UP", "{instance}");
    assert_eq!(instance["version"], "1.2.0", "{instance}");
    assert_eq!(instance["properties"]["weight"], "50", "{instance}");
    assert_eq!(instance["properties"]["methods"], "greet", "{instance}");
    let endpoint = instance["endpoints"][0].as_str().unwrap();
    assert_eq!(znodes.urls("com.example.Greeter", "providers").await, [endpoint]);
    assert!(endpoint.starts_with("dubbo://10.0.0.1:20880"), "{endpoint}");

    let id = id_in(instance, "serviceId");
    let service = gateway.get(&format!("/microservices/{id}")).await.ok().json()["service"].clone();
    assert_eq!(service["serviceName"], "com.example.Greeter", "{service}");
    assert_eq!(service["appId"], "demo", "{service}");
    assert_eq!(service["version"], "1.2.0", "{service}");
    assert_eq!(service["registerBy"], "SIDECAR", "{service}");
    assert_eq!(service["framework"]["name"], "Dubbo", "{service}");
    let listed = gateway.get("/microservices").await.ok().json();
    assert!(listed["services"].as_array().unwrap().iter().any(|one| one["serviceId"] == id), "{listed}");
}

#[tokio::test]
async fn a_synced_provider_is_read_only_in_the_v4_api() {
    let (gateway, znodes) = gateway().await;
    gateway.synced("sidecar", &snapshot(&[entry("demo.Echo", "10.0.0.1", 20880)], &[])).await;
    let instance = &found(&gateway, "demo.Echo", 1).await[0];
    let (service, id) = (id_in(instance, "serviceId"), id_in(instance, "instanceId"));
    let path = format!("{}/{id}", instances(&service));
    for answer in [
        gateway.delete(&path).await,
        gateway.put(&format!("{path}/status?value=DOWN")).await,
        gateway.delete(&format!("/microservices/{service}?force=true")).await,
    ] {
        assert_eq!(answer.status, 400, "{answer:?}");
    }
    assert_eq!(znodes.urls("demo.Echo", "providers").await.len(), 1);
    assert_eq!(found(&gateway, "demo.Echo", 1).await[0]["status"], "UP");
}

#[tokio::test]
async fn what_a_synced_snapshot_drops_is_found_no_more() {
    let (gateway, _) = gateway().await;
    gateway.synced("sidecar", &snapshot(&[entry("demo.Echo", "10.0.0.1", 20880)], &[])).await;
    found(&gateway, "demo.Echo", 1).await;
    gateway.synced("sidecar", &nothing()).await;
    let answer = gateway.get("/instances?appId=demo&serviceName=demo.Echo").await;
    assert_eq!(answer.json().get("instances"), None, "read your own write: {answer:?}");
}

#[tokio::test]
async fn a_native_provider_is_found_through_the_v4_api_until_it_goes() {
    let (gateway, znodes) = gateway().await;
    let url = native_url("10.0.0.9", "demo.Native");
    let path = format!("/dubbo/demo.Native/providers/{}", escape(&url));
    znodes.create(&path, "10.0.0.9").await;
    let instance = &found(&gateway, "demo.Native", 1).await[0];
    assert_eq!(instance["endpoints"], json!([url]), "{instance}");
    assert_eq!(instance["version"], "1.2.0", "{instance}");
    let service = gateway.get(&format!("/microservices/{}", id_in(instance, "serviceId"))).await.ok().json();
    assert_eq!(service["service"]["framework"]["name"], "Dubbo", "{service}");
    assert_ne!(service["service"]["registerBy"], "SIDECAR", "{service}");
    znodes.delete(&path).await;
    eventually("it is found no more", SOON, async || {
        let answer = gateway.get("/instances?appId=demo&serviceName=demo.Native").await;
        ensure(answer.json().get("instances").is_none(), || format!("{answer:?}"))
    })
    .await;
}

#[tokio::test]
async fn malformed_foreign_znodes_disturb_nobody_and_stay() {
    let (gateway, znodes) = gateway().await;
    let folder = "/dubbo/demo.Echo/providers";
    let malformed = [
        "%ZZ".to_owned(),
        "no-url-at-all".to_owned(),
        escape("dubbo://10.0.0.9:port/demo.Echo?application=demo"),
        escape("dubbo://:0/demo.Echo?application=demo"),
        escape("dubbo://"),
        "%FF%FE".to_owned(),
        "dubbo%3A%2F%2F10.0.0.9".to_owned(),
    ];
    for name in &malformed {
        znodes.create(&format!("{folder}/{name}"), "\u{0}\u{1}{").await;
    }
    znodes.create(&format!("{folder}/{}", escape(&native_url("10.0.0.8", "demo.Echo"))), "").await;
    znodes.create("/dubbo/metadata/demo.Echo/provider/demo", "{}").await;
    znodes.create("/dubbo/config/dubbo/demo.Echo.configurators", "x").await;
    gateway.synced("sidecar", &snapshot(&[entry("demo.Echo", "10.0.0.1", 20880)], &[])).await;
    let found = eventually("both good ones are found", SOON, async || {
        let answer = gateway.get("/instances?appId=demo&serviceName=demo.Echo").await;
        let instances = answer.json()["instances"].as_array().cloned().unwrap_or_default();
        let endpoints: Vec<_> = instances.iter().map(|one| one["endpoints"][0].to_string()).collect();
        let has = |host: &str| endpoints.iter().any(|endpoint| endpoint.contains(host));
        ensure(has("10.0.0.1:20880") && has("10.0.0.8:20880"), || format!("{answer:?}"))?;
        Ok::<_, String>(endpoints)
    });
    assert!(found.await.iter().all(|endpoint| !endpoint.contains(":port")));
    gateway.synced("sidecar", &nothing()).await;
    let left = znodes.children(folder).await;
    for name in malformed {
        assert!(left.contains(&name), "{name} in {left:?}");
    }
    assert_eq!(gateway.ops("/readyz").send().await.status, 200);
}

#[tokio::test]
async fn a_servicecomb_instance_stands_under_the_dubbo_provider_path() {
    let (gateway, znodes) = gateway().await;
    let service = create_service(&gateway, "orders").await;
    let instance = json!({"instance": {"hostName": "node", "endpoints": [
        "rest://10.0.0.7:8080", "rest:10.0.0.8:8081", "not an address",
    ]}});
    let posted = gateway.post(&instances(&service), &instance).await.ok().json();
    let path = format!("{}/{}", instances(&service), id_in(&posted, "instanceId"));
    let urls = znodes.urls("orders", "providers").await;
    assert_eq!(urls.len(), 2, "{urls:?}");
    for (url, address) in urls.iter().zip(["10.0.0.7:8080", "10.0.0.8:8081"]) {
        assert!(url.starts_with(&format!("rest://{address}/orders?")), "{url}");
        assert!(url.contains("application=shop") && url.contains("version=1.0.0"), "{url}");
        assert!(!url.contains("enabled=false"), "{url}");
    }
    let read = gateway.get(&path).await.ok().json();
    assert_eq!(read["instance"]["endpoints"], instance["instance"]["endpoints"]);
    for (value, enabled) in [("DOWN", false), ("UP", true), ("OUTOFSERVICE", false)] {
        gateway.put(&format!("{path}/status?value={value}")).await.ok();
        let urls = znodes.urls("orders", "providers").await;
        assert_eq!(urls.len(), 2, "{urls:?}");
        assert!(urls.iter().all(|url| url.contains("enabled=false") != enabled), "{value}: {urls:?}");
    }
    gateway.delete(&path).await.ok();
    assert!(znodes.urls("orders", "providers").await.is_empty());
    assert!(znodes.exists("/dubbo/orders/providers").await);
}

#[tokio::test]
async fn a_projected_instance_is_found_once() {
    let (gateway, _) = gateway().await;
    let service = create_service(&gateway, "orders").await;
    let instance = create_instance(&gateway, &service, 8080).await;
    let body = gateway.get(&find("orders")).await.ok().json();
    let ids: Vec<_> = body["instances"].as_array().unwrap().iter().map(|one| &one["instanceId"]).collect();
    assert_eq!(ids, [&json!(instance)], "not again as a provider of /dubbo: {body}");
}
