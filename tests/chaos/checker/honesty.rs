//! Every request is answered in time, and refused only for a reason that holds (V7).

use std::collections::BTreeMap;

use super::expectations::GatewaysDown;
use super::states::Span;
use super::{Case, Rule, Violation};
use crate::history::{Kind, Operation, Outcome};

/// Of the reads of a gateway during trouble, the least share in percent that is answered.
const ANSWERED: usize = 90;
/// Fewer reads than these say nothing about a share.
const ENOUGH: usize = 20;

/// Every dishonest or missing answer.
pub fn check(case: &Case<'_>) -> Vec<Violation> {
    let mut violations = Vec::new();
    for operation in &case.history.operations {
        if let Some(what) = fault_of(case, operation) {
            violations.push(Violation { rule: Rule::Dishonest, at: operation.end, what });
        }
    }
    if case.expectations.reads_must_answer {
        check_reads(case, &mut violations);
    }
    violations
}

fn fault_of(case: &Case<'_>, operation: &Operation) -> Option<String> {
    let Operation { gateway, kind, error, .. } = operation;
    let took = operation.end - operation.start;
    let in_trouble = Span { from: operation.start, until: operation.end }.meets(case.trouble());
    let may_be_down = in_trouble && case.expectations.gateways_down != GatewaysDown::None;
    match operation.outcome {
        Outcome::Ok => (took > case.bounds.deadline && !may_be_down)
            .then(|| format!("gateway {gateway} took {} s for a {kind:?}", seconds(took))),
        _ if operation.status == 0 => {
            (!may_be_down).then(|| format!("gateway {gateway} did not answer a {kind:?}: {error}"))
        }
        Outcome::Fail | Outcome::Unknown => {
            // The v4 dialect says 500 with a code of its own when ZooKeeper is away; anything else is a fault inside.
            let inside = operation.status >= 500 && !error.contains("500011");
            let shed = in_trouble && case.expectations.may_shed && error.contains("repeat the request later");
            // A gateway that stood still finds the clients late who spoke to it meanwhile.
            let late = may_be_down && operation.status == 408;
            let refused = operation.status >= 400 && operation.status < 500 && !operation.denies && !late;
            ((inside || refused) && !shed).then(|| format!("gateway {gateway} refused a {kind:?}: {error}"))
        }
    }
}

/// Reads go on: but for the gateways that the fault takes away, each answers.
fn check_reads(case: &Case<'_>, violations: &mut Vec<Violation>) {
    let trouble = case.trouble();
    let mut reads: BTreeMap<usize, (usize, usize)> = BTreeMap::new();
    for operation in &case.history.operations {
        let is_read = matches!(operation.kind, Kind::Find | Kind::Batch);
        if is_read && trouble.from <= operation.start && operation.end <= trouble.until {
            let (answered, all) = reads.entry(operation.gateway).or_default();
            *all += 1;
            *answered += usize::from(operation.outcome == Outcome::Ok);
        }
    }
    let failing =
        reads.iter().filter(|(_, (answered, all))| *all >= ENOUGH && answered * 100 < all * ANSWERED);
    let failing: Vec<_> = failing.collect();
    let allowed = match case.expectations.gateways_down {
        GatewaysDown::None => 0,
        GatewaysDown::One => 1,
        GatewaysDown::All => usize::MAX,
    };
    if failing.len() > allowed {
        for (gateway, (answered, all)) in failing {
            let what = format!("gateway {gateway} answered {answered} of {all} reads during the fault");
            violations.push(Violation { rule: Rule::Dishonest, at: trouble.until, what });
        }
    }
}

fn seconds(span: u64) -> f64 {
    (span / 1000) as f64 / 1000.0
}
