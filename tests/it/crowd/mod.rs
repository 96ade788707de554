//! A crowd of watchers: everybody hears of everything, and nothing of them stays behind.

#[cfg(feature = "measurements")]
mod bare;
mod log;
mod script;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::sleep_until;

use self::log::Log;
use self::script::{INSTANCES, Script};
use crate::fixtures::{create_service, find};
use crate::support::eventually::{ensure, eventually};
use crate::support::gateway::{Gateway, Options, registry_path};
use crate::support::listener::Listener;
use crate::support::zookeeper;

/// Watchers of each of two replicas.
const WATCHERS: usize = 1_000;
/// Changes in a second, and altogether.
const RATE: u32 = 100;
const CHANGES: usize = 1_000;

/// What of a gateway's memory may be kept after a crowd: the larger of this part and these bytes. The allocator keeps
/// some pages for each of its arenas, of which there are four a core, and does not count how full they are.
const KEPT_PART: f64 = 0.1;
const KEPT_BYTES: f64 = 4e6;
/// How long it may take until memory is back: what is not used is given back bit by bit over ten seconds.
const BACK: Duration = Duration::from_secs(90);

/// Two replicas, a consumer that uses a provider, and the provider's instances.
struct Scene {
    gateways: [Gateway; 2],
    consumer: String,
    script: Script,
}

/// What became of a crowd.
struct Outcome {
    watchers: usize,
    /// Time from the first change to the last answer.
    changed: Duration,
    /// Time from the first change until everybody had heard everything.
    heard: Duration,
    /// By change, sorted: the time from when it was due until the last watcher had heard of it.
    delays: Vec<Duration>,
    /// Everything that was told, in the order of the first replica.
    frames: Vec<Box<[u8]>>,
    /// Time of processors that both gateways have used meanwhile.
    used: Duration,
    /// Memory of each gateway while the crowd was there, in bytes.
    memory: [f64; 2],
}

impl Scene {
    async fn begin() -> Self {
        let root = zookeeper::shared().await;
        let (one, other) = (Options::new(&root).start().await, Options::new(&root).start().await);
        let (consumer, provider) = (create_service(&one, "web").await, create_service(&one, "stock").await);
        let script = Script::begin([one.http, other.http], &provider).await;
        let found = one.request(reqwest::Method::GET, &registry_path(&find("stock")));
        found.header("X-ConsumerId", &consumer).send().await.ok();
        let known = format!("/microservices/{consumer}/providers");
        for gateway in [&one, &other] {
            eventually("the dependency is known", Duration::from_secs(30), async || {
                ensure(gateway.get(&known).await.body.contains(&provider), || "it is not".into())
            })
            .await;
        }
        Self { gateways: [one, other], consumer, script }
    }

    /// Has `watchers` of each replica hear `changes`, `rate` of them a second whether they are heard or not.
    async fn crowd(&self, watchers: usize, changes: usize, rate: u32) -> Outcome {
        let path = registry_path(&format!("/microservices/{}/watcher", self.consumer));
        let mut listeners = Vec::new();
        for gateway in &self.gateways {
            for _ in 0..watchers {
                listeners.push(Listener::open(gateway.http, &path).await);
            }
        }
        self.subscribers(watchers).await;
        let cpu = || self.gateways.iter().map(Gateway::cpu_time).sum::<Duration>();
        let used = cpu();
        let started = Instant::now();
        let logs = [Arc::new(Log::new(started)), Arc::new(Log::new(started))];
        let mut hearing = JoinSet::new();
        for (index, listener) in listeners.into_iter().enumerate() {
            let log = logs[index / watchers].clone();
            hearing.spawn(async move { log.listen(listener, changes).await });
        }
        let (changed, listeners) =
            tokio::join!(self.change(&logs, started, changes, rate), hearing.join_all());
        let heard = started.elapsed();
        let used = cpu() - used;
        let memory = self.memory().await;
        drop(listeners);
        self.subscribers(0).await;
        let [one, other] = logs.each_ref().map(|log| log.heard_at());
        let delays = one.into_iter().zip(other).enumerate();
        let mut delays: Vec<_> =
            delays.map(|(change, (one, other))| one.max(other).saturating_sub(due(change, rate))).collect();
        delays.sort_unstable();
        let (watchers, frames) = (2 * watchers, logs[0].frames());
        Outcome { watchers, changed, heard, delays, frames, used, memory }
    }

    /// Makes each change when it is due. One of an instance whose last change has not been told everywhere has to wait,
    /// since two that arrive together are one: what is told is the state, not the history.
    async fn change(&self, logs: &[Arc<Log>; 2], started: Instant, changes: usize, rate: u32) -> Duration {
        let mut changing = JoinSet::new();
        let mut instances = Vec::new();
        for _ in 0..INSTANCES {
            let (sender, mut due) = mpsc::unbounded_channel();
            let (script, logs) = (self.script.clone(), logs.clone());
            changing.spawn(async move {
                while let Some(change) = due.recv().await {
                    for log in &logs {
                        log.before(change).await;
                    }
                    script.change(change).await;
                }
            });
            instances.push(sender);
        }
        for change in 0..changes {
            sleep_until((started + due(change, rate)).into()).await;
            instances[change % INSTANCES].send(change).unwrap();
        }
        drop(instances);
        changing.join_all().await;
        started.elapsed()
    }

    /// Resident memory of each gateway in bytes.
    async fn memory(&self) -> [f64; 2] {
        let [one, other] = &self.gateways;
        [memory(one).await, memory(other).await]
    }

    async fn subscribers(&self, count: usize) {
        let line = format!("zoogate_watch_subscribers {count}\n");
        for gateway in &self.gateways {
            eventually("everybody is counted", Duration::from_secs(60), async || {
                ensure(gateway.ops("/metrics").send().await.body.contains(&line), || line.clone())
            })
            .await;
        }
    }
}

impl Outcome {
    /// Frames that all watchers together have heard in a second.
    fn rate(&self) -> f64 {
        (self.watchers * self.frames.len()) as f64 / self.heard.as_secs_f64()
    }

    fn report(&self) {
        let changes = self.delays.len();
        let bytes: usize = self.frames.iter().map(|frame| frame.len()).sum();
        eprintln!(
            "{} watchers, {changes} changes, {:.0} a second: {:.0} frames of {} bytes a second; the last watcher heard \
             of half of the changes within {:.0?}, of 99 % within {:.0?}, of all within {:.0?}; the gateways used {:.1?} \
             of processor time, {:.2} us a frame",
            self.watchers,
            changes as f64 / self.changed.as_secs_f64(),
            self.rate(),
            bytes / changes,
            self.delays[changes / 2],
            self.delays[changes * 99 / 100],
            self.delays[changes - 1],
            self.used,
            self.used.as_secs_f64() * 1e6 / (self.watchers * changes) as f64,
        );
    }
}

fn due(change: usize, rate: u32) -> Duration {
    Duration::from_secs(1) * u32::try_from(change).unwrap() / rate
}

/// Resident memory of a gateway in bytes.
async fn memory(gateway: &Gateway) -> f64 {
    let metrics = gateway.ops("/metrics").send().await.body;
    let line = metrics.lines().find_map(|line| line.strip_prefix("process_resident_memory_bytes "));
    line.expect("the metric is there").parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_watchers_hear_of_every_change_in_order_and_leave_no_memory_behind() {
    let scene = Scene::begin().await;
    // Everything that a crowd needs has been used once.
    scene.crowd(5, 5 * INSTANCES, RATE).await.report();
    let before = scene.memory().await;
    let outcome = scene.crowd(WATCHERS, CHANGES, RATE).await;
    outcome.report();
    for (index, before) in before.into_iter().enumerate() {
        let most = before + f64::max(before * KEPT_PART, KEPT_BYTES);
        let back = Instant::now();
        let now = eventually("memory is where it was", BACK, async || {
            let now = memory(&scene.gateways[index]).await;
            if now <= most { Ok(now) } else { Err(format!("{now} bytes instead of {before}")) }
        })
        .await;
        let kilobytes = [before, outcome.memory[index], now].map(|bytes| bytes / 1e3);
        eprintln!("{kilobytes:.0?} kB before, with and after the crowd, {:.1?} later", back.elapsed());
    }
}

/// Changes as fast as they can be made, and what the machine can do at most, in one run.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg(feature = "measurements")]
async fn how_many_frames_two_thousand_watchers_are_told_in_a_second() {
    let scene = Scene::begin().await;
    for rate in [RATE, 10 * RATE] {
        let outcome = scene.crowd(WATCHERS, 2 * CHANGES, rate).await;
        outcome.report();
        let frames = outcome.frames.clone();
        let bare = (outcome.watchers * frames.len()) as f64
            / bare::ceiling(frames, outcome.watchers).await.as_secs_f64();
        eprintln!(
            "bare writes: {bare:.0} frames a second; the gateways reach {:.2} of it",
            outcome.rate() / bare
        );
    }
}
