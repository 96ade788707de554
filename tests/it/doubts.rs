//! What a replica cannot be sure of any more it neither acknowledges nor acts on.

use std::time::{Duration, Instant};

use reqwest::Method;

use crate::fixtures::scene::{QUIET, SESSION, SOON, Scene, instance, patient, register};
use crate::fixtures::{create_service, instances, nothing, one_provider};
use crate::support::client::Answer;
use crate::support::eventually::{ensure, eventually, throughout};
use crate::support::gateway::{Gateway, Options, accepted, registry_path, sync_request};
use crate::support::proxy::{Mode, Proxy};
use crate::support::watcher::Watcher;
use crate::support::wire::Operation::{CatchingUp, Reading, Transaction};
use crate::support::zookeeper;

/// A process that stood still for so long knows that it did.
const PAUSE: Duration = Duration::from_secs(3);

/// With a deadline that a test can wait for.
fn with_deadline(options: Options) -> Options {
    options.set("zookeeper", "operation_timeout", "\"3s\"")
}

async fn registered(gateway: &Gateway, service: &str, id: &str, port: u16) {
    // A busy machine may not do it within its deadline at once.
    eventually("it is registered", SOON, async || {
        let answer = register(gateway, service, &instance(id, port, 60)).await;
        ensure(answer.status == 200, || format!("{answer:?}"))
    })
    .await;
}

async fn heartbeat(gateway: &Gateway, service: &str, id: &str) -> Answer {
    let path = registry_path(&format!("{}/{id}/heartbeat", instances(service)));
    gateway.request(Method::PUT, &path).patience(SESSION).send().await
}

#[tokio::test]
async fn a_heartbeat_without_a_connection_is_taken_for_half_of_the_time_to_live_at_most() {
    let half = Duration::from_secs(5);
    let root = zookeeper::shared().await;
    let (proxy, connect) = Proxy::in_front_of(&root).await;
    let options =
        patient(&connect).set("servicecomb", "min_interval", "\"1s\"").set("servicecomb", "min_times", "1");
    let gateway = options.start().await;
    let service = create_service(&gateway, "stock").await;
    register(&gateway, &service, &instance("long", 1, 60)).await.ok();
    register(&gateway, &service, &instance("short", 2, 5)).await.ok();
    let cut = Instant::now();
    proxy.set(Mode::Refuse);
    eventually("it knows that it has no connection", SOON, async || {
        let ready = gateway.ops("/readyz").send().await;
        ensure(ready.status == 503, || ready.body)
    })
    .await;
    // On a busy machine a heartbeat may come too late to tell.
    let first = heartbeat(&gateway, &service, "short").await;
    assert!(first.status == 200 || cut.elapsed() > half, "{first:?}");
    tokio::time::sleep(half).await;
    heartbeat(&gateway, &service, "short").await.refused("500011");
    let other = heartbeat(&gateway, &service, "long").await;
    assert!(other.status == 200 || cut.elapsed() > SESSION, "{other:?}");
}

#[tokio::test]
async fn a_silence_that_was_found_under_one_lease_takes_nobody_down_under_another() {
    let time_to_live = Duration::from_secs(6);
    let scene = Scene::start(|options| options.time_to_live(time_to_live)).await;
    let _other = patient(&scene.root).start().await;
    let watcher = Watcher::start(&scene.root, "/dubbo").await;
    scene.gateway.synced("r", &one_provider("demo.Echo", 1)).await;
    let lease = scene.path("/zoogate/leases", "r").await;
    // Before it takes somebody down, a replica makes sure that it knows everything.
    scene.wire.hold_requests(&[(CatchingUp, "")]);
    scene.held().await;
    scene.delete_lease(&lease).await;
    eventually("the other one puts the lease back", SOON, async || {
        ensure(scene.znodes.exists(&lease).await, || "it is not there".into())
    })
    .await;
    scene.wire.release();
    throughout("nobody takes it for silent yet", time_to_live / 2, async || {
        ensure(watcher.deleted("").is_empty(), || format!("{:?}", watcher.seen()))
    })
    .await;
    eventually("it goes when nobody has heard of it since", time_to_live + SOON, async || {
        ensure(!watcher.deleted("").is_empty(), || "it is there".into())
    })
    .await;
}

#[tokio::test]
async fn a_lease_that_is_put_back_while_its_sidecar_goes_goes_as_well() {
    let scene = Scene::start(|options| options).await;
    let other = patient(&scene.root).start().await;
    scene.gateway.synced("r", &one_provider("demo.Echo", 1)).await;
    let lease = scene.path("/zoogate/leases", "r").await;
    let sync = sync_request(scene.gateway.http, "r", &nothing()).patience(SESSION);
    scene.wire.hold_requests(&[(Transaction, "")]);
    let (answer, ()) = futures::join!(sync.send(), async {
        scene.held().await;
        other.pause();
        scene.delete_lease(&lease).await;
        // The first attempt fails for the lack of the lease, and the second one is made without it.
        scene.wire.hold_requests(&[(Transaction, "")]);
        scene.held().await;
        other.go_on();
        eventually("the other one puts the lease back", SOON, async || {
            ensure(scene.znodes.exists(&lease).await, || "it is not there".into())
        })
        .await;
        scene.wire.release();
    });
    accepted(&answer);
    assert!(!scene.znodes.exists(&lease).await, "a lease of nobody");
    assert!(scene.znodes.providers("demo.Echo").await.is_empty());
}

#[tokio::test]
async fn a_mark_that_could_not_be_read_back_is_not_relied_on() {
    let scene = Scene::start(with_deadline).await;
    let (gateway, wire, znodes) = (&scene.gateway, &scene.wire, &scene.znodes);
    let service = create_service(gateway, "stock").await;
    let mut deletion = znodes.client().new_multi_writer();
    for (id, port) in [("own1", 1), ("own2", 2)] {
        registered(gateway, &service, id, port).await;
        let lease = scene.path("/zoogate/leases", id).await;
        let mark = znodes.children(&lease).await.remove(0);
        deletion.add_delete(&format!("{lease}/{mark}"), None).unwrap();
    }
    let attempts = wire.count((Transaction, "/own1"));
    // Marks that somebody deletes are written again, and are not seen in time.
    wire.hold_replies(&[(Transaction, "/own1"), (Reading, "/own1")]);
    deletion.commit().await.unwrap();
    eventually("the first attempt is over", SOON, async || {
        let more = wire.count((Transaction, "/own1")) - attempts;
        ensure(wire.is_holding() && more >= 2, || format!("{more} attempts"))
    })
    .await;
    wire.release();
    eventually("both are seen", SOON, async || {
        let answer = heartbeat(gateway, &service, "own2").await;
        ensure(answer.status == 200, || format!("{answer:?}"))
    })
    .await;
    wire.hold_news();
    heartbeat(gateway, &service, "own1").await.refused("500011");
    wire.release();
    eventually("it is heard again", SOON, async || {
        let answer = heartbeat(gateway, &service, "own1").await;
        ensure(answer.status == 200, || format!("{answer:?}"))
    })
    .await;
}

#[tokio::test]
async fn what_was_known_before_a_pause_of_the_process_is_not_relied_on() {
    let scene = Scene::start(with_deadline).await;
    let (gateway, snapshot) = (&scene.gateway, one_provider("demo.Echo", 1));
    let other = patient(&scene.root).start().await;
    let service = create_service(gateway, "stock").await;
    registered(gateway, &service, "own", 1).await;
    gateway.synced("r", &snapshot).await;
    scene.wire.hold_news();
    gateway.pause();
    // Time for all of its threads to stop, and for them to have stood still.
    eventually("the other one unregisters it", SOON, async || {
        let answer = other.delete(&format!("{}/own", instances(&service))).await;
        ensure(answer.status == 200, || format!("{answer:?}"))
    })
    .await;
    accepted(&other.sync("r", &nothing()).await);
    tokio::time::sleep(PAUSE).await;
    gateway.go_on();
    heartbeat(gateway, &service, "own").await.refused("500011");
    let answer = sync_request(gateway.http, "r", &snapshot).patience(SESSION).send().await;
    assert_ne!(answer.json()["code"], 0, "{answer:?}");
    scene.wire.release();
    eventually("it is told that it is gone", SOON, async || {
        let answer = heartbeat(gateway, &service, "own").await;
        ensure(answer.status == 400, || format!("{answer:?}"))
    })
    .await;
    eventually("it is registered again", SOON, async || {
        let answer = sync_request(gateway.http, "r", &snapshot).patience(SESSION).send().await;
        ensure(answer.json()["code"] == 0, || format!("{answer:?}"))
    })
    .await;
    assert_eq!(scene.znodes.providers("demo.Echo").await.len(), 1);
}

#[tokio::test]
async fn no_heartbeat_is_taken_without_a_connection_after_a_pause_of_the_process() {
    let root = zookeeper::shared().await;
    let (proxy, connect) = Proxy::in_front_of(&root).await;
    let gateway = with_deadline(patient(&connect)).start().await;
    let other = patient(&root).start().await;
    let service = create_service(&gateway, "stock").await;
    registered(&gateway, &service, "own", 1).await;
    gateway.pause();
    eventually("the other one unregisters it", SOON, async || {
        let answer = other.delete(&format!("{}/own", instances(&service))).await;
        ensure(answer.status == 200, || format!("{answer:?}"))
    })
    .await;
    proxy.set(Mode::Refuse);
    tokio::time::sleep(PAUSE).await;
    gateway.go_on();
    // Nobody can tell whether its session is still alive.
    throughout("no heartbeat is taken", QUIET, async || {
        let answer = heartbeat(&gateway, &service, "own").await;
        ensure(answer.status != 200, || format!("{answer:?}"))
    })
    .await;
    proxy.set(Mode::Pass);
    eventually("it is told that it is gone", SOON, async || {
        let answer = heartbeat(&gateway, &service, "own").await;
        ensure(answer.status == 400, || format!("{answer:?}"))
    })
    .await;
}
