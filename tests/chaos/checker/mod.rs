//! Judges the history of a run by the rules V1 to V10 of docs/reliability.md.

pub mod agreement;
pub mod bounds;
pub mod expectations;
pub mod honesty;
pub mod order;
pub mod reads;
pub mod silence;
pub mod states;
pub mod tree;

use std::collections::BTreeMap;
use std::fmt;

use bounds::Bounds;
use expectations::Expectations;
use states::{Span, States};

use crate::history::{History, Moment, Phase};

/// What a run can break.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// V1: what was acknowledged and kept alive is found everywhere.
    LostAcknowledged,
    /// V2: what was given up, or has lapsed, does not come back.
    Resurrected,
    /// V3: nothing is found that nobody registered.
    Phantom,
    /// V4: what is found is one state that was registered, the last or a concurrent one.
    Torn,
    /// V5: neither `rev` nor `version` steps back.
    SteppedBack,
    /// V6: no list shrinks because ZooKeeper, or a gateway, is away.
    MassLoss,
    /// V7: every request is answered in time, and refused only with a reason.
    Dishonest,
    /// V8: in the end all gateways and the tree agree.
    Disagreement,
    /// V9: nothing is left over.
    LeftOver,
    /// V10: nothing grows.
    Grown,
}

impl fmt::Display for Rule {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "V{}", *self as usize + 1)
    }
}

/// One broken rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which rule.
    pub rule: Rule,
    /// When.
    pub at: Moment,
    /// What exactly, in words.
    pub what: String,
}

/// A history with everything that is derived from it once.
pub struct Case<'c> {
    /// What happened.
    pub history: &'c History,
    /// What the fault may break.
    pub expectations: &'c Expectations,
    /// The spans of the promises.
    pub bounds: &'c Bounds,
    /// What each registrant can have been.
    pub states: BTreeMap<String, States>,
}

impl<'c> Case<'c> {
    /// Derives what the rules need.
    pub fn new(history: &'c History, expectations: &'c Expectations, bounds: &'c Bounds) -> Self {
        Self { history, expectations, bounds, states: states::all(history, expectations, bounds) }
    }

    /// From the injection until everything has settled.
    pub fn trouble(&self) -> Span {
        Span { from: self.history.phase(Phase::Fault), until: self.history.phase(Phase::Settled) }
    }

    /// The instants whose state may be seen by who asked in `asked` and was told that the answer may be out of date by
    /// `stale`. While there is trouble, answers may be as old as its beginning.
    pub fn window(&self, asked: Span, stale: Moment) -> Span {
        let trouble = self.trouble();
        let slack = self.bounds.staleness + stale;
        let oldest = if asked.meets(trouble) { asked.from.min(trouble.from) } else { asked.from };
        Span { from: oldest.saturating_sub(slack), until: asked.until }
    }

    /// Whether the observer saw a provider of `who` go in `window`, or soon after it: it is told late.
    pub fn saw_deletion(&self, who: &str, window: Span) -> bool {
        let told = Span { from: window.from, until: window.until.saturating_add(self.bounds.staleness) };
        let mut gone = self.history.znodes.iter().filter(|event| !event.created && event.who == who);
        gone.any(|event| Span { from: event.since, until: event.at }.meets(told))
    }
}

/// Everything that is wrong with `history`, in the order of time.
pub fn check(history: &History, expectations: &Expectations, bounds: &Bounds) -> Vec<Violation> {
    let case = Case::new(history, expectations, bounds);
    let rules = [reads::check, order::check, honesty::check, tree::check, agreement::check];
    let mut violations: Vec<Violation> = rules.iter().flat_map(|rule| rule(&case)).collect();
    violations.sort_by_key(|violation| (violation.at, violation.rule));
    violations
}
