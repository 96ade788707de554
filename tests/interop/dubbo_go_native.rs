//! Providers on dubbo-go, unmodified, that register themselves in ZooKeeper, as seen through the gateway.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::greeter::{
    APPLICATION, Caller, GROUP, INTERFACE, Provider, START, Sidecar, VERSION, address, colored,
};
use crate::support::eventually::{ensure, eventually};
use crate::support::gateway::{Gateway, Options, registry_path};
use crate::support::znodes::Znodes;
use crate::support::zookeeper::ZooKeeper;

/// dubbo-go asks for a session of 5 s. With that, and what it takes to register, this is plenty.
const FIND: Duration = Duration::from_secs(60);

/// What a batch find tells somebody who knows the revision `known` of the one service that is asked for.
async fn batch_find(gateway: &Gateway, name: &str, known: &str) -> Value {
    let service = json!({"appId": APPLICATION, "serviceName": name, "version": "0+"});
    let body = json!({"services": [{"service": service, "rev": known}]});
    let request = gateway.request(Method::POST, &registry_path("/instances/action?type=query"));
    request.json(&body).send().await.ok().json()["services"].clone()
}

/// Waits until a batch find tells of exactly these instances, by their addresses, and returns its answer.
async fn found(gateway: &Gateway, name: &str, addresses: &[String]) -> Value {
    let mut addresses = addresses.to_vec();
    addresses.sort();
    eventually(&format!("{name} is found at {addresses:?}"), FIND, async || {
        let answer = batch_find(gateway, name, "").await;
        let instances = answer["updated"][0]["instances"].as_array().cloned().unwrap_or_default();
        let mut found: Vec<_> = instances.iter().map(endpoint).collect();
        found.sort();
        ensure(found == addresses, || answer.to_string()).map(|()| answer)
    })
    .await
}

/// Host and port of an instance's only endpoint.
fn endpoint(instance: &Value) -> String {
    let url = instance["endpoints"][0].as_str().unwrap_or_default();
    url.trim_start_matches("dubbo://").split('/').next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn dubbo_go_providers_that_register_themselves_are_found_by_a_batch_find_until_they_leave_or_die() {
    let zookeeper = ZooKeeper::single().await;
    let connect = zookeeper.connect_string();
    let gateway = Options::new(&connect).start().await;
    let (one, two) = tokio::join!(Provider::registered(&connect), Provider::registered(&connect));
    let answer = found(&gateway, INTERFACE, &[address(one.port), address(two.port)]).await;
    let instance = &answer["updated"][0]["instances"][0];
    assert_eq!(instance["status"], "UP", "{instance}");
    assert_eq!(instance["version"], VERSION, "{instance}");
    assert_eq!(instance["properties"]["group"], GROUP, "{instance}");
    let known = answer["updated"][0]["rev"].as_str().unwrap();
    assert_eq!(batch_find(&gateway, INTERFACE, known).await["notModified"], json!([0]));

    // Beside one that a sidecar has registered they are called as before.
    let three = Provider::start().await;
    let sidecar = Sidecar::new();
    sidecar.offers(&gateway, &[(three.port, "blue")]).await;
    let mut consumer = Caller::on_dubbo_go(&connect);
    consumer.hears(&[address(one.port), address(two.port), colored(three.port, "blue")]).await;
    let before = consumer.unanswered();
    one.program.stop(START).await;
    let rest = [address(two.port), colored(three.port, "blue")];
    consumer.hears(&rest).await;
    found(&gateway, INTERFACE, &[address(two.port)]).await;
    assert_eq!(before, consumer.unanswered());
    drop(two);
    consumer.hears(&rest[1..]).await;
    found(&gateway, INTERFACE, &[]).await;
}

#[tokio::test]
async fn a_dubbo_go_application_that_registers_no_interface_is_found_by_its_name_and_by_its_interface() {
    let zookeeper = ZooKeeper::single().await;
    let connect = zookeeper.connect_string();
    let gateway = Options::new(&connect).start().await;
    let (one, two) = tokio::join!(
        Provider::registered_by_application(&connect),
        Provider::registered_by_application(&connect)
    );
    let both = [address(one.port), address(two.port)];
    found(&gateway, APPLICATION, &both).await;
    let answer = found(&gateway, INTERFACE, &both).await;
    let instance = &answer["updated"][0]["instances"][0];
    assert_eq!(instance["status"], "UP", "{instance}");
    assert_eq!(instance["version"], VERSION, "{instance}");
    assert_eq!(instance["properties"]["group"], GROUP, "{instance}");
    let urls = Znodes::connect(&connect).await.urls(INTERFACE, "providers").await;
    assert!(urls.is_empty(), "it is the application level that was read: {urls:?}");

    one.program.stop(START).await;
    for name in [APPLICATION, INTERFACE] {
        found(&gateway, name, &both[1..]).await;
    }
    drop(two);
    for name in [APPLICATION, INTERFACE] {
        found(&gateway, name, &[]).await;
    }
}
