//! Applications on ServiceComb's own Java client, unmodified, as java-chassis and Spring Cloud Huawei embed it.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use reqwest::Method;
use serde_json::Value;

use crate::program::{Program, addresses, built, two_gateways};
use crate::support::eventually::{ensure, eventually, throughout};
use crate::support::gateway::{Gateway, registry_path};

/// What the client takes to start, register and find.
const START: Duration = Duration::from_secs(30);

/// The time to live of an instance that asks for heartbeats every 5 s, and some for the machine.
const LAPSE: Duration = Duration::from_secs(40);

/// After three heartbeats that were refused the client registers again: 3 s, 12 s and 27 s after one another.
const REGISTER_AGAIN: Duration = Duration::from_secs(75);

fn java(class: &str, arguments: impl IntoIterator<Item = String>) -> Program {
    let home = built("java-service-center-client");
    let class_path = crate::support::zookeeper::join(&[home.join("classes"), home.join("jars/*")]);
    let mut all: Vec<OsString> = vec!["-Xmx128m".into(), "-cp".into(), class_path, class.into()];
    all.extend(arguments.into_iter().map(OsString::from));
    Program::start(Path::new("java"), &all)
}

/// An application with this name that listens at this port and follows `provider`.
fn application(name: &str, port: u16, poll: Duration, provider: &str, gateways: &[&Gateway]) -> Program {
    let own = [
        name.to_owned(),
        format!("rest://127.0.0.1:{port}"),
        poll.as_millis().to_string(),
        provider.to_owned(),
    ];
    java("interop.Application", own.into_iter().chain(addresses(gateways)))
}

/// Service and instance id under which the application registered.
async fn registered(application: &mut Program) -> (String, String) {
    let line = application.says("> registered ", START).await;
    let mut words = line.split_whitespace().skip(2).map(str::to_owned);
    (words.next().unwrap(), words.next().unwrap())
}

async fn instances(gateway: &Gateway, service: &str) -> Vec<Value> {
    let answer = gateway.get(&format!("/microservices/{service}/instances")).await.ok();
    answer.json()["instances"].as_array().cloned().unwrap_or_default()
}

/// What the application was last told of its provider.
fn last_found(application: &Program) -> Option<String> {
    application.output().lines().rfind(|line| line.starts_with("> found ")).map(str::to_owned)
}

async fn finds(application: &mut Program, what: &str, patience: Duration) {
    eventually(&format!("the consumer is told {what:?}"), patience, async || {
        application.still_runs();
        let found = last_found(application).unwrap_or_default();
        ensure(found.starts_with(&format!("> found {what}")), || application.output())
    })
    .await;
}

#[tokio::test]
async fn every_operation_of_the_java_client_is_answered_as_it_expects() {
    let (first, second) = two_gateways().await;
    java("interop.Contract", addresses(&[&first, &second])).succeeds(Duration::from_secs(60)).await;
}

#[tokio::test]
async fn a_java_consumer_is_told_of_providers_that_come_change_and_fall_silent() {
    let (first, second) = two_gateways().await;
    let both = [&first, &second];
    // A minute between two questions: what is told sooner came over the watch.
    let rarely = Duration::from_secs(60);
    let mut one = application("provider", 18_081, rarely, "-", &both);
    let (service, instance) = registered(&mut one).await;
    let mut consumer = application("consumer", 18_082, rarely, "provider", &both);
    finds(&mut consumer, "1: [rest://127.0.0.1:18081] UP of provider", START).await;
    consumer.says("web socket connected", START).await;

    let mut two = application("provider", 18_083, rarely, "-", &both);
    finds(&mut consumer, "2: ", START).await;
    registered(&mut two).await;
    let status = registry_path(&format!("/microservices/{service}/instances/{instance}/status?value=DOWN"));
    first.request(Method::PUT, &status).send().await.ok();
    finds(&mut consumer, "2: [rest://127.0.0.1:18081] DOWN of provider, ", START).await;

    drop(one);
    finds(&mut consumer, "1: [rest://127.0.0.1:18083] UP of provider", LAPSE).await;
    drop(two);
    finds(&mut consumer, "0", LAPSE).await;
}

#[tokio::test]
async fn a_java_application_whose_instance_is_gone_registers_again_under_its_id() {
    let (first, second) = two_gateways().await;
    let mut application = application("lost", 18_084, Duration::from_secs(60), "-", &[&first, &second]);
    let (service, instance) = registered(&mut application).await;
    application.says("> heartbeat taken", START).await;
    first.delete(&format!("/microservices/{service}/instances/{instance}")).await.ok();
    application.says("> heartbeat failed", START).await;
    eventually("the instance is back", REGISTER_AGAIN, async || {
        application.still_runs();
        let found = instances(&second, &service).await;
        ensure(found.len() == 1 && found[0]["instanceId"] == instance.as_str(), || application.output())
    })
    .await;
}

#[tokio::test]
async fn java_applications_go_on_through_the_other_gateway_when_theirs_dies() {
    let (mut first, second) = two_gateways().await;
    let often = Duration::from_secs(1);
    let mut provider = application("steady", 18_085, often, "-", &[&first, &second]);
    let (service, instance) = registered(&mut provider).await;
    let mut consumer = application("follower", 18_086, often, "steady", &[&first, &second]);
    finds(&mut consumer, "1: [rest://127.0.0.1:18085] UP", START).await;
    first.kill();
    throughout("the instance stays", LAPSE, async || {
        provider.still_runs();
        let found = instances(&second, &service).await;
        ensure(found.len() == 1 && found[0]["instanceId"] == instance.as_str(), || format!("{found:?}"))
    })
    .await;
    assert_eq!(1, provider.output().matches("> registered").count(), "{}", provider.output());
    let later = application("steady", 18_087, often, "-", &[&second]);
    finds(&mut consumer, "2: ", START).await;
    drop(later);
}
