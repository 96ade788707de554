//! What a replica plans from a catalog that is behind: it does no harm, and nothing is acknowledged that is not so.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use crate::fixtures::scene::{QUIET, SESSION, SOON, Scene, instance, patient, register};
use crate::fixtures::{create_service, id_in, instances, nothing, one_provider};
use crate::support::beat::Beat;
use crate::support::eventually::{ensure, eventually, throughout};
use crate::support::gateway::{accepted, registry_path, sync_request};
use crate::support::watcher::Watcher;
use crate::support::wire::Operation::{Reading, Transaction};
use crate::support::znodes::Znodes;
use crate::support::zookeeper;

#[tokio::test]
async fn a_change_that_meets_the_end_of_its_lease_is_committed_with_a_new_one() {
    let scene = Scene::start(|options| options).await;
    let (gateway, znodes) = (&scene.gateway, &scene.znodes);
    gateway.synced("r", &one_provider("demo.Echo", 1)).await;
    let service = create_service(gateway, "stock").await;
    register(gateway, &service, &instance("own", 1, 60)).await.ok();
    let sync = sync_request(gateway.http, "r", &one_provider("demo.Echo", 2)).patience(SESSION);
    let own = format!("{}/own", instances(&service));
    let change = gateway.request(Method::PUT, &registry_path(&format!("{own}/status?value=DOWN")));
    for (folder, name, request) in [("snapshots", "r", sync), ("instances", "own", change.patience(SESSION))]
    {
        let document = scene.path(&format!("/zoogate/{folder}"), name).await;
        let lease = scene.path("/zoogate/leases", name).await;
        let before = znodes.data(&document).await;
        scene.wire.hold_requests(&[(Transaction, "")]);
        let (answer, ()) = futures::join!(request.send(), async {
            scene.held().await;
            scene.delete_lease(&lease).await;
            scene.wire.release();
        });
        answer.ok();
        assert_ne!(znodes.data(&document).await, before);
        let tree = znodes.tree("/zoogate").await;
        let leased = tree.get(&lease).map(|stat| stat.czxid);
        assert!(leased.is_some_and(|leased| leased <= tree[&document].mzxid), "{name} had none: {tree:?}");
    }
}

#[tokio::test]
async fn a_heartbeat_is_not_accepted_while_the_replica_has_not_seen_what_became_of_its_taking_down() {
    let scene = Scene::start(|options| {
        let options = options.set("servicecomb", "min_interval", "\"1s\"");
        let options = options.set("servicecomb", "min_times", "1");
        options.set("zookeeper", "operation_timeout", "\"1s\"")
    })
    .await;
    let service = create_service(&scene.gateway, "stock").await;
    // A busy machine may not do it within so short a time at once.
    eventually("it is registered", SOON, async || {
        let answer = register(&scene.gateway, &service, &instance("own", 1, 4)).await;
        ensure(answer.status == 200, || format!("{answer:?}"))
    })
    .await;
    scene.wire.hold_replies(&[(Transaction, "/own")]);
    let document = scene.path("/zoogate/instances", "own").await;
    eventually("it is taken down", SOON, async || {
        ensure(!scene.znodes.exists(&document).await, || "it is there".into())
    })
    .await;
    scene.held().await;
    let heartbeat = format!("{}/own/heartbeat", instances(&service));
    throughout("no heartbeat is accepted", 3 * QUIET, async || {
        let answer = scene.gateway.put(&heartbeat).await;
        ensure(answer.status != 200, || format!("{answer:?}"))
    })
    .await;
    scene.wire.release();
    eventually("it is told that it is gone", SOON, async || {
        let answer = scene.gateway.put(&heartbeat).await;
        ensure(answer.status == 400, || format!("{answer:?}"))
    })
    .await;
}

#[tokio::test]
async fn a_mark_that_is_read_before_its_replica_is_not_swept() {
    let scene = Scene::start(|options| options).await;
    scene.gateway.synced("r", &one_provider("demo.Echo", 1)).await;
    let lease = scene.path("/zoogate/leases", "r").await;
    let mark = format!("{lease}/ghost");
    // The mark's reading goes first, and its reply arrives, while that of the replica is still on its way.
    scene.wire.hold_requests(&[(Reading, "/ghost")]);
    scene.znodes.create(&mark, "").await;
    scene.held().await;
    scene.znodes.create("/zoogate/replicas/ghost", "{}").await;
    scene.wire.hold_replies(&[(Reading, "/replicas/ghost")]);
    let stands = async || ensure(scene.znodes.exists(&mark).await, || format!("{mark} is gone"));
    eventually("the reply is held", SOON, async || {
        stands().await?;
        ensure(scene.wire.is_holding(), || "no reply".into())
    })
    .await;
    throughout("it stands", QUIET, stands).await;
    scene.wire.release();
    throughout("it goes on standing", QUIET, stands).await;
    scene.znodes.delete("/zoogate/replicas/ghost").await;
    eventually("it goes with its replica", SOON, async || {
        ensure(!scene.znodes.exists(&mark).await, || "it is there".into())
    })
    .await;
}

#[tokio::test]
async fn a_lease_is_not_restored_for_one_who_left_this_replica_long_ago() {
    let time_to_live = Duration::from_secs(6);
    let root = zookeeper::shared().await;
    let options = patient(&root).time_to_live(time_to_live);
    let (left, heard) = (options.clone().start().await, options.start().await);
    let znodes = Znodes::connect(&root).await;
    let snapshot = one_provider("demo.Echo", 1);
    left.synced("r", &snapshot).await;
    let tree = znodes.tree("/zoogate/leases").await;
    let lease = tree.keys().find(|path| path.ends_with("/r")).unwrap();
    let mine = znodes.children(lease).await.remove(0);
    let beat = Beat::sidecar(&[heard.http], "r", &snapshot, Duration::from_millis(500));
    eventually("the replica that it left gives it up", time_to_live + SOON, async || {
        let marks = znodes.children(lease).await;
        ensure(marks.len() == 1 && !marks.contains(&mine), || format!("{marks:?}"))
    })
    .await;
    // The other one can neither hear it nor put anything back.
    drop(beat);
    heard.pause();
    let watcher = Watcher::start(&root, "/dubbo").await;
    let mark = znodes.children(lease).await.remove(0);
    znodes.delete(&format!("{lease}/{mark}")).await;
    znodes.delete(lease).await;
    eventually("the lease is back", SOON, async || {
        ensure(znodes.exists(lease).await, || "it is not there".into())
    })
    .await;
    throughout("nobody takes it for silent yet", time_to_live / 2, async || {
        ensure(watcher.deleted("").is_empty(), || format!("{:?}", watcher.seen()))
    })
    .await;
}

#[tokio::test]
async fn what_is_registered_again_is_registered_even_if_this_replica_has_not_heard_of_its_end() {
    let scene = Scene::start(|options| options).await;
    let other = patient(&scene.root).start().await;
    let service = create_service(&scene.gateway, "stock").await;
    let instance = instance("own", 1, 60);
    register(&scene.gateway, &service, &instance).await.ok();
    let document = scene.path("/zoogate/instances", "own").await;
    scene.wire.hold_news();
    eventually("the other one unregisters it", SOON, async || {
        let answer = other.delete(&format!("{}/own", instances(&service))).await;
        ensure(answer.status == 200, || format!("{answer:?}"))
    })
    .await;
    assert!(!scene.znodes.exists(&document).await);
    let (answer, ()) = futures::join!(register(&scene.gateway, &service, &instance), async {
        tokio::time::sleep(QUIET).await;
        scene.wire.release();
    });
    assert_eq!(id_in(&answer.ok().json(), "instanceId"), "own");
    assert!(scene.znodes.exists(&document).await, "acknowledged and not there");
    assert_eq!(scene.znodes.providers("stock").await.len(), 1);

    let microservice = scene.path("/zoogate/microservices", &service).await;
    scene.wire.hold_news();
    other.delete(&format!("/microservices/{service}?force=1")).await.ok();
    assert!(!scene.znodes.exists(&microservice).await);
    let (again, ()) = futures::join!(create_service(&scene.gateway, "stock"), async {
        tokio::time::sleep(QUIET).await;
        scene.wire.release();
    });
    assert_eq!(again, service);
    assert!(scene.znodes.exists(&microservice).await, "acknowledged and not there");
}

#[tokio::test]
async fn a_change_of_an_instance_does_not_meet_the_one_that_was_registered_in_its_place() {
    let scene = Scene::start(|options| options).await;
    let other = patient(&scene.root).start().await;
    let service = create_service(&other, "stock").await;
    // Heard by the replica that changes it or not, and met before its mark or before its change.
    for (round, (heard, transactions)) in (0u16..).zip([(true, 1), (false, 1), (false, 2)]) {
        let (before, after) = (100 + 2 * round, 101 + 2 * round);
        let id = &format!("own{round}");
        let path = format!("{}/{id}", instances(&service));
        let first = if heard { &scene.gateway } else { &other };
        eventually("it is registered", SOON, async || {
            let answer = register(first, &service, &instance(id, before, 60)).await;
            ensure(answer.status == 200, || format!("{answer:?}"))
        })
        .await;
        for gateway in [&scene.gateway, &other] {
            eventually("both know it", SOON, async || {
                let found = gateway.get(&path).await.body;
                ensure(found.contains(&format!(":{before}\"")), || found)
            })
            .await;
        }
        let properties = registry_path(&format!("{path}/properties"));
        let body = json!({"properties": {"changed": format!("{round}")}});
        let change = scene.gateway.request(Method::PUT, &properties).json(&body).patience(SESSION);
        scene.wire.hold_requests(&vec![(Transaction, "/own"); transactions]);
        let (answer, ()) = futures::join!(change.send(), async {
            eventually("the change is on its way, or done", SOON, async || {
                let changed = other.get(&path).await.body.contains("changed");
                ensure(scene.wire.is_holding() || changed, || "it is not".into())
            })
            .await;
            other.delete(&path).await.ok();
            register(&other, &service, &instance(id, after, 60)).await.ok();
            scene.wire.release();
        });
        answer.ok();
        let document = scene.znodes.data(&scene.path("/zoogate/instances", id).await).await;
        assert!(document.contains(&format!(":{after}\"")), "round {round}: {document}");
        let providers = scene.znodes.urls("stock", "providers").await;
        assert!(providers.len() == 1 && providers[0].contains(&format!(":{after}/")), "{providers:?}");
        other.delete(&path).await.ok();
    }
}

#[tokio::test]
async fn a_sync_after_one_whose_client_hung_up_waits_for_what_was_sent() {
    let scene = Scene::start(|options| options).await;
    let (address, snapshot) = (scene.gateway.http, one_provider("demo.Echo", 1));
    scene.gateway.synced("r", &snapshot).await;
    scene.wire.hold_requests(&[(Transaction, "")]);
    // It says that nothing is provided any more, and does not wait for the answer.
    let hasty = sync_request(address, "r", &nothing()).patience(SESSION);
    let hasty = tokio::spawn(hasty.try_send());
    scene.held().await;
    hasty.abort();
    assert!(hasty.await.is_err());
    tokio::time::sleep(QUIET).await;
    let sync = sync_request(address, "r", &snapshot).patience(SESSION);
    let (answer, ()) = futures::join!(sync.send(), async {
        tokio::time::sleep(QUIET).await;
        scene.wire.release();
    });
    accepted(&answer);
    throughout("what was acknowledged stands", QUIET, async || {
        let providers = scene.znodes.providers("demo.Echo").await;
        ensure(providers.len() == 1, || format!("{providers:?}"))
    })
    .await;
}
