//! Large catalogs: whether a request costs more among many, how long a start takes, and what an instance takes of memory.
//! All sizes share one world, which grows.

use std::ops::Range;
use std::time::Duration;

use anyhow::{Context, ensure};
use tokio::sync::{MappedMutexGuard, MutexGuard};

use super::{heartbeat, register, sync};
use crate::bench::{Bench, World};
use crate::ceilings::zookeeper as raw;
use crate::generator::Requests;
use crate::report::{Goal, Row, Side};
use crate::world::client::{Call, Connection};
use crate::world::{fill, zookeeper};

/// Instances of each service.
const EACH: usize = 10;
/// Heartbeats in turns, of so many instances at most: the generator keeps the request of each.
const BEATS: usize = 10_000;
const FIND: Goal = Goal::AtLeast(0.85);
const READY: Goal = Goal::AtMost(2.0);
/// Bytes beyond its own that an instance may take.
const MOST_BYTES: f64 = 1_500.0;

/// A catalog that only grows.
pub struct Large {
    pub(super) world: World,
    /// How long a start takes with nothing in the catalog, and its resident memory then.
    empty: (Duration, f64),
    /// The ids of the services, of [`EACH`] instances each.
    ids: Vec<String>,
}

impl Large {
    /// A world with nothing in it.
    async fn new(bench: &Bench) -> anyhow::Result<Self> {
        let mut world = bench.world().await?;
        let took = world.gateway.start_again().await;
        let empty = (took, world.gateway.settled().await);
        Ok(Self { world, empty, ids: Vec::new() })
    }

    /// The one that all scenarios share, with at least so many instances, or a tenth for a quick run; tells how many.
    pub(super) async fn of(
        bench: &Bench,
        instances: usize,
    ) -> anyhow::Result<(MappedMutexGuard<'_, Self>, usize)> {
        let instances = bench.settings.scaled(instances);
        let mut large = bench.large.lock().await;
        if large.is_none() {
            *large = Some(Self::new(bench).await?);
        }
        let large = MutexGuard::try_map(large, Option::as_mut);
        let mut large = large.ok().context("made above")?;
        large.grow(instances).await?;
        Ok((large, instances))
    }

    /// The heartbeat of instance `number`.
    pub(super) fn heartbeat(&self, number: usize) -> Call {
        fill::heartbeat(&self.ids[number / EACH], number)
    }

    /// Makes it hold at least so many instances.
    async fn grow(&mut self, instances: usize) -> anyhow::Result<()> {
        let have = self.ids.len();
        let wanted = instances.div_ceil(EACH);
        if wanted <= have {
            return Ok(());
        }
        eprintln!("growing the catalog from {} to {} instances", have * EACH, wanted * EACH);
        let address = self.world.gateway.http;
        let names = (have..wanted).map(service_name).collect();
        let ids = fill::services(address, names).await?;
        let numbers: Range<usize> = have * EACH..wanted * EACH;
        self.ids.extend(ids);
        let ids = self.ids.clone();
        fill::send_all(address, numbers, move |number| fill::register(&ids[number / EACH], number)).await?;
        Ok(())
    }
}

fn service_name(number: usize) -> String {
    format!("large-{number:05}")
}

/// Finds, heartbeats, syncs and registrations among so many instances.
pub async fn growth(bench: &Bench, instances: usize) -> anyhow::Result<()> {
    let (large, instances) = Large::of(bench, instances).await?;
    let (world, of) = (&large.world, |what: &str| format!("growth-{what}-{instances}"));

    let find = fill::find(&service_name(large.ids.len() / 2), &world.consumer);
    bench.add(bench.compare(&of("find"), &world.gateway, Requests::Same(find), Some(FIND)).await?);
    // Spread over the whole catalog.
    let step = (instances / BEATS).max(1);
    let numbers = (0..instances).step_by(step);
    let calls: Vec<Call> = numbers.map(|number| large.heartbeat(number)).collect();
    heartbeat::in_turns(bench, &of("heartbeat"), world, calls).await?;
    sync::unchanged_in(bench, &of("sync"), world).await?;
    register::growing_in(bench, &of("register"), world, 1).await
}

/// From the start of the process until it is ready, and what it takes of memory then.
pub async fn start(bench: &Bench, instances: usize) -> anyhow::Result<()> {
    let (mut large, instances) = Large::of(bench, instances).await?;

    let client = zookeeper::connect(&large.world.connect).await?;
    let (mut own, mut znodes) = (0, 0);
    let both = async || {
        // Nobody else reads meanwhile.
        large.world.gateway.stop();
        let paths = raw::paths(&client).await?;
        let (took, bytes) = raw::read_all(&client, &paths).await?;
        let ceiling = took.as_secs_f64() * 1e3;
        znodes = paths.len();
        own = bytes + paths.iter().filter_map(|path| path.rsplit('/').next()).map(str::len).sum::<usize>();
        Ok((large.world.gateway.start_again().await.as_secs_f64() * 1e3, ceiling))
    };
    let (ours, theirs, disturbance) = bench.rounds(both).await?.sides();
    let (empty_start, empty) = large.empty;
    let known = known(&large.world).await?;
    ensure!(known >= instances as f64, "only {known} instances are known after the start");
    let resident = large.world.gateway.settled().await;
    let each = (resident - empty) / known;
    let own = own as f64 / known;
    let theirs = Side::figures(
        "multi_read of the same znodes by their paths, 200 in each request, 8 in flight",
        theirs,
    );
    let row = Row::new(format!("start-{instances}"), "ms", Side::figures("zoogate", ours), theirs);
    bench.add(row.goal(Some(READY)).disturbed(disturbance).memory(resident).note(format!(
        "{known:.0} instances, {znodes} znodes; {:.0} ms with nothing but a consumer",
        empty_start.as_secs_f64() * 1e3
    )));

    let (used, own_side) =
        (Side::figures("zoogate", vec![each]), Side::figures("the data and names of its znodes", vec![own]));
    let mut row = Row::new(format!("memory-{instances}"), "bytes an instance", used, own_side);
    row.met = Some(each - own <= MOST_BYTES);
    bench.add(row.memory(resident).note(format!(
        "{:.0} bytes beyond its own, of which there may be {MOST_BYTES}; {:.1} MB without any instance",
        each - own,
        empty / 1e6,
    )));
    Ok(())
}

/// The instances that the gateway counts.
async fn known(world: &World) -> anyhow::Result<f64> {
    let path = "/v4/default/govern/statistics";
    let mut connection = Connection::open(world.gateway.http).await?;
    let statistics = connection.succeed(&Call::new("GET", path)).await?.json()?;
    let count = statistics["statistics"]["instances"]["count"].as_f64();
    count.with_context(|| format!("no count of instances in {statistics}"))
}
