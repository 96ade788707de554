//! Somebody damages by hand what a live registrant registered: it is put right, and nothing else is touched.

use std::time::Duration;

use crate::fixtures::{create_instance, create_service, entry, find, snapshot};
use crate::support::eventually::{ensure, eventually, throughout};
use crate::support::gateway::{Gateway, Options};
use crate::support::znodes::{Znodes, escape};
use crate::support::zookeeper;

/// Time within which damage must be repaired. A repair takes some 50 ms, and is meant to take less than a second; how
/// long it took is printed, and this much is allowed to a machine that is busy.
const REPAIR: Duration = Duration::from_secs(20);
/// Time for which what must stay away is watched.
const QUIET: Duration = Duration::from_secs(1);

async fn gateway() -> (Gateway, Znodes) {
    let root = zookeeper::shared().await;
    // Nobody beats here, and nobody may lapse meanwhile.
    let options = Options::new(&root).time_to_live(Duration::from_secs(300));
    (options.start().await, Znodes::connect(&root).await)
}

async fn is_back(znodes: &Znodes, path: &str, data: &str) {
    eventually("it is back", REPAIR, async || {
        ensure(znodes.exists(path).await, || format!("{path} is not there"))
    })
    .await;
    assert_eq!(znodes.data(path).await, data);
}

#[tokio::test]
async fn what_is_deleted_by_hand_is_put_back() {
    let (gateway, znodes) = gateway().await;
    let (provider, consumer) = (entry("demo.Echo", "10.0.0.1", 20880), entry("demo.Used", "10.0.0.1", 20880));
    gateway.synced("r", &snapshot(&[provider], &[consumer])).await;
    let service = create_service(&gateway, "stock").await;
    create_instance(&gateway, &service, 8080).await;
    let consumers = znodes.children("/dubbo/demo.Used/consumers").await;
    let paths = [
        znodes.providers("demo.Echo").await[0].clone(),
        format!("/dubbo/demo.Used/consumers/{}", consumers[0]),
        znodes.providers("stock").await[0].clone(),
    ];
    for path in &paths {
        let data = znodes.data(path).await;
        znodes.delete(path).await;
        is_back(&znodes, path, &data).await;
    }
    eventually("the repairs are counted", REPAIR, async || {
        let metrics = gateway.ops("/metrics").send().await.body;
        let repairs = metrics.lines().filter(|line| line.starts_with("zoogate_reconcile_repairs_total{"));
        let counted: f64 = repairs.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum();
        ensure(counted >= 3.0, || metrics)
    })
    .await;
    assert_eq!(gateway.get(&find("stock")).await.ok().json()["instances"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn damaged_data_is_put_right_however_soon_it_is_damaged_again() {
    let (gateway, znodes) = gateway().await;
    gateway.synced("r", &snapshot(&[entry("demo.Echo", "10.0.0.1", 20880)], &[])).await;
    let path = &znodes.providers("demo.Echo").await[0];
    let data = znodes.data(path).await;
    // Again and again, and each time at once: the second damage may come before the first repair was read back.
    for damage in ["", "not JSON", "{\"owner\":\"somebody else\"}"].repeat(10) {
        znodes.set(path, damage).await;
        eventually("its data is right again", REPAIR, async || {
            let now = znodes.data(path).await;
            ensure(now == data, || now)
        })
        .await;
    }
}

#[tokio::test]
async fn what_was_deleted_while_the_gateway_was_down_is_back_after_its_start() {
    let (mut gateway, znodes) = gateway().await;
    gateway.synced("r", &snapshot(&[entry("demo.Echo", "10.0.0.1", 20880)], &[])).await;
    let path = &znodes.providers("demo.Echo").await[0];
    let data = znodes.data(path).await;
    gateway.kill();
    znodes.delete(path).await;
    gateway.restart().await;
    is_back(&znodes, path, &data).await;
}

#[tokio::test]
async fn foreign_znodes_are_never_touched() {
    let (gateway, znodes) = gateway().await;
    let native = "dubbo://10.0.0.9:20880/demo.Echo?application=native&interface=demo.Echo";
    let foreign = [
        format!("/dubbo/demo.Echo/providers/{}", escape(native)),
        "/dubbo/demo.Echo/providers/garbage".to_owned(),
        "/dubbo/demo.Echo/configurators/override".to_owned(),
        "/zoogate-of-others/child".to_owned(),
    ];
    for path in &foreign {
        znodes.create(path, "foreign").await;
    }
    let before: Vec<_> =
        znodes.tree("/").await.into_iter().filter(|(path, _)| foreign.contains(path)).collect();
    assert_eq!(before.len(), foreign.len());
    gateway.synced("r", &snapshot(&[entry("demo.Echo", "10.0.0.1", 20880)], &[])).await;
    let own = znodes.providers("demo.Echo").await;
    let own = own.iter().find(|path| !foreign.contains(path)).unwrap();
    znodes.delete(own).await;
    eventually("the own one is back", REPAIR, async || {
        ensure(znodes.exists(own).await, || "it is not there".into())
    })
    .await;
    znodes.delete(&foreign[1]).await;
    throughout("what a foreigner deletes of his own stays away", QUIET, async || {
        ensure(!znodes.exists(&foreign[1]).await, || format!("{} is back", foreign[1]))
    })
    .await;
    gateway.synced("r", &snapshot(&[], &[])).await;
    let after = znodes.tree("/").await;
    for (path, stat) in before.iter().filter(|(path, _)| *path != foreign[1]) {
        assert_eq!(
            after.get(path).map(|now| (now.czxid, now.mzxid)),
            Some((stat.czxid, stat.mzxid)),
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_replica_whose_folder_was_deleted_is_announced_again() {
    let (gateway, znodes) = gateway().await;
    gateway.synced("r", &snapshot(&[entry("demo.Echo", "10.0.0.1", 20880)], &[])).await;
    let replica = znodes.children("/zoogate/replicas").await.remove(0);
    znodes.delete(&format!("/zoogate/replicas/{replica}")).await;
    znodes.delete("/zoogate/replicas").await;
    eventually("the replica is back", 4 * REPAIR, async || {
        let path = format!("/zoogate/replicas/{replica}");
        ensure(znodes.exists(&path).await, || format!("{path} is missing"))
    })
    .await;
}

#[tokio::test]
async fn what_somebody_put_below_a_znode_of_ours_does_not_keep_it_alive() {
    let (gateway, znodes) = gateway().await;
    gateway.synced("r", &snapshot(&[entry("demo.Echo", "10.0.0.1", 20880)], &[])).await;
    let provider = znodes.providers("demo.Echo").await.remove(0);
    let tree = znodes.tree("/zoogate/leases").await;
    let lease = tree.keys().find(|path| path.ends_with("/r")).unwrap();
    for path in [format!("{provider}/kid/grandchild"), format!("{lease}/foreign/x")] {
        znodes.create(&path, "foreign").await;
    }
    gateway.synced("r", &snapshot(&[], &[])).await;
    assert!(znodes.providers("demo.Echo").await.is_empty());
    assert!(!znodes.exists(lease).await);
}

#[tokio::test]
async fn the_rev_of_a_service_does_not_step_back_when_an_overwritten_provider_is_put_right() {
    let (gateway, znodes) = gateway().await;
    let service = create_service(&gateway, "stock").await;
    create_instance(&gateway, &service, 8080).await;
    let path = &znodes.providers("stock").await[0];
    let data = znodes.data(path).await;
    znodes.set(path, "somebody else's").await;
    eventually("its data is right again", REPAIR, async || {
        let now = znodes.data(path).await;
        ensure(now == data, || now)
    })
    .await;
    // While it was not, it was a provider of this name in its own right, and its change counted.
    let changed = znodes.client().check_stat(path).await.unwrap().unwrap().mzxid;
    eventually("the rev is of the last change", REPAIR, async || {
        let answer = gateway.get(&find("stock")).await.ok();
        let rev = answer.header("X-Resource-Revision").unwrap().to_owned();
        ensure(i64::from_str_radix(&rev[..16], 16).unwrap() >= changed, || rev.clone())
    })
    .await;
}
