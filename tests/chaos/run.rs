//! One run: load, a fault, its heal, and the judgement of what happened meanwhile.

use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use rand::SeedableRng;
use rand::rngs::StdRng;
use reqwest::Method;
use tokio::time::{Instant, sleep};

use crate::checker::bounds::Bounds;
use crate::checker::expectations::Expectations;
use crate::checker::{Case, Rule, Violation, agreement, check};
use crate::clients::Load;
use crate::clients::call::Caller;
use crate::clients::recorder::Recorder;
use crate::ending;
use crate::faults::{self, Evidence, Fault, Scale, Trouble};
use crate::history::{self, History, Moment, Phase, Record, SECOND};
use crate::observer;
use crate::report::Report;
use crate::resources::Resources;
use crate::support::client::Request;
use crate::world::{SESSION, Setup, TIME_TO_LIVE, World};

/// Load before the fault, and how much of its beginning does not count for its rate.
pub const WARM: Duration = Duration::from_secs(6);
const WARMING: Duration = Duration::from_secs(1);
/// Strictly judged load after everything has settled, beyond the staleness that is allowed.
const AFTER: Duration = Duration::from_secs(4);
/// How long the gateways of a run hold mass silence at most.
const LONGEST_HOLD: Duration = Duration::from_secs(6);
/// Between two looks at a condition.
const LOOK: Duration = Duration::from_millis(100);
/// A driver that was held up for longer than this, times the patience, says nothing about anybody else.
const MOST_LAG: Duration = Duration::from_secs(1);

/// What a run comes to.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// Everything held.
    Passed,
    /// Something did not.
    Failed(Vec<Violation>),
    /// It proves nothing, for this reason.
    Invalid(String),
    /// This machine cannot do it, for this reason.
    Impossible(String),
}

/// What is to be run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Id of the fault.
    pub fault: String,
    /// How much of it.
    pub scale: Scale,
    /// What everything random comes from.
    pub seed: u64,
    /// Where everything is written.
    pub directory: PathBuf,
}

/// Runs it in a world of its own and writes its report. Answers with the verdict how long after the heal every gateway was
/// ready.
///
/// # Errors
/// When the report cannot be written.
pub async fn run(plan: &Plan) -> anyhow::Result<(Verdict, Duration)> {
    judged(plan, async |fault, mut scene| {
        let mut setup = Setup::default();
        fault.prepare(&mut setup);
        let mut world = World::start(&setup, &plan.directory).await?;
        scene.play(fault, &mut world, WARM).await
    })
    .await
}

/// Lets `course` happen with the fault of `plan`, judges what it recorded, and writes the report.
///
/// # Errors
/// When the report cannot be written.
pub async fn judged(
    plan: &Plan,
    course: impl AsyncFnOnce(&mut dyn Fault, Scene<'_>) -> Result<(), Trouble>,
) -> anyhow::Result<(Verdict, Duration)> {
    let mut random = StdRng::seed_from_u64(plan.seed);
    let Some(mut fault) = faults::drawn(&plan.fault, plan.scale, &mut random) else {
        anyhow::bail!("there is no fault {}", plan.fault);
    };
    let _ = std::fs::remove_dir_all(&plan.directory);
    std::fs::create_dir_all(&plan.directory)?;
    eprintln!("== {} seed {}: {}", fault.id(), plan.seed, fault.title());
    let mut report = Report::new(fault.as_ref(), plan.seed);
    let recorder = Arc::new(Recorder::new());
    let verdict = if let Some(elsewhere) = fault.covered_elsewhere() {
        Verdict::Impossible(elsewhere)
    } else {
        let scene = Scene { plan, random: &mut random, recorder: &recorder, report: &mut report };
        match AssertUnwindSafe(course(fault.as_mut(), scene)).catch_unwind().await {
            Ok(Ok(())) => judge(&recorder, fault.expectations(), &mut report),
            Ok(Err(Trouble::Impossible(why))) => Verdict::Impossible(why),
            Ok(Err(Trouble::Unobserved(why))) => Verdict::Invalid(why),
            Ok(Err(Trouble::Broken(what))) => {
                report.broken.push(Violation { rule: Rule::Dishonest, at: recorder.now(), what });
                judge(&recorder, fault.expectations(), &mut report)
            }
            Err(_) => Verdict::Invalid("the run itself broke down; its words stand above".into()),
        }
    };
    history::save(&recorder.records(), &plan.directory.join("history.jsonl"))?;
    report.write(&plan.directory, &verdict, &History::new(recorder.records()))?;
    Ok((verdict, report.settled_after))
}

/// What a run is made with.
pub struct Scene<'s> {
    plan: &'s Plan,
    random: &'s mut StdRng,
    recorder: &'s Arc<Recorder>,
    report: &'s mut Report,
}

impl Scene<'_> {
    /// Load for `warm`, the fault, its heal, and load until everything that can be asked agrees.
    ///
    /// # Errors
    /// When the run has no verdict, or a bad one.
    pub async fn play(
        &mut self,
        fault: &mut dyn Fault,
        world: &mut World,
        warm: Duration,
    ) -> Result<(), Trouble> {
        let Self { plan, random, recorder, report } = self;
        let expectations = fault.expectations();
        let (ready, is_ready) = tokio::sync::oneshot::channel();
        let observing = observer::observe(world.connect_string(), recorder.clone(), ready);
        let mut eyes = Watching(vec![tokio::spawn(observing)]);
        is_ready.await.map_err(|_| Trouble::Unobserved("the observer could not begin".into()))?;
        let load = Load::start(&world.gateway_urls(), plan.seed, recorder.clone()).await;
        let load = load.map_err(|error| Trouble::Unobserved(format!("the load could not begin: {error}")))?;
        let groups = load.groups.clone();
        recorder.add(Record::Setup(history::Setup {
            fault: fault.id().into(),
            seed: plan.seed,
            groups: groups.clone(),
            gateways: world.gateways.len(),
        }));
        let lag = recorder.clone();
        eyes.0.push(tokio::spawn(async move { lag.watch_lag().await }));

        recorder.phase(Phase::Warm);
        sleep(WARMING).await;
        let before = recorder.succeeded();
        sleep(warm.saturating_sub(WARMING)).await;
        report.rate = (recorder.succeeded() - before) as f64 / (warm - WARMING).as_secs_f64();
        let resources = resources(&world.ops()).await;

        recorder.phase(Phase::Fault);
        load.fall_silent(expectations.fall_silent_percent);
        note(&mut report.evidence, fault.inject(world, random).await?);
        sleep(expectations.lasts).await;
        recorder.phase(Phase::Heal);
        note(&mut report.evidence, fault.heal(world).await?);
        settle(world, &expectations, recorder, report).await;
        recorder.phase(Phase::Settled);

        let bounds = bounds(0);
        sleep(Duration::from_micros(bounds.staleness) + AFTER).await;
        recorder.phase(Phase::Quiet);
        load.be_quiet();
        let patience = Duration::from_micros(agreement::patience(&bounds));
        if !until(patience, async || load.is_calm()).await {
            let what =
                "the last change of every client is not acknowledged though everything is ready".to_owned();
            report.broken.push(Violation { rule: Rule::Dishonest, at: recorder.now(), what });
        }
        agree(world, recorder, &expectations, &groups).await;
        for (index, (now, before)) in self::resources(&world.ops()).await.iter().zip(&resources).enumerate() {
            if let Some(what) = now.excess(before) {
                let what = format!("gateway {index}: {what}");
                report.broken.push(Violation { rule: Rule::Grown, at: recorder.now(), what });
            }
        }
        recorder.phase(Phase::End);
        load.stop().await;
        Ok(())
    }
}

/// Waits until every gateway says that it is ready.
async fn settle(world: &World, expectations: &Expectations, recorder: &Recorder, report: &mut Report) {
    let begun = Instant::now();
    let bound = Duration::from_micros(bounds(0).widen(expectations.settle_bound));
    let all_ready = until(bound, async || {
        for address in world.ops() {
            let probe = Request::new(Method::GET, address, "/readyz").patience(Duration::from_secs(2));
            if probe.try_send().await.is_ok_and(|answer| answer.status == 200) {
                continue;
            }
            return false;
        }
        true
    });
    if !all_ready.await {
        let what = format!("not every gateway is ready {bound:?} after the heal");
        report.broken.push(Violation { rule: Rule::Disagreement, at: recorder.now(), what });
    }
    report.settled_after = begun.elapsed();
}

/// Reads everything from everywhere until all agree, or patience is over; what was read last is noted.
async fn agree(
    world: &World,
    recorder: &Arc<Recorder>,
    expectations: &Expectations,
    groups: &std::collections::BTreeMap<String, Vec<String>>,
) {
    let znodes = world.znodes().await;
    let Ok(caller) = Caller::new(&world.gateway_urls(), recorder.clone()) else { return };
    let history = History::new(recorder.records());
    let bounds = bounds(history.lag);
    let case = Case::new(&history, expectations, &bounds);
    // Who fell silent must be gone as well.
    let gone = case.states.values().filter_map(|states| states.gone_from).max().unwrap_or(0);
    let end = recorder.now().max(gone) + agreement::patience(&bounds);
    loop {
        let asked = recorder.now();
        let finals = ending::states(&caller, &znodes, groups).await;
        let mut history = History::new(recorder.records());
        history.finals.clone_from(&finals);
        let agreed = agreement::check(&Case::new(&history, expectations, &bounds)).is_empty();
        // What was read before they had to be gone does not show whether they are.
        let waits = asked <= gone;
        if (agreed && !waits) || recorder.now() > end {
            finals.into_iter().for_each(|state| recorder.add(Record::Final(state)));
            return;
        }
        sleep(LOOK).await;
    }
}

fn judge(recorder: &Recorder, expectations: Expectations, report: &mut Report) -> Verdict {
    let history = History::new(recorder.records());
    let bounds = bounds(history.lag);
    report.lag = Duration::from_micros(history.lag);
    let most = Duration::from_micros(bounds.widen(MOST_LAG));
    if report.lag > most {
        return Verdict::Invalid(format!(
            "the driver was held up for {:?}: this machine is too busy",
            report.lag
        ));
    }
    if report.rate < expectations.least_rate {
        let (rate, least) = (report.rate, expectations.least_rate);
        return Verdict::Invalid(format!(
            "{rate:.0} operations a second before the fault, less than {least:.0}"
        ));
    }
    // What broke a promise in front of the fault itself has happened.
    if report.evidence.is_empty() && report.broken.is_empty() {
        return Verdict::Invalid("nothing shows that the fault happened".into());
    }
    let mut violations = check(&history, &expectations, &bounds);
    violations.append(&mut report.broken);
    if violations.is_empty() { Verdict::Passed } else { Verdict::Failed(violations) }
}

/// The bounds of this program's world.
fn bounds(lag: Moment) -> Bounds {
    Bounds::new(TIME_TO_LIVE, SESSION, LONGEST_HOLD, lag)
}

/// Judges the history of an earlier run again.
///
/// # Errors
/// When it cannot be read.
pub fn judge_again(directory: &Path) -> anyhow::Result<Vec<Violation>> {
    let history = History::new(history::load(&directory.join("history.jsonl"))?);
    let mut random = StdRng::seed_from_u64(history.setup.seed);
    let Some(fault) = faults::drawn(&history.setup.fault, Scale::Full, &mut random) else {
        anyhow::bail!("there is no fault {}", history.setup.fault);
    };
    Ok(check(&history, &fault.expectations(), &bounds(history.lag)))
}

pub async fn resources(gateways: &[SocketAddr]) -> Vec<Resources> {
    let mut all = Vec::new();
    for address in gateways {
        all.push(Resources::of(*address).await);
    }
    all
}

pub async fn until(patience: Duration, mut holds: impl AsyncFnMut() -> bool) -> bool {
    let end = Instant::now() + patience;
    while !holds().await {
        if Instant::now() > end {
            return false;
        }
        sleep(LOOK).await;
    }
    true
}

fn note(evidence: &mut Evidence, more: Evidence) {
    more.iter().for_each(|line| eprintln!("         {line}"));
    evidence.extend(more);
}

/// Tasks that end with the run.
struct Watching(Vec<tokio::task::JoinHandle<()>>);

impl Drop for Watching {
    fn drop(&mut self) {
        self.0.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

/// `moment` in seconds.
pub fn seconds(moment: Moment) -> f64 {
    moment as f64 / SECOND as f64
}
