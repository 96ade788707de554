//! Edits on several replicas, over outages and restarts: none is lost, and nothing goes but by silence.

use std::time::Duration;

use futures::future::join_all;
use reqwest::Method;
use serde_json::json;

use crate::fixtures::edits::{done, first, heartbeat, held, mainline, post};
use crate::fixtures::two;
use crate::support::beat::Beat;
use crate::support::client::Request;
use crate::support::eventually::{ensure, eventually, throughout};
use crate::support::gateway::{Gateway, Options};
use crate::support::watcher::Watcher;
use crate::support::znodes::Znodes;
use crate::support::zookeeper::{self, ZooKeeper};

/// Time within which a gateway must notice that the connection is gone, or is back.
const NOTICE: Duration = Duration::from_secs(30);

/// How long a sidecar may be silent in the tests that wait for it.
const TIME_TO_LIVE: Duration = Duration::from_secs(6);

#[tokio::test]
async fn edits_of_one_sidecar_on_two_replicas_at_once_all_survive() {
    const EACH: usize = 15;
    let (root, one, other) = two(Duration::from_secs(60)).await;
    let znodes = Znodes::connect(&root).await;
    let edit_all = |path: &'static str, gateways: [(&'static str, &Gateway); 2]| {
        let each = gateways.into_iter().flat_map(|(name, gateway)| {
            (0..EACH).map(move |number| {
                let body = first(&format!("demo.{name}{number}"));
                let request = Request::new(Method::POST, gateway.http, path).header("x-registrant-id", "r");
                request.json(&body).patience(NOTICE).send()
            })
        });
        join_all(each.collect::<Vec<_>>())
    };
    for answer in edit_all("/pub", [("One", &one), ("Other", &other)]).await {
        assert_eq!(answer.json()["code"], 0, "{answer:?}");
    }
    let report = async |gateway: &Gateway| {
        let request = gateway.request(Method::GET, "/registry/info/get").header("x-registrant-id", "r");
        request.send().await.json()["service_list"].clone()
    };
    // The last one may have been made through the other.
    let published = eventually("the first knows of all", NOTICE, async || {
        let published = report(&one).await;
        let count = published["pub_interface_list"].as_array().map_or(0, Vec::len);
        if count == 2 * EACH { Ok(published) } else { Err(format!("{count}: {published}")) }
    })
    .await;
    assert_eq!(published["version"], json!(2 * EACH), "each edit is one change");
    let tree = znodes.tree("/dubbo").await;
    assert_eq!(tree.keys().filter(|path| path.contains("/providers/")).count(), 2 * EACH);
    // The other way round, so that each removes what the other one wrote.
    for answer in edit_all("/unpub", [("Other", &one), ("One", &other)]).await {
        assert_eq!(answer.json()["code"], 0, "{answer:?}");
    }
    eventually("both know that nothing is left", NOTICE, async || {
        for gateway in [&one, &other] {
            let report = report(gateway).await;
            ensure(report == json!({"version": 4 * EACH}), || report.to_string())?;
        }
        Ok::<_, String>(())
    })
    .await;
    let tree = znodes.tree("/dubbo").await;
    assert_eq!(tree.keys().filter(|path| path.contains("/providers/")).count(), 0);
}

#[tokio::test]
async fn an_edit_is_never_lost_to_a_replica_that_has_not_heard_of_the_one_before() {
    let (root, one, other) = two(Duration::from_secs(60)).await;
    let znodes = Znodes::connect(&root).await;
    for round in 0..25 {
        let (first_at, then_at) = if round % 2 == 0 { (&one, &other) } else { (&other, &one) };
        done(first_at, "/pub", &mainline("demo.Echo", "", "")).await;
        done(then_at, "/unpub", &mainline("demo.Echo", "", "")).await;
        assert!(znodes.urls("demo.Echo", "providers").await.is_empty(), "round {round}");
        done(first_at, "/pub", &mainline("demo.Echo", "", "")).await;
        assert_eq!(znodes.urls("demo.Echo", "providers").await.len(), 1, "round {round}");
        done(then_at, "/unpub", &first("demo.Echo")).await;
    }
    let snapshots = znodes.tree("/zoogate/snapshots").await;
    let known = snapshots.keys().filter(|path| path.contains('@')).count();
    assert_eq!(known, 1, "the caller is the same to both: {snapshots:?}");
}

#[tokio::test]
async fn every_edit_and_heartbeat_keeps_the_whole_snapshot_alive_and_silence_removes_it() {
    let (root, one, other) = two(TIME_TO_LIVE).await;
    let znodes = Znodes::connect(&root).await;
    let watcher = Watcher::start(&root, "/dubbo").await;
    done(&one, "/pub", &mainline("demo.Echo", "", "")).await;
    let kept = async |what: &str, sign: &dyn Fn(&Gateway) -> Request| {
        throughout(what, 2 * TIME_TO_LIVE, async || {
            for gateway in [&one, &other] {
                sign(gateway).send().await.ok();
            }
            ensure(watcher.deleted("/providers/").is_empty(), || format!("{:?}", watcher.seen()))
        })
        .await;
    };
    kept("by heartbeats", &|gateway| gateway.request(Method::GET, "/heartbeat")).await;
    let used = mainline("demo.Used", "", "");
    kept("by edits of something else", &|gateway| gateway.request(Method::POST, "/unsub").json(&used)).await;
    eventually("silence removes", NOTICE, async || {
        ensure(watcher.deleted("demo.Echo/providers/").len() == 1, || format!("{:?}", watcher.seen()))
    })
    .await;
    // A heartbeat does not bring it back: it tells that nothing is left.
    eventually("the heartbeat tells it", NOTICE, async || {
        let reply = heartbeat(&one).await;
        ensure(reply == json!({"code": 0, "msg": "ack success"}), || reply.to_string())
    })
    .await;
    done(&other, "/pub", &first("demo.Echo")).await;
    assert_eq!(znodes.urls("demo.Echo", "providers").await.len(), 1);
    assert_eq!(held(&other).await["version"], 3, "its version grows over silence and return");
}

#[tokio::test]
async fn edits_are_refused_without_zookeeper_and_keep_alive_all_the_same() {
    let mut zookeeper = ZooKeeper::single().await;
    let connect = zookeeper.connect_string();
    let mut gateway = Options::new(&connect).time_to_live(TIME_TO_LIVE).start().await;
    done(&gateway, "/pub", &mainline("demo.Echo", "", "")).await;
    // Also while ZooKeeper and the gateway start again, which may take longer than the time to live.
    let _beat = Beat::caller(gateway.http, Duration::from_millis(300));
    zookeeper.kill(0);
    let refused = json!({"err_no": 1, "err_msg": "publish fail, err: zk not connected."});
    eventually("edits are refused", NOTICE, async || {
        let reply = post(&gateway, "/pub", &mainline("demo.Late", "", "")).await.json();
        ensure(reply == refused, || reply.to_string())
    })
    .await;
    throughout("honest for longer than the time to live", 2 * TIME_TO_LIVE, async || {
        let reply = post(&gateway, "/pub", &mainline("demo.Late", "", "")).await.json();
        ensure(reply == refused, || reply.to_string())?;
        let reply = post(&gateway, "/unpub", &first("demo.Echo")).await.json();
        ensure(reply["msg"] == "unpub fail, err: zk not connected.", || reply.to_string())?;
        let reply = heartbeat(&gateway).await;
        ensure(reply == json!({"code": 1, "msg": "zk not connected."}), || reply.to_string())
    })
    .await;
    zookeeper.restart(0).await;
    let watcher = Watcher::start(&connect, "/dubbo").await;
    eventually("the heartbeat counts again", NOTICE, async || {
        let reply = heartbeat(&gateway).await;
        ensure(reply["pub_interface_list"] == json!(["demo.Echo"]), || reply.to_string())
    })
    .await;
    assert_eq!(watcher.deleted("/providers/"), [""; 0]);
    // What was refused was not done later, behind the client's back.
    let znodes = Znodes::connect(&connect).await;
    assert!(znodes.urls("demo.Late", "providers").await.is_empty());

    gateway.terminate();
    gateway.restart().await;
    let reply = heartbeat(&gateway).await;
    assert_eq!(reply["pub_interface_list"], json!(["demo.Echo"]), "a restart forgets nobody");
    done(&gateway, "/unpub", &mainline("demo.Echo", "", "")).await;
    assert!(znodes.urls("demo.Echo", "providers").await.is_empty());
}

#[tokio::test]
async fn an_edit_loses_nothing_when_the_document_was_just_deleted_by_hand() {
    let root = zookeeper::shared().await;
    let (gateway, znodes) = (Options::new(&root).start().await, Znodes::connect(&root).await);
    done(&gateway, "/pub", &first("demo.A")).await;
    let tree = znodes.tree("/zoogate/snapshots").await;
    let document = tree.keys().find(|path| path.contains('@')).unwrap().clone();
    for round in 0..40 {
        znodes.delete(&document).await;
        let reply = done(&gateway, "/pub", &first(&format!("demo.B{round}"))).await;
        let expected = round + 2;
        assert_eq!(reply["pub_interface_list"].as_array().map(Vec::len), Some(expected), "{reply}");
        assert_eq!(held(&gateway).await["version"], json!(expected), "it never goes back");
    }
    assert_eq!(znodes.urls("demo.A", "providers").await.len(), 1);
}

#[tokio::test]
async fn who_returns_entry_by_entry_gets_every_timestamp_back() {
    let root = zookeeper::shared().await;
    let gateway = Options::new(&root).time_to_live(TIME_TO_LIVE).start().await;
    let znodes = Znodes::connect(&root).await;
    let urls = async || [znodes.urls("demo.A", "providers").await, znodes.urls("demo.B", "providers").await];
    for interface in ["demo.A", "demo.B"] {
        done(&gateway, "/pub", &first(interface)).await;
    }
    let before = urls().await;
    eventually("both fall silent", NOTICE, async || {
        let left = urls().await.concat();
        ensure(left.is_empty(), || format!("{left:?}"))
    })
    .await;
    for interface in ["demo.B", "demo.A"] {
        done(&gateway, "/pub", &first(interface)).await;
    }
    // A Java consumer would warm a provider up again whose timestamp is new.
    assert_eq!(urls().await, before);
}

#[tokio::test]
async fn an_edit_stands_at_the_application_level_as_well_where_that_is_written() {
    let root = zookeeper::shared().await;
    let gateway = Options::new(&root).set("dubbo", "application_level", "true").start().await;
    let znodes = Znodes::connect(&root).await;
    let standing = async || znodes.children("/services/shop").await;
    let of_shop = |interface: &str| json!({"service": {"interface": interface, "params": {"application": "shop"}}, "host": "10.0.0.7"});
    for interface in ["demo.A", "demo.B"] {
        done(&gateway, "/pub", &of_shop(interface)).await;
    }
    assert_eq!(standing().await, ["10.0.0.7:20882"]);
    done(&gateway, "/unpub", &of_shop("demo.A")).await;
    assert_eq!(standing().await, ["10.0.0.7:20882"]);
    done(&gateway, "/unpub", &of_shop("demo.B")).await;
    assert_eq!(standing().await, [""; 0]);
}
