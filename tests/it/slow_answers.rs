//! A ZooKeeper whose answers take their time: nothing is asked for over and over, and nothing waits for what is not its own.

use futures::future::join_all;
use reqwest::Method;
use zookeeper_client::{Acls, CreateMode};

use crate::fixtures::applications::{endpoints, found};
use crate::fixtures::scene::{QUIET, SESSION, SOON, Scene, patient};
use crate::fixtures::{create_service, instances};
use crate::support::eventually::{ensure, eventually, throughout};
use crate::support::gateway::registry_path;
use crate::support::proxy::{Mode, Proxy};
use crate::support::wire::Operation::{CatchingUp, Reading};
use crate::support::wire::Wire;
use crate::support::znodes::{Znodes, escape};
use crate::support::zookeeper;

/// The znode of a provider as a Dubbo application of its own makes it.
fn provider(host: &str, weight: u8) -> String {
    let url = format!("dubbo://{host}:20880/demo.Echo?application=shop&interface=demo.Echo&weight={weight}");
    format!("/dubbo/demo.Echo/providers/{}", escape(&url))
}

#[tokio::test]
async fn what_is_being_read_is_not_read_once_more_for_everybody_who_waits_for_everything() {
    let scene = Scene::start(|options| options).await;
    let (gateway, wire) = (&scene.gateway, &scene.wire);
    let service = create_service(gateway, "stock").await;
    scene.znodes.create(&provider("10.0.0.1", 1), "").await;
    found(gateway, "demo.Echo", &["dubbo://10.0.0.1"]).await;
    // Nobody knows these instances, so whoever hears of them catches up first.
    let unknown = (0..5).map(|number| {
        let path = registry_path(&format!("{}/unknown{number}/heartbeat", instances(&service)));
        gateway.request(Method::PUT, &path).patience(SESSION).send()
    });
    wire.hold_requests(&[(CatchingUp, "")]);
    let (answers, ()) = futures::join!(join_all(unknown), async {
        scene.held().await;
        scene.znodes.create(&provider("10.0.0.2", 1), "").await;
        // Its reading is to be sent before the server has caught up, and answered after.
        tokio::time::sleep(QUIET).await;
        wire.hold_replies(&[(Reading, "10.0.0.2")]);
        scene.held().await;
        tokio::time::sleep(QUIET).await;
        wire.release();
    });
    answers.iter().for_each(|answer| answer.refused("400017"));
    assert_eq!(wire.count((Reading, "10.0.0.2")), 1);
    assert_eq!(endpoints(gateway, "demo.Echo").await.len(), 2);
}

#[tokio::test]
async fn a_provider_that_was_replaced_goes_while_another_one_beside_it_is_still_being_read() {
    let scene = Scene::start(|options| options).await;
    let (gateway, wire, znodes) = (&scene.gateway, &scene.wire, &scene.znodes);
    znodes.create(&provider("10.0.0.1", 1), "").await;
    found(gateway, "demo.Echo", &["dubbo://10.0.0.1"]).await;
    wire.hold_requests(&[(Reading, "10.0.0.1")]);
    let options = CreateMode::Persistent.with_acls(Acls::anyone_all());
    let mut replacement = znodes.client().new_multi_writer();
    replacement.add_create(&provider("10.0.0.1", 2), b"", &options).unwrap();
    replacement.add_delete(&provider("10.0.0.1", 1), None).unwrap();
    replacement.commit().await.unwrap();
    scene.held().await;
    // News of this one arrives before the other two are read.
    znodes.create(&provider("10.0.0.2", 1), "").await;
    wire.hold_replies(&[(Reading, "10.0.0.2")]);
    scene.held().await;
    eventually("the old one goes", SOON, async || {
        let endpoints = endpoints(gateway, "demo.Echo").await;
        let is_new = endpoints.len() == 1 && endpoints[0].contains("weight=2");
        ensure(is_new, || format!("{endpoints:?}"))
    })
    .await;
    wire.release();
    found(gateway, "demo.Echo", &["dubbo://10.0.0.1", "dubbo://10.0.0.2"]).await;
}

#[tokio::test]
async fn what_was_replaced_stays_until_everything_is_read_again_after_the_connection_was_lost() {
    let root = zookeeper::shared().await;
    let znodes = Znodes::connect(&root).await;
    let (wire, connect) = Wire::start(&root).await;
    let (proxy, through) = Proxy::in_front_of(&connect).await;
    let gateway = patient(&through).start().await;
    znodes.create(&provider("10.0.0.1", 1), "").await;
    found(&gateway, "demo.Echo", &["dubbo://10.0.0.1"]).await;
    proxy.set(Mode::Refuse);
    eventually("it has noticed", SOON, async || {
        let answer = gateway.ops("/readyz").send().await;
        ensure(answer.status == 503, || format!("{answer:?}"))
    })
    .await;
    // Nobody is told of this one.
    znodes.create(&provider("10.0.0.1", 2), "").await;
    wire.hold_requests(&[(Reading, "")]);
    let is_held = async || ensure(wire.is_holding(), || "nothing is read".into());
    proxy.set(Mode::Pass);
    eventually("the reading of everything begins", SOON, is_held).await;
    // But of this. It is read before everything else has been.
    znodes.delete(&provider("10.0.0.1", 1)).await;
    tokio::time::sleep(QUIET).await;
    wire.hold_requests(&[(Reading, "weight%3D2")]);
    eventually("the new one is about to be read", SOON, is_held).await;
    throughout("the old one is shown", QUIET, async || {
        let endpoints = endpoints(&gateway, "demo.Echo").await;
        ensure(endpoints.len() == 1, || format!("{endpoints:?}"))
    })
    .await;
    wire.release();
    eventually("the new one is shown", SOON, async || {
        let endpoints = endpoints(&gateway, "demo.Echo").await;
        ensure(endpoints.len() == 1 && endpoints[0].contains("weight=2"), || format!("{endpoints:?}"))
    })
    .await;
}
