//! What applications of Dubbo 3 register by themselves is found through the v4 API.

use reqwest::Method;
use serde_json::json;

use crate::fixtures::applications::{
    DUBBO, SOON, curator, endpoints, find_in_shop, found, offers, register, register_shop, says, shop,
};
use crate::fixtures::{entry, id_in, instances, one_provider, snapshot};
use crate::support::eventually::{ensure, eventually};
use crate::support::gateway::{Gateway, Options, registry_path};
use crate::support::socket::Socket;
use crate::support::znodes::{Znodes, escape};
use crate::support::zookeeper;

async fn gateway() -> (Gateway, Znodes) {
    let root = zookeeper::shared().await;
    (Options::new(&root).start().await, Znodes::connect(&root).await)
}

const NATIVE: &str = "dubbo://10.0.0.9:20880/demo.Echo?application=shop&interface=demo.Echo&side=provider\
                      &timestamp=1795229889041&version=1.0.0";

#[tokio::test]
async fn an_application_is_a_microservice_whose_instances_come_and_go() {
    let (gateway, znodes) = gateway().await;
    assert!(!znodes.exists("/services").await, "its root is not there yet");
    let both = json!({
        "dubbo.endpoints": r#"[{"port":20880,"protocol":"dubbo"},{"port":50051,"protocol":"tri"}]"#,
        "dubbo.metadata.revision": "0a1b2c3d", "dubbo.metadata.storage-type": "local", "zone": "b",
    });
    register_shop(&znodes, "10.0.0.9", &curator(DUBBO, "shop", "10.0.0.9", 20880, &both)).await;
    let found_first = found(&gateway, "shop", &["dubbo://10.0.0.9:20880", "tri://10.0.0.9:50051"]).await;
    let instance = &found_first[0];
    assert_eq!(instance["status"], "UP", "{instance}");
    assert_eq!(instance["version"], "0.0.0", "{instance}");
    assert_eq!(instance["hostName"], "10.0.0.9", "{instance}");
    assert_eq!(instance["properties"], both, "{instance}");
    assert_eq!(instance["timestamp"], "1795229889", "{instance}");

    let id = id_in(instance, "serviceId");
    let service = gateway.get(&format!("/microservices/{id}")).await.ok().json()["service"].clone();
    assert_eq!((&service["appId"], &service["serviceName"]), (&json!("shop"), &json!("shop")), "{service}");
    assert_eq!(service["framework"]["name"], "Dubbo", "{service}");
    assert_eq!(service["registerBy"], "UNKNOWN", "{service}");
    let listed = gateway.get("/microservices").await.ok().json();
    assert!(listed["services"].as_array().unwrap().iter().any(|one| one["serviceId"] == id), "{listed}");
    let batch =
        json!({"services": [{"service": {"appId": "shop", "serviceName": "shop", "version": "0.0.0"}}]});
    let request = gateway.request(Method::POST, &registry_path("/instances/action?type=query")).json(&batch);
    let batch = request.send().await.ok().json();
    assert_eq!(batch["services"]["updated"][0]["instances"][0], *instance, "{batch}");

    let path = format!("{}/{}", instances(&id), id_in(instance, "instanceId"));
    for answer in [gateway.delete(&path).await, gateway.put(&format!("{path}/status?value=DOWN")).await] {
        assert_eq!(answer.status, 400, "{answer:?}");
    }
    let bare = curator(DUBBO, "shop", "10.0.0.8", 20881, &json!({"application.version": "2.1.0"}));
    register(&znodes, "/services/shop/10.0.0.8:20881", &bare).await;
    let all = ["10.0.0.8:20881", "dubbo://10.0.0.9:20880", "tri://10.0.0.9:50051"];
    let found_both = found(&gateway, "shop", &all).await;
    assert!(found_both.iter().any(|instance| instance["version"] == "2.1.0"), "{found_both:?}");

    znodes.delete("/services/shop/10.0.0.9:20880").await;
    found(&gateway, "shop", &["10.0.0.8:20881"]).await;
    znodes.delete("/services/shop/10.0.0.8:20881").await;
    for folder in ["/services/shop", "/services"] {
        znodes.delete(folder).await;
    }
    found(&gateway, "shop", &[]).await;
    register_shop(&znodes, "10.0.0.9", &shop("10.0.0.9", "0a", "local")).await;
    found(&gateway, "shop", &["dubbo://10.0.0.9:20880"]).await;
}

#[tokio::test]
async fn what_an_application_stores_of_its_interfaces_is_found_as_their_urls() {
    let (gateway, znodes) = gateway().await;
    register_shop(&znodes, "10.0.0.9", &shop("10.0.0.9", "0a1b2c3d", "remote")).await;
    found(&gateway, "shop", &["dubbo://10.0.0.9:20880"]).await;
    assert!(endpoints(&gateway, "demo.Echo").await.is_empty(), "nobody knows yet");
    let document = offers("shop", "0a1b2c3d", &["demo.Echo", "demo.Sum"]);
    znodes.create("/dubbo/metadata/shop/0a1b2c3d", &document).await;
    let url = format!("{}&methods=greet", NATIVE.split_once("&side").unwrap().0);
    let echo = &found(&gateway, "demo.Echo", &[&url]).await[0];
    assert_eq!(echo["version"], "1.0.0", "{echo}");
    assert_eq!(echo["properties"]["methods"], "greet", "{echo}");
    assert_eq!(echo["timestamp"], "1795229889", "{echo}");
    found(&gateway, "demo.Sum", &["dubbo://10.0.0.9:20880/demo.Sum?"]).await;

    // Another instance of the same revision, and one of another.
    register_shop(&znodes, "10.0.0.8", &shop("10.0.0.8", "0a1b2c3d", "remote")).await;
    znodes.create("/dubbo/metadata/shop/0b", &offers("shop", "0b", &["demo.Sum"])).await;
    register_shop(&znodes, "10.0.0.7", &shop("10.0.0.7", "0b", "remote")).await;
    let (seven, eight, nine) = ("dubbo://10.0.0.7", "dubbo://10.0.0.8", "dubbo://10.0.0.9");
    found(&gateway, "demo.Sum", &[seven, eight, nine]).await;
    found(&gateway, "demo.Echo", &[eight, nine]).await;
    znodes.set("/services/shop/10.0.0.8:20880", &shop("10.0.0.8", "0b", "remote")).await;
    found(&gateway, "demo.Echo", &[nine]).await;
    found(&gateway, "demo.Sum", &[seven, eight, nine]).await;
    znodes.delete("/dubbo/metadata/shop/0a1b2c3d").await;
    found(&gateway, "demo.Sum", &[seven, eight]).await;
    assert!(endpoints(&gateway, "demo.Echo").await.is_empty());
}

#[tokio::test]
async fn the_interface_level_is_preferred_and_nothing_is_found_twice() {
    let (gateway, znodes) = gateway().await;
    znodes.create("/dubbo/metadata/shop/0a", &offers("shop", "0a", &["demo.Echo"])).await;
    register_shop(&znodes, "10.0.0.9", &shop("10.0.0.9", "0a", "remote")).await;
    found(&gateway, "demo.Echo", &["dubbo://10.0.0.9:20880"]).await;
    let weighted = format!("{NATIVE}&weight=7");
    let path = format!("/dubbo/demo.Echo/providers/{}", escape(&weighted));
    znodes.create(&path, "").await;
    let instance = &found(&gateway, "demo.Echo", &[&weighted]).await[0];
    assert_eq!(instance["endpoints"], json!([weighted]), "{instance}");
    // Another version, group, protocol or port is something else.
    let other = weighted.replace("version=1.0.0", "version=1.0.1");
    znodes.create(&format!("/dubbo/demo.Echo/providers/{}", escape(&other)), "").await;
    found(&gateway, "demo.Echo", &[&weighted, &other]).await;
    znodes.delete(&path).await;
    let from_application =
        "dubbo://10.0.0.9:20880/demo.Echo?application=shop&interface=demo.Echo&methods=greet";
    found(&gateway, "demo.Echo", &[from_application, &other]).await;
    // What a sidecar says counts as well.
    let mut same = entry("demo.Echo", "10.0.0.9", 20880);
    same["service"]["params"] = json!({"application": "shop", "version": "1.0.0"});
    gateway.synced("sidecar", &snapshot(&[same], &[])).await;
    found(&gateway, "demo.Echo", &["dubbo://10.0.0.9:20880/demo.Echo?anyhost=true", &other]).await;
}

#[tokio::test]
async fn a_mapping_alone_is_no_offer() {
    let (gateway, znodes) = gateway().await;
    znodes.create("/dubbo/mapping/demo.Echo", "shop,other").await;
    register_shop(&znodes, "10.0.0.9", &shop("10.0.0.9", "0a", "local")).await;
    found(&gateway, "shop", &["dubbo://10.0.0.9:20880"]).await;
    let answer = gateway.get(&find_in_shop("demo.Echo")).await;
    assert_eq!(answer.status, 400, "{answer:?}");
    let report = gateway.sync("r", &snapshot(&[], &[entry("demo.Echo", "10.0.0.1", 1)])).await.json();
    let routable = report["service_list"]["dispatched_interface_list"].as_array();
    assert!(routable.is_none_or(Vec::is_empty), "{report}");
}

#[tokio::test]
async fn an_interface_that_only_an_application_offers_can_be_routed() {
    let (gateway, znodes) = gateway().await;
    znodes.create("/dubbo/metadata/shop/0a", &offers("shop", "0a", &["demo.Echo"])).await;
    register_shop(&znodes, "10.0.0.9", &shop("10.0.0.9", "0a", "remote")).await;
    found(&gateway, "demo.Echo", &["dubbo://10.0.0.9:20880"]).await;
    let report = gateway.sync("r", &snapshot(&[], &[entry("demo.Echo", "10.0.0.1", 1)])).await.json();
    assert_eq!(report["service_list"]["dispatched_interface_list"], json!(["demo.Echo"]), "{report}");
}

#[tokio::test]
async fn dubbo_for_go_keeps_its_documents_elsewhere_and_they_are_no_services() {
    let (gateway, znodes) = gateway().await;
    znodes.create("/dubbo/shop/1234567890", &offers("shop", "1234567890", &["demo.Echo"])).await;
    let instance = curator(DUBBO, "shop", "10.0.0.9", 20880, &says("tri", 20880, "1234567890", "remote"));
    register_shop(&znodes, "10.0.0.9", &instance).await;
    found(&gateway, "demo.Echo", &["dubbo://10.0.0.9:20880/demo.Echo?"]).await;
    let listed = gateway.get("/microservices").await.ok().json();
    let names: Vec<_> =
        listed["services"].as_array().unwrap().iter().map(|one| one["serviceName"].clone()).collect();
    assert_eq!(names, ["demo.Echo", "shop"], "{listed}");
}

#[tokio::test]
async fn a_watcher_hears_of_applications_and_of_what_they_offer() {
    let (gateway, znodes) = gateway().await;
    let web = json!({"service": {"appId": "shop", "serviceName": "web", "version": "1.0.0"}});
    let consumer = id_in(&gateway.post("/microservices", &web).await.ok().json(), "serviceId");
    znodes.create("/dubbo/metadata/shop/0a", &offers("shop", "0a", &["demo.Echo"])).await;
    register_shop(&znodes, "10.0.0.9", &shop("10.0.0.9", "0a", "remote")).await;
    for name in ["shop", "demo.Echo"] {
        found(&gateway, name, &["dubbo://10.0.0.9:20880"]).await;
        let request = gateway.request(Method::GET, &registry_path(&find_in_shop(name)));
        request.header("x-consumerid", &consumer).send().await.ok();
    }
    eventually("both dependencies are recorded", SOON, async || {
        let answer = gateway.get(&format!("/microservices/{consumer}/providers")).await.json();
        ensure(answer["providers"].as_array().is_some_and(|all| all.len() == 2), || answer.to_string())
    })
    .await;
    let path = registry_path(&format!("/microservices/{consumer}/watcher"));
    let mut socket = Socket::open(gateway.http, &path).await.unwrap_or_else(|status| panic!("{status}"));
    let heard = async |socket: &mut Socket, count: usize| {
        let mut heard = Vec::new();
        for _ in 0..count {
            let event = socket.json().await;
            let name = event["key"]["serviceName"].as_str().unwrap().to_owned();
            heard.push((event["action"].as_str().unwrap().to_owned(), name));
        }
        heard.sort();
        heard
    };
    let pair = |action: &str, name: &str| (action.to_owned(), name.to_owned());
    register_shop(&znodes, "10.0.0.8", &shop("10.0.0.8", "0a", "remote")).await;
    assert_eq!(heard(&mut socket, 2).await, [pair("CREATE", "demo.Echo"), pair("CREATE", "shop")]);
    znodes.delete("/services/shop/10.0.0.8:20880").await;
    assert_eq!(heard(&mut socket, 2).await, [pair("DELETE", "demo.Echo"), pair("DELETE", "shop")]);
    // The interface level takes over: nobody is without the provider in between.
    let native = format!("/dubbo/demo.Echo/providers/{}", escape(NATIVE));
    znodes.create(&native, "").await;
    let taken_over = [socket.json().await, socket.json().await].map(|event| event["action"].clone());
    assert_eq!(taken_over, [json!("CREATE"), json!("DELETE")]);
    znodes.delete(&native).await;
    let given_back = [socket.json().await, socket.json().await].map(|event| event["action"].clone());
    assert_eq!(given_back, [json!("CREATE"), json!("DELETE")]);
}

#[tokio::test]
async fn the_root_of_applications_is_a_choice() {
    let root = zookeeper::shared().await;
    let znodes = Znodes::connect(&root).await;
    let start = async |services: &str| {
        let services = format!("\"{services}\"");
        Options::new(&root).set("dubbo", "services_root", &services).start().await
    };
    let (elsewhere, among, nowhere) = (start("/group/apps").await, start("/dubbo").await, start("").await);
    let (nine, eight) = (shop("10.0.0.9", "0a", "remote"), shop("10.0.0.8", "0a", "remote"));
    znodes.create("/dubbo/metadata/shop/0a", &offers("shop", "0a", &["demo.Echo"])).await;
    register(&znodes, "/group/apps/shop/10.0.0.9:20880", &nine).await;
    znodes.create("/dubbo/shop/10.0.0.8:20880", &eight).await;
    for name in ["shop", "demo.Echo"] {
        found(&elsewhere, name, &["dubbo://10.0.0.9:20880"]).await;
        found(&among, name, &["dubbo://10.0.0.8:20880"]).await;
    }
    nowhere.synced("r", &one_provider("demo.Other", 1)).await;
    for name in ["shop", "demo.Echo"] {
        assert!(endpoints(&nowhere, name).await.is_empty());
    }
}
