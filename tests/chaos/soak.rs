//! A long life: faults one after another in one world whose gateways are never restarted, and what they hold on to (V10)
//! while nobody is registered in between. What grows by a little each time shows here only.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use tokio::time::Instant;

use crate::faults::{self, Scale, Trouble};
use crate::observer::Provider;
use crate::report::summary;
use crate::resources::Resources;
use crate::run::{self, Plan, Verdict, WARM};
use crate::support::zookeeper::four_letters;
use crate::world::{Setup, World};

/// The faults, in this order again and again: those that end no gateway, and that need no world of their own kind. The
/// great ones come first, so that what they took can have been given back at the end of a turn.
const FAULTS: [&str; 15] =
    ["F22", "F18", "F11", "F20", "F23", "F12", "F4", "F6", "F17", "F8", "F10", "F9", "F7", "F5", "F3"];

/// From one fault to the next.
const EVERY: Duration = Duration::from_secs(120);
/// What may be more in the end than after warm-up, in percent; of what is few, one.
const GROWTH: u64 = 5;
/// From so many samples the middle one counts: a single one may have been taken in an odd moment.
const SAMPLES: usize = 3;
/// Time within which an idle machine has taken down everybody who fell silent.
const REST: Duration = Duration::from_secs(60);

/// What there was in a moment of rest.
#[derive(Clone, Debug, Default)]
struct Sample {
    /// After which fault.
    fault: &'static str,
    /// Of every gateway.
    gateways: Vec<Resources>,
    /// In ZooKeeper.
    znodes: u64,
    /// At all servers.
    watches: u64,
}

impl Sample {
    /// Every figure with its name.
    fn figures(&self) -> Vec<(String, u64)> {
        let mut figures = vec![("znodes".to_owned(), self.znodes), ("watches".to_owned(), self.watches)];
        for (index, resources) in self.gateways.iter().enumerate() {
            let Resources { files, memory, tasks, threads } = *resources;
            let own =
                [("files", files), ("tasks", tasks), ("threads", threads), ("memory, KiB", memory >> 10)];
            figures.extend(own.map(|(name, value)| (format!("gateway {index}: {name}"), value)));
        }
        figures
    }
}

/// Lets every fault happen once, in quick succession, and then one every two minutes for `minutes`. True when all runs
/// passed and nothing has grown.
///
/// # Errors
/// When the world cannot be made, or a report not be written.
pub async fn soak(minutes: u64, seed: u64, into: &Path) -> anyhow::Result<bool> {
    let into = into.join("soak");
    let _ = std::fs::remove_dir_all(&into);
    let mut setup = Setup::default();
    let mut random = rand::SeedableRng::seed_from_u64(seed);
    for id in FAULTS {
        if let Some(fault) = faults::drawn(id, Scale::Short, &mut random) {
            fault.prepare(&mut setup);
        }
    }
    let mut world = World::start(&setup, &into).await?;
    let mut samples = Vec::new();
    let mut bad = Vec::new();
    let rounds = usize::try_from(minutes * 60 / EVERY.as_secs())?;
    let mut next = Instant::now();
    for (round, fault) in FAULTS.iter().cycle().take(FAULTS.len() + rounds).copied().enumerate() {
        let directory = into.join(format!("{round:02}-{fault}"));
        let seed = seed + round as u64;
        let plan = Plan { fault: fault.to_owned(), scale: Scale::Short, seed, directory };
        let begun = Instant::now();
        next = if round < FAULTS.len() { begun } else { (next + EVERY).max(begun) };
        let warm = (next - begun).max(WARM);
        world.forget_logs();
        let (verdict, _) = run::judged(&plan, async |fault, mut scene| {
            let course = scene.play(fault, &mut world, warm).await;
            if course.is_err() {
                // The next one must not begin in the harm of this one.
                fault.heal(&mut world).await?;
            }
            course
        })
        .await?;
        next = next.max(begun + warm);
        match &verdict {
            Verdict::Passed | Verdict::Impossible(_) => {
                std::fs::remove_file(plan.directory.join("history.jsonl"))?;
            }
            other => bad.push(format!("{fault} seed {seed}: {}", summary(other))),
        }
        eprintln!("   {fault} seed {seed}: {}", summary(&verdict));
        samples.push(rest(&world, fault).await?);
        std::fs::write(into.join("soak.md"), table(&samples, &bad))?;
    }
    println!("{}", table(&samples, &bad));
    Ok(bad.is_empty() && grown(&samples).is_empty())
}

/// Waits until everybody is taken down who was registered, and every session but those of the gateways has ended.
async fn rest(world: &World, fault: &'static str) -> Result<Sample, Trouble> {
    let znodes = world.znodes().await;
    let mut left = Vec::new();
    let at_rest = run::until(REST * 2, async || {
        // The folders of microservices stay.
        let mark = |path: &str| {
            path.starts_with("/zoogate/leases/snapshots/") && path.split('/').count() > 6
                || path.starts_with("/zoogate/leases/instances/") && path.split('/').count() > 7
        };
        let tree = znodes.tree("/").await.into_keys();
        let registered =
            |path: &String| Provider::at(path).is_some() || (mark(path) && !path.contains("garbage"));
        left = tree.filter(registered).collect();
        left.is_empty()
    });
    if !at_rest.await {
        let some = &left[..left.len().min(5)];
        return Err(Trouble::Unobserved(format!(
            "long after {fault} there still are {} as {some:?}",
            left.len()
        )));
    }
    drop(znodes);
    let alone = run::until(REST, async || {
        figure(world, "zk_num_alive_connections").await <= world.gateways.len() as u64
    });
    if !alone.await {
        return Err(Trouble::Unobserved(format!("somebody else is still connected long after {fault}")));
    }
    // Memory that is not used any more is given back within ten seconds.
    tokio::time::sleep(Duration::from_secs(12)).await;
    Ok(Sample {
        fault,
        gateways: run::resources(&world.ops()).await,
        znodes: figure(world, "zk_znode_count").await / world.zookeeper.count() as u64,
        watches: figure(world, "zk_watch_count").await,
    })
}

/// The sum over all servers of what they say of themselves.
async fn figure(world: &World, name: &str) -> u64 {
    let mut sum = 0;
    for index in 0..world.zookeeper.count() {
        let answer = four_letters(world.zookeeper.port_of(index), "mntr").await.unwrap_or_default();
        let line = answer.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok());
        // The connection of this question does not count.
        let own = u64::from(name == "zk_num_alive_connections");
        sum += line.unwrap_or(0).saturating_sub(own);
    }
    sum
}

/// The middle of the last figures of `samples`.
fn middle(samples: &[Sample]) -> Vec<(String, u64)> {
    let last: Vec<_> = samples.iter().rev().take(SAMPLES).map(Sample::figures).collect();
    let Some(first) = last.first() else { return Vec::new() };
    let figure = |index: usize| {
        let mut values: Vec<u64> = last.iter().map(|figures| figures[index].1).collect();
        values.sort_unstable();
        values[values.len() / 2]
    };
    first.iter().enumerate().map(|(index, (name, _))| (name.clone(), figure(index))).collect()
}

/// What there was after warm-up and in the end of everything that has grown.
fn grown(samples: &[Sample]) -> Vec<String> {
    let (before, after) = (middle(&samples[..samples.len().min(FAULTS.len())]), middle(samples));
    let pairs = before.into_iter().zip(after);
    let grown =
        pairs.filter(|((_, before), (_, after))| *after > (before + before * GROWTH / 100).max(before + 1));
    grown.map(|((name, before), (_, after))| format!("{name}: {before} became {after}")).collect()
}

/// All samples, what grew, and what else was wrong.
fn table(samples: &[Sample], bad: &[String]) -> String {
    let mut text = String::new();
    let mut line = |cells: Vec<String>| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    };
    let names: Vec<_> = middle(samples).into_iter().map(|(name, _)| name).collect();
    line([vec!["after".to_owned()], names.clone()].concat());
    line(vec!["---".to_owned(); names.len() + 1]);
    let cells =
        |figures: Vec<(String, u64)>| figures.into_iter().map(|(_, value)| value.to_string()).collect();
    for sample in samples {
        line([vec![sample.fault.to_owned()], cells(sample.figures())].concat());
    }
    line(
        [vec!["after warm-up".to_owned()], cells(middle(&samples[..samples.len().min(FAULTS.len())]))]
            .concat(),
    );
    line([vec!["in the end".to_owned()], cells(middle(samples))].concat());
    for what in grown(samples).iter().chain(bad) {
        let _ = writeln!(text, "\n{what}");
    }
    text
}
