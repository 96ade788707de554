//! Consumers on Dubbo 3.3 that go by applications find what is synced through the gateway, and call it.

use crate::calls::{Consumer, all_are_answered_by, all_find_nobody};
use crate::dubbo::{BOTH, Dubbo, ECHO, LOOPBACK, NESTED, Provider, Registry};
use crate::program::kill_with_session;
use crate::sidecar::Sidecar;
use crate::support::gateway::Options;

/// What makes a consumer go by applications only; by itself it takes interfaces too when no application offers them.
const BY_APPLICATION: &str = "-Ddubbo.application.migration.step=FORCE_APPLICATION";

#[tokio::test]
async fn a_consumer_that_goes_by_applications_calls_synced_providers_as_they_come_and_go() {
    let registry = Registry::start().await;
    let options = Options::new(&registry.address()).set("dubbo", "application_level", "true");
    let mut gateway = options.start().await;
    let services = ["g1/interop.Echo:1.0.0", ECHO, NESTED];
    let first = Provider::silent(Dubbo::ThreeThree, &registry, "first", &services).await;
    let second = Provider::silent(Dubbo::TwoSeven, &registry, "second", &services).await;
    let mut consumers = [Consumer::start(Dubbo::ThreeThree, &registry, &[BY_APPLICATION], &services)];
    all_find_nobody(&mut consumers, &services).await;

    let beside_first =
        Sidecar::start(&gateway, "first", &services.map(|one| first.entry(one, LOOPBACK))).await;
    all_are_answered_by(&["first"], &mut consumers, &services).await;
    let beside_second =
        Sidecar::start(&gateway, "second", &services.map(|one| second.entry(one, LOOPBACK))).await;
    all_are_answered_by(&["first", "second"], &mut consumers, &services).await;
    beside_first.provides(&[]).await;
    all_are_answered_by(&["second"], &mut consumers, &services).await;
    kill_with_session(&mut gateway, &registry.address()).await;
    all_are_answered_by(&["second"], &mut consumers, &services).await;
    gateway.restart().await;
    beside_second.is_heard().await;
    all_are_answered_by(&["second"], &mut consumers, &services).await;
    for service in services {
        consumers[0].never_failed(service);
    }

    // Of the services of one address some go, and the others stay.
    beside_second.provides(&[ECHO, NESTED].map(|one| second.entry(one, LOOPBACK))).await;
    all_find_nobody(&mut consumers, &services[..1]).await;
    all_are_answered_by(&["second"], &mut consumers, &services[1..]).await;
    consumers[0].never_failed(ECHO);
    beside_second.provides(&[]).await;
    all_find_nobody(&mut consumers, &services).await;
}

#[tokio::test]
async fn consumers_call_synced_providers_beside_one_that_registers_itself_in_a_group() {
    let registry = Registry::start().await.in_group("shop");
    let mut options = Options::new(&registry.address()).set("dubbo", "application_level", "true");
    // In a group everything stands in one folder.
    for root in ["root", "services_root"] {
        options = options.set("dubbo", root, "\"/shop\"");
    }
    let gateway = options.start().await;
    let native = Provider::registering(Dubbo::ThreeThree, &registry, "native", &[ECHO]).await;
    let synced = Provider::silent(Dubbo::ThreeThree, &registry, "synced", &[ECHO]).await;
    let _beside = Sidecar::start(&gateway, "synced", &[synced.entry(ECHO, LOOPBACK)]).await;
    // As they are by themselves: 3.3 goes by applications as soon as there is one, 2.7 always by interfaces.
    let mut consumers = BOTH.map(|dubbo| Consumer::start(dubbo, &registry, &[], &[ECHO]));
    all_are_answered_by(&["native", "synced"], &mut consumers, &[ECHO]).await;
    native.stop().await;
    all_are_answered_by(&["synced"], &mut consumers, &[ECHO]).await;
}
