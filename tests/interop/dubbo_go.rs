//! Consumers on dubbo-go, unmodified, with the providers that sidecars register.

use std::time::Duration;

use crate::greeter::{Caller, Provider, Sidecar, colored};
use crate::support::eventually::{ensure, eventually, throughout};
use crate::support::gateway::Options;
use crate::support::watcher::Watcher;
use crate::support::znodes::Znodes;
use crate::support::zookeeper::ZooKeeper;

/// How long a sidecar may be silent here.
const TIME_TO_LIVE: Duration = Duration::from_secs(4);

/// Time within which the session of a gateway that was killed must have expired.
const EXPIRY: Duration = Duration::from_secs(60);

/// How often the only provider changes under calls that follow each other at once. Where the old form does not stay for a
/// moment, three changes of ten make a call fail.
const CHANGES: usize = 30;

#[tokio::test]
async fn a_dubbo_go_consumer_is_answered_by_synced_providers_whatever_happens_around_them() {
    // Without a chroot, which dubbo-go does not know.
    let zookeeper = ZooKeeper::single().await;
    let connect = zookeeper.connect_string();
    let options = Options::new(&connect).time_to_live(TIME_TO_LIVE);
    let mut gateway = options.set("dubbo", "replacement_overlap", "\"1s\"").start().await;
    let (one, two) = tokio::join!(Provider::start(), Provider::start());
    let sidecar = Sidecar::new();
    let mut consumer = Caller::on_dubbo_go(&connect);
    // Who comes before the first provider is served when that comes.
    consumer.hears_nobody().await;
    sidecar.offers(&gateway, &[(one.port, "red")]).await;
    consumer.hears(&[colored(one.port, "red")]).await;
    let before = consumer.unanswered();

    sidecar.offers(&gateway, &[(one.port, "red"), (two.port, "blue")]).await;
    consumer.hears(&[colored(one.port, "red"), colored(two.port, "blue")]).await;
    sidecar.offers(&gateway, &[(one.port, "green"), (two.port, "blue")]).await;
    consumer.hears(&[colored(one.port, "green"), colored(two.port, "blue")]).await;
    sidecar.offers(&gateway, &[(two.port, "blue")]).await;
    consumer.hears(&[colored(two.port, "blue")]).await;
    sidecar.offers(&gateway, &[(one.port, "black"), (two.port, "blue")]).await;
    consumer.hears(&[colored(one.port, "black"), colored(two.port, "blue")]).await;
    assert_eq!(before, consumer.unanswered());

    let witness = Watcher::start(&connect, "/dubbo").await;
    gateway.kill();
    let znodes = Znodes::connect(&connect).await;
    eventually("the session of the gateway expires", EXPIRY, async || {
        let replicas = znodes.children("/zoogate/replicas").await;
        ensure(replicas.is_empty(), || replicas.join(", "))
    })
    .await;
    gateway.restart().await;
    throughout("nothing is taken from the consumer", 2 * TIME_TO_LIVE, async || {
        ensure(before == consumer.unanswered(), || format!("{:?}", consumer.unanswered()))
    })
    .await;
    consumer.hears(&[colored(one.port, "black"), colored(two.port, "blue")]).await;
    assert!(witness.deleted("providers").is_empty(), "{:?}", witness.seen());

    // dubbo-go drops what has gone before it has read what has come: who has but one provider shows whether it came first.
    sidecar.offers(&gateway, &[(two.port, "blue")]).await;
    consumer.hears(&[colored(two.port, "blue")]).await;
    for color in ["white", "grey"].into_iter().cycle().take(CHANGES) {
        sidecar.offers(&gateway, &[(two.port, color)]).await;
        consumer.hears(&[colored(two.port, color)]).await;
    }
    assert_eq!(before, consumer.unanswered());

    drop(sidecar);
    consumer.hears_nobody().await;
}
