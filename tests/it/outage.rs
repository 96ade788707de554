//! ZooKeeper is away: the gateway says so at once, goes on answering what it knows, and loses nothing.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::time::timeout;

use crate::fixtures::{create_instance, create_service, find, instances, one_provider};
use crate::support::beat::Beat;
use crate::support::eventually::{ensure, eventually, scaled, throughout};
use crate::support::gateway::{Gateway, Options, SHORT_SESSION};
use crate::support::watcher::Watcher;
use crate::support::zookeeper::{ZooKeeper, four_letters};

/// Time within which a gateway must notice that the connection is gone, or is back.
const NOTICE: Duration = Duration::from_secs(15);

async fn refuses_syncs(gateway: &Gateway) {
    eventually("syncs are refused", NOTICE, async || {
        let answer = gateway.sync("other", &one_provider("demo.Other", 1)).await;
        let expected = json!({"code": 1, "msg": "zk not connected.", "service_list": {"version": 0}});
        ensure(answer.json() == expected, || format!("{answer:?}"))
    })
    .await;
}

/// What must hold while ZooKeeper is away.
async fn is_honest(gateway: &Gateway, service: &str) -> Result<(), String> {
    let sync = gateway.sync("other", &one_provider("demo.Other", 1)).await;
    ensure(sync.json()["msg"] == "zk not connected.", || format!("{sync:?}"))?;
    let write = gateway.post(&instances(service), &json!({"instance": {"hostName": "n"}})).await;
    ensure(write.status == 500 && write.json()["errorCode"] == "500011", || format!("{write:?}"))?;
    let found = gateway.get(&find("stock")).await;
    let count = found.json()["instances"].as_array().map_or(0, Vec::len);
    ensure(found.status == 200 && count == 1, || format!("{found:?}"))?;
    let stale = found.header("X-Registry-Staleness-Ms").and_then(|text| text.parse::<u64>().ok());
    ensure(stale.is_some(), || format!("not marked stale: {found:?}"))?;
    let (live, ready) = (gateway.ops("/livez").send().await, gateway.ops("/readyz").send().await);
    ensure(live.status == 200 && ready.status == 503, || format!("{live:?} {ready:?}"))
}

/// A sidecar that goes on syncing, an instance, and a witness; `harm` is done, three session timeouts pass, and
/// `mend` undoes it.
async fn survives(
    zookeeper: &mut ZooKeeper,
    harm: impl FnOnce(&mut ZooKeeper),
    mend: impl AsyncFnOnce(&mut ZooKeeper),
) {
    let connect = zookeeper.connect_string();
    let gateway = Options::new(&connect).session(SHORT_SESSION).start().await;
    let service = create_service(&gateway, "stock").await;
    let instance = create_instance(&gateway, &service, 8080).await;
    let snapshot = one_provider("demo.Echo", 20880);
    let version = gateway.synced("loud", &snapshot).await;
    let beat = Beat::sidecar(&[gateway.http], "loud", &snapshot, Duration::from_millis(300));
    let watcher = Watcher::start(&connect, "/dubbo").await;

    harm(zookeeper);
    // A server that has lost its quorum serves for a moment longer.
    eventually("no server serves", NOTICE, async || {
        for address in connect.split('/').next().unwrap_or_default().split(',') {
            let port =
                address.rsplit(':').next().unwrap_or_default().parse().map_err(|_| address.to_owned())?;
            let answer = timeout(Duration::from_millis(500), four_letters(port, "srvr")).await;
            ensure(!matches!(&answer, Ok(Ok(text)) if text.contains("Mode:")), || format!("{answer:?}"))?;
        }
        Ok::<_, String>(())
    })
    .await;
    refuses_syncs(&gateway).await;
    throughout("honest while ZooKeeper is away", 3 * SHORT_SESSION, async || {
        is_honest(&gateway, &service).await
    })
    .await;

    mend(zookeeper).await;
    eventually("ready again", NOTICE, async || {
        let ready = gateway.ops("/readyz").send().await;
        ensure(ready.status == 200, || ready.body)
    })
    .await;
    beat.forget();
    eventually("the sidecar is served again", NOTICE, async || {
        ensure(beat.versions().len() > 3, || format!("{:?}", beat.answers()))
    })
    .await;
    assert!(beat.versions().iter().all(|&kept| kept == version), "{:?}", beat.versions());
    assert_eq!(gateway.synced("new", &one_provider("demo.New", 1)).await, 1);
    let found = gateway.get(&find("stock")).await.ok();
    assert_eq!(found.json()["instances"][0]["instanceId"], instance);
    assert_eq!(found.header("X-Registry-Staleness-Ms"), None, "{found:?}");
    eventually("the witness is back", NOTICE, async || {
        ensure(!watcher.created("demo.New/providers/").is_empty(), || format!("{:?}", watcher.seen()))
    })
    .await;
    assert_eq!(watcher.deleted("/providers/"), [""; 0]);
}

#[tokio::test]
async fn a_registry_without_zookeeper_is_honest_and_loses_nothing() {
    let mut zookeeper = ZooKeeper::single().await;
    survives(&mut zookeeper, |zookeeper| zookeeper.kill(0), async |zookeeper| zookeeper.restart(0).await)
        .await;
}

#[tokio::test]
async fn a_registry_without_quorum_is_honest_and_loses_nothing() {
    let mut zookeeper = ZooKeeper::ensemble().await;
    let kill = |zookeeper: &mut ZooKeeper| {
        zookeeper.kill(0);
        zookeeper.kill(1);
    };
    survives(&mut zookeeper, kill, async |zookeeper| zookeeper.restart_all(&[0, 1]).await).await;
}

#[tokio::test]
async fn a_whole_ensemble_that_was_cut_off_comes_back_with_everything() {
    let mut zookeeper = ZooKeeper::ensemble().await;
    let restart = async |zookeeper: &mut ZooKeeper| zookeeper.restart_all(&[0, 1, 2]).await;
    survives(&mut zookeeper, ZooKeeper::kill_all, restart).await;
}

#[tokio::test]
async fn a_zookeeper_that_hangs_makes_nobody_wait_longer_than_a_deadline() {
    let mut zookeeper = ZooKeeper::single().await;
    survives(&mut zookeeper, |zookeeper| zookeeper.pause(0), async |zookeeper| zookeeper.go_on(0)).await;
}

#[tokio::test]
async fn a_refusal_takes_less_than_a_tenth_of_a_second() {
    let mut zookeeper = ZooKeeper::single().await;
    let gateway = Options::new(&zookeeper.connect_string()).start().await;
    zookeeper.kill(0);
    refuses_syncs(&gateway).await;
    let mut times = Vec::new();
    for _ in 0..31 {
        times.push(gateway.sync("r", &one_provider("demo.Echo", 1)).await.took);
    }
    times.sort_unstable();
    assert!(times[times.len() / 2] < scaled(Duration::from_millis(100)), "median of {times:?}");
}

#[tokio::test]
async fn heartbeats_are_taken_only_while_the_session_can_still_be_alive() {
    let mut zookeeper = ZooKeeper::single().await;
    let gateway = Options::new(&zookeeper.connect_string()).session(SHORT_SESSION).start().await;
    let service = create_service(&gateway, "stock").await;
    let instance = create_instance(&gateway, &service, 8080).await;
    let beat = format!("{}/{instance}/heartbeat", instances(&service));
    let killed = Instant::now();
    zookeeper.kill(0);
    let first = gateway.put(&beat).await;
    // On a busy machine the first heartbeat may come too late to tell.
    assert!(first.status == 200 || killed.elapsed() > SHORT_SESSION, "{first:?}");
    eventually("heartbeats are refused so that clients move", 3 * SHORT_SESSION, async || {
        let answer = gateway.put(&beat).await;
        ensure(answer.status == 500, || format!("{answer:?}"))
    })
    .await;
    assert!(
        killed.elapsed() >= SHORT_SESSION - Duration::from_millis(500),
        "refused after {:?}",
        killed.elapsed()
    );
}
