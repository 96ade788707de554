//! `POST /registry/info/sync`: one call makes ZooKeeper match the snapshot.

use reqwest::Method;
use serde_json::{Value, json};

use crate::fixtures::{SYNC_EXAMPLE, entry, nothing, one_provider, snapshot, sorted};
use crate::support::client::{Answer, raw};
use crate::support::gateway::{Gateway, Options, accepted};
use crate::support::znodes::Znodes;
use crate::support::zookeeper;

const SYNC: &str = "/registry/info/sync";

/// A gateway with a tree of its own, and eyes on that tree.
async fn gateway() -> (Gateway, Znodes) {
    let root = zookeeper::shared().await;
    (Options::new(&root).start().await, Znodes::connect(&root).await)
}

/// The specification's example exactly as a sidecar sends it.
async fn send_example(gateway: &Gateway) -> Answer {
    let request = gateway.request(Method::POST, SYNC).header("content-type", "application/json");
    request.body(SYNC_EXAMPLE).send().await
}

#[tokio::test]
async fn the_example_of_the_specification_is_answered_as_it_says() {
    let (gateway, _) = gateway().await;
    // The example's version is 3: its sidecar has synced two other snapshots before.
    let mut before: Value = serde_json::from_str(SYNC_EXAMPLE).unwrap();
    for (expected, methods) in [(1, json!(["a"])), (2, json!(["a", "b"]))] {
        before["provider_list"][0]["service"]["methods"] = methods;
        let request = gateway.request(Method::POST, SYNC).json(&before);
        assert_eq!(accepted(&request.send().await), expected);
    }
    let answer = send_example(&gateway).await.ok();
    assert!(answer.header("content-type").unwrap().starts_with("application/json"), "{answer:?}");
    let body = answer.json();
    assert_eq!(body["code"], 0);
    assert_eq!(body["msg"], "registry service success");
    assert_eq!(sorted(&body["service_list"]["pub_interface_list"]), ["a", "b"]);
    assert_eq!(sorted(&body["service_list"]["sub_interface_list"]), ["c", "d"]);
    assert_eq!(body["service_list"]["version"], 3);
}

#[tokio::test]
async fn an_acknowledged_snapshot_stands_in_zookeeper_readable() {
    let (gateway, znodes) = gateway().await;
    send_example(&gateway).await.ok();
    for interface in ["a", "b"] {
        let urls = znodes.urls(interface, "providers").await;
        assert_eq!(urls.len(), 1, "{urls:?}");
        assert!(urls[0].starts_with(&format!("dubbo://1.2.3.4:8080/{interface}?")), "{urls:?}");
        let (_, query) = urls[0].split_once('?').unwrap();
        let parameters: Vec<_> = query.split('&').collect();
        let mut in_order = parameters.clone();
        in_order.sort_unstable();
        assert_eq!(parameters, in_order, "Dubbo writes its parameters sorted");
        for expected in [&format!("interface={interface}"), "methods=a,b,c", "side=provider"] {
            assert!(parameters.contains(&expected), "{expected} in {urls:?}");
        }
        let path = &znodes.providers(interface).await[0];
        let data: Value = serde_json::from_str(&znodes.data(path).await).unwrap();
        assert!(data.is_object(), "{data}");
    }
    for interface in ["c", "d"] {
        let urls = znodes.urls(interface, "consumers").await;
        assert_eq!(urls.len(), 1, "{urls:?}");
        assert!(urls[0].starts_with("consumer://1.2.3.4"), "{urls:?}");
        assert!(urls[0].contains(&format!("/{interface}?")), "{urls:?}");
    }
}

#[tokio::test]
async fn every_znode_of_the_gateway_holds_json_or_nothing() {
    let (gateway, znodes) = gateway().await;
    send_example(&gateway).await.ok();
    for (path, stat) in znodes.tree("/").await {
        if stat.data_length > 0 {
            let data = znodes.data(&path).await;
            assert!(serde_json::from_str::<Value>(&data).is_ok(), "{path}: {data}");
        }
    }
}

#[tokio::test]
async fn an_unchanged_snapshot_keeps_its_version_and_writes_nothing() {
    let (gateway, znodes) = gateway().await;
    let version = accepted(&send_example(&gateway).await);
    let before = znodes.history().await;
    for _ in 0..5 {
        assert_eq!(accepted(&send_example(&gateway).await), version);
    }
    // The same content in another order is the same snapshot.
    let mut turned: Value = serde_json::from_str(SYNC_EXAMPLE).unwrap();
    turned["provider_list"].as_array_mut().unwrap().reverse();
    turned["consumer_list"].as_array_mut().unwrap().reverse();
    let answer = gateway.request(Method::POST, SYNC).json(&turned).send().await;
    assert_eq!(accepted(&answer), version);
    assert_eq!(znodes.history().await, before);
}

#[tokio::test]
async fn each_change_of_any_part_raises_the_version_by_one() {
    let (gateway, znodes) = gateway().await;
    let mut snapshot = one_provider("demo.Echo", 20880);
    assert_eq!(gateway.synced("r", &snapshot).await, 1);
    let changes: [(&str, Value); 5] = [
        ("/provider_list/0/service/methods", json!(["greet", "part"])),
        ("/provider_list/0/service/params", json!({"application": "demo", "weight": "50"})),
        ("/provider_list/0/host", json!("10.0.0.2")),
        ("/provider_list/0/port", json!(20881)),
        ("/consumer_list", json!([entry("demo.Other", "10.0.0.2", 0)])),
    ];
    for (expected, (part, value)) in (2..).zip(changes) {
        *snapshot.pointer_mut(part).unwrap() = value;
        if part == "/consumer_list" {
            snapshot["consumer_list"][0].as_object_mut().unwrap().remove("port");
        }
        assert_eq!(gateway.synced("r", &snapshot).await, expected, "{part}");
        assert_eq!(znodes.urls("demo.Echo", "providers").await.len(), 1, "{part}");
    }
    let urls = znodes.urls("demo.Echo", "providers").await;
    assert!(urls[0].starts_with("dubbo://10.0.0.2:20881/demo.Echo?"), "{urls:?}");
    assert!(urls[0].contains("methods=greet,part") && urls[0].contains("weight=50"), "{urls:?}");
}

#[tokio::test]
async fn an_empty_snapshot_removes_the_znodes_and_leaves_the_folders() {
    let (gateway, znodes) = gateway().await;
    send_example(&gateway).await.ok();
    let answer = gateway.request(Method::POST, SYNC).json(&nothing()).send().await;
    // Who empties everything is known by the address it synced from, or by its header.
    let body = answer.json();
    assert_eq!((&body["code"], &body["service_list"]["version"]), (&json!(0), &json!(2)), "{answer:?}");
    assert!(sorted(&body["service_list"]["pub_interface_list"]).is_empty(), "{answer:?}");
    for (interface, category) in
        [("a", "providers"), ("b", "providers"), ("c", "consumers"), ("d", "consumers")]
    {
        assert!(znodes.urls(interface, category).await.is_empty(), "{interface}");
        assert!(znodes.exists(&format!("/dubbo/{interface}/{category}")).await, "{interface}");
    }
}

#[tokio::test]
async fn the_version_goes_on_growing_over_an_empty_snapshot() {
    let (gateway, _) = gateway().await;
    let full = one_provider("demo.Echo", 20880);
    // How a sidecar in Go writes that it has nothing.
    let nil = json!({"provider_list": null, "consumer_list": null});
    for (expected, body) in [(1, &full), (2, &nothing()), (2, &nil), (3, &full), (3, &full)] {
        assert_eq!(gateway.synced("r", body).await, expected);
    }
}

#[tokio::test]
async fn a_refused_snapshot_changes_nothing_and_the_answer_says_why() {
    let (gateway, znodes) = gateway().await;
    let good = one_provider("demo.Echo", 20880);
    assert_eq!(gateway.synced("r", &good).await, 1);
    let before = znodes.history().await;
    let with = |part: &str, value: Value| {
        let mut bad = good.clone();
        *bad.pointer_mut(part).unwrap() = value;
        bad.to_string()
    };
    // Each body, and what the message must name.
    let bodies = [
        (String::new(), ""),
        ("{".into(), ""),
        ("null".into(), ""),
        ("[]".into(), ""),
        ("{}".into(), "provider_list"),
        (with("/provider_list/0/service", json!({})), "interface"),
        (with("/provider_list/0/service/interface", json!("")), "interface"),
        (with("/provider_list/0/service/interface", json!("..")), "interface"),
        (with("/provider_list/0/service/interface", json!(7)), "interface"),
        (with("/provider_list/0/host", json!("not a host")), "host"),
        (with("/provider_list/0/port", json!(0)), "port"),
        (with("/provider_list/0/port", json!(65536)), "port"),
        (with("/provider_list/0/service/params", json!({"a": "b&c"})), "params"),
        (with("/provider_list/0/service/params", json!({"a": {"deep": 1}})), "params"),
    ];
    for (body, name) in bodies {
        let request = gateway.request(Method::POST, SYNC).header("x-registrant-id", "r");
        let answer = request.header("content-type", "application/json").body(body.clone()).send().await;
        let reply = answer.json();
        assert_eq!(reply["code"], 1, "{body} -> {answer:?}");
        assert_eq!(reply["service_list"]["version"], 0, "{body} -> {answer:?}");
        let message = reply["msg"].as_str().unwrap();
        assert!(!message.is_empty() && message.contains(name), "{body} -> {message}");
    }
    assert_eq!(znodes.history().await, before);
    assert_eq!(gateway.synced("r", &good).await, 1);
}

#[tokio::test]
async fn what_is_not_json_by_its_content_type_never_counts_as_an_empty_snapshot() {
    let (gateway, znodes) = gateway().await;
    assert_eq!(gateway.synced("r", &one_provider("demo.Echo", 20880)).await, 1);
    let before = znodes.history().await;
    for content_type in ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x"] {
        let request = gateway.request(Method::POST, SYNC).header("x-registrant-id", "r");
        let answer = request.header("content-type", content_type).body("provider_list=").send().await;
        assert_ne!(answer.json()["code"], 0, "{answer:?}");
    }
    assert_eq!(znodes.history().await, before);
}

#[tokio::test]
async fn reading_never_changes_anything() {
    let (gateway, znodes) = gateway().await;
    assert_eq!(gateway.synced("r", &one_provider("demo.Echo", 20880)).await, 1);
    let before = znodes.history().await;
    for path in [SYNC, "/registry/info/get"] {
        for method in [Method::GET, Method::HEAD] {
            gateway.request(method, path).header("x-registrant-id", "r").send().await;
        }
    }
    let head =
        format!("GET {SYNC} HTTP/1.0\r\ncontent-length: 2\r\ncontent-type: application/json\r\n\r\n{{}}");
    assert!(raw(gateway.http, head.as_bytes()).await.starts_with("HTTP/1."));
    assert_eq!(znodes.history().await, before);
}

#[tokio::test]
async fn registrants_of_one_host_that_name_themselves_are_kept_apart() {
    let (gateway, znodes) = gateway().await;
    assert_eq!(gateway.synced("one", &one_provider("demo.One", 20881)).await, 1);
    assert_eq!(gateway.synced("two", &one_provider("demo.Two", 20882)).await, 1);
    assert_eq!(gateway.synced("two", &one_provider("demo.Two", 20883)).await, 2);
    assert_eq!(gateway.synced("one", &nothing()).await, 2);
    assert!(znodes.urls("demo.One", "providers").await.is_empty());
    assert_eq!(znodes.urls("demo.Two", "providers").await.len(), 1);
    let refused = gateway.sync(&"x".repeat(201), &nothing()).await.json();
    assert_eq!(refused["code"], 1, "{refused}");
    assert!(refused["msg"].as_str().unwrap().contains("X-Registrant-Id"), "{refused}");
}

#[tokio::test]
async fn registrants_are_told_apart_by_application_and_host_without_a_header() {
    let (gateway, znodes) = gateway().await;
    let of = |host: &str, interface: &str| snapshot(&[entry(interface, host, 20880)], &[]);
    for (host, interface) in [("10.0.0.1", "demo.One"), ("10.0.0.2", "demo.Two")] {
        let answer = gateway.request(Method::POST, SYNC).json(&of(host, interface)).send().await;
        assert_eq!(accepted(&answer), 1);
    }
    let answer = gateway.request(Method::POST, SYNC).json(&of("10.0.0.1", "demo.Other")).send().await;
    assert_eq!(accepted(&answer), 2);
    assert!(znodes.urls("demo.One", "providers").await.is_empty());
    assert_eq!(znodes.urls("demo.Two", "providers").await.len(), 1);
}
