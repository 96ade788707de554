//! What a replica has written itself it takes from the reply to its transaction. Nobody can tell the difference: neither from
//! what it answers, nor when somebody else meets the same znodes meanwhile.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

use crate::fixtures::scene::{SOON, Scene, instance, patient, register};
use crate::fixtures::{create_service, find, instances, one_provider, snapshot};
use crate::support::eventually::{ensure, eventually};
use crate::support::gateway::Gateway;
use crate::support::wire::Operation::{Reading, Transaction};
use crate::support::znodes::Znodes;
use crate::support::zookeeper;

/// What a gateway answers to a find, with the revision.
async fn shown(gateway: &Gateway, path: &str) -> String {
    let answer = gateway.get(path).await.ok();
    format!("{:?} {}", answer.header("X-Resource-Revision"), answer.body)
}

#[tokio::test]
async fn nothing_is_read_that_was_just_written_and_the_answers_are_those_of_one_who_has_read_it() {
    let scene = Scene::start(|options| options).await;
    let gateway = &scene.gateway;
    let service = create_service(gateway, "stock").await;
    // The first of each kind makes folders, which are read.
    register(gateway, &service, &instance("first", 1, 30)).await.ok();
    gateway.synced("first", &one_provider("demo.Echo", 1)).await;
    eventually("the folders are known", SOON, async || {
        let folders = ["/providers", "/instances"].map(|folder| scene.wire.count((Reading, folder)));
        ensure(folders.iter().all(|count| *count > 0), || format!("{folders:?}"))
    })
    .await;
    for number in 0..5 {
        register(gateway, &service, &instance(&format!("own-{number}"), 10 + number, 30)).await.ok();
        gateway.synced(&format!("car-{number}"), &one_provider("demo.Echo", 20 + number)).await;
    }
    let own = |number: usize| format!("{}/own-{number}", instances(&service));
    gateway.put(&format!("{}/status?value=DOWN", own(1))).await.ok();
    gateway.delete(&own(2)).await.ok();
    gateway.synced("car-3", &one_provider("demo.Echo", 33)).await;
    gateway.synced("car-4", &snapshot(&[], &[])).await;
    assert_eq!(["/own-", "/car-"].map(|part| scene.wire.count((Reading, part))), [0, 0]);
    let other = patient(&scene.root).start().await;
    let cars = "/instances?appId=demo&serviceName=demo.Echo&version=0%2B".to_owned();
    for path in [find("stock"), cars] {
        assert_eq!(shown(gateway, &path).await, shown(&other, &path).await);
    }
}

#[tokio::test]
async fn what_somebody_else_does_to_it_before_the_reply_comes_is_noticed() {
    let scene = Scene::start(|options| options).await;
    let service = create_service(&scene.gateway, "stock").await;
    register(&scene.gateway, &service, &instance("first", 1, 30)).await.ok();
    scene.wire.hold_replies(&[(Transaction, "/own")]);
    let own = instance("own", 2, 30);
    let registering = register(&scene.gateway, &service, &own);
    let meddling = async {
        scene.held().await;
        let interface = scene.znodes.children("/dubbo").await;
        let interface = interface.iter().find(|name| name.contains("stock")).unwrap();
        let folder = format!("/dubbo/{interface}/providers");
        let urls = scene.znodes.children(&folder).await;
        let own = urls.iter().find(|url| url.contains("%3A2%3F") || url.contains("%3A2%2F")).unwrap();
        let path = format!("{folder}/{own}");
        scene.znodes.delete(&path).await;
        scene.wire.release();
        path
    };
    let (answer, path) = futures::join!(registering, meddling);
    answer.ok();
    eventually("it is put back", SOON, async || {
        ensure(scene.znodes.exists(&path).await, || format!("{path} is not there"))
    })
    .await;
}

#[tokio::test]
async fn what_every_transaction_ends_with_is_put_back_when_it_was_deleted() {
    const LAST: &str = "/zoogate/last-change";
    let scene = Scene::start(|options| options).await;
    let service = create_service(&scene.gateway, "stock").await;
    scene.znodes.delete(LAST).await;
    register(&scene.gateway, &service, &instance("own", 1, 30)).await.ok();
    assert!(scene.znodes.exists(LAST).await);
}

#[tokio::test]
async fn replicas_and_somebody_at_the_znodes_who_change_the_same_all_see_the_same_in_the_end() {
    const INSTANCES: usize = 6;
    let root = zookeeper::shared().await;
    let gateways = [patient(&root).start().await, patient(&root).start().await];
    let znodes = Znodes::connect(&root).await;
    let service = create_service(&gateways[0], "stock").await;
    let mut chance = StdRng::seed_from_u64(1);
    for round in 0..30_u16 {
        let changes = (0..INSTANCES).map(|number| {
            let (gateway, service) = (&gateways[chance.gen_range(0..2)], &service);
            let own = format!("{}/own-{number}", instances(service));
            let (what, port) = (chance.gen_range(0..5), 100 * round + number as u16);
            async move {
                // Whether each succeeds depends on what the others do.
                match what {
                    0 => gateway.delete(&own).await,
                    1 => gateway.put(&format!("{own}/status?value=DOWN")).await,
                    2 => gateway.put(&format!("{own}/heartbeat")).await,
                    _ => register(gateway, service, &instance(&format!("own-{number}"), 1 + port, 30)).await,
                }
            }
        });
        let changes = futures::future::join_all(changes);
        let tree = znodes.tree("/dubbo").await;
        let mut providers: Vec<&String> = tree.keys().filter(|path| path.contains("/providers/")).collect();
        providers.shuffle(&mut chance);
        let meddling = async {
            if let Some(path) = providers.first() {
                // Somebody else may have been faster.
                let _ = znodes.client().delete(path, None).await;
            }
        };
        futures::join!(changes, meddling);
    }
    let stock = find("stock");
    let third = patient(&root).start().await;
    eventually("all show the same, which is what stands there", Duration::from_secs(30), async || {
        let all = [&gateways[0], &gateways[1], &third].map(|gateway| shown(gateway, &stock));
        let all = futures::future::join_all(all).await;
        ensure(all.iter().all(|answer| *answer == all[0]), || format!("{all:#?}"))
    })
    .await;
}
