//! Consumers on Dubbo 2.7 and 3.3 find what is synced through the gateway, and really call it.

use std::time::Duration;

use crate::calls::{Consumer, Outcome, all_are_answered_by, all_find_nobody, tag};
use crate::dubbo::{BOTH, Dubbo, ECHO, LOOPBACK, NESTED, Provider, Registry};
use crate::program::kill_with_session;
use crate::sidecar::Sidecar;
use crate::support::gateway::{Gateway, Options};
use crate::support::znodes::Znodes;

async fn gateway(connect: &str) -> Gateway {
    Options::new(connect).time_to_live(Duration::from_secs(60)).start().await
}

/// One consumer of each release.
fn consumers(registry: &Registry, services: &[&str]) -> [Consumer; 2] {
    BOTH.map(|dubbo| Consumer::start(dubbo, registry, &[], services))
}

/// Waits until these providers answer every consumer, and asserts that no call failed until then.
async fn go_on_with(tags: &[&str], consumers: &mut [Consumer]) {
    all_are_answered_by(tags, consumers, &[ECHO]).await;
    for consumer in consumers {
        consumer.never_failed(ECHO);
    }
}

#[tokio::test]
async fn no_call_fails_while_a_live_provider_is_synced_whatever_happens_to_the_others_and_to_the_gateway() {
    let registry = Registry::start().await;
    let znodes = Znodes::connect(&registry.address()).await;
    let mut gateway = gateway(&registry.address()).await;
    let first = Provider::silent(Dubbo::ThreeThree, &registry, "first", &[ECHO]).await;
    let second = Provider::silent(Dubbo::TwoSeven, &registry, "second", &[ECHO]).await;
    let mut consumers = consumers(&registry, &[ECHO]);
    all_find_nobody(&mut consumers, &[ECHO]).await;

    let beside_first = Sidecar::start(&gateway, "beside-first", &[first.entry(ECHO, LOOPBACK)]).await;
    go_on_with(&["first"], &mut consumers).await;
    let mut entry = second.entry(ECHO, LOOPBACK);
    let beside_second = Sidecar::start(&gateway, "beside-second", &[entry.clone()]).await;
    go_on_with(&["first", "second"], &mut consumers).await;

    // It goes the way it should: out of the registry, and only when nobody calls it any more for good.
    beside_first.provides(&[]).await;
    go_on_with(&["second"], &mut consumers).await;
    drop(first);
    go_on_with(&["second"], &mut consumers).await;

    entry["service"]["params"]["weight"] = 200.into();
    beside_second.provides(&[entry]).await;
    for consumer in &mut consumers {
        let changed = |call: &Outcome| matches!(call, Outcome::Answered { weight, .. } if weight == "200");
        consumer.come_to("the weight is 200", &[ECHO], |calls| calls.iter().all(changed)).await;
        consumer.never_failed(ECHO);
    }

    let registered = znodes.urls(ECHO, "providers").await;
    assert_eq!(1, registered.len(), "{registered:?}");
    kill_with_session(&mut gateway, &registry.address()).await;
    go_on_with(&["second"], &mut consumers).await;
    gateway.restart().await;
    beside_second.is_heard().await;
    go_on_with(&["second"], &mut consumers).await;
    assert_eq!(registered, znodes.urls(ECHO, "providers").await);
    for consumer in &consumers {
        eprintln!("{} calls, none of which failed", consumer.never_failed(ECHO));
    }

    beside_second.provides(&[]).await;
    all_find_nobody(&mut consumers, &[ECHO]).await;
}

#[tokio::test]
async fn a_consumer_finds_a_provider_of_its_own_group_and_version_only() {
    const MATCHING: &str = "g1/interop.Echo:1.0.0";
    const OTHERS: [&str; 5] =
        ["g2/interop.Echo:1.0.0", "g1/interop.Echo:2.0.0", "g1/interop.Echo", "interop.Echo:1.0.0", ECHO];
    let registry = Registry::start().await;
    let gateway = gateway(&registry.address()).await;
    let matching = Provider::silent(Dubbo::ThreeThree, &registry, "matching", &[MATCHING]).await;
    let others = Provider::silent(Dubbo::TwoSeven, &registry, "other", &OTHERS).await;
    let services: Vec<_> = [MATCHING].into_iter().chain(OTHERS).collect();
    let mut consumers = consumers(&registry, &services);

    let _beside_matching =
        Sidecar::start(&gateway, "beside-matching", &[matching.entry(MATCHING, LOOPBACK)]).await;
    all_are_answered_by(&["matching"], &mut consumers, &[MATCHING]).await;
    all_find_nobody(&mut consumers, &OTHERS).await;

    // Each of them finds what does match, so that nothing else can have kept it from finding the first.
    let entries = OTHERS.map(|service| others.entry(service, LOOPBACK));
    let _beside_others = Sidecar::start(&gateway, "beside-others", &entries).await;
    all_are_answered_by(&["other"], &mut consumers, &OTHERS).await;
    all_are_answered_by(&["matching"], &mut consumers, &[MATCHING]).await;
    for consumer in &consumers {
        consumer.never_failed(MATCHING);
        for other in OTHERS {
            let calls = consumer.calls(other);
            assert!(calls.iter().all(|call| tag(call) != Some("matching")), "{other}: {calls:?}");
        }
    }
}

#[tokio::test]
async fn a_nested_interface_and_a_provider_at_an_ipv6_address_are_found_below_a_chroot() {
    let (registry, connect) = Registry::start().await.below_a_chroot().await;
    let gateway = gateway(&connect).await;
    // Without IPv6 on this machine the dollar sign alone is tried.
    let host = std::net::TcpListener::bind("[::1]:0").map_or(LOOPBACK, |_| "::1");
    let provider = Provider::silent(Dubbo::ThreeThree, &registry, "only", &[ECHO, NESTED]).await;
    let mut consumers = consumers(&registry, &[ECHO, NESTED]);
    let entries = [provider.entry(ECHO, host), provider.entry(NESTED, LOOPBACK)];
    let _beside = Sidecar::start(&gateway, "beside", &entries).await;
    let expected = std::net::SocketAddr::new(host.parse().unwrap(), provider.port).to_string();
    all_are_answered_by(&["only"], &mut consumers, &[ECHO, NESTED]).await;
    for consumer in &consumers {
        consumer.never_failed(ECHO);
        consumer.never_failed(NESTED);
        let last = consumer.calls(ECHO).pop();
        let there = matches!(&last, Some(Outcome::Answered { address, .. }) if *address == expected);
        assert!(there, "{last:?} is not at {expected}");
    }
    let folders = Znodes::connect(&connect).await.children("/dubbo").await;
    assert!(folders.iter().any(|name| name == "interop.Echo%24Nested"), "{folders:?}");
}
