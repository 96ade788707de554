//! Changes of one registration that meet, on one replica or on several.

use std::time::Duration;

use futures::future::join_all;
use serde_json::{Value, json};

use crate::fixtures::{create_instance, create_service, find, one_provider, two};
use crate::support::eventually::{ensure, eventually, throughout};
use crate::support::gateway::{Gateway, Options};
use crate::support::watcher::Watcher;
use crate::support::znodes::Znodes;
use crate::support::zookeeper;

/// How long a sidecar may be silent in the tests of two replicas.
const TIME_TO_LIVE: Duration = Duration::from_secs(15);

async fn found(gateway: &Gateway) -> Vec<Value> {
    let answer = gateway.get(&find("orders")).await.ok().json();
    answer["instances"].as_array().cloned().unwrap_or_default()
}

#[tokio::test]
async fn an_instance_that_is_unregistered_while_another_replica_first_hears_it_stays_gone() {
    let (root, one, other) = two(TIME_TO_LIVE).await;
    let service = create_service(&one, "orders").await;
    let ids = join_all((0..60).map(|number| {
        let (one, service) = (&one, &service);
        async move { create_instance(one, service, 8000 + number).await }
    }));
    let ids = ids.await;
    join_all(ids.iter().enumerate().map(|(number, id)| {
        let path = format!("/microservices/{service}/instances/{id}");
        let (one, other) = (&one, &other);
        async move {
            let beat = async {
                // Spread over the time that the other's transaction takes.
                for _ in 0..number {
                    tokio::task::yield_now().await;
                }
                other.put(&format!("{path}/heartbeat")).await
            };
            let (_, unregistered) = futures::join!(beat, one.delete(&path));
            unregistered.ok();
        }
    }))
    .await;
    let znodes = Znodes::connect(&root).await;
    let are_gone = async || {
        let left = znodes.providers("orders").await;
        ensure(left.is_empty(), || format!("{left:?}"))?;
        for gateway in [&one, &other] {
            let found = found(gateway).await;
            ensure(found.is_empty(), || format!("{found:?}"))?;
        }
        let leases = znodes.tree("/zoogate/leases/instances").await;
        let left = leases.keys().filter(|path| ids.iter().any(|id| path.contains(id.as_str())));
        ensure(left.count() == 0, || format!("{leases:?}"))
    };
    // The other one hears of it a moment later.
    eventually("all are gone", Duration::from_secs(2), are_gone).await;
    throughout("and stay gone", Duration::from_secs(2), are_gone).await;
}

#[tokio::test]
async fn many_unknown_heartbeats_do_not_hold_up_a_registration() {
    let root = zookeeper::shared().await;
    let gateway = Options::new(&root).start().await;
    let service = create_service(&gateway, "orders").await;
    let path = format!("/microservices/{service}/instances");
    let strangers = join_all((0..200).map(|number| {
        let gateway = &gateway;
        let path = format!("{path}/nobody-{number}/heartbeat");
        async move { gateway.put(&path).await.refused("400017") }
    }));
    let registered = create_instance(&gateway, &service, 8080);
    let (_, id) = futures::join!(strangers, registered);
    let found = found(&gateway).await;
    assert!(found.iter().any(|found| found["instanceId"] == json!(id)), "{found:?}");
}

#[tokio::test]
async fn a_document_that_was_damaged_while_no_replica_ran_is_written_anew_and_costs_no_provider() {
    let root = zookeeper::shared().await;
    let mut gateway = Options::new(&root).time_to_live(Duration::from_secs(60)).start().await;
    let snapshot = one_provider("demo.Echo", 20880);
    let version = gateway.synced("r", &snapshot).await;
    gateway.terminate();
    let znodes = Znodes::connect(&root).await;
    let tree = znodes.tree("/zoogate/snapshots").await;
    let document = tree.keys().find(|path| path.ends_with("/r")).unwrap().clone();
    znodes.set(&document, "no JSON").await;
    let watcher = Watcher::start(&root, "/dubbo").await;
    gateway.restart().await;
    // Twice changed: once by the damage, once by the repair.
    assert_eq!(gateway.synced("r", &snapshot).await, version + 2);
    assert_eq!(znodes.providers("demo.Echo").await.len(), 1);
    assert!(znodes.data(&document).await.contains("demo.Echo"));
    throughout("no provider is touched", Duration::from_secs(1), async || {
        ensure(watcher.seen().is_empty(), || format!("{:?}", watcher.seen()))
    })
    .await;
}

#[tokio::test]
async fn a_microservice_with_an_id_of_its_own_and_a_sidecar_of_the_same_name_stand_side_by_side() {
    let root = zookeeper::shared().await;
    let gateway = Options::new(&root).start().await;
    let snapshot = json!({"provider_list": [{"service": {"interface": "orders",
        "params": {"application": "shop", "version": "1.0.0"}}, "host": "10.0.0.1", "port": 20880}]});
    let own = json!({"service": {"serviceId": "custom", "appId": "shop", "serviceName": "orders", "version": "1.0.0"}});
    gateway.synced("r", &snapshot).await;
    gateway.post("/microservices", &own).await.ok();
    create_instance(&gateway, "custom", 8080).await;
    assert_eq!(found(&gateway).await.len(), 2);
    let nothing = json!({"provider_list": [], "consumer_list": []});
    gateway.synced("r", &nothing).await;
    assert_eq!(found(&gateway).await.len(), 1);
}

#[tokio::test]
async fn what_only_a_sidecar_speaks_of_can_be_registered_by_a_client_that_asks_first() {
    let root = zookeeper::shared().await;
    let gateway = Options::new(&root).start().await;
    gateway.synced("r", &one_provider("demo.Echo", 20880)).await;
    let asked = "/existence?type=microservice&appId=demo&serviceName=demo.Echo&version=0.0.0";
    gateway.get(asked).await.refused("400012");
    let service = json!({"service": {"appId": "demo", "serviceName": "demo.Echo", "version": "0.0.0"}});
    let created = gateway.post("/microservices", &service).await.ok();
    let id = created.json()["serviceId"].as_str().unwrap().to_owned();
    create_instance(&gateway, &id, 8080).await;
    assert_eq!(gateway.get(asked).await.ok().json()["serviceId"], json!(id));
}

#[tokio::test]
async fn two_replicas_that_register_the_same_endpoints_at_once_answer_the_same_id() {
    let (_, one, other) = two(TIME_TO_LIVE).await;
    let service = create_service(&one, "orders").await;
    for port in 8000..8010 {
        let (first, second) =
            futures::join!(create_instance(&one, &service, port), create_instance(&other, &service, port));
        assert_eq!(first, second);
    }
    assert_eq!(found(&one).await.len(), 10);
}

#[tokio::test]
async fn two_replicas_that_change_one_registrant_for_long_leave_nothing_behind() {
    let (root, one, other) = two(TIME_TO_LIVE).await;
    let changes = |gateway: &'static str, port: u16| {
        (0..40u16)
            .map(move |number| one_provider(&format!("demo.{gateway}{}", number % 3), port + number % 2))
    };
    let sync_all = async |gateway: &Gateway, snapshots: Vec<Value>| {
        for snapshot in snapshots {
            // One of two that meet may have to be repeated; none may leave something behind.
            gateway.sync("r", &snapshot).await;
        }
    };
    futures::join!(
        sync_all(&one, changes("One", 1000).collect()),
        sync_all(&other, changes("Other", 2000).collect())
    );
    eventually("the last word counts", Duration::from_secs(5), async || {
        let answer = one.sync("r", &one_provider("demo.Last", 1)).await;
        ensure(answer.json()["code"] == 0, || format!("{answer:?}"))
    })
    .await;
    let znodes = Znodes::connect(&root).await;
    let tree = znodes.tree("/dubbo").await;
    let providers: Vec<_> = tree.keys().filter(|path| path.contains("/providers/")).collect();
    assert!(providers.len() == 1 && providers[0].contains("demo.Last"), "{providers:?}");
}

#[tokio::test]
async fn a_rev_never_goes_back_when_a_version_of_a_service_is_deleted() {
    let root = zookeeper::shared().await;
    let gateway = Options::new(&root).start().await;
    let first = create_service(&gateway, "orders").await;
    create_instance(&gateway, &first, 8000).await;
    let second = json!({"service": {"appId": "shop", "serviceName": "orders", "version": "2.0.0"}});
    let second =
        gateway.post("/microservices", &second).await.ok().json()["serviceId"].as_str().unwrap().to_owned();
    let instance = create_instance(&gateway, &second, 8001).await;
    let mut seen = Vec::new();
    let mut look = async || {
        let rev = gateway.get(&find("orders")).await.ok();
        seen.push(rev.header("X-Resource-Revision").unwrap()[..16].to_owned());
    };
    look().await;
    gateway.delete(&format!("/microservices/{second}/instances/{instance}")).await.ok();
    look().await;
    gateway.delete(&format!("/microservices/{second}")).await.ok();
    look().await;
    assert!(seen.is_sorted(), "{seen:?}");
}
