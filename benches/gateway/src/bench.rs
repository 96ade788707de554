//! One run: the ZooKeeper server that all scenarios share, how long each is measured, and the comparison that most of
//! them are: the gateway and its ceiling in turns, never both at once.

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, ensure};
use tokio::sync::OnceCell;

use crate::ceilings::http::Bare;
use crate::ceilings::zookeeper as raw;
use crate::generator::{Load, Measured, Requests, oha, wrk};
use crate::report::{Goal, Report, Row, Side};
use crate::rounds::Rounds;
use crate::scenarios::large::Large;
use crate::support::process::Process;
use crate::world::client::{Call, Connection};
use crate::world::{Gateway, ZooKeeper, fill};

/// What a rate is counted in.
pub const RATE: &str = "requests/s";
/// What a wrk or oha run is not counted.
const WARM_UP: Duration = Duration::from_secs(1);
/// How long ZooKeeper is asked for each kind of write before anything begins. A server that has run for a while has compiled
/// what it does; one that has not compiles beside the first scenarios, and takes a processor for that.
const COMPILED: Duration = Duration::from_secs(10);
/// The part of what the open-loop generator can do at most that it is asked for at most. Past it, it would measure itself.
const GENERATOR: f64 = 0.7;
/// Where the numbers of instances begin that a generator registers, and how many it can in a second at most.
const NEW_INSTANCES: usize = 8_000_000;
const MOST_REGISTRATIONS: usize = 50_000;

/// How a run is measured.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How long each round takes.
    pub span: Duration,
    /// Rounds of the gateway and of its ceiling.
    pub rounds: usize,
    /// Connections of the generators.
    pub connections: usize,
    /// Everything at a tenth of its size, only to see that it works.
    pub quick: bool,
}

impl Settings {
    /// A number of things, a tenth of it for a quick run.
    pub fn scaled(&self, count: usize) -> usize {
        if self.quick { (count / 10).max(1) } else { count }
    }
}

/// Where the programs are.
#[derive(Clone, Debug)]
pub struct Tools {
    /// The gateway.
    pub gateway: PathBuf,
    /// The open-loop generator.
    pub oha: PathBuf,
    /// The class path of ZooKeeper.
    pub class_path: String,
}

/// A run.
pub struct Bench {
    pub settings: Settings,
    pub zookeeper: ZooKeeper,
    pub report: Mutex<Report>,
    tools: Tools,
    work: PathBuf,
    numbers: AtomicUsize,
    small: OnceCell<World>,
    /// The world of the scenarios that need a large catalog.
    pub large: tokio::sync::Mutex<Option<Large>>,
    instances: AtomicUsize,
}

/// A gateway with a part of ZooKeeper for itself.
pub struct World {
    /// The connect string of that part.
    pub connect: String,
    pub gateway: Gateway,
    /// The id of the microservice that finds.
    pub consumer: String,
}

impl Bench {
    /// Starts ZooKeeper; files are written to `work`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub async fn start(
        tools: Tools,
        settings: Settings,
        report: Report,
        work: PathBuf,
    ) -> anyhow::Result<Self> {
        let zookeeper = ZooKeeper::start(&tools.class_path, &work.join("zookeeper")).await?;
        if !settings.quick {
            raw::warm_up(&zookeeper.part("warm-up").await?, COMPILED).await?;
        }
        let (report, numbers) = (Mutex::new(report), AtomicUsize::new(0));
        let (small, large) = (OnceCell::new(), tokio::sync::Mutex::default());
        let instances = AtomicUsize::new(NEW_INSTANCES);
        Ok(Self { settings, zookeeper, report, tools, work, numbers, small, large, instances })
    }

    /// The world of all scenarios that need no large catalog.
    ///
    /// # Errors
    /// When it cannot be started.
    pub async fn small(&self) -> anyhow::Result<&World> {
        self.small.get_or_try_init(|| self.world()).await
    }

    /// A new world with nothing in it but the consumer.
    ///
    /// # Errors
    /// When it cannot be started.
    pub async fn world(&self) -> anyhow::Result<World> {
        let connect = self.zookeeper.part(&self.name("world")).await?;
        let gateway = self.replica(&connect).await?;
        let ids = fill::services(gateway.http, vec!["consumer".into()]).await?;
        Ok(World { connect, gateway, consumer: ids.into_iter().next().context("the id of the consumer")? })
    }

    /// One more gateway in front of the ZooKeeper at `connect`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub async fn replica(&self, connect: &str) -> anyhow::Result<Gateway> {
        Gateway::start(&self.tools.gateway, connect, &self.path("gateway")).await
    }

    /// A name that nothing else has.
    pub fn name(&self, what: &str) -> String {
        format!("{what}-{}", self.numbers.fetch_add(1, Ordering::Relaxed))
    }

    /// A path below the directory of the run that nothing else has.
    pub fn path(&self, what: &str) -> PathBuf {
        self.work.join(self.name(what))
    }

    /// The number of the first of as many instances as can be registered under `load`.
    pub fn next_instance(&self, load: Load) -> usize {
        let most = load.span.as_secs() as usize * MOST_REGISTRATIONS;
        self.instances.fetch_add(most, Ordering::Relaxed)
    }

    /// Adds a figure.
    ///
    /// # Panics
    /// When a scenario panicked while it did.
    pub fn add(&self, row: Row) {
        eprintln!(
            "== {}: {:.2} {} of {:.2}, ratio {:.3}",
            row.name, row.gateway.figure, row.unit, row.ceiling.figure, row.ratio
        );
        self.report.lock().expect("nobody panics in between").rows.push(row);
    }

    /// The rounds of this run.
    ///
    /// # Errors
    /// When one fails.
    pub async fn rounds<T>(&self, one: impl AsyncFnMut() -> anyhow::Result<T>) -> anyhow::Result<Rounds<T>> {
        Rounds::of(self.settings.rounds, one).await
    }

    /// A load of so many connections for one round.
    pub fn load(&self, connections: usize) -> Load {
        Load { connections, span: self.settings.span }
    }

    /// A closed loop against a process: what `wrk` saw, and the microseconds of processors for each request.
    ///
    /// # Errors
    /// When `wrk` fails.
    pub async fn closed(
        &self,
        address: std::net::SocketAddr,
        process: &Process,
        requests: &Requests,
        load: Load,
    ) -> anyhow::Result<(Measured, Option<f64>)> {
        let before = process.cpu_time();
        let measured = wrk::run(address, requests, load, &self.work.join("requests.lua")).await?;
        let used = process.cpu_time() - before;
        Ok((measured, Some(used.as_secs_f64() * 1e6 / measured.requests.max(1) as f64)))
    }

    /// Holds the gateway against a bare handler that answers the same, both asked as fast as they answer.
    ///
    /// # Errors
    /// When one of them fails, or the gateway answers otherwise afterwards.
    pub async fn compare(
        &self,
        name: &str,
        gateway: &Gateway,
        requests: Requests,
        goal: Option<Goal>,
    ) -> anyhow::Result<Row> {
        let first = match &requests {
            Requests::Same(call) => call.clone(),
            Requests::Cycle(calls) => calls.first().context("something to ask for")?.clone(),
            Requests::Growing { .. } => anyhow::bail!("what grows has no answer that stays the same"),
        };
        let bare = Bare::of(gateway.http, &first, &self.path("bare")).await?;
        let load = self.load(self.settings.connections);
        let both = async |load| {
            let ceiling = self.closed(bare.address, &bare.process, &requests, load).await?;
            anyhow::Ok((self.closed(gateway.http, gateway.process(), &requests, load).await?, ceiling))
        };
        both(Load { span: WARM_UP, ..load }).await?;
        let (ours, theirs, disturbance) = self.rounds(async || both(load).await).await?.sides();
        let answer = Connection::open(gateway.http).await?.send(&first).await?;
        ensure!(answer.status < 400, "the gateway refuses afterwards: {answer}");
        let what = if first.body.is_some() {
            "a bare handler that reads the same body and answers the same bytes"
        } else {
            "a bare handler that answers the same bytes"
        };
        let mut row = Row::new(name, RATE, Side::of("zoogate", &ours), Side::of(what, &theirs));
        row.failures = ours.iter().chain(&theirs).map(|(measured, _)| measured.failures).sum();
        let row = row.disturbed(disturbance).memory(gateway.resident()).goal(goal);
        Ok(row.note(format!("{} bytes of answer", answer.body.len())))
    }

    /// Sends `call` to the server at `address` at a constant rate, whether it answers or not.
    ///
    /// # Errors
    /// When the generator fails.
    pub async fn at_rate(
        &self,
        address: std::net::SocketAddr,
        call: &Call,
        rate: f64,
        load: Load,
    ) -> anyhow::Result<Measured> {
        oha::run(&self.tools.oha, address, call, rate, load, &self.work.join("oha.log")).await
    }

    /// Asks both sides at half of the rate that the ceiling reached in `closed`, whether they answer or not, and compares
    /// the time that 99 % of the answers take.
    ///
    /// # Errors
    /// When one of them fails.
    pub async fn open(&self, closed: &Row, gateway: &Gateway, call: &Call) -> anyhow::Result<Row> {
        let bare = Bare::of(gateway.http, call, &self.path("bare")).await?;
        let load = self.load(self.settings.connections);
        let run = async |address, rate, load| self.at_rate(address, call, rate, load).await;
        // Warms up as well.
        let most = run(bare.address, f64::INFINITY, Load { span: WARM_UP, ..load }).await?.rate;
        let half = closed.ceiling.figure / 2.0;
        let rate = half.min(most * GENERATOR);
        run(gateway.http, rate, Load { span: WARM_UP, ..load }).await?;
        let both = async || {
            let ceiling = (run(bare.address, rate, load).await?, None);
            let before = gateway.process().cpu_time();
            let measured = run(gateway.http, rate, load).await?;
            let used = gateway.process().cpu_time() - before;
            Ok(((measured, Some(used.as_secs_f64() * 1e6 / measured.requests.max(1) as f64)), ceiling))
        };
        let (ours, theirs, disturbance) = self.rounds(both).await?.sides();
        let (gateway_side, bare_side) = (
            Side::timed("zoogate", &ours, |it| it.p99),
            Side::timed("the bare handler at the same rate", &theirs, |it| it.p99),
        );
        let is_met = gateway_side.figure < 10.0;
        let reached = crate::statistics::median(ours.iter().map(|(it, _)| it.rate));
        let mut row = Row::new(format!("{}, open loop", closed.name), "p99 ms", gateway_side, bare_side);
        row.failures = ours.iter().chain(&theirs).map(|(measured, _)| measured.failures).sum();
        row.met = Some(is_met && row.failures == 0);
        let mut row = row.disturbed(disturbance).memory(gateway.resident()).note(format!(
            "asked {rate:.0} times a second, {reached:.0} were answered; the goal is a p99 below 10 ms"
        ));
        if rate < half {
            row = row.note(format!("the generator cannot ask {half:.0} times a second, half of the ceiling"));
        }
        Ok(row)
    }
}
