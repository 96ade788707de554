//! Changes that come at the same time share a transaction, and do not notice one another.

use serde_json::Value;
use tokio::task::JoinHandle;
use zookeeper_client::{Acl, Permission};

use crate::fixtures::applications::metric;
use crate::fixtures::scene::{QUIET, SESSION, SOON, Scene};
use crate::fixtures::{entry, snapshot};
use crate::support::client::Answer;
use crate::support::eventually::{ensure, eventually};
use crate::support::gateway::{accepted, sync_request};
use crate::support::wire::Operation::Transaction;

/// As many as are under way before anybody has to share.
const ALONE: usize = 4;
const SIDECARS: usize = 24;

/// What sidecar `number` provides: `demo.Echo`, and `demo.Closed` if it is the one who has that.
fn wanted(number: usize, port: u16, closed: Option<usize>) -> Value {
    let host = format!("10.0.0.{number}");
    let mut providers = vec![entry("demo.Echo", &host, port)];
    if closed == Some(number) {
        providers.push(entry("demo.Closed", &host, port));
    }
    snapshot(&providers, &[])
}

/// A gateway at which every sidecar is registered at port 1, so that nothing but changes is left to do.
async fn registered(closed: Option<usize>) -> Scene {
    let scene = Scene::start(|options| options.set("zookeeper", "max_queue_time", "\"30s\"")).await;
    for number in 0..SIDECARS {
        scene.gateway.synced(&format!("r{number}"), &wanted(number, 1, closed)).await;
    }
    scene
}

/// Has all of them change to port 2 while ZooKeeper hears nothing, and then all at once.
async fn change_together(scene: &Scene, closed: Option<usize>) -> Vec<Answer> {
    scene.wire.hold_requests(&[(Transaction, "")]);
    let mut changes: Vec<JoinHandle<Answer>> = Vec::new();
    for numbers in [0..ALONE, ALONE..SIDECARS] {
        let until = numbers.end;
        changes.extend(numbers.map(|number| {
            let wanted = wanted(number, 2, closed);
            let request = sync_request(scene.gateway.http, &format!("r{number}"), &wanted);
            tokio::spawn(request.patience(SESSION).send())
        }));
        eventually("they wait", SOON, async || {
            let waiting = metric(&scene.gateway, "zoogate_http_requests_in_flight").await;
            ensure(waiting == Some(until as f64 + 1.0), || format!("{waiting:?} of {until}"))
        })
        .await;
        scene.held().await;
        // From the request to the transaction it takes a moment.
        tokio::time::sleep(QUIET).await;
    }
    scene.wire.release();
    let mut answers = Vec::new();
    for change in changes {
        answers.push(change.await.unwrap());
    }
    answers
}

#[tokio::test]
async fn changes_that_come_while_others_are_under_way_go_together() {
    let scene = registered(None).await;
    let before = scene.wire.count((Transaction, "demo.Echo"));
    for answer in change_together(&scene, None).await {
        assert_eq!(accepted(&answer), 2);
    }
    let sent = scene.wire.count((Transaction, "demo.Echo")) - before;
    // What they replace is taken away later, in others.
    assert!(sent < SIDECARS, "{sent} transactions");
    let urls = scene.znodes.urls("demo.Echo", "providers").await;
    assert_eq!(urls.iter().filter(|url| url.contains(":2/demo.Echo?")).count(), SIDECARS);
}

#[tokio::test]
async fn one_that_cannot_be_done_is_refused_and_takes_none_of_the_others_along() {
    const CLOSED: usize = 13;
    static READ_ONLY: [Acl; 1] = [Acl::new_const(Permission::READ, "world", "anyone")];
    let scene = registered(Some(CLOSED)).await;
    let folder = "/dubbo/demo.Closed/providers";
    scene.znodes.client().set_acl(folder, &READ_ONLY, None).await.unwrap();
    let answers = change_together(&scene, Some(CLOSED)).await;
    for (number, answer) in answers.iter().enumerate() {
        if number == CLOSED {
            let reply = answer.json();
            assert!(reply["code"] == 1 && reply["msg"].as_str().unwrap().contains(folder), "{answer:?}");
        } else {
            assert_eq!(accepted(answer), 2);
        }
    }
    let urls = scene.znodes.urls("demo.Echo", "providers").await;
    assert_eq!(urls.iter().filter(|url| url.contains(":2/demo.Echo?")).count(), SIDECARS - 1);
}
