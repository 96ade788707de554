//! Replicas come and go: one joins another one and takes half of its registrants over, or one goes and all of its
//! registrants go to the other one. Whoever hears a registrant for the first time has to say so in ZooKeeper, and what a
//! replica said that is gone is cleared away.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use zookeeper_client::Client;

use super::large::Large;
use crate::bench::Bench;
use crate::ceilings::zookeeper as raw;
use crate::report::{Row, Side};
use crate::rounds::{Clock, Disturbance};
use crate::support::eventually::{ensure, eventually};
use crate::world::client::Call;
use crate::world::{fill, zookeeper};

/// About as many bytes as a mark has, and creates of the raw client in flight.
const MARK: usize = 2;
const IN_FLIGHT: usize = 64;
const PATIENCE: Duration = Duration::from_secs(60);
/// How long is looked whether something is swept, and how many transactions in this time are none of it.
const LOOK: Duration = Duration::from_secs(3);
const FEW: u64 = 5;
/// Where the replicas and the leases of instances stand.
const REPLICAS: &str = "/zoogate/replicas";
const LEASES: &str = "/zoogate/leases/instances/";

/// All of so many instances have been heard by one replica; then another one starts beside it, and every second of them
/// sends its next heartbeat there.
pub async fn joins(bench: &Bench, instances: usize) -> anyhow::Result<()> {
    let (large, instances) = Large::of(bench, instances).await?;
    let (first, beats) = (&large.world.gateway, Beats::of(&large, instances));
    fill::send_all(first.http, 0..instances, beats.every(1, 0)).await?;
    nothing_to_do(bench).await;

    let client = zookeeper::connect(&large.world.connect).await?;
    let (known, before) = (client.list_children(REPLICAS).await?, Standing::of(bench).await?);
    let first_used = first.process().cpu_time();
    let (clock, began) = (Clock::now(), Instant::now());
    let mut other = bench.replica(&large.world.connect).await?;
    let start = began.elapsed();
    let ready = Standing::of(bench).await?;
    let other_used = other.process().cpu_time();
    let began = Instant::now();
    let moved = instances / 2;
    tokio::try_join!(
        fill::send_all(other.http, 0..moved, beats.every(2, 0)),
        fill::send_all(first.http, 0..instances - moved, beats.every(2, 1)),
    )?;
    // A heartbeat is answered once the registrant is marked; that each is, is counted below.
    let marked = (began.elapsed(), Disturbance::since(clock));
    let after = Standing::of(bench).await?;
    let (first_used, joined_used) =
        (first.process().cpu_time() - first_used, other.process().cpu_time() - other_used);
    let marks = marks_of_newcomer(&client, &known).await?;
    anyhow::ensure!(marks == moved, "{marks} marks of the replica that came instead of {moved}");

    // What comes next begins as this did, and this needs an ensemble that nobody else writes to.
    let resident = other.resident();
    other.stop();
    swept(bench, before.znodes).await;
    let row = row(bench, "replica-joins", instances, moved, marked).await?;
    bench.add(row.memory(resident).note(format!(
        "it was ready after {:.2} s, {:.2} s of processors and {} transactions; half of the heartbeats went on to the first \
         one; {} transactions for the marks; the one that came used {:.2} s of processors for its half, the first one {:.2} s \
         from its start on",
        start.as_secs_f64(),
        other_used.as_secs_f64(),
        ready.transactions - before.transactions,
        after.transactions - ready.transactions,
        joined_used.as_secs_f64(),
        first_used.as_secs_f64(),
    )));
    Ok(())
}

/// All of so many instances have been heard by one replica, which is killed; then all of them send a heartbeat to the
/// other one.
pub async fn dies(bench: &Bench, instances: usize) -> anyhow::Result<()> {
    let (mut large, instances) = Large::of(bench, instances).await?;
    let beats = Beats::of(&large, instances);
    fill::send_all(large.world.gateway.http, 0..instances, beats.every(1, 0)).await?;

    let other = bench.replica(&large.world.connect).await?;
    nothing_to_do(bench).await;
    let before = Standing::of(bench).await?;
    let used = other.process().cpu_time();
    large.world.gateway.stop();
    let (clock, began) = (Clock::now(), Instant::now());
    fill::send_all(other.http, 0..instances, beats.every(1, 0)).await?;
    let marked = (began.elapsed(), Disturbance::since(clock));
    let marking = Standing::of(bench).await?.transactions - before.transactions;
    // One mark of each, as before; the other replica's own znode goes with its session.
    let after = swept(bench, before.znodes).await;
    let swept = began.elapsed();
    let used = other.process().cpu_time() - used;

    let row = row(bench, "replica-dies", instances, instances, marked).await?;
    bench.add(row.memory(other.resident()).note(format!(
        "{marking} transactions for it; after {:.1} s and {} transactions in all nothing is left of the dead replica's \
         marks ({} znodes); the one that stays used {:.1} s of processors for all of it",
        swept.as_secs_f64(),
        after.transactions - before.transactions,
        after.znodes,
        used.as_secs_f64(),
    )));
    large.world.gateway = other;
    Ok(())
}

/// How long it took until so many marks stood, beside as many creates.
async fn row(
    bench: &Bench,
    name: &str,
    instances: usize,
    marks: usize,
    (took, disturbance): (Duration, Disturbance),
) -> anyhow::Result<Row> {
    let part = bench.zookeeper.part(&bench.name("raw")).await?;
    let began = Clock::now();
    let creates = raw::creates(&part, MARK, IN_FLIGHT, bench.settings.span).await?;
    let ceiling = Disturbance::since(began);
    let theirs = marks as f64 / creates.rate;
    let what = format!("as many single creates by one ZooKeeper client, {IN_FLIGHT} in flight");
    let (ours, theirs) =
        (Side::figures("zoogate", vec![took.as_secs_f64()]), Side::figures(&what, vec![theirs]));
    let row = Row::new(format!("{name}-{instances}"), "s until all are marked", ours, theirs);
    Ok(row.disturbed(disturbance.and(ceiling)))
}

/// The heartbeats of all instances.
struct Beats(Arc<Vec<Call>>);

impl Beats {
    fn of(large: &Large, instances: usize) -> Self {
        Self(Arc::new((0..instances).map(|number| large.heartbeat(number)).collect()))
    }

    /// That of every so many, counted from `first`.
    fn every(&self, step: usize, first: usize) -> impl Fn(usize) -> Call + Send + Sync + 'static {
        let calls = self.0.clone();
        move |number| calls[number * step + first].clone()
    }
}

/// What ZooKeeper has done so far, and what stands there.
struct Standing {
    znodes: u64,
    transactions: u64,
}

impl Standing {
    async fn of(bench: &Bench) -> anyhow::Result<Self> {
        let znodes = bench.zookeeper.tree().await?.znodes;
        Ok(Self { znodes, transactions: bench.zookeeper.transactions().await? })
    }
}

/// Counts the marks of the replica that is not among those `known`.
async fn marks_of_newcomer(client: &Client, known: &[String]) -> anyhow::Result<usize> {
    let mut replicas = client.list_children(REPLICAS).await?;
    replicas.retain(|replica| !known.contains(replica));
    anyhow::ensure!(replicas.len() == 1, "{} replicas came instead of one", replicas.len());
    let ending = format!("/{}", replicas.pop().context("counted above")?);
    let paths = raw::paths(client).await?;
    Ok(paths.iter().filter(|path| path.starts_with(LEASES) && path.ends_with(&ending)).count())
}

/// Waits until there are no more znodes than that.
async fn swept(bench: &Bench, znodes: u64) -> Standing {
    eventually("the marks of the dead replica are swept", PATIENCE, async || {
        let after = Standing::of(bench).await.map_err(|error| error.to_string())?;
        ensure(after.znodes <= znodes, || format!("{} znodes, {znodes} before", after.znodes)).map(|()| after)
    })
    .await
}

/// Waits until ZooKeeper has next to nothing to do: what replicas before these left is being swept until then.
async fn nothing_to_do(bench: &Bench) {
    eventually("nothing is being swept any more", PATIENCE, async || {
        let text = |error: anyhow::Error| error.to_string();
        let before = bench.zookeeper.transactions().await.map_err(text)?;
        tokio::time::sleep(LOOK).await;
        let made = bench.zookeeper.transactions().await.map_err(text)? - before;
        ensure(made <= FEW, || format!("{made} transactions in {LOOK:?}"))
    })
    .await;
}
