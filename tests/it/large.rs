//! A snapshot that fits into no single transaction.

use std::time::Duration;

use reqwest::Method;
use serde_json::Value;

use crate::fixtures::{entry, nothing, snapshot};
use crate::support::eventually::{ensure, eventually, throughout};
use crate::support::gateway::{Options, sync_request};
use crate::support::watcher::Watcher;
use crate::support::znodes::Znodes;
use crate::support::zookeeper;

const EACH: u16 = 2_000;

/// So many entries over 40 interfaces whose names have `prefix` in them.
fn entries(prefix: &str, count: u16) -> Vec<Value> {
    let interface = |number: u16| format!("com.example.{prefix}.Service{:02}", number % 40);
    (0..count).map(|number| entry(&interface(number), "10.0.0.1", 20_000 + number)).collect()
}

/// How many znodes stand below all the folders of this name.
async fn count(znodes: &Znodes, category: &str) -> usize {
    let tree = znodes.tree("/dubbo").await;
    tree.keys().filter(|path| path.contains(&format!("/{category}/"))).count()
}

#[tokio::test]
async fn thousands_of_entries_are_applied_changed_in_one_place_and_removed() {
    let root = zookeeper::shared().await;
    let gateway = Options::new(&root).time_to_live(Duration::from_secs(120)).start().await;
    let znodes = Znodes::connect(&root).await;
    let (mut providers, consumers) = (entries("provided", EACH), entries("used", EACH));

    assert_eq!(gateway.synced("large", &snapshot(&providers, &consumers)).await, 1);
    assert_eq!(
        (count(&znodes, "providers").await, count(&znodes, "consumers").await),
        (EACH.into(), EACH.into())
    );
    assert_eq!(gateway.synced("large", &snapshot(&providers, &consumers)).await, 1);

    let watcher = Watcher::start(&root, "/dubbo").await;
    providers[7]["port"] = 30_000.into();
    assert_eq!(gateway.synced("large", &snapshot(&providers, &consumers)).await, 2);
    eventually("one goes and one comes", Duration::from_secs(5), async || {
        let seen = (watcher.created("").len(), watcher.deleted("").len());
        ensure(seen == (1, 1), || format!("created and deleted: {seen:?}"))
    })
    .await;
    throughout("and nothing else", Duration::from_secs(1), async || {
        ensure(watcher.seen().len() == 2, || format!("{} events", watcher.seen().len()))
    })
    .await;
    assert!(watcher.created("")[0].contains("30000"), "{:?}", watcher.seen());

    assert_eq!(gateway.synced("large", &nothing()).await, 3);
    assert_eq!((count(&znodes, "providers").await, count(&znodes, "consumers").await), (0, 0));
}

#[tokio::test]
async fn a_large_change_that_a_crash_cut_short_is_completed_by_the_next_sync() {
    const CUT: u16 = 1_000;
    let root = zookeeper::shared().await;
    let znodes = Znodes::connect(&root).await;
    let snapshot = snapshot(&entries("provided", CUT), &[]);
    // Small transactions, so that there is a middle to be killed in.
    let options = Options::new(&root).set("zookeeper", "max_transaction_bytes", "20000");
    let mut gateway = options.time_to_live(Duration::from_secs(120)).start().await;
    let sync = tokio::spawn(sync_request(gateway.http, "large", &snapshot).try_send());
    eventually("it is amid the sync", Duration::from_secs(20), async || {
        ensure(count(&znodes, "providers").await > 0, || "nothing is written".into())
    })
    .await;
    gateway.kill();
    assert!(sync.await.unwrap().is_err(), "it was killed too late");
    gateway.restart().await;
    let before = count(&znodes, "providers").await;
    assert!(before > 0 && before < CUT.into(), "{before}");

    let version = gateway.synced("large", &snapshot).await;
    assert!(count(&znodes, "providers").await >= CUT.into());
    assert_eq!(gateway.synced("large", &snapshot).await, version);
    // Left-overs go only when two looks in a row, half a minute apart, have found them.
    eventually("nothing is left over", Duration::from_secs(100), async || {
        let count = count(&znodes, "providers").await;
        ensure(count == usize::from(CUT), || format!("{count} providers"))
    })
    .await;
    assert_eq!(gateway.synced("large", &nothing()).await, version + 1);
    assert_eq!(count(&znodes, "providers").await, 0);
}

#[tokio::test]
async fn a_large_change_is_carried_to_its_end_when_its_client_gives_up() {
    const MANY: u16 = 1_000;
    let root = zookeeper::shared().await;
    let znodes = Znodes::connect(&root).await;
    let snapshot = snapshot(&entries("provided", MANY), &[]);
    let options = Options::new(&root).set("zookeeper", "max_transaction_bytes", "20000");
    let gateway = options.time_to_live(Duration::from_secs(120)).start().await;
    let sync = tokio::spawn(sync_request(gateway.http, "large", &snapshot).try_send());
    eventually("it is amid the sync", Duration::from_secs(20), async || {
        ensure(count(&znodes, "providers").await > 0, || "nothing is written".into())
    })
    .await;
    sync.abort();
    eventually("all of it stands", Duration::from_secs(60), async || {
        let report = gateway.request(Method::GET, "/registry/info/get").header("x-registrant-id", "large");
        let list = report.send().await.json()["service_list"]["pub_interface_list"].clone();
        let standing = (count(&znodes, "providers").await, list.as_array().map_or(0, Vec::len));
        ensure(standing == (MANY.into(), 40), || format!("{standing:?}"))
    })
    .await;
    assert_eq!(gateway.synced("large", &snapshot).await, 1, "it was done at once");
}
