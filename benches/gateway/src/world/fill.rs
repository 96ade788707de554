//! What stands in the catalog, and what brings it there: registrations through the gateway's own API, many at a time.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Context;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::client::{Answer, Call, Connection};

/// Registrations under way at one time.
const AT_ONCE: usize = 128;
/// The application that everybody belongs to.
pub const APPLICATION: &str = "bench";

/// A v4 path of the tenant `default`.
pub fn registry(path: &str) -> String {
    format!("/v4/default/registry{path}")
}

/// The find of a service by its name, as consumer `consumer`.
pub fn find(service: &str, consumer: &str) -> Call {
    let path = registry(&format!("/instances?appId={APPLICATION}&serviceName={service}&version=0%2B"));
    Call::new("GET", path).header("x-consumerid", consumer)
}

/// An address that no other number has.
pub fn host(number: usize) -> String {
    let [_, one, two, three] = u32::try_from(number).unwrap_or(u32::MAX).to_be_bytes();
    format!("10.{one}.{two}.{three}")
}

/// The body that registers instance `number`. It is silent for a day before it is missed.
pub fn instance(number: usize) -> Value {
    json!({"instance": {
        "instanceId": instance_id(number), "hostName": format!("node-{number:06}"),
        "endpoints": [format!("rest://{}:8080", host(number))], "status": "UP",
        "properties": {"nodeIP": host(number), "attr1": "a"},
        "healthCheck": {"mode": "push", "interval": 3600, "times": 24},
    }})
}

/// The id of instance `number`, as long as those that clients have.
pub fn instance_id(number: usize) -> String {
    format!("{number:032x}")
}

/// Sends the calls that `make` makes for `numbers`, many at a time, and returns the answers in this order.
///
/// # Errors
/// When one does not succeed.
pub async fn send_all(
    gateway: SocketAddr,
    numbers: std::ops::Range<usize>,
    make: impl Fn(usize) -> Call + Send + Sync + 'static,
) -> anyhow::Result<Vec<Answer>> {
    let (next, end) = (Arc::new(AtomicUsize::new(numbers.start)), numbers.end);
    let make = Arc::new(make);
    let mut senders = JoinSet::new();
    for _ in 0..AT_ONCE.min(numbers.len()) {
        let (next, make) = (next.clone(), make.clone());
        senders.spawn(async move {
            let mut connection = Connection::open(gateway).await?;
            let mut answers = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= end {
                    return anyhow::Ok(answers);
                }
                answers.push((number, connection.succeed(&make(number)).await?));
            }
        });
    }
    let mut answers = Vec::new();
    while let Some(some) = senders.join_next().await {
        answers.extend(some??);
    }
    answers.sort_by_key(|(number, _)| *number);
    Ok(answers.into_iter().map(|(_, answer)| answer).collect())
}

/// Registers the services `names` and returns their ids in this order.
///
/// # Errors
/// When one is refused.
pub async fn services(gateway: SocketAddr, names: Vec<String>) -> anyhow::Result<Vec<String>> {
    services_at(gateway, registry("/microservices"), names).await
}

/// Likewise, of any tenant.
///
/// # Errors
/// When one is refused.
pub async fn services_at(
    gateway: SocketAddr,
    path: String,
    names: Vec<String>,
) -> anyhow::Result<Vec<String>> {
    let count = names.len();
    let make = move |number: usize| {
        let service = json!({"appId": APPLICATION, "serviceName": names[number], "version": "1.0.0"});
        Call::new("POST", path.clone()).json(&json!({ "service": service }))
    };
    let answers = send_all(gateway, 0..count, make).await?;
    let id = |answer: &Answer| Some(answer.json().ok()?.get("serviceId")?.as_str()?.to_owned());
    answers.iter().map(|answer| id(answer).with_context(|| format!("no id in {answer}"))).collect()
}

/// Registers the instances `numbers`, spread evenly over the services with these ids.
///
/// # Errors
/// When one is refused.
pub async fn instances(
    gateway: SocketAddr,
    service_ids: &[String],
    numbers: std::ops::Range<usize>,
) -> anyhow::Result<()> {
    let service_ids = service_ids.to_vec();
    let make = move |number: usize| register(&service_ids[number % service_ids.len()], number);
    send_all(gateway, numbers, make).await.map(drop)
}

/// The registration of instance `number`.
pub fn register(service_id: &str, number: usize) -> Call {
    let path = registry(&format!("/microservices/{service_id}/instances"));
    Call::new("POST", path).json(&instance(number))
}

/// The heartbeat of instance `number`.
pub fn heartbeat(service_id: &str, number: usize) -> Call {
    let id = instance_id(number);
    Call::new("PUT", registry(&format!("/microservices/{service_id}/instances/{id}/heartbeat")))
}

/// The change of the properties of instance `number`.
pub fn change(service_id: &str, number: usize, value: usize) -> Call {
    let id = instance_id(number);
    let path = registry(&format!("/microservices/{service_id}/instances/{id}/properties"));
    let properties = json!({"nodeIP": host(number), "attr1": format!("{value:08}")});
    Call::new("PUT", path).json(&json!({ "properties": properties }))
}

/// The sync of sidecar `number` with 20 providers, of which the last has this value, and 40 consumers.
pub fn sync(number: usize, value: usize) -> Call {
    let entry = |interface: String, value: usize| {
        json!({
            "service": {"interface": interface, "methods": ["get", "put"], "params": {
                "application": APPLICATION, "revision": value.to_string()}},
            "host": host(number), "port": 20880,
        })
    };
    let value_of = |provider: usize| if provider == 19 { value } else { 0 };
    let providers = (0..20).map(|index| entry(format!("bench.Service{index:03}"), value_of(index)));
    let consumers = (0..40).map(|index| entry(format!("bench.Service{:03}", index + 20), 0));
    let (providers, consumers): (Vec<_>, Vec<_>) = (providers.collect(), consumers.collect());
    Call::new("POST", "/registry/info/sync")
        .header("x-registrant-id", format!("sidecar@{}", host(number)))
        .json(&json!({"provider_list": providers, "consumer_list": consumers}))
}
