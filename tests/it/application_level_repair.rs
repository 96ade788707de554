//! What somebody deletes or damages of the application level is put back, and what is left over is cleared away.

use std::time::Duration;

use serde_json::{Value, json};

use crate::fixtures::applications::{SOON, found};
use crate::fixtures::{entry, nothing, snapshot};
use crate::support::eventually::{ensure, eventually, throughout};
use crate::support::gateway::{Gateway, Options};
use crate::support::znodes::Znodes;
use crate::support::zookeeper;

/// Time within which left-overs must be gone: they are looked for every half minute, and must be met twice.
const SWEPT: Duration = Duration::from_secs(150);

const INSTANCE: &str = "/services/shop/10.0.0.1:20880";
const MAPPING: &str = "/dubbo/mapping/demo.Echo";

fn options(root: &str) -> Options {
    let options = Options::new(root).time_to_live(Duration::from_secs(600));
    options.set("dubbo", "application_level", "true").set("dubbo", "metadata_retention", "\"1s\"")
}

fn provider(interface: &str, port: u16) -> Value {
    let mut provider = entry(interface, "10.0.0.1", port);
    provider["service"]["params"] = json!({"application": "shop", "version": "1.0.0"});
    provider
}

async fn gateway() -> (Gateway, Znodes) {
    let root = zookeeper::shared().await;
    let gateway = options(&root).start().await;
    gateway.synced("r", &snapshot(&[provider("demo.Echo", 20880)], &[])).await;
    (gateway, Znodes::connect(&root).await)
}

/// The path of the only document of application `shop`.
async fn metadata(znodes: &Znodes) -> String {
    let revisions = znodes.children("/dubbo/metadata/shop").await;
    assert_eq!(revisions.len(), 1, "{revisions:?}");
    format!("/dubbo/metadata/shop/{}", revisions[0])
}

async fn is_right_again(znodes: &Znodes, path: &str, data: &str) {
    eventually(&format!("{path} is right again"), SOON, async || {
        let now = znodes.client().get_data(path).await.map(|(data, _)| String::from_utf8(data).unwrap());
        ensure(now.as_ref().is_ok_and(|now| now == data), || format!("{now:?}"))
    })
    .await;
}

#[tokio::test]
async fn what_is_deleted_by_hand_is_put_back() {
    let (gateway, znodes) = gateway().await;
    let metadata = metadata(&znodes).await;
    for path in [INSTANCE, &metadata, MAPPING] {
        let data = znodes.data(path).await;
        znodes.delete(path).await;
        is_right_again(&znodes, path, &data).await;
    }
    // All at once, with the folders.
    let data = [znodes.data(INSTANCE).await, znodes.data(&metadata).await];
    for path in [INSTANCE, "/services/shop", "/services", &metadata, "/dubbo/metadata/shop", MAPPING] {
        znodes.delete(path).await;
    }
    is_right_again(&znodes, INSTANCE, &data[0]).await;
    is_right_again(&znodes, &metadata, &data[1]).await;
    is_right_again(&znodes, MAPPING, "shop").await;
    assert_eq!(gateway.synced("r", &snapshot(&[provider("demo.Echo", 20880)], &[])).await, 1);
}

#[tokio::test]
async fn damaged_data_is_put_right() {
    let (_gateway, znodes) = gateway().await;
    let metadata = metadata(&znodes).await;
    let instance = znodes.data(INSTANCE).await;
    let document = znodes.data(&metadata).await;
    let moved = instance.replace("\"address\":\"10.0.0.1\"", "\"address\":\"10.0.0.2\"");
    assert_ne!(moved, instance);
    for damage in ["", "not JSON", "{}", "[]", &moved, &instance.replace("20880", "20881")] {
        znodes.set(INSTANCE, damage).await;
        is_right_again(&znodes, INSTANCE, &instance).await;
    }
    for damage in ["", "not JSON", "{}", &document.replace("greet", "steal")] {
        znodes.set(&metadata, damage).await;
        is_right_again(&znodes, &metadata, &document).await;
    }
    znodes.set(MAPPING, "other").await;
    is_right_again(&znodes, MAPPING, "other,shop").await;
}

#[tokio::test]
async fn what_two_sidecars_share_is_put_back_for_both() {
    let (gateway, znodes) = gateway().await;
    gateway.synced("s", &snapshot(&[provider("demo.Sum", 20880)], &[])).await;
    let instance = znodes.data(INSTANCE).await;
    for damage in [None, Some("not JSON")] {
        match damage {
            Some(damage) => znodes.set(INSTANCE, damage).await,
            None => znodes.delete(INSTANCE).await,
        }
        is_right_again(&znodes, INSTANCE, &instance).await;
    }
}

#[tokio::test]
async fn what_was_deleted_while_the_gateway_was_down_is_back_after_its_start() {
    let (mut gateway, znodes) = gateway().await;
    let metadata = metadata(&znodes).await;
    let data = [znodes.data(INSTANCE).await, znodes.data(&metadata).await];
    gateway.kill();
    znodes.delete(INSTANCE).await;
    znodes.delete(MAPPING).await;
    znodes.set(&metadata, "{}").await;
    gateway.restart().await;
    is_right_again(&znodes, INSTANCE, &data[0]).await;
    is_right_again(&znodes, &metadata, &data[1]).await;
    is_right_again(&znodes, MAPPING, "shop").await;
}

#[tokio::test]
async fn revisions_that_nobody_names_are_cleared_away_and_those_of_others_never() {
    let (gateway, znodes) = gateway().await;
    let old = metadata(&znodes).await;
    let foreign = format!("/dubbo/metadata/shop/{}", "0".repeat(40));
    znodes.create(&foreign, r#"{"app":"shop","revision":"x","services":{}}"#).await;
    // A copy under another name is somebody else's.
    let copy = format!("/dubbo/metadata/shop/{}", "1".repeat(40));
    znodes.create(&copy, &znodes.data(&old).await).await;
    gateway.synced("r", &snapshot(&[provider("demo.Echo", 20880), provider("demo.Sum", 20880)], &[])).await;
    assert!(znodes.exists(&old).await, "consumers may still be reading it");
    eventually("the old revision is cleared away", SWEPT, async || {
        ensure(!znodes.exists(&old).await, || "it is still there".into())
    })
    .await;
    assert!(znodes.exists(&foreign).await && znodes.exists(&copy).await);
    assert_eq!(znodes.children("/dubbo/metadata/shop").await.len(), 3, "with the one that is named");
    // And it can come back.
    gateway.synced("r", &snapshot(&[provider("demo.Echo", 20880)], &[])).await;
    assert!(znodes.exists(&old).await);
}

#[tokio::test]
async fn what_a_change_left_over_is_cleared_away() {
    let (mut gateway, znodes) = gateway().await;
    gateway.synced("s", &snapshot(&[provider("demo.Sum", 20880), provider("demo.Sum", 20881)], &[])).await;
    let left = "/services/shop/10.0.0.1:20881";
    let shared = znodes.data(INSTANCE).await;
    let alone = znodes.data(left).await;
    gateway.synced("s", &nothing()).await;
    assert!(!znodes.exists(left).await);
    gateway.kill();
    // As if the removal had been cut short before its last step.
    znodes.create(left, &alone).await;
    znodes.set(INSTANCE, &shared).await;
    gateway.restart().await;
    eventually("the left-overs are gone", SWEPT, async || {
        let owners = znodes.data(INSTANCE).await;
        ensure(!znodes.exists(left).await && !owners.contains("/s\\\""), || owners)
    })
    .await;
    found(&gateway, "shop", &["dubbo://10.0.0.1:20880"]).await;
}

#[tokio::test]
async fn a_snapshot_that_fits_into_no_transaction_stands_on_this_level_too() {
    let root = zookeeper::shared().await;
    let znodes = Znodes::connect(&root).await;
    let gateway = options(&root).set("zookeeper", "max_transaction_bytes", "65536").start().await;
    let providers: Vec<Value> =
        (0..400).map(|number| provider(&format!("demo.S{}", number % 40), 20_000 + number)).collect();
    assert_eq!(gateway.synced("large", &snapshot(&providers, &[])).await, 1);
    assert_eq!(znodes.children("/services/shop").await.len(), 400);
    assert_eq!(gateway.synced("large", &snapshot(&providers, &[])).await, 1);
    assert_eq!(gateway.synced("large", &snapshot(&providers[..399], &[])).await, 2);
    assert_eq!(znodes.children("/services/shop").await.len(), 399);
    // More than fits into one document: the interface level stands alone.
    let heavy: Vec<Value> = (0..400).map(|number| provider(&format!("heavy.S{number}"), 30_000)).collect();
    gateway.synced("heavy", &snapshot(&heavy, &[])).await;
    assert_eq!(znodes.providers("heavy.S7").await.len(), 1);
    assert!(!znodes.exists("/services/shop/10.0.0.1:30000").await);
    gateway.synced("heavy", &nothing()).await;
    gateway.synced("large", &nothing()).await;
    assert!(znodes.children("/services/shop").await.is_empty());
    throughout("nothing comes back", Duration::from_secs(1), async || {
        ensure(znodes.children("/services/shop").await.is_empty(), || "something is back".into())
    })
    .await;
}
