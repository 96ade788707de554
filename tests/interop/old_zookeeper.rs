//! A ZooKeeper that is too old must be refused in words that say what to do.

use std::time::Duration;

use crate::program::built;
use crate::support::eventually::{ensure, eventually, throughout};
use crate::support::gateway::Options;
use crate::support::znodes::Znodes;
use crate::support::zookeeper::{self, ZooKeeper, four_letters};

#[tokio::test]
async fn a_gateway_before_zookeeper_3_5_is_never_ready_and_says_that_it_needs_3_6() {
    let jars = built("zookeeper-3.5").join("jars");
    let class_path = Some(zookeeper::join(&[jars.join("*")]));
    let zookeeper = ZooKeeper::start(zookeeper::Options { class_path, ..Default::default() }).await;
    let version = four_letters(zookeeper.port(), "srvr").await.unwrap();
    assert!(version.contains("Zookeeper version: 3.5."), "{version}");
    Znodes::connect(&zookeeper.connect_string()).await.create("/dubbo/demo.Echo/providers", "").await;

    let gateway = Options::new(&zookeeper.connect_string()).launch().await;
    eventually("/readyz names the version", Duration::from_secs(30), async || {
        let answer = gateway.ops("/readyz").send().await;
        ensure(answer.status == 503 && answer.body.contains("3.6"), || format!("{answer:?}"))
    })
    .await;
    assert!(gateway.output().contains("3.6"), "{}", gateway.output());
    throughout("alive but not ready", Duration::from_secs(3), async || {
        let (live, ready) = (gateway.ops("/livez").send().await, gateway.ops("/readyz").send().await);
        ensure(live.status == 200 && ready.status == 503, || format!("{live:?} {ready:?}"))
    })
    .await;
}
