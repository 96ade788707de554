//! Snapshots of sidecars.

use anyhow::{Context, ensure};

use crate::bench::{Bench, RATE, World};
use crate::ceilings::zookeeper as raw;
use crate::generator::Requests;
use crate::report::{Goal, Row, Side};
use crate::world::client::{Answer, Connection};
use crate::world::{fill, zookeeper};

/// Numbers of the sidecars of these scenarios.
const FIRST: usize = 3_000_000;
const FIRST_CHANGED: usize = 3_100_000;
const UNCHANGED: Goal = Goal::AtLeast(0.8);
/// Sidecars that change in turns: twice as many as there are connections, so that hardly ever two changes of one meet.
const CHANGING: usize = 64;

/// A sync that failed is answered with status 200 as well.
fn taken(answer: &Answer) -> anyhow::Result<()> {
    ensure!(answer.json()?["code"] == 0, "a sync was refused: {answer}");
    Ok(())
}

/// The snapshot that stands already.
pub async fn unchanged(bench: &Bench) -> anyhow::Result<()> {
    unchanged_in(bench, "sync-unchanged", bench.small().await?).await
}

/// Likewise, in any world.
pub async fn unchanged_in(bench: &Bench, name: &str, world: &World) -> anyhow::Result<()> {
    let call = fill::sync(FIRST, 0);
    let mut connection = Connection::open(world.gateway.http).await?;
    taken(&connection.succeed(&call).await?)?;
    let row = bench.compare(name, &world.gateway, Requests::Same(call.clone()), Some(UNCHANGED)).await?;
    taken(&connection.succeed(&call).await?)?;
    let bytes = call.body.as_deref().map_or(0, str::len);
    bench.add(row.note(format!("{bytes} bytes of snapshot")));
    Ok(())
}

/// One of 20 providers is another one each time.
pub async fn changed(bench: &Bench) -> anyhow::Result<()> {
    let world = bench.small().await?;
    let calls: Vec<_> = (1..=2)
        .flat_map(|value| (0..CHANGING).map(move |sidecar| fill::sync(FIRST_CHANGED + sidecar, value)))
        .collect();
    let mut connection = Connection::open(world.gateway.http).await?;
    for call in &calls {
        taken(&connection.succeed(call).await?)?;
    }
    let client = zookeeper::connect(&world.connect).await?;
    let name = fill::host(FIRST_CHANGED);
    let paths = raw::paths(&client).await?;
    let document = paths.iter().find(|path| path.contains("/snapshots/") && path.ends_with(&name));
    let (data, _) = client.get_data(document.context("no document of a sidecar")?).await?;

    let connections = bench.settings.connections.min(CHANGING / 2);
    let (requests, load) = (Requests::Cycle(calls.clone()), bench.load(connections));
    let both = async || {
        let part = bench.zookeeper.part(&bench.name("raw")).await?;
        let ceiling = (raw::transactions(&part, data.len(), connections, load.span).await?, None);
        let gateway = &world.gateway;
        Ok((bench.closed(gateway.http, gateway.process(), &requests, load).await?, ceiling))
    };
    let (ours, theirs, disturbance) = bench.rounds(both).await?.sides();
    taken(&connection.succeed(&calls[0]).await?)?;
    let what = format!(
        "one ZooKeeper client with {connections} transactions in flight, each of which writes {} bytes anew, creates a \
         znode and deletes one",
        data.len()
    );
    let mut row = Row::new("sync-changed", RATE, Side::of("zoogate", &ours), Side::of(&what, &theirs));
    row.failures = ours.iter().map(|(measured, _)| measured.failures).sum();
    bench.add(row.disturbed(disturbance).memory(world.gateway.resident()));
    Ok(())
}
