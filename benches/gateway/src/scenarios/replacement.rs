//! A replica goes while another one is there: its registrants go to the other one, which has to say in ZooKeeper that it
//! hears them, and what the first one said is cleared away.

use std::time::{Duration, Instant};

use anyhow::Context;

use super::large::Large;
use crate::bench::Bench;
use crate::ceilings::zookeeper as raw;
use crate::report::{Row, Side};
use crate::support::eventually::{ensure, eventually};
use crate::world::client::Call;
use crate::world::fill;

/// About as many bytes as a mark has, and creates of the raw client in flight.
const MARK: usize = 2;
const IN_FLIGHT: usize = 64;
const PATIENCE: Duration = Duration::from_secs(60);
/// How long is looked whether something is swept, and how many transactions in this time are none of it.
const LOOK: Duration = Duration::from_secs(3);
const FEW: u64 = 5;

/// All of so many instances have been heard by one replica, which is killed; then all of them send a heartbeat to the
/// other one.
pub async fn dies(bench: &Bench, instances: usize) -> anyhow::Result<()> {
    let instances = bench.settings.scaled(instances);
    let mut large = bench.large.lock().await;
    if large.is_none() {
        *large = Some(Large::new(bench).await?);
    }
    let large = large.as_mut().context("made above")?;
    large.grow(instances).await?;
    let calls: Vec<_> = (0..instances).map(|number| large.heartbeat(number)).collect();
    let beats = |calls: &[Call]| {
        let calls = calls.to_vec();
        move |number: usize| calls[number].clone()
    };
    fill::send_all(large.world.gateway.http, 0..instances, beats(&calls)).await?;

    let other = bench.replica(&large.world.connect).await?;
    nothing_to_do(bench).await;
    let (znodes, transactions) =
        (bench.zookeeper.tree().await?.znodes, bench.zookeeper.transactions().await?);
    let used = other.process().cpu_time();
    large.world.gateway.stop();
    let started = Instant::now();
    fill::send_all(other.http, 0..instances, beats(&calls)).await?;
    let marked = started.elapsed();
    let marking = bench.zookeeper.transactions().await? - transactions;
    // One mark of each, as before; the other replica's own znode goes with its session.
    let count = eventually("the marks of the dead replica are swept", PATIENCE, async || {
        let count = bench.zookeeper.tree().await.map_err(|error| error.to_string())?.znodes;
        ensure(count <= znodes, || format!("{count} znodes, {znodes} before")).map(|()| count)
    })
    .await;
    let (swept, all) = (started.elapsed(), bench.zookeeper.transactions().await? - transactions);
    let used = other.process().cpu_time() - used;

    let part = bench.zookeeper.part(&bench.name("raw")).await?;
    let creates = raw::creates(&part, MARK, IN_FLIGHT, bench.settings.span).await?;
    let theirs = instances as f64 / creates.rate;
    let what = format!("as many single creates by one ZooKeeper client, {IN_FLIGHT} in flight");
    let ours = Side::figures("zoogate", vec![marked.as_secs_f64()]);
    let row = Row::new(format!("replica-dies-{instances}"), "s until all are marked", ours, {
        Side::figures(&what, vec![theirs])
    });
    bench.add(row.memory(other.resident()).note(format!(
        "{marking} transactions for it; after {:.1} s and {all} transactions in all nothing is left of the dead replica's \
         marks ({count} znodes); the one that stays used {:.1} s of processors for all of it",
        swept.as_secs_f64(),
        used.as_secs_f64(),
    )));
    large.world.gateway = other;
    Ok(())
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
