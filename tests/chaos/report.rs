//! What a run leaves for people to read.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use crate::checker::Violation;
use crate::faults::{Evidence, Fault};
use crate::history::{History, Kind, Outcome, Phase};
use crate::run::{Verdict, seconds};

/// Violations that are told in full.
const TOLD: usize = 200;

/// What is known of a run beside its history.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Id and title of the fault, and the seed.
    title: String,
    /// What shows that the fault happened.
    pub evidence: Evidence,
    /// Operations a second that succeeded before the fault.
    pub rate: f64,
    /// How much the driver was held up at most.
    pub lag: Duration,
    /// How long after the heal every gateway was ready.
    pub settled_after: Duration,
    /// What was seen to be broken while it ran.
    pub broken: Vec<Violation>,
}

impl Report {
    /// An empty one.
    pub fn new(fault: &dyn Fault, seed: u64) -> Self {
        Self { title: format!("{}: {} (seed {seed})", fault.id(), fault.title()), ..Self::default() }
    }

    /// Writes `report.md` into `directory`.
    ///
    /// # Errors
    /// Those of the file.
    pub fn write(&self, directory: &Path, verdict: &Verdict, history: &History) -> anyhow::Result<()> {
        let mut text = format!("# {}\n\n", self.title);
        writeln!(text, "**{}**\n", summary(verdict))?;
        writeln!(text, "- {:.0} operations a second succeeded before the fault", self.rate)?;
        writeln!(text, "- ready {:.1} s after the heal", self.settled_after.as_secs_f64())?;
        writeln!(text, "- the driver was held up for {} ms at most", self.lag.as_millis())?;
        for line in &self.evidence {
            writeln!(text, "- {line}")?;
        }
        writeln!(text, "\n| phase | from (s) |\n| --- | --- |")?;
        for (phase, at) in &history.phases {
            writeln!(text, "| {phase:?} | {:.2} |", seconds(*at))?;
        }
        self.write_counts(&mut text, history)?;
        if let Verdict::Failed(violations) = verdict {
            writeln!(text, "\n| rule | at (s) | what |\n| --- | --- | --- |")?;
            for violation in violations.iter().take(TOLD) {
                let at = seconds(violation.at);
                writeln!(text, "| {} | {at:.2} | {} |", violation.rule, violation.what)?;
            }
            if violations.len() > TOLD {
                writeln!(text, "\n{} more are left out.", violations.len() - TOLD)?;
            }
        }
        std::fs::write(directory.join("report.md"), text)?;
        Ok(())
    }

    /// How the requests of each kind ended, before the fault, during it, and after it.
    fn write_counts(&self, text: &mut String, history: &History) -> std::fmt::Result {
        let (fault, settled) = (history.phase(Phase::Fault), history.phase(Phase::Settled));
        let mut counts: BTreeMap<Kind, [[usize; 3]; 3]> = BTreeMap::new();
        for operation in &history.operations {
            let phase = usize::from(operation.start >= fault) + usize::from(operation.start >= settled);
            let outcome = match operation.outcome {
                Outcome::Ok => 0,
                Outcome::Fail => 1,
                Outcome::Unknown => 2,
            };
            counts.entry(operation.kind).or_default()[phase][outcome] += 1;
        }
        writeln!(text, "\nSucceeded, refused and unknown:\n\n| requests | before | during | after |")?;
        writeln!(text, "| --- | --- | --- | --- |")?;
        for (kind, phases) in counts {
            let cells: Vec<String> =
                phases.iter().map(|[ok, fail, unknown]| format!("{ok} / {fail} / {unknown}")).collect();
            writeln!(text, "| {kind:?} | {} |", cells.join(" | "))?;
        }
        Ok(())
    }
}

/// A verdict in a line.
pub fn summary(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Passed => "passed".into(),
        Verdict::Failed(violations) => {
            let mut rules: BTreeMap<String, usize> = BTreeMap::new();
            violations.iter().for_each(|one| *rules.entry(one.rule.to_string()).or_default() += 1);
            let rules: Vec<String> = rules.iter().map(|(rule, count)| format!("{rule} x {count}")).collect();
            format!("FAILED: {}", rules.join(", "))
        }
        Verdict::Invalid(why) => format!("INVALID: {why}"),
        Verdict::Impossible(why) => format!("not run: {why}"),
    }
}
