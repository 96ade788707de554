//! Signs of life of instances.

use crate::bench::{Bench, World};
use crate::generator::Requests;
use crate::report::Goal;
use crate::world::fill;

/// Numbers of the instances of these scenarios.
const FIRST: usize = 2_000_000;
const FIRST_OF_MANY: usize = 2_100_000;
const GOAL: Goal = Goal::AtLeast(0.8);

/// The same instance again and again.
pub async fn one(bench: &Bench) -> anyhow::Result<()> {
    let world = bench.small().await?;
    let ids = fill::services(world.gateway.http, vec!["heartbeat-one".into()]).await?;
    fill::instances(world.gateway.http, &ids, FIRST..FIRST + 1).await?;
    let requests = Requests::Same(fill::heartbeat(&ids[0], FIRST));
    bench.add(bench.compare("heartbeat-one", &world.gateway, requests, Some(GOAL)).await?);
    Ok(())
}

/// 10,000 instances in turns.
pub async fn many(bench: &Bench) -> anyhow::Result<()> {
    let world = bench.small().await?;
    let names = (0..100).map(|number| format!("heartbeat-{number:03}")).collect();
    let ids = fill::services(world.gateway.http, names).await?;
    let count = bench.settings.scaled(10_000);
    fill::instances(world.gateway.http, &ids, FIRST_OF_MANY..FIRST_OF_MANY + count).await?;
    let number = |index: usize| FIRST_OF_MANY + index;
    let calls = (0..count).map(|index| fill::heartbeat(&ids[number(index) % ids.len()], number(index)));
    in_turns(bench, "heartbeat-many", world, calls.collect()).await
}

/// These heartbeats, each of an instance that this replica has heard before.
pub async fn in_turns(
    bench: &Bench,
    name: &str,
    world: &World,
    calls: Vec<crate::world::client::Call>,
) -> anyhow::Result<()> {
    let once = calls.clone();
    fill::send_all(world.gateway.http, 0..calls.len(), move |index| once[index].clone()).await?;
    bench.add(bench.compare(name, &world.gateway, Requests::Cycle(calls), Some(GOAL)).await?);
    Ok(())
}
