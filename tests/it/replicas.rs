//! Several gateways over one ZooKeeper: any of them serves any request of anybody.

use std::time::Duration;

use crate::fixtures::{create_instance, create_service, find, instances, one_provider, two};
use crate::support::beat::Beat;
use crate::support::client::Answer;
use crate::support::eventually::{ensure, eventually, throughout};
use crate::support::gateway::{Gateway, Options, SHORT_SESSION};
use crate::support::watcher::Watcher;
use crate::support::zookeeper::{self, ZooKeeper};

/// How long a sidecar may be silent in these tests.
const TIME_TO_LIVE: Duration = Duration::from_secs(6);

/// Time that may pass beyond the time to live before a silent registration is gone.
const SLACK: Duration = Duration::from_secs(2);

/// A gateway whose session ends soon after it, another one, and their place in ZooKeeper.
async fn one_that_is_to_die() -> (String, Gateway, Gateway) {
    let root = zookeeper::shared().await;
    let options = Options::new(&root).time_to_live(TIME_TO_LIVE);
    let (one, other) = (options.clone().session(SHORT_SESSION).start().await, options.start().await);
    (root, one, other)
}

fn nothing_deleted(watcher: &Watcher) -> Result<(), String> {
    ensure(watcher.deleted("/providers/").is_empty(), || format!("{:?}", watcher.seen()))
}

#[tokio::test]
async fn a_sidecar_that_alternates_keeps_its_version_and_is_never_removed() {
    let (root, one, other) = two(TIME_TO_LIVE).await;
    let snapshot = one_provider("demo.Echo", 20880);
    assert_eq!(one.synced("r", &snapshot).await, 1);
    let watcher = Watcher::start(&root, "/dubbo").await;
    let beat = Beat::sidecar(&[one.http, other.http], "r", &snapshot, Duration::from_millis(500));
    throughout("never removed", 3 * TIME_TO_LIVE, async || nothing_deleted(&watcher)).await;
    let answers = beat.answers();
    assert!(beat.versions().len() == answers.len() && answers.len() > 5, "{answers:?}");
    assert!(beat.versions().iter().all(|&version| version == 1), "{answers:?}");
}

#[tokio::test]
async fn a_sidecar_that_moves_for_good_is_not_removed_by_the_replica_it_left() {
    let (root, one, other) = two(TIME_TO_LIVE).await;
    let snapshot = one_provider("demo.Echo", 20880);
    one.synced("r", &snapshot).await;
    let watcher = Watcher::start(&root, "/dubbo").await;
    let beat = Beat::sidecar(&[other.http], "r", &snapshot, Duration::from_millis(500));
    throughout("never removed", 2 * TIME_TO_LIVE + SLACK, async || nothing_deleted(&watcher)).await;
    assert!(beat.versions().iter().all(|&version| version == 1), "{:?}", beat.versions());
}

#[tokio::test]
async fn who_was_heard_last_by_a_replica_that_went_has_a_whole_time_to_live_from_then() {
    let time_to_live = 2 * TIME_TO_LIVE;
    let root = zookeeper::shared().await;
    let options = Options::new(&root).time_to_live(time_to_live);
    let (one, mut other) = (options.clone().start().await, options.start().await);
    let snapshot = one_provider("demo.Echo", 20880);
    one.synced("r", &snapshot).await;
    let watcher = Watcher::start(&root, "/dubbo").await;
    throughout("the one that stays forgets half of it", TIME_TO_LIVE, async || nothing_deleted(&watcher))
        .await;
    let heard = std::time::Instant::now();
    other.synced("r", &snapshot).await;
    other.terminate();
    let left = time_to_live.saturating_sub(heard.elapsed());
    throughout("it has all of it", left, async || nothing_deleted(&watcher)).await;
    eventually("it is taken down in the end", time_to_live + SLACK, async || {
        ensure(!watcher.deleted("/providers/").is_empty(), || "it is there".into())
    })
    .await;
}

#[tokio::test]
async fn silence_removes_once() {
    let (root, one, other) = two(TIME_TO_LIVE).await;
    let snapshot = one_provider("demo.Echo", 20880);
    let watcher = Watcher::start(&root, "/dubbo").await;
    for gateway in [&one, &other] {
        assert_eq!(gateway.synced("r", &snapshot).await, 1);
    }
    let deleted = eventually("silence removes", TIME_TO_LIVE + SLACK, async || {
        let deleted = watcher.deleted("");
        ensure(!deleted.is_empty(), || "nothing is deleted".into())?;
        Ok::<_, String>(deleted)
    });
    let deleted = deleted.await;
    assert!(deleted.len() == 1 && deleted[0].contains("demo.Echo/providers/"), "{deleted:?}");
    throughout("and only once", SLACK, async || {
        ensure(watcher.deleted("").len() == 1, || format!("{:?}", watcher.seen()))
    })
    .await;
    assert_eq!(watcher.created("/providers/").len(), 1, "{:?}", watcher.seen());
    assert_eq!(other.synced("r", &snapshot).await, 3, "its version grows over expiry and return");
}

#[tokio::test]
async fn a_replica_that_dies_takes_nothing_with_it() {
    let (root, mut one, other) = one_that_is_to_die().await;
    let snapshot = one_provider("demo.Echo", 20880);
    one.synced("r", &snapshot).await;
    let watcher = Watcher::start(&root, "/dubbo").await;
    let beat = Beat::sidecar(&[one.http, other.http], "r", &snapshot, Duration::from_millis(400));
    one.kill();
    throughout("never removed", 2 * TIME_TO_LIVE + SLACK, async || nothing_deleted(&watcher)).await;
    assert!(!beat.versions().is_empty());
    assert!(beat.versions().iter().all(|&version| version == 1), "{:?}", beat.versions());
}

#[tokio::test]
async fn what_a_dead_replica_alone_had_heard_is_removed_by_another_one_after_the_time_to_live() {
    let (root, mut one, other) = one_that_is_to_die().await;
    one.synced("orphan", &one_provider("demo.Orphan", 20880)).await;
    let watcher = Watcher::start(&root, "/dubbo").await;
    one.kill();
    // The server counts a session's silence in ticks and the orphan from the end of the session.
    eventually("the orphan is removed", 2 * SHORT_SESSION + TIME_TO_LIVE + SLACK, async || {
        ensure(!watcher.deleted("demo.Orphan/providers/").is_empty(), || "nothing is deleted".into())
    })
    .await;
    assert_eq!(other.ops("/readyz").send().await.status, 200);
}

#[tokio::test]
async fn both_replicas_give_the_same_version_and_rev() {
    let (_, one, other) = two(TIME_TO_LIVE).await;
    let service = create_service(&one, "stock").await;
    let mut revs = Vec::new();
    for port in [8080, 8081, 8082] {
        let instance = create_instance(&one, &service, port).await;
        let first = one.get(&find("stock")).await.ok();
        let rev = first.header("x-resource-revision").unwrap().to_owned();
        // Whoever carries this rev to the other replica must not step back in time.
        let carried = other.get(&format!("{}&rev={rev}", find("stock"))).await;
        assert_eq!(carried.status, 304, "{carried:?}");
        let second = other.get(&find("stock")).await.ok();
        assert_eq!(second.header("x-resource-revision"), Some(rev.as_str()));
        assert_eq!(second.json(), first.json());
        other.put(&format!("{}/{instance}/status?value=DOWN", instances(&service))).await.ok();
        revs.push(rev);
    }
    revs.dedup();
    assert_eq!(revs.len(), 3);
    for version in 1..4 {
        let snapshot = one_provider("demo.Echo", version);
        let versions = [one.synced("r", &snapshot).await, other.synced("r", &snapshot).await];
        assert_eq!(versions, [u64::from(version); 2]);
    }
}

#[tokio::test]
async fn two_replicas_that_change_one_registrant_at_once_agree_in_the_end() {
    let (root, one, other) = two(TIME_TO_LIVE).await;
    let znodes = crate::support::znodes::Znodes::connect(&root).await;
    for round in 1..20 {
        let (left, right) = (one_provider("demo.Echo", round), one_provider("demo.Echo", 1000 + round));
        let (left, right) = tokio::join!(one.sync("r", &left), other.sync("r", &right));
        for answer in [left, right] {
            let body = answer.json();
            assert!(body["code"] == 0 || body["msg"].as_str().unwrap().contains("repeat"), "{answer:?}");
        }
        assert_eq!(znodes.urls("demo.Echo", "providers").await.len(), 1, "round {round}");
    }
    let last = one_provider("demo.Echo", 5000);
    let versions = [one.synced("r", &last).await, other.synced("r", &last).await];
    assert_eq!(versions[0], versions[1]);
}

#[tokio::test]
async fn a_client_that_moves_to_a_replica_that_is_behind_is_not_taken_back_in_time() {
    let zookeeper = ZooKeeper::ensemble().await;
    let connect = zookeeper.connect_string();
    let servers: Vec<&str> = connect.split(',').collect();
    let leader = zookeeper.leader().await;
    let follower = (leader + 1) % servers.len();
    let ahead = Options::new(servers[leader]).start().await;
    let behind = Options::new(servers[follower]).start().await;
    let service = create_service(&ahead, "stock").await;
    create_instance(&ahead, &service, 8000).await;
    let count = |answer: &Answer| answer.json()["instances"].as_array().map_or(0, Vec::len);
    eventually("both know the first instance", Duration::from_secs(5), async || {
        let found = behind.get(&find("stock")).await;
        ensure(found.status == 200 && count(&found) == 1, || format!("{found:?}"))
    })
    .await;

    // From here on nothing reaches the follower's replica, while the others go on.
    zookeeper.pause(follower);
    create_instance(&ahead, &service, 8001).await;
    let found = ahead.get(&find("stock")).await.ok();
    let rev = found.header("X-Resource-Revision").unwrap().to_owned();
    assert_eq!(count(&found), 2);
    let carried = format!("{}&rev={rev}", find("stock"));
    let (carried, ()) = futures::join!(behind.get(&carried), async {
        throughout("without a rev it tells what it has", Duration::from_millis(500), async || {
            let found = behind.get(&find("stock")).await.ok();
            ensure(count(&found) == 1, || format!("{found:?}"))
        })
        .await;
        zookeeper.go_on(follower);
    });
    // It has caught up with what the client has seen already, so there is nothing new to tell.
    assert_eq!(carried.status, 304, "{carried:?}");
    assert_eq!(carried.header("X-Resource-Revision"), Some(rev.as_str()));
    assert!(carried.took >= Duration::from_millis(500), "it did not wait: {carried:?}");
    assert_eq!(count(&behind.get(&find("stock")).await.ok()), 2);
}
