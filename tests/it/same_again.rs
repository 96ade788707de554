//! Whoever registers what stands already only has ZooKeeper asked whether it does, and need not wait for others who ask the same.

use serde_json::Value;
use tokio::task::JoinHandle;

use crate::fixtures::scene::{SESSION, SOON, Scene, instance, register};
use crate::fixtures::{create_service, find, instances};
use crate::support::client::Answer;
use crate::support::eventually::{ensure, eventually};
use crate::support::gateway::registry_path;
use crate::support::wire::Operation::Transaction;

/// As many transactions as may be under way.
const MANY: usize = 4;

/// The same instance that leaves its id to the gateway, which finds it by its endpoints.
fn without_id(mut instance: Value) -> Value {
    instance["instance"].as_object_mut().unwrap().remove("instanceId");
    instance
}

fn registering(scene: &Scene, service: &str, instance: &Value) -> JoinHandle<Answer> {
    let request = scene.gateway.request(reqwest::Method::POST, &registry_path(&instances(service)));
    tokio::spawn(request.json(instance).patience(SESSION).send())
}

#[tokio::test]
async fn those_who_register_the_same_again_do_not_wait_for_one_another() {
    let scene = Scene::start(|options| options).await;
    let service = create_service(&scene.gateway, "stock").await;
    let named = instance("own", 1, 30);
    register(&scene.gateway, &service, &named).await.ok();
    for again in [named.clone(), without_id(named)] {
        let of_it = (Transaction, "/own");
        let before = scene.wire.count(of_it);
        scene.wire.hold_replies(&[of_it]);
        let mut asking = Vec::new();
        for number in 1..=MANY {
            asking.push(registering(&scene, &service, &again));
            eventually("ZooKeeper is asked although it has not answered the one before", SOON, async || {
                let asked = scene.wire.count(of_it) - before;
                ensure(asked == number, || format!("{asked} transactions for {number}"))
            })
            .await;
        }
        // What changes something has to wait for all of them.
        let mut moved = again.clone();
        moved["instance"]["instanceId"] = "own".into();
        moved["instance"]["hostName"] = "another".into();
        let changing = registering(&scene, &service, &moved);
        scene.wire.release();
        for answer in asking {
            assert_eq!(answer.await.unwrap().ok().json()["instanceId"], "own");
        }
        changing.await.unwrap().ok();
        let found = scene.gateway.get(&find("stock")).await.ok().json();
        assert_eq!(found["instances"][0]["hostName"], "another");
        register(&scene.gateway, &service, &again).await.ok();
    }
    let found = scene.gateway.get(&find("stock")).await.ok().json();
    assert_eq!(found["instances"].as_array().unwrap().len(), 1, "{found}");
}
