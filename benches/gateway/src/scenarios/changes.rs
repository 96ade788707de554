//! What a change costs those who read: the next find of the same service, and finds of other ones during a storm.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::find::provider_of;
use crate::bench::{Bench, RATE, World};
use crate::ceilings::http::Bare;
use crate::generator::Requests;
use crate::report::{Goal, Row, Side};
use crate::rounds::{Clock, Disturbance};
use crate::statistics::Latencies;
use crate::world::client::{Call, Connection};
use crate::world::fill;

/// Numbers of the instances of the storm.
const FIRST: usize = 6_000_000;
/// Instances of the service that changes.
const STORMED: usize = 200;
/// Changes a second, and those that send them.
const STORM: usize = 1_000;
const SENDERS: usize = 32;
const CHANGES: usize = 500;
const NEXT: Goal = Goal::AtMost(3.0);
/// Within 1.2 times of calm.
const CALM: Goal = Goal::AtLeast(1.0 / 1.2);
const CALM_TIME: Goal = Goal::AtMost(1.2);

/// The find after one of 1,000 instances has changed, and the one after that.
pub async fn in_thousand(bench: &Bench) -> anyhow::Result<()> {
    let world = bench.small().await?;
    let provider = provider_of(world, 1_000).await?;
    let mut writer = Connection::open(world.gateway.http).await?;
    let mut reader = Connection::open(world.gateway.http).await?;
    let (mut next, mut unchanged) = (Latencies::default(), Latencies::default());
    let began = Clock::now();
    for value in 0..bench.settings.scaled(CHANGES) {
        let change = fill::change(&provider.id, provider.first + value % 1_000, value);
        writer.succeed(&change).await?;
        for latencies in [&mut next, &mut unchanged] {
            let sent = Instant::now();
            reader.succeed(&provider.find).await?;
            latencies.add(sent.elapsed());
        }
    }
    let disturbance = Disturbance::since(began);
    let side = |what: &str, latencies: Latencies| {
        Side::timed(what, &[(latencies.measured(Duration::from_secs(1)), None)], |it| it.p50)
    };
    let (ours, theirs) =
        (side("zoogate", next), side("the find after that, of which nothing has changed", unchanged));
    let row = Row::new("change-in-thousand", "p50 ms", ours, theirs).goal(Some(NEXT));
    let row = row.disturbed(disturbance).memory(world.gateway.resident());
    bench.add(row.note("one find after the other"));
    Ok(())
}

/// Finds of one service while the instances of another one change all the time.
pub async fn storm(bench: &Bench) -> anyhow::Result<()> {
    let world = bench.small().await?;
    let gateway = &world.gateway;
    let call = provider_of(world, 100).await?.find;
    let ids = fill::services(gateway.http, vec!["stormed".into()]).await?;
    fill::instances(gateway.http, &ids, FIRST..FIRST + STORMED).await?;
    let bare = Bare::of(gateway.http, &call, &bench.path("bare")).await?;
    let (requests, load) = (Requests::Same(call.clone()), bench.load(bench.settings.connections));
    let sides = [(bare.address, &bare.process), (gateway.http, gateway.process())];
    let ask_both = async || {
        let mut answers = Vec::new();
        for (address, process) in sides {
            answers.push(bench.closed(address, process, &requests, load).await?);
        }
        anyhow::Ok(answers)
    };
    let round = async || {
        let calm = ask_both().await?;
        let storm = Storm::begin(world, &ids[0]);
        let stormy = ask_both().await?;
        Ok(([calm, stormy].concat(), storm.end().await?))
    };
    let (asked, rates, disturbance) = bench.rounds(round).await?.sides();
    let rate = crate::statistics::median(rates);
    let side = |what: &str, index: usize| {
        Side::of(what, &asked.iter().map(|answers| answers[index]).collect::<Vec<_>>())
    };
    let [bare_calm, our_calm] = [0, 1].map(|index| side("the same in calm", index));
    let [bare_storm, our_storm] = [2, 3].map(|index| side("zoogate", index));
    let failures = asked.iter().flatten().map(|(measured, _)| measured.failures).sum();
    let machine = bare_storm.figure / bare_calm.figure;
    let mut row = Row::new("storm", RATE, our_storm, our_calm);
    row.failures = failures;
    let note = format!(
        "{rate:.0} changes a second; a bare handler keeps {machine:.2} of its own rate meanwhile, which is what sender, \
         gateway and ZooKeeper take of the processors for the changes; {:.2} of what that leaves",
        row.ratio / machine
    );
    let rate = row.ceiling.figure / 2.0;
    bench.add(row.goal(Some(CALM)).disturbed(disturbance).memory(gateway.resident()).note(note));
    storm_at_rate(bench, world, &ids[0], &call, rate).await
}

/// The same where nobody asks for more than there is: how long finds take at a constant rate.
async fn storm_at_rate(bench: &Bench, world: &World, id: &str, call: &Call, rate: f64) -> anyhow::Result<()> {
    let load = bench.load(bench.settings.connections);
    let ask = async || anyhow::Ok((bench.at_rate(world.gateway.http, call, rate, load).await?, None));
    // Warms up.
    ask().await?;
    let both = async || {
        let calm = ask().await?;
        let storm = Storm::begin(world, id);
        let stormy = ask().await?;
        storm.end().await?;
        Ok((stormy, calm))
    };
    let (stormy, calm, disturbance) = bench.rounds(both).await?.sides();
    let (ours, theirs) =
        (Side::timed("zoogate", &stormy, |it| it.p50), Side::timed("the same in calm", &calm, |it| it.p50));
    let mut row = Row::new("storm, open loop", "p50 ms", ours, theirs);
    row.failures = calm.iter().chain(&stormy).map(|(measured, _)| measured.failures).sum();
    let row = row.goal(Some(CALM_TIME)).disturbed(disturbance);
    bench.add(row.note(format!("asked {rate:.0} times a second, half of what calm allows")));
    Ok(())
}

/// Changes of the instances of a service, so many a second until it is ended.
struct Storm {
    started: Instant,
    done: Arc<AtomicUsize>,
    ended: Arc<AtomicBool>,
    senders: JoinSet<anyhow::Result<()>>,
}

impl Storm {
    fn begin(world: &World, id: &str) -> Self {
        let (started, due) = (Instant::now(), Arc::new(AtomicUsize::new(0)));
        let (done, ended) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let mut senders = JoinSet::new();
        for _ in 0..SENDERS {
            let (id, address) = (id.to_owned(), world.gateway.http);
            let (due, done, ended) = (due.clone(), done.clone(), ended.clone());
            senders.spawn(async move {
                let mut connection = Connection::open(address).await?;
                while !ended.load(Ordering::Relaxed) {
                    let number = due.fetch_add(1, Ordering::Relaxed);
                    let at = started + Duration::from_secs(1) * number as u32 / STORM as u32;
                    tokio::time::sleep_until(at.into()).await;
                    connection.succeed(&fill::change(&id, FIRST + number % STORMED, number)).await?;
                    done.fetch_add(1, Ordering::Relaxed);
                }
                Ok(())
            });
        }
        Self { started, done, ended, senders }
    }

    /// Ends it and tells how many there were in a second.
    async fn end(mut self) -> anyhow::Result<f64> {
        let rate = self.done.load(Ordering::Relaxed) as f64 / self.started.elapsed().as_secs_f64();
        self.ended.store(true, Ordering::Relaxed);
        while let Some(sender) = self.senders.join_next().await {
            sender??;
        }
        Ok(rate)
    }
}
