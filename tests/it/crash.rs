//! The only gateway dies and comes back: only silence removes, and silence counts only while somebody listens.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::fixtures::{create_service, find, id_in, instances, one_provider};
use crate::support::beat::Beat;
use crate::support::eventually::{ensure, eventually, throughout};
use crate::support::gateway::{Options, SHORT_SESSION};
use crate::support::watcher::Watcher;
use crate::support::znodes::Znodes;
use crate::support::zookeeper;

/// How long a sidecar may be silent in these tests.
const TIME_TO_LIVE: Duration = Duration::from_secs(6);

/// Time that may pass beyond the time to live before a silent registration is gone.
const SLACK: Duration = Duration::from_secs(2);

#[tokio::test]
async fn a_gateway_that_was_down_for_long_has_lost_nothing_and_then_removes_only_the_silent() {
    let root = zookeeper::shared().await;
    let mut gateway = Options::new(&root)
        .session(SHORT_SESSION)
        .time_to_live(TIME_TO_LIVE)
        .set("servicecomb", "min_interval", "\"1s\"")
        .set("servicecomb", "min_times", "1")
        .start()
        .await;
    let znodes = Znodes::connect(&root).await;
    let (loud, silent) = (one_provider("demo.Loud", 20880), one_provider("demo.Silent", 20880));
    gateway.synced("loud", &one_provider("demo.Loud", 1)).await;
    assert_eq!(gateway.synced("loud", &loud).await, 2);
    assert_eq!(gateway.synced("silent", &silent).await, 1);
    let service = create_service(&gateway, "stock").await;
    let instance = json!({"instance": {
        "hostName": "node", "endpoints": ["rest://10.0.0.7:8080"],
        "healthCheck": {"mode": "push", "interval": 6, "times": 1},
    }});
    let posted = gateway.post(&instances(&service), &instance).await.ok().json();
    let id = id_in(&posted, "instanceId");
    let beats = [
        Beat::sidecar(&[gateway.http], "loud", &loud, Duration::from_millis(500)),
        Beat::instance(&[gateway.http], &service, &id, Duration::from_millis(500)),
    ];
    let watcher = Watcher::start(&root, "/dubbo").await;

    gateway.kill();
    eventually("ZooKeeper expires the dead session", Duration::from_secs(10), async || {
        ensure(znodes.children("/zoogate/replicas").await.is_empty(), || "its replica is still there".into())
    })
    .await;
    throughout("nothing is removed while nobody listens", TIME_TO_LIVE + SLACK, async || {
        ensure(watcher.deleted("/providers/").is_empty(), || format!("{:?}", watcher.seen()))
    })
    .await;

    beats[0].forget();
    gateway.restart().await;
    let restarted = Instant::now();
    let removed = eventually("the silent one is removed", TIME_TO_LIVE + SLACK, async || {
        let deleted = watcher.deleted("/providers/");
        ensure(!deleted.is_empty(), || "nothing is deleted".into())?;
        Ok::<_, String>(deleted)
    });
    let removed = removed.await;
    assert!(removed.iter().all(|path| path.contains("demo.Silent")), "{removed:?}");
    // The clock of silence starts with the listener; its start began a moment before it was ready.
    assert!(restarted.elapsed() > TIME_TO_LIVE / 2, "removed {:?} after the restart", restarted.elapsed());
    throughout("nobody else is removed", TIME_TO_LIVE + SLACK, async || {
        let deleted = watcher.deleted("/providers/");
        ensure(deleted.len() == 1, || format!("{deleted:?}"))
    })
    .await;
    assert!(!beats[0].versions().is_empty());
    assert!(beats[0].versions().iter().all(|&version| version == 2), "{:?}", beats[0].versions());
    let found = gateway.get(&find("stock")).await.ok().json();
    assert_eq!(found["instances"][0]["instanceId"], id, "{found}");
    let again = gateway.post(&instances(&service), &instance).await.ok().json();
    assert_eq!(again["instanceId"], id);
    assert_eq!(gateway.synced("silent", &silent).await, 3, "its version grows over expiry and return");
}

#[tokio::test]
async fn a_quick_restart_changes_nothing_at_all() {
    let root = zookeeper::shared().await;
    let mut gateway = Options::new(&root).time_to_live(TIME_TO_LIVE).start().await;
    let snapshot = one_provider("demo.Echo", 20880);
    assert_eq!(gateway.synced("r", &snapshot).await, 1);
    let beat = Beat::sidecar(&[gateway.http], "r", &snapshot, Duration::from_millis(300));
    let watcher = Watcher::start(&root, "/dubbo").await;
    for _ in 0..3 {
        gateway.kill();
        gateway.restart().await;
        beat.forget();
        eventually("the sidecar is served", Duration::from_secs(5), async || {
            ensure(beat.versions().contains(&1), || format!("{:?}", beat.answers()))
        })
        .await;
    }
    throughout("nothing is removed", TIME_TO_LIVE + SLACK, async || {
        ensure(watcher.seen().is_empty(), || format!("{:?}", watcher.seen()))
    })
    .await;
    assert!(beat.versions().iter().all(|&version| version == 1), "{:?}", beat.versions());
}

#[tokio::test]
async fn a_gateway_that_was_paused_removes_nobody_when_it_goes_on() {
    let root = zookeeper::shared().await;
    let gateway = Options::new(&root).session(SHORT_SESSION).time_to_live(TIME_TO_LIVE).start().await;
    let snapshot = one_provider("demo.Echo", 20880);
    gateway.synced("r", &snapshot).await;
    let znodes = Znodes::connect(&root).await;
    let watcher = Watcher::start(&root, "/dubbo").await;
    gateway.pause();
    eventually("ZooKeeper expires the paused session", Duration::from_secs(10), async || {
        ensure(znodes.children("/zoogate/replicas").await.is_empty(), || "its replica is still there".into())
    })
    .await;
    throughout("longer than the time to live", TIME_TO_LIVE, async || Ok::<_, String>(())).await;
    gateway.go_on();
    let _beat = Beat::sidecar(&[gateway.http], "r", &snapshot, Duration::from_millis(300));
    throughout("nobody is removed", TIME_TO_LIVE + SLACK, async || {
        ensure(watcher.deleted("/providers/").is_empty(), || format!("{:?}", watcher.seen()))
    })
    .await;
    eventually("it is a replica again", Duration::from_secs(10), async || {
        ensure(znodes.children("/zoogate/replicas").await.len() == 1, || "no replica".into())
    })
    .await;
    assert_eq!(gateway.synced("r", &snapshot).await, 1);
}
