//! What was measured: one row for each figure, each beside its ceiling, as a table for people and as JSON.

mod markdown;

use std::path::Path;

use serde::Serialize;

use crate::generator::Measured;
use crate::rounds::{Clock, Disturbance};

/// What a ratio has to be.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Goal {
    /// At least so much of the ceiling: for rates.
    AtLeast(f64),
    /// At most so many times the ceiling: for times and memory.
    AtMost(f64),
}

impl Goal {
    fn is_met(self, ratio: f64) -> bool {
        match self {
            Self::AtLeast(least) => ratio >= least,
            Self::AtMost(most) => ratio <= most,
        }
    }
}

/// One side of a comparison.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Side {
    /// What it is: the gateway, or what it is held against.
    pub what: String,
    /// The median of all rounds, in the unit of the row.
    pub figure: f64,
    /// Milliseconds of half, 99 % and 99.9 % of the requests; the medians of all rounds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency: Option<[f64; 3]>,
    /// Microseconds of processors for each request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub processor: Option<f64>,
    /// The figure of each round.
    pub rounds: Vec<f64>,
}

/// One figure.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// The scenario, and which of its figures.
    pub name: String,
    /// Of the figures.
    pub unit: &'static str,
    /// What the gateway did.
    pub gateway: Side,
    /// What it is held against.
    pub ceiling: Side,
    /// The figure of the gateway divided by that of the ceiling.
    pub ratio: f64,
    /// What that has to be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub goal: Option<Goal>,
    /// Whether it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub met: Option<bool>,
    /// Resident memory of the gateway afterwards, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<f64>,
    /// Requests without a good answer, on both sides.
    pub failures: u64,
    /// What others took of the processors meanwhile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disturbance: Option<Disturbance>,
    /// What one should know besides.
    pub notes: String,
}

impl Row {
    /// A row whose ratio is that of the two figures.
    pub fn new(name: impl Into<String>, unit: &'static str, gateway: Side, ceiling: Side) -> Self {
        let ratio = gateway.figure / ceiling.figure;
        let name = name.into();
        Self {
            name,
            unit,
            gateway,
            ceiling,
            ratio,
            goal: None,
            met: None,
            memory: None,
            failures: 0,
            disturbance: None,
            notes: String::new(),
        }
    }

    /// Says what the ratio has to be.
    pub fn goal(mut self, goal: Option<Goal>) -> Self {
        self.goal = goal;
        self.met = goal.map(|goal| goal.is_met(self.ratio) && self.failures == 0);
        self
    }

    /// Says what others took of the processors meanwhile.
    pub fn disturbed(mut self, disturbance: Disturbance) -> Self {
        self.disturbance = Some(disturbance);
        self
    }

    /// Says how much memory the gateway has.
    pub fn memory(mut self, bytes: f64) -> Self {
        self.memory = Some(bytes);
        self
    }

    /// Adds what one should know.
    pub fn note(mut self, note: impl AsRef<str>) -> Self {
        if !self.notes.is_empty() {
            self.notes.push_str("; ");
        }
        self.notes.push_str(note.as_ref());
        self
    }
}

impl Side {
    /// The medians of what generators saw, with the processor time of each round if it is known.
    pub fn of(what: &str, rounds: &[(Measured, Option<f64>)]) -> Self {
        let median =
            |of: fn(&Measured) -> f64| crate::statistics::median(rounds.iter().map(|(it, _)| of(it)));
        let processor = rounds.iter().filter_map(|(_, processor)| *processor);
        let processor = crate::statistics::median(processor);
        Self {
            what: what.into(),
            figure: median(|it| it.rate),
            latency: Some([median(|it| it.p50), median(|it| it.p99), median(|it| it.p999)]),
            processor: Some(processor).filter(|it| !it.is_nan()),
            rounds: rounds.iter().map(|(it, _)| it.rate).collect(),
        }
    }

    /// The same, with a time that `of` takes from each round for its figure.
    pub fn timed(what: &str, rounds: &[(Measured, Option<f64>)], of: fn(&Measured) -> f64) -> Self {
        let times: Vec<f64> = rounds.iter().map(|(it, _)| of(it)).collect();
        Self {
            figure: crate::statistics::median(times.iter().copied()),
            rounds: times,
            ..Self::of(what, rounds)
        }
    }

    /// The median of figures that nothing else is known of.
    pub fn figures(what: &str, rounds: Vec<f64>) -> Self {
        let figure = crate::statistics::median(rounds.iter().copied());
        Self { what: what.into(), figure, rounds, ..Self::default() }
    }
}

/// A run.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The processors that everything shared.
    pub processors: usize,
    /// How it was measured.
    pub settings: String,
    /// The load of the machine before anything was started.
    pub load_before: f64,
    /// When it began.
    #[serde(skip)]
    pub began: Clock,
    /// What was measured.
    pub rows: Vec<Row>,
    /// What could not be measured, and why.
    pub failed: Vec<(String, String)>,
}

impl Report {
    /// Nothing yet.
    pub fn new(settings: String) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            processors,
            settings,
            load_before: load(),
            began: Clock::now(),
            rows: Vec::new(),
            failed: Vec::new(),
        }
    }

    /// Writes the table and the JSON.
    ///
    /// # Errors
    /// When the files cannot be written.
    pub fn write(&self, directory: &Path) -> anyhow::Result<()> {
        std::fs::write(directory.join("report.md"), markdown::render(self))?;
        std::fs::write(directory.join("report.json"), serde_json::to_vec_pretty(self)?)?;
        Ok(())
    }
}

/// The load of the last minute.
fn load() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or(f64::NAN)
}
