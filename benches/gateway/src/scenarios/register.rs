//! Registrations of instances, durable in ZooKeeper before they are answered.

use anyhow::Context;
use serde_json::json;

use crate::bench::{Bench, RATE, World};
use crate::ceilings::zookeeper as raw;
use crate::generator::{Measured, Requests};
use crate::report::{Goal, Row, Side};
use crate::rounds::Rounds;
use crate::world::client::{Call, Connection};
use crate::world::fill;

/// Numbers of the instances of these scenarios.
const FIRST: usize = 4_000_000;
/// Clients, and creates of the raw client in flight.
const CLIENTS: usize = 64;
/// Services that new instances are spread over.
const SERVICES: usize = 100;
/// Bytes of the path of a znode of the raw client.
const RAW_PATH: usize = 60;
const GROWING: Goal = Goal::AtLeast(2.5);

/// What stands already: only ZooKeeper is asked whether it does.
pub async fn same(bench: &Bench) -> anyhow::Result<()> {
    let world = bench.small().await?;
    let ids = fill::services(world.gateway.http, vec!["register-same".into()]).await?;
    let call = fill::register(&ids[0], FIRST);
    let mut connection = Connection::open(world.gateway.http).await?;
    connection.succeed(&call).await?;
    let load = bench.load(CLIENTS);
    let (requests, gateway) = (Requests::Same(call.clone()), &world.gateway);
    let both = async || {
        let part = bench.zookeeper.part(&bench.name("raw")).await?;
        let ceiling = (raw::checks(&part, CLIENTS, load.span).await?, None);
        Ok((bench.closed(gateway.http, gateway.process(), &requests, load).await?, ceiling))
    };
    let (ours, theirs, disturbance) = bench.rounds(both).await?.sides();
    connection.succeed(&call).await?;
    let what = format!("one ZooKeeper client with {CLIENTS} transactions of two conditions in flight");
    let mut row = Row::new("register-same", RATE, Side::of("zoogate", &ours), Side::of(&what, &theirs));
    row.failures = ours.iter().map(|(measured, _)| measured.failures).sum();
    bench.add(row.disturbed(disturbance).memory(gateway.resident()));
    Ok(())
}

/// Instances that were never there before.
pub async fn growing(bench: &Bench) -> anyhow::Result<()> {
    growing_in(bench, "register-growing", bench.small().await?, bench.settings.rounds).await
}

/// Likewise, in any world.
pub async fn growing_in(bench: &Bench, name: &str, world: &World, rounds: usize) -> anyhow::Result<()> {
    let gateway = &world.gateway;
    let names = (0..SERVICES).map(|number| format!("growing-{number:03}")).collect();
    let ids = fill::services(gateway.http, names).await?;
    let calls: Vec<Call> = ids.iter().map(|id| template(id)).collect();
    let load = bench.load(CLIENTS);
    let register = async || {
        let requests = Requests::Growing { calls: calls.clone(), first: bench.next_instance(load) };
        bench.closed(gateway.http, gateway.process(), &requests, load).await
    };
    // Warms up.
    register().await?;
    let both = async || {
        let before = bench.zookeeper.tree().await?;
        let (measured, processor) = register().await?;
        let after = bench.zookeeper.tree().await?;
        let made = (after.znodes - before.znodes) as f64;
        let bytes = (after.bytes - before.bytes) as f64 / made;
        let part = bench.zookeeper.part(&bench.name("raw")).await?;
        let data = (bytes as usize).saturating_sub(RAW_PATH);
        let ceiling = (raw::creates(&part, data, CLIENTS, load.span).await?, None);
        let znodes = made / measured.requests.max(1) as f64;
        Ok(Registered { measured, processor, znodes, bytes, ceiling })
    };
    let Rounds { each, disturbance } = Rounds::of(rounds, both).await?;
    let median = |of: fn(&Registered) -> f64| crate::statistics::median(each.iter().map(of));
    let ours: Vec<_> = each.iter().map(|it| (it.measured, it.processor)).collect();
    let theirs: Vec<_> = each.iter().map(|it| it.ceiling).collect();
    let mut side = Side::of("zoogate", &ours);
    side.rounds = each.iter().map(|it| it.measured.rate * it.znodes).collect();
    side.figure = median(|it| it.measured.rate * it.znodes);
    let what = format!("one ZooKeeper client with {CLIENTS} single creates of the same size in flight");
    let mut row = Row::new(name, "znodes/s", side, Side::of(&what, &theirs));
    row.failures = ours.iter().map(|(measured, _)| measured.failures).sum();
    let row = row.goal(Some(GROWING)).disturbed(disturbance).memory(gateway.resident());
    bench.add(row.note(format!(
        "{:.0} registrations a second of {:.2} znodes of {:.0} bytes each, path included",
        median(|it| it.measured.rate),
        median(|it| it.znodes),
        median(|it| it.bytes),
    )));
    Connection::open(gateway.http).await?.succeed(&calls_end(&ids).context("an id")?).await?;
    Ok(())
}

/// What a round of registrations came to.
struct Registered {
    measured: Measured,
    processor: Option<f64>,
    /// Znodes of each, and bytes of each of those, path included.
    znodes: f64,
    bytes: f64,
    ceiling: (Measured, Option<f64>),
}

/// Whether the last service still lists what was registered.
fn calls_end(ids: &[String]) -> Option<Call> {
    Some(Call::new("GET", fill::registry(&format!("/microservices/{}/instances", ids.last()?))))
}

/// As [`fill::instance`], with marks for what differs.
fn template(service_id: &str) -> Call {
    let instance = json!({"instance": {
        "instanceId": "<id>", "hostName": "node-<number>", "endpoints": ["rest://<address>:8080"], "status": "UP",
        "properties": {"nodeIP": "<address>", "attr1": "a"},
        "healthCheck": {"mode": "push", "interval": 3600, "times": 24},
    }});
    Call::new("POST", fill::registry(&format!("/microservices/{service_id}/instances"))).json(&instance)
}
