//! The provider and consumer URLs of sidecars in the tree that Dubbo's consumers read.

use std::collections::BTreeMap;
use std::slice::from_ref;

use serde_json::{Value, json};

use crate::fixtures::{entry, nothing, snapshot};
use crate::support::gateway::{Gateway, Options};
use crate::support::znodes::{Znodes, escape};
use crate::support::zookeeper;

const INTERFACE: &str = "com.example.Outer$Greeter";

async fn gateway() -> (Gateway, Znodes) {
    let root = zookeeper::shared().await;
    (Options::new(&root).start().await, Znodes::connect(&root).await)
}

/// One entry with these parameters.
fn with_params(interface: &str, host: &str, port: u16, params: Value) -> Value {
    let mut entry = entry(interface, host, port);
    entry["service"]["params"] = params;
    entry
}

/// A URL in two: what stands before its parameters, and these by key. None is there twice.
fn parts(url: &str) -> (String, BTreeMap<String, String>) {
    let (address, query) = url.split_once('?').unwrap();
    let pairs: Vec<_> = query.split('&').map(|pair| pair.split_once('=').unwrap()).collect();
    let params: BTreeMap<_, _> =
        pairs.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
    assert_eq!(params.len(), pairs.len(), "a key is there twice: {url}");
    assert!(pairs.is_sorted(), "{url}");
    (address.to_owned(), params)
}

#[tokio::test]
async fn a_provider_stands_there_as_dubbo_writes_it() {
    let (gateway, znodes) = gateway().await;
    let params = json!({"application": "shop", "version": "1.2.0", "group": "g", "weight": 50, "empty": ""});
    let own = with_params(INTERFACE, "10.0.0.1", 20880, params);
    gateway.synced("r", &snapshot(&[own], &[])).await;
    let path = znodes.providers(INTERFACE).await.remove(0);
    assert!(
        path.starts_with(
            "/dubbo/com.example.Outer%24Greeter/providers/dubbo%3A%2F%2F10.0.0.1%3A20880%2Fcom."
        )
    );
    let urls = znodes.urls(INTERFACE, "providers").await;
    let (address, mut params) = parts(&urls[0]);
    assert_eq!(address, format!("dubbo://10.0.0.1:20880/{INTERFACE}"));
    let timestamp: i64 = params.remove("timestamp").unwrap().parse().unwrap();
    assert!(timestamp > 1_700_000_000_000, "milliseconds: {timestamp}");
    let expected = [
        ("anyhost", "true"),
        ("application", "shop"),
        ("dubbo", "2.0.2"),
        ("group", "g"),
        ("interface", INTERFACE),
        ("methods", "greet"),
        ("revision", "1.2.0"),
        ("side", "provider"),
        ("version", "1.2.0"),
        ("weight", "50"),
    ];
    assert_eq!(params, expected.map(|(key, value)| (key.to_owned(), value.to_owned())).into());
}

#[tokio::test]
async fn a_provider_without_a_group_or_version_says_nothing_of_them_and_names_every_method() {
    let (gateway, znodes) = gateway().await;
    let mut own = with_params(INTERFACE, "10.0.0.1", 20880, json!({"group": "", "version": null}));
    own["service"]["methods"] = json!([]);
    gateway.synced("r", &snapshot(&[own], &[])).await;
    let (_, params) = parts(&znodes.urls(INTERFACE, "providers").await[0]);
    for absent in ["group", "version"] {
        assert!(!params.contains_key(absent), "{params:?}");
    }
    let text = |key: &str| params.get(key).map(String::as_str);
    assert_eq!((text("methods"), text("application")), (Some("*"), Some("default")));
    assert_eq!(text("revision"), Some("0.0.0"));
    // A reader in JavaScript loses the first one.
    assert_eq!(params.first_key_value(), Some((&"anyhost".to_owned(), &"true".to_owned())));
}

#[tokio::test]
async fn a_consumer_stands_there_as_dubbo_writes_it() {
    let (gateway, znodes) = gateway().await;
    let mut own = with_params(INTERFACE, "10.0.0.1", 0, json!({"application": "shop", "version": "1.0"}));
    own.as_object_mut().unwrap().remove("port");
    let mut other = own.clone();
    other["host"] = "2001:db8::7".into();
    gateway.synced("one", &snapshot(&[], &[own])).await;
    gateway.synced("other", &snapshot(&[], &[other])).await;
    let urls = znodes.urls(INTERFACE, "consumers").await;
    let hosts = ["10.0.0.1", "[2001:db8::7]:0"];
    assert_eq!(urls.len(), hosts.len(), "{urls:?}");
    for (url, host) in urls.iter().zip(hosts) {
        let (address, mut params) = parts(url);
        assert_eq!(address, format!("consumer://{host}/{INTERFACE}"));
        params.remove("timestamp").unwrap();
        let expected = [
            ("application", "shop"),
            ("category", "consumers"),
            ("check", "false"),
            ("dubbo", "2.0.2"),
            ("interface", INTERFACE),
            ("methods", "greet"),
            ("side", "consumer"),
            ("version", "1.0"),
        ];
        assert_eq!(params, expected.map(|(key, value)| (key.to_owned(), value.to_owned())).into());
    }
}

#[tokio::test]
async fn protocols_groups_versions_and_addresses_of_one_interface_stand_side_by_side() {
    let (gateway, znodes) = gateway().await;
    let mut providers: Vec<_> = [
        json!({}),
        json!({"group": "g"}),
        json!({"version": "1.0"}),
        json!({"group": "g", "version": "1.0"}),
        json!({"protocol": "tri"}),
        json!({"protocol": "tri", "group": "g"}),
    ]
    .into_iter()
    .map(|params| with_params(INTERFACE, "10.0.0.1", 20880, params))
    .collect();
    providers.push(with_params(INTERFACE, "2001:db8:0:0::7", 20880, json!({})));
    providers.push(with_params(INTERFACE, "provider.local", 20880, json!({})));
    assert_eq!(gateway.synced("r", &snapshot(&providers, &[])).await, 1);
    let urls = znodes.urls(INTERFACE, "providers").await;
    assert_eq!(urls.len(), providers.len(), "{urls:#?}");
    for start in ["tri://10.0.0.1:20880/", "dubbo://[2001:db8::7]:20880/", "dubbo://provider.local:20880/"] {
        assert!(urls.iter().any(|url| url.starts_with(start)), "{start} in {urls:#?}");
    }
    assert!(urls.iter().all(|url| !url.contains("protocol=")), "it is the scheme: {urls:#?}");
    // Each goes by itself.
    let left = providers.split_off(3);
    assert_eq!(gateway.synced("r", &snapshot(&left, &[])).await, 2);
    assert_eq!(znodes.urls(INTERFACE, "providers").await.len(), left.len());
}

#[tokio::test]
async fn no_key_that_dubbo_3_would_cut_ever_stands_in_a_name() {
    let (gateway, znodes) = gateway().await;
    for params in [json!({"appid": 7}), json!({"remote.timestamp": 7}), json!({"note": "pid=7"})] {
        let own = with_params(INTERFACE, "10.0.0.1", 20880, params);
        let answer = gateway.sync("r", &snapshot(&[own], &[])).await.json();
        assert_eq!(answer["code"], 1, "{answer}");
    }
    assert!(!znodes.exists(&format!("/dubbo/{}", escape(INTERFACE))).await);
    let own =
        with_params(INTERFACE, "10.0.0.1", 20880, json!({"pid": 7, "timestamp": 1_795_229_889_041_u64}));
    gateway.synced("r", &snapshot(&[own], &[])).await;
    let (_, params) = parts(&znodes.urls(INTERFACE, "providers").await[0]);
    assert_eq!((params["pid"].as_str(), params["timestamp"].as_str()), ("7", "1795229889041"));
}

#[tokio::test]
async fn a_changed_provider_is_replaced_in_one_transaction() {
    let (gateway, znodes) = gateway().await;
    let with_weight = |weight: u16| {
        let own = with_params(INTERFACE, "10.0.0.1", 20880, json!({ "weight": weight }));
        snapshot(&[own], &[])
    };
    gateway.synced("r", &with_weight(1)).await;
    let folder = format!("/dubbo/{}/providers", escape(INTERFACE));
    // Whoever lists the folder at any time finds exactly one provider.
    let reader = znodes.clone();
    let listed = folder.clone();
    let looking = tokio::spawn(async move {
        for look in 0_u64.. {
            let names = reader.children(&listed).await;
            assert_eq!(names.len(), 1, "{names:?}");
            if names[0].contains("weight%3D100") {
                return look;
            }
        }
        0
    });
    for weight in 2..=100 {
        gateway.synced("r", &with_weight(weight)).await;
        let (_, stat) = znodes.client().get_children(&folder).await.unwrap();
        let path = znodes.providers(INTERFACE).await.remove(0);
        let node = znodes.client().check_stat(&path).await.unwrap().unwrap();
        assert_eq!(node.czxid, stat.pzxid, "the deletion of the old one has the zxid of the new one");
    }
    eprintln!("listed {} times meanwhile", looking.await.unwrap());
}

#[tokio::test]
async fn the_folders_of_an_interface_are_made_when_needed_and_never_deleted() {
    let (gateway, znodes) = gateway().await;
    let folders = |interface: &str| {
        ["configurators", "consumers", "providers"].map(|name| format!("/dubbo/{}/{name}", escape(interface)))
    };
    let provider = entry("demo.Provided", "10.0.0.1", 20880);
    let consumer = entry("demo.Used", "10.0.0.1", 20880);
    gateway.synced("r", &snapshot(from_ref(&provider), &[consumer])).await;
    for path in folders("demo.Provided").iter().chain(&folders("demo.Used")) {
        assert!(znodes.exists(path).await, "{path}");
    }
    gateway.synced("r", &nothing()).await;
    for path in folders("demo.Provided").iter().chain(&folders("demo.Used")) {
        assert!(znodes.exists(path).await, "{path} is gone");
    }
    // Somebody tidies up; whoever registers next needs them all the same.
    for path in folders("demo.Provided") {
        znodes.delete(&path).await;
    }
    znodes.delete("/dubbo/demo.Provided").await;
    gateway.synced("r", &snapshot(&[provider], &[])).await;
    for path in folders("demo.Provided") {
        assert!(znodes.exists(&path).await, "{path} is not back");
    }
}
