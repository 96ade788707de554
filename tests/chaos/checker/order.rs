//! Neither `rev` nor `version` steps back (V5).

use std::collections::BTreeMap;

use super::states::Span;
use super::{Case, Rule, Violation};
use crate::checker::expectations::GatewaysDown;
use crate::history::{Field, Moment, Operation, Outcome, SECOND, View};

/// A gateway that takes this long has tried to catch up and given it up.
const CATCHING_UP: Moment = SECOND;

/// A request that came to an end, with the number that must not shrink.
struct Step<'s> {
    start: Moment,
    end: Moment,
    number: u64,
    operation: &'s Operation,
}

/// Every step back.
pub fn check(case: &Case<'_>) -> Vec<Violation> {
    let mut violations = Vec::new();
    check_revs(case, &mut violations);
    check_versions(case, &mut violations);
    violations
}

/// For each gateway and group: an answer that began after another one had ended has no smaller `rev`. A gateway that was
/// started again begins anew.
fn check_revs(case: &Case<'_>, violations: &mut Vec<Violation>) {
    let mut lines: BTreeMap<(usize, &str, bool), Vec<Step<'_>>> = BTreeMap::new();
    let restarts = case.expectations.gateways_down != GatewaysDown::None;
    for operation in case.history.operations.iter().filter(|operation| operation.outcome == Outcome::Ok) {
        let asked = Span { from: operation.start, until: operation.end };
        if restarts && asked.meets(case.trouble()) {
            continue;
        }
        let after = restarts && operation.start > case.trouble().from;
        for view in &operation.views {
            let Some(zxid) = zxid_of(&view.rev) else { continue };
            check_carried(case, operation, view, zxid, violations);
            let step = Step { start: operation.start, end: operation.end, number: zxid, operation };
            lines.entry((operation.gateway, &view.group, after)).or_default().push(step);
        }
    }
    for ((gateway, group, _), steps) in lines {
        for (before, step) in steps_back(steps, |step| step.start) {
            let (end, number) = (step.end, step.number);
            let what = format!(
                "the rev of {group} by gateway {gateway} is of change {number:#x}, after {before:#x} was answered"
            );
            violations.push(Violation { rule: Rule::SteppedBack, at: end, what });
        }
    }
}

/// A client that brings a `rev` is never answered from before it, unless the gateway cannot catch up in time.
fn check_carried(
    case: &Case<'_>,
    operation: &Operation,
    view: &View,
    zxid: u64,
    violations: &mut Vec<Violation>,
) {
    let asked = Span { from: operation.start, until: operation.end };
    // One that has lost ZooKeeper says how old its answer may be, and cannot catch up either.
    let follows = operation.stale == 0 && operation.end - operation.start < CATCHING_UP;
    let caught_up = follows && !asked.meets(case.trouble());
    if let Some(sent) = zxid_of(&view.sent_rev).filter(|sent| caught_up && *sent > zxid) {
        let (group, gateway) = (&view.group, operation.gateway);
        let what = format!("gateway {gateway} answers {group} of change {zxid:#x} to who has seen {sent:#x}");
        violations.push(Violation { rule: Rule::SteppedBack, at: operation.end, what });
    }
}

/// The zxid of the last change that an answer depends on: the first 16 digits of its `rev`.
fn zxid_of(rev: &str) -> Option<u64> {
    u64::from_str_radix(rev.get(..16)?, 16).ok()
}

/// For each sidecar: the version that one gateway answers never shrinks, and grows when the snapshot has changed. What
/// another gateway has answered is known everywhere after the staleness that is promised: a snapshot that looks unchanged
/// there is a sign of life, and no question to ZooKeeper.
fn check_versions(case: &Case<'_>, violations: &mut Vec<Violation>) {
    let mut lines: BTreeMap<(&str, Option<usize>), Vec<Step<'_>>> = BTreeMap::new();
    for operation in case.history.operations.iter().filter(|operation| operation.outcome == Outcome::Ok) {
        if let (Some(who), Some(number)) = (&operation.who, operation.version) {
            for gateway in [None, Some(operation.gateway)] {
                let step = Step { start: operation.start, end: operation.end, number, operation };
                lines.entry((who, gateway)).or_default().push(step);
            }
        }
    }
    for ((who, gateway), steps) in lines {
        let known_from = |step: &Step<'_>| match gateway {
            Some(_) => step.start,
            None => {
                let asked = Span { from: step.start, until: step.end };
                case.window(asked, step.operation.stale).from
            }
        };
        for pair in steps.windows(2) {
            let [first, second] = pair else { continue };
            let payload = |step: &Step<'_>| {
                let mut writes = step.operation.writes.iter();
                writes.find(|write| write.field == Field::Payload).and_then(|write| write.value.clone())
            };
            let changed = payload(first) != payload(second);
            if first.end < known_from(second) && changed && first.number >= second.number {
                let (one, other) = (first.number, second.number);
                let what = format!("{who} has changed and its version went from {one} to {other}");
                violations.push(Violation { rule: Rule::SteppedBack, at: second.end, what });
            }
        }
        for step in steps.iter().filter(|step| step.number == 0) {
            let what = format!("{who} was told version 0 with a success");
            violations.push(Violation { rule: Rule::SteppedBack, at: step.end, what });
        }
        for (before, step) in steps_back(steps, known_from) {
            let what = format!("the version of {who} is {}, after {before} was answered", step.number);
            violations.push(Violation { rule: Rule::SteppedBack, at: step.end, what });
        }
    }
}

/// Every step whose number is smaller than one that had ended before the moment since when it must be known, with that
/// one.
fn steps_back<'s>(
    mut steps: Vec<Step<'s>>,
    known_from: impl Fn(&Step<'s>) -> Moment,
) -> Vec<(u64, Step<'s>)> {
    let mut ended: Vec<(Moment, u64)> = steps.iter().map(|step| (step.end, step.number)).collect();
    ended.sort_unstable();
    steps.sort_by_key(&known_from);
    let mut highest = 0;
    let mut next = 0;
    let mut back = Vec::new();
    for step in steps {
        let known_from = known_from(&step);
        while let Some((_, number)) = ended.get(next).filter(|(end, _)| *end < known_from) {
            highest = highest.max(*number);
            next += 1;
        }
        if step.number < highest {
            back.push((highest, step));
        }
    }
    back
}
