//! Others who change the tree: they delete and damage what is zoogate's, or fill it with what is theirs.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::FutureExt;
use rand::Rng;
use rand::rngs::StdRng;
use reqwest::Method;
use tokio::time::sleep;
use zookeeper_client::Error;

use super::{Fault, Scale, Step, Trouble, exactly, kept, own};
use crate::checker::expectations::Expectations;
use crate::support::client::Request;
use crate::support::eventually::{ensure, eventually};
use crate::support::znodes::Znodes;
use crate::world::World;

/// F18: somebody deletes and damages znodes of live registrations by hand, and leaves garbage.
pub struct ForeignWrites {
    rounds: usize,
}

impl ForeignWrites {
    /// A few, or many.
    pub fn new(scale: Scale) -> Self {
        Self { rounds: if scale == Scale::Full { 60 } else { 20 } }
    }
}

/// Time between two deeds: longer than a repair takes, so that no registration loses everything that could bring it back.
const PAUSE: Duration = Duration::from_millis(250);

/// Garbage of every kind, and what counts as its data.
const GARBAGE: [(&str, &str); 6] = [
    ("/dubbo/chaos.fault.garbage/providers/%ZZ", "x"),
    ("/dubbo/chaos.fault.garbage/providers/no-url-at-all", ""),
    ("/dubbo/chaos.fault.garbage/unknown", "\u{1}"),
    ("/zoogate/snapshots/zz/garbage", "{not json"),
    ("/zoogate/leases/garbage/of/an/unknown/kind", "[]"),
    ("/zoogate/garbage", "\u{0}\u{1}\u{2}"),
];

/// As much as a znode can hold when the request around it is to stay below 1 MiB.
const BIG: usize = 1_000_000;

impl Fault for ForeignWrites {
    fn id(&self) -> &'static str {
        "F18"
    }

    fn title(&self) -> String {
        format!("delete and damage {} znodes by hand, and leave garbage", self.rounds)
    }

    fn expectations(&self) -> Expectations {
        Expectations {
            foreign_writes: true,
            no_provider_deleted: false,
            lasts: Duration::from_secs(2),
            ..Expectations::default()
        }
    }

    fn inject<'a>(&'a mut self, world: &'a mut World, random: &'a mut StdRng) -> Step<'a> {
        async move {
            let znodes = world.znodes().await;
            let big = ("/dubbo/chaos.fault.garbage/providers/big", "x".repeat(BIG));
            let garbage = GARBAGE.iter().map(|(path, data)| (*path, (*data).to_owned())).chain([big]);
            for (path, data) in garbage {
                // It may have been left by an earlier run.
                if !znodes.exists(path).await {
                    znodes.create(path, &data).await;
                }
            }
            let mut done = BTreeMap::new();
            for _ in 0..self.rounds {
                for _ in 0..10 {
                    if let Some(what) = harm(&znodes, random).await {
                        *done.entry(what).or_insert(0) += 1;
                        break;
                    }
                }
                sleep(PAUSE).await;
            }
            exactly(done.values().sum::<usize>() >= self.rounds / 2, || format!("only {done:?}"))?;
            Ok(done.iter().map(|(what, times)| format!("{times} times: {what}")).collect())
        }
        .boxed_local()
    }

    fn heal<'a>(&'a mut self, world: &'a mut World) -> Step<'a> {
        async move {
            // The garbage stays: nothing else may suffer from it, then or ever.
            let mut evidence = Vec::new();
            for index in 0..world.gateways.len() {
                let repairs = metric(world, index, "zoogate_reconcile_repairs_total").await;
                let panics = metric(world, index, "zoogate_panics_total").await;
                kept(panics == 0.0, || format!("gateway {index} panicked {panics} times"))?;
                evidence.push(format!("gateway {index} repaired {repairs} times"));
            }
            let znodes = world.znodes().await;
            for (path, _) in GARBAGE {
                kept(znodes.exists(path).await, || format!("{path} is gone though it was not zoogate's"))?;
            }
            Ok(evidence)
        }
        .boxed_local()
    }
}

/// Does one harm to a registration that stands, and says what; `None` when what was chosen has just gone by itself.
async fn harm(znodes: &Znodes, random: &mut StdRng) -> Option<&'static str> {
    let kind = random.gen_range(0..5);
    let root = if kind < 2 { "/dubbo" } else { "/zoogate" };
    let tree = znodes.tree(root).await;
    let is_wanted = |path: &&String| match kind {
        0 | 1 => path.contains("/providers/") && !path.contains(super::OWN),
        2 => {
            path.starts_with("/zoogate/snapshots/") && path.split('/').count() == 5 && !path.contains("/zz/")
        }
        3 => path.starts_with("/zoogate/instances/") && path.split('/').count() == 7,
        _ => path.starts_with("/zoogate/leases/snapshots/") && path.split('/').count() == 7,
    };
    let paths: Vec<_> = tree.keys().filter(is_wanted).collect();
    if paths.is_empty() {
        return None;
    }
    let path = paths[random.gen_range(0..paths.len())];
    let (outcome, what) = match kind {
        0 => (znodes.client().delete(path, None).await, "a provider is deleted"),
        1 => (
            znodes.client().set_data(path, b"garbage", None).await.map(drop),
            "the data of a provider is overwritten",
        ),
        2 => (
            znodes.client().set_data(path, b"{\"", None).await.map(drop),
            "the document of a sidecar is overwritten",
        ),
        3 => (
            znodes.client().set_data(path, b"", None).await.map(drop),
            "the document of an instance is emptied",
        ),
        _ => (znodes.client().delete(path, None).await, "a mark is deleted"),
    };
    match outcome {
        Ok(()) => Some(what),
        Err(Error::NoNode) => None,
        Err(error) => panic!("{path}: {error}"),
    }
}

/// The sum of a metric over its labels; 0 when there is none.
async fn metric(world: &World, index: usize, name: &str) -> f64 {
    let answer = Request::new(Method::GET, world.ops()[index], "/metrics").send().await;
    let lines = answer.body.lines().filter(|line| line.starts_with(name));
    lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
}

/// F22: a folder with very many providers, and very many folders.
pub struct BigFolders {
    providers: usize,
    interfaces: usize,
}

impl BigFolders {
    /// Thousands, or ten thousand of each.
    pub fn new(scale: Scale) -> Self {
        let count = if scale == Scale::Full { 10_000 } else { 2_000 };
        Self { providers: count, interfaces: count }
    }

    fn many(&self) -> impl Iterator<Item = String> {
        (0..self.interfaces).map(|number| format!("/dubbo/{}", own::interface(&format!("many{number:05}"))))
    }
}

impl Fault for BigFolders {
    fn id(&self) -> &'static str {
        "F22"
    }

    fn title(&self) -> String {
        format!("{} providers of one interface, and {} interfaces", self.providers, self.interfaces)
    }

    fn expectations(&self) -> Expectations {
        Expectations {
            observer_late: true,
            lasts: Duration::ZERO,
            settle_bound: Duration::from_secs(60),
            ..Expectations::default()
        }
    }

    fn inject<'a>(&'a mut self, world: &'a mut World, random: &'a mut StdRng) -> Step<'a> {
        async move {
            let znodes = world.znodes().await;
            let interface = own::interface("big");
            znodes.create_all(&own::folder(&interface)).await;
            let providers: Vec<_> =
                (0..self.providers).map(|number| own::provider(&interface, number)).collect();
            znodes.create_many(&providers).await;
            znodes.create_many(&self.many().collect::<Vec<_>>()).await;
            znodes
                .create_many(&self.many().map(|path| format!("{path}/providers")).collect::<Vec<_>>())
                .await;
            let own = self.many().map(|path| own::provider(path.trim_start_matches("/dubbo/"), 1));
            znodes.create_many(&own.collect::<Vec<_>>()).await;
            let bytes: usize = znodes.children(&own::folder(&interface)).await.iter().map(String::len).sum();
            let count = own::agreed(world, &interface).await?;
            // All of it again, by a gateway that was cut off.
            let index = random.gen_range(0..world.gateways.len());
            world.gateways[index].wires.iter().for_each(|wire| wire.cut());
            let wanted = (self.providers + self.interfaces) as f64;
            for index in 0..world.gateways.len() {
                let what = format!("gateway {index} has read all");
                eventually(&what, Duration::from_secs(120), async || {
                    let count = metric(world, index, "zoogate_mirror_instances").await;
                    ensure(count >= wanted, || format!("{count} instances of at least {wanted}"))
                })
                .await;
            }
            Ok(vec![format!(
                "{count} providers, {bytes} bytes of names in one folder; gateway {index} read all twice"
            )])
        }
        .boxed_local()
    }

    fn heal<'a>(&'a mut self, world: &'a mut World) -> Step<'a> {
        async move {
            let znodes = world.znodes().await;
            let mut folders = vec![own::folder(&own::interface("big"))];
            folders.extend(self.many().map(|path| format!("{path}/providers")));
            for some in folders.chunks(500) {
                let names =
                    futures::future::join_all(some.iter().map(|folder| znodes.children(folder))).await;
                let paths = some.iter().zip(names);
                let paths = paths.flat_map(|(folder, names)| {
                    names.into_iter().map(move |name| format!("{folder}/{name}"))
                });
                znodes.delete_many(&paths.collect::<Vec<_>>()).await;
            }
            znodes.delete_many(&folders).await;
            znodes
                .delete_many(
                    &self.many().chain([format!("/dubbo/{}", own::interface("big"))]).collect::<Vec<_>>(),
                )
                .await;
            let left = own::agreed(world, &own::interface("big")).await?;
            if left == 0 { Ok(vec![]) } else { Err(Trouble::Unobserved(format!("{left} are left"))) }
        }
        .boxed_local()
    }
}
