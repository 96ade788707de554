//! How soon others hear of a change: watchers, and whoever asks another replica.

use std::time::{Duration, Instant};

use anyhow::ensure;

use crate::bench::{Bench, World};
use crate::ceilings::zookeeper as raw;
use crate::report::{Row, Side};
use crate::rounds::{Clock, Disturbance};
use crate::statistics::Latencies;
use crate::support::eventually::{self, eventually};
use crate::support::listener::Listener;
use crate::world::client::{Call, Connection};
use crate::world::fill;

/// Numbers of the instances of these scenarios.
const FIRST_WATCHED: usize = 5_000_000;
const FIRST_REPLICATED: usize = 5_100_000;
/// Instances of the service that changes.
const INSTANCES: usize = 10;
/// Changes, one after the other.
const CHANGES: usize = 1_000;
/// About the size of the document of an instance.
const DOCUMENT: usize = 600;
const PATIENCE: Duration = Duration::from_secs(30);

/// From sending a change until the WebSocket has told of it.
pub async fn watcher(bench: &Bench) -> anyhow::Result<()> {
    let world = bench.small().await?;
    let gateway = &world.gateway;
    let ids = fill::services(gateway.http, vec!["watched".into()]).await?;
    fill::instances(gateway.http, &ids, FIRST_WATCHED..FIRST_WATCHED + INSTANCES).await?;
    let mut connection = Connection::open(gateway.http).await?;
    connection.succeed(&fill::find("watched", &world.consumer)).await?;
    let consumer = &world.consumer;
    let providers = Call::new("GET", fill::registry(&format!("/microservices/{consumer}/providers")));
    eventually("the dependency is known", PATIENCE, async || {
        let answer =
            Connection::open(gateway.http).await.map_err(|error| error.to_string())?.send(&providers).await;
        let answer = answer.map_err(|error| error.to_string())?;
        eventually::ensure(String::from_utf8_lossy(&answer.body).contains(&ids[0]), || answer.to_string())
    })
    .await;
    let path = fill::registry(&format!("/microservices/{consumer}/watcher"));
    let mut listener = Listener::open(gateway.http, &path).await;
    eventually("the watcher is counted", PATIENCE, async || {
        let metrics = gateway.metrics().await.map_err(|error| error.to_string())?;
        eventually::ensure(metrics.contains("zoogate_watch_subscribers 1\n"), || "it is not".into())
    })
    .await;
    let mut latencies = Latencies::default();
    let (began, started) = (Clock::now(), Instant::now());
    for value in 1..=bench.settings.scaled(CHANGES) {
        let (call, text) = (fill::change(&ids[0], FIRST_WATCHED, value), format!("{value:08}"));
        let sent = Instant::now();
        let told = async {
            let mut heard = false;
            while !heard {
                let text = text.as_bytes();
                listener.hear(|frame| heard |= frame.windows(text.len()).any(|part| part == text)).await;
            }
            sent.elapsed()
        };
        let (answer, told) = tokio::join!(connection.succeed(&call), told);
        answer?;
        latencies.add(told);
    }
    report(bench, "change-to-watcher", world, latencies, (started.elapsed(), began)).await
}

/// From sending a change to one replica until the other one answers with it, asked again and again.
pub async fn replicas(bench: &Bench) -> anyhow::Result<()> {
    let world = bench.small().await?;
    let other = bench.replica(&world.connect).await?;
    let ids = fill::services(world.gateway.http, vec!["replicated".into()]).await?;
    fill::instances(world.gateway.http, &ids, FIRST_REPLICATED..FIRST_REPLICATED + INSTANCES).await?;
    let mut here = Connection::open(world.gateway.http).await?;
    let mut there = Connection::open(other.http).await?;
    let id = fill::instance_id(FIRST_REPLICATED);
    let get = Call::new("GET", fill::registry(&format!("/microservices/{}/instances/{id}", ids[0])));
    let mut latencies = Latencies::default();
    let (began, started) = (Clock::now(), Instant::now());
    for value in 1..=bench.settings.scaled(CHANGES) {
        let (call, text) = (fill::change(&ids[0], FIRST_REPLICATED, value), format!("{value:08}"));
        let sent = Instant::now();
        let seen = async {
            loop {
                let answer = there.send(&get).await?;
                if String::from_utf8_lossy(&answer.body).contains(&text) {
                    return anyhow::Ok(sent.elapsed());
                }
                ensure!(sent.elapsed() < PATIENCE, "the other replica never learned of it: {answer}");
            }
        };
        let (answer, seen) = tokio::join!(here.succeed(&call), seen);
        answer?;
        latencies.add(seen?);
    }
    report(bench, "change-across-replicas", world, latencies, (started.elapsed(), began)).await
}

async fn report(
    bench: &Bench,
    name: &str,
    world: &World,
    ours: Latencies,
    (took, began): (Duration, Clock),
) -> anyhow::Result<()> {
    let part = bench.zookeeper.part(&bench.name("raw")).await?;
    let started = Instant::now();
    let count = bench.settings.scaled(CHANGES);
    let theirs = raw::news(&part, DOCUMENT, count).await?.measured(started.elapsed());
    let ours = ours.measured(took);
    let side = |what: &str, measured| Side::timed(what, &[(measured, None)], |it| it.p50);
    let what = "two ZooKeeper sessions: one writes a znode, the other watches it and reads it";
    let row = Row::new(name, "p50 ms", side("zoogate", ours), side(what, theirs));
    let row = row.disturbed(Disturbance::since(began)).memory(world.gateway.resident());
    bench.add(row.note(format!("{count} changes, one after the other")));
    Ok(())
}
