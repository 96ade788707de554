//! The application level on several replicas: the same answers and revisions, and the same registrations whoever dies.

use std::time::Duration;

use serde_json::{Value, json};

use crate::fixtures::applications::{SOON, find_in_shop, found, offers, register_shop, shop};
use crate::fixtures::{entry, snapshot};
use crate::support::beat::Beat;
use crate::support::eventually::{ensure, eventually, throughout};
use crate::support::gateway::{Gateway, Options, SHORT_SESSION};
use crate::support::watcher::Watcher;
use crate::support::znodes::Znodes;
use crate::support::zookeeper;

/// How long a sidecar may be silent in these tests.
const TIME_TO_LIVE: Duration = Duration::from_secs(5);

fn options(root: &str) -> Options {
    Options::new(root).time_to_live(TIME_TO_LIVE).set("dubbo", "application_level", "true")
}

async fn revision(gateway: &Gateway, name: &str) -> String {
    let answer = gateway.get(&find_in_shop(name)).await.ok();
    answer.header("x-resource-revision").unwrap().to_owned()
}

/// What a client that carries `revision` is answered.
async fn since(gateway: &Gateway, name: &str, revision: &str) -> u16 {
    gateway.get(&format!("{}&rev={revision}", find_in_shop(name))).await.status
}

const INSTANCE: &str = "/services/shop/10.0.0.1:20880";

/// What the instance offers, as Dubbo files it.
async fn interfaces(znodes: &Znodes) -> Vec<String> {
    let instance: Value = serde_json::from_str(&znodes.data(INSTANCE).await).unwrap();
    let revision = instance["payload"]["metadata"]["dubbo.metadata.revision"].as_str().unwrap().to_owned();
    let document = znodes.data(&format!("/dubbo/metadata/shop/{revision}")).await;
    let document: Value = serde_json::from_str(&document).unwrap();
    document["services"].as_object().unwrap().keys().cloned().collect()
}

#[tokio::test]
async fn revisions_are_the_same_on_every_replica_also_on_one_that_has_just_started() {
    let root = zookeeper::shared().await;
    let znodes = Znodes::connect(&root).await;
    let early = options(&root).start().await;
    znodes.create("/dubbo/mapping/demo.Echo", "shop").await;
    znodes.create("/dubbo/metadata/shop/0a", &offers("shop", "0a", &["demo.Echo"])).await;
    znodes.create("/dubbo/metadata/shop/0b", &offers("shop", "0b", &["demo.Echo"])).await;
    let hosts = ["10.0.0.7", "10.0.0.8", "10.0.0.9"];
    for host in hosts {
        register_shop(&znodes, host, &shop(host, "0a", "remote")).await;
    }
    let three = ["dubbo://10.0.0.7", "dubbo://10.0.0.8", "dubbo://10.0.0.9"];
    found(&early, "demo.Echo", &three).await;
    found(&early, "shop", &three).await;
    znodes.set("/services/shop/10.0.0.8:20880", &shop("10.0.0.8", "0b", "remote")).await;
    znodes.delete("/services/shop/10.0.0.7:20880").await;
    let before = revision(&early, "demo.Echo").await;
    znodes.delete("/services/shop/10.0.0.9:20880").await;
    let eight = ["dubbo://10.0.0.8"];
    found(&early, "demo.Echo", &eight).await;
    found(&early, "shop", &eight).await;
    let late = options(&root).start().await;
    for name in ["shop", "demo.Echo"] {
        found(&late, name, &eight).await;
        let revision = revision(&early, name).await;
        assert_eq!(self::revision(&late, name).await, revision, "{name}");
        for gateway in [&early, &late] {
            assert_eq!(since(gateway, name, &revision).await, 304, "{name}");
        }
    }
    assert_eq!(since(&late, "demo.Echo", &before).await, 200);
    assert!(revision(&late, "demo.Echo").await > before, "it grows with every change");
}

#[tokio::test]
async fn a_revision_never_goes_back_when_an_application_goes() {
    let root = zookeeper::shared().await;
    let znodes = Znodes::connect(&root).await;
    let gateway = options(&root).start().await;
    let native = "dubbo%3A%2F%2F10.0.0.1%3A20880%2Fdemo.Echo%3Fapplication%3Dshop%26interface%3Ddemo.Echo";
    znodes.create(&format!("/dubbo/demo.Echo/providers/{native}"), "").await;
    znodes.create("/dubbo/mapping/demo.Echo", "other,shop").await;
    znodes.create("/dubbo/metadata/shop/0a", &offers("shop", "0a", &["demo.Echo"])).await;
    let mut revisions = vec![{
        found(&gateway, "demo.Echo", &["dubbo://10.0.0.1"]).await;
        revision(&gateway, "demo.Echo").await
    }];
    register_shop(&znodes, "10.0.0.9", &shop("10.0.0.9", "0a", "remote")).await;
    // Of another version, so it is another microservice of the same service.
    found(&gateway, "demo.Echo", &["dubbo://10.0.0.1", "dubbo://10.0.0.9"]).await;
    revisions.push(revision(&gateway, "demo.Echo").await);
    znodes.delete("/services/shop/10.0.0.9:20880").await;
    found(&gateway, "demo.Echo", &["dubbo://10.0.0.1"]).await;
    revisions.push(revision(&gateway, "demo.Echo").await);
    znodes.delete("/services/shop").await;
    eventually("the folder is known to be gone", SOON, async || {
        let now = revision(&gateway, "demo.Echo").await;
        ensure(now[..16] > revisions[2][..16], || now)
    })
    .await;
    revisions.push(revision(&gateway, "demo.Echo").await);
    assert!(revisions.is_sorted_by(|one, next| one[..16] < next[..16]), "{revisions:?}");
    assert_eq!(revisions[2][16..32], revisions[3][16..32], "the answer is the same");
    let late = options(&root).start().await;
    assert_eq!(revision(&late, "demo.Echo").await, revisions[3]);
}

#[tokio::test]
async fn many_sidecars_that_change_at_one_address_end_in_what_all_of_them_say() {
    let root = zookeeper::shared().await;
    let znodes = Znodes::connect(&root).await;
    let options = options(&root).time_to_live(Duration::from_secs(600));
    let gateways = [options.clone().start().await, options.start().await];
    let sidecar = |number: usize| {
        let gateways = &gateways;
        let provider = move |round: usize| {
            let mut provider = entry(&format!("demo.S{number}R{round}"), "10.0.0.1", 20880);
            provider["service"]["params"] = json!({"application": "shop"});
            provider
        };
        async move {
            for round in 0..8 {
                let providers = [provider(round), provider(round + 1)];
                // So many at one znode can run out of attempts; a sidecar repeats its snapshot anyway.
                eventually("the sync succeeds", SOON, async || {
                    let gateway = &gateways[(number + round) % 2];
                    let answer = gateway.sync(&format!("r{number}"), &snapshot(&providers, &[])).await;
                    ensure(answer.json()["code"] == 0, || answer.body)
                })
                .await;
            }
        }
    };
    let watcher = Watcher::start(&root, "/services").await;
    futures::future::join_all((0..6).map(sidecar)).await;
    let wanted: Vec<String> = (0..6).flat_map(|n| [7, 8].map(|r| format!("demo.S{n}R{r}:dubbo"))).collect();
    assert_eq!(interfaces(&znodes).await, wanted);
    assert!(watcher.deleted("").is_empty(), "{:?}", watcher.seen());
    for number in 0..6 {
        gateways[number % 2].synced(&format!("r{number}"), &snapshot(&[], &[])).await;
    }
    assert!(!znodes.exists(INSTANCE).await);
}

#[tokio::test]
async fn one_replica_dies_and_nothing_of_the_living_goes_and_then_the_silent_do() {
    let root = zookeeper::shared().await;
    let znodes = Znodes::connect(&root).await;
    let one = options(&root).session(SHORT_SESSION).start();
    let (mut one, other) = (one.await, options(&root).start().await);
    let provider = |interface: &str| {
        let mut provider = entry(interface, "10.0.0.1", 20880);
        provider["service"]["params"] = json!({"application": "shop"});
        snapshot(&[provider], &[])
    };
    let (loud, silent) = (provider("demo.Loud"), provider("demo.Silent"));
    one.synced("loud", &loud).await;
    one.synced("silent", &silent).await;
    let watcher = Watcher::start(&root, "/services").await;
    let beat = Beat::sidecar(&[one.http, other.http], "loud", &loud, Duration::from_millis(300));
    assert_eq!(interfaces(&znodes).await, ["demo.Loud:dubbo", "demo.Silent:dubbo"]);
    one.kill();
    eventually("the silent one is taken down", SOON, async || {
        let now = interfaces(&znodes).await;
        ensure(now == ["demo.Loud:dubbo"], || format!("{now:?}"))
    })
    .await;
    throughout("the instance stays", 2 * TIME_TO_LIVE, async || {
        ensure(watcher.deleted("").is_empty(), || format!("{:?}", watcher.seen()))
    })
    .await;
    drop(beat);
    eventually("the last one goes, and the instance with it", SOON, async || {
        ensure(!znodes.exists(INSTANCE).await, || "it is still there".into())
    })
    .await;
}
