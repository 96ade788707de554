//! Finds: whole answers of every size, the one that there is nothing new, and many at once.

use anyhow::{Context, ensure};
use serde_json::json;

use crate::bench::{Bench, World};
use crate::generator::Requests;
use crate::report::Goal;
use crate::world::client::{Call, Connection};
use crate::world::fill;

/// Numbers of the instances of these scenarios; those of others begin elsewhere.
const FIRST: usize = 1_000_000;
const FIRST_BATCH: usize = 1_500_000;
const WHOLE: Goal = Goal::AtLeast(0.85);
const NOT_MODIFIED: Goal = Goal::AtLeast(0.8);
/// Services of a batch find, and instances of each.
const BATCH: usize = 100;
const BATCH_INSTANCES: usize = 10;

/// A service with `count` instances, and the number of the first.
pub struct Provider {
    /// Its id.
    pub id: String,
    /// The number of its first instance.
    pub first: usize,
    /// Its find.
    pub find: Call,
}

/// The service that has so many instances.
pub async fn provider_of(world: &World, count: usize) -> anyhow::Result<Provider> {
    let name = format!("provider-{count}");
    let ids = fill::services(world.gateway.http, vec![name.clone()]).await?;
    // The same numbers again are the same instances again.
    let first = FIRST + 2 * count;
    fill::instances(world.gateway.http, &ids, first..first + count).await?;
    let id = ids.into_iter().next().context("an id")?;
    Ok(Provider { id, first, find: fill::find(&name, &world.consumer) })
}

/// The same find by who has seen the answer.
async fn seen(world: &World, call: &Call) -> anyhow::Result<Call> {
    let mut seen = call.clone();
    seen.path.push_str(&format!("&rev={}", revision(world, call).await?));
    Ok(seen)
}

async fn revision(world: &World, call: &Call) -> anyhow::Result<String> {
    let answer = Connection::open(world.gateway.http).await?.succeed(call).await?;
    Ok(answer.header("x-resource-revision").context("an answer without a rev")?.to_owned())
}

/// A read as fast as possible, and then at half of the rate of its ceiling.
pub async fn read(
    bench: &Bench,
    name: &str,
    world: &World,
    call: Call,
    goal: Option<Goal>,
) -> anyhow::Result<()> {
    let row = bench.compare(name, &world.gateway, Requests::Same(call.clone()), goal).await?;
    let open = bench.open(&row, &world.gateway, &call).await;
    bench.add(row);
    bench.add(open?);
    Ok(())
}

/// All of `count` instances.
pub async fn whole(bench: &Bench, count: usize, gzip: bool) -> anyhow::Result<()> {
    let world = bench.small().await?;
    let mut call = provider_of(world, count).await?.find;
    let mut name = format!("find-{count}");
    if gzip {
        call = call.header("accept-encoding", "gzip");
        name.push_str("-gzip");
    }
    read(bench, &name, world, call, Some(WHOLE)).await
}

/// A find of 100 instances that have not changed.
pub async fn not_modified(bench: &Bench) -> anyhow::Result<()> {
    let world = bench.small().await?;
    let call = seen(world, &provider_of(world, 100).await?.find).await?;
    let answer = Connection::open(world.gateway.http).await?.send(&call).await?;
    ensure!(answer.status == 304, "the find of what was seen: {answer}");
    read(bench, "find-not-modified", world, call, Some(NOT_MODIFIED)).await
}

/// 100 services, of which one has changed since.
pub async fn batch(bench: &Bench) -> anyhow::Result<()> {
    let world = bench.small().await?;
    let address = world.gateway.http;
    let names: Vec<String> = (0..BATCH).map(|number| format!("batch-{number:03}")).collect();
    let ids = fill::services(address, names.clone()).await?;
    fill::instances(address, &ids, FIRST_BATCH..FIRST_BATCH + BATCH * BATCH_INSTANCES).await?;
    let mut services = Vec::new();
    for name in &names {
        let rev = revision(world, &fill::find(name, &world.consumer)).await?;
        let service = json!({"environment": "", "appId": fill::APPLICATION, "serviceName": name});
        services.push(json!({"service": service, "rev": rev}));
    }
    // FIRST_BATCH is a multiple of the number of services: its instance is one of the first.
    Connection::open(address).await?.succeed(&fill::change(&ids[0], FIRST_BATCH, 1)).await?;
    let call = Call::new("POST", fill::registry("/instances/action?type=query"))
        .header("x-consumerid", &world.consumer)
        .json(&json!({ "services": services }));
    let answer = Connection::open(address).await?.succeed(&call).await?.json()?;
    let length = |member: &str| answer["services"][member].as_array().map_or(0, Vec::len);
    ensure!((length("notModified"), length("updated")) == (BATCH - 1, 1), "not one has changed: {answer}");
    read(bench, "batch-find", world, call, None).await
}

/// All services of a tenant that has 10,000.
pub async fn list(bench: &Bench) -> anyhow::Result<()> {
    let world = bench.small().await?;
    let count = bench.settings.scaled(10_000);
    let path = "/v4/many/registry/microservices";
    let names = (0..count).map(|number| format!("service-{number:05}")).collect();
    fill::services_at(world.gateway.http, path.into(), names).await?;
    read(bench, "list-services", world, Call::new("GET", path), None).await
}
