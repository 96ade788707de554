//! In the end all gateways and the tree agree, and with the model (V8); nothing is left over (V9).

use std::collections::BTreeMap;

use super::reads::{fields, wrong};
use super::states::Span;
use super::{Case, Rule, Violation};
use crate::history::{Entry, Field, Final, Moment};

/// Every disagreement.
pub fn check(case: &Case<'_>) -> Vec<Violation> {
    let mut violations = Vec::new();
    for state in &case.history.finals {
        check_final(case, state, &mut violations);
        for what in &state.dirt {
            let what = format!("{} in the end: {what}", state.source);
            violations.push(Violation { rule: Rule::LeftOver, at: state.end, what });
        }
    }
    if let Some((first, rest)) = case.history.finals.split_first() {
        for other in rest {
            for what in differences(first, other) {
                violations.push(Violation { rule: Rule::Disagreement, at: other.end, what });
            }
        }
    }
    violations
}

fn check_final(case: &Case<'_>, state: &Final, violations: &mut Vec<Violation>) {
    // Nobody changes anything any more, so there is no staleness to allow for.
    let window = Span { from: state.start, until: state.end };
    for (group, members) in &case.history.setup.groups {
        let entries = state.groups.get(group).map(Vec::as_slice).unwrap_or_default();
        for who in members {
            let Some(states) = case.states.get(who) else { continue };
            let mut found = entries.iter().filter(|entry| entry.who == *who).peekable();
            if found.peek().is_none() && !states.possible(Field::Payload, None, window) {
                let was = states.options(Field::Payload, window).join(" or ");
                let what = format!("{} lacks {who} in the end, which is {was}", state.source);
                violations.push(Violation { rule: Rule::Disagreement, at: state.end, what });
            }
            for (field, value) in found.flat_map(fields) {
                if wrong(states, field, value, window, state.end).is_some() {
                    let was = states.options(field, window).join(" or ");
                    let source = &state.source;
                    let what =
                        format!("{source} shows {who} with {field:?} {value} in the end, which is {was}");
                    violations.push(Violation { rule: Rule::Disagreement, at: state.end, what });
                }
            }
        }
    }
}

/// How two states of everything differ, in words.
pub fn differences(one: &Final, other: &Final) -> Vec<String> {
    let mut differences = Vec::new();
    let groups = one.groups.keys().chain(other.groups.keys());
    let mut groups: Vec<&String> = groups.collect();
    groups.sort();
    groups.dedup();
    for group in groups {
        let (mine, theirs) = (by_name(one, group), by_name(other, group));
        let mut names: Vec<&&str> = mine.keys().chain(theirs.keys()).collect();
        names.sort();
        names.dedup();
        for name in names {
            if mine.get(*name) != theirs.get(*name) {
                differences.push(format!(
                    "{name} of {group} is {} for {} and {} for {}",
                    said(mine.get(*name)),
                    one.source,
                    said(theirs.get(*name)),
                    other.source
                ));
            }
        }
    }
    differences
}

fn by_name<'f>(state: &'f Final, group: &str) -> BTreeMap<&'f str, Vec<&'f Entry>> {
    let mut names: BTreeMap<&str, Vec<&Entry>> = BTreeMap::new();
    for entry in state.groups.get(group).into_iter().flatten() {
        names.entry(&entry.who).or_default().push(entry);
    }
    names
}

fn said(entries: Option<&Vec<&Entry>>) -> String {
    let Some(entries) = entries else { return "absent".into() };
    let texts: Vec<String> =
        entries.iter().map(|entry| format!("{}/{}", entry.payload, entry.status)).collect();
    texts.join(" and ")
}

/// How long after `settled` a run goes on looking for agreement before it counts as broken.
pub fn patience(case_bounds: &super::bounds::Bounds) -> Moment {
    // It ends as soon as all agree, so a busy machine may take its time.
    15 * case_bounds.staleness
}
