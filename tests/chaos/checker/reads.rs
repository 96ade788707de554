//! What answers say of registrants (V1 to V4, and V6): a bounded check, since reads come from a copy. What is answered
//! must have been so at some instant of a window that reaches back by the staleness that is promised.

use std::collections::BTreeMap;

use super::states::{Span, States};
use super::{Case, Rule, Violation};
use crate::history::{Entry, Field, Operation, Outcome, View};

/// Everything that no answer may say.
pub fn check(case: &Case<'_>) -> Vec<Violation> {
    let mut violations = Vec::new();
    for operation in &case.history.operations {
        let window = case.window(Span { from: operation.start, until: operation.end }, operation.stale);
        if operation.outcome == Outcome::Ok {
            for view in &operation.views {
                check_view(case, operation, view, window, &mut violations);
            }
            for (who, present) in &operation.dispatched {
                let damaged = case.expectations.foreign_writes && !present && case.saw_deletion(who, window);
                if damaged {
                    continue;
                }
                check_presence(case, operation, who, *present, window, &mut violations);
            }
        }
        if operation.denies
            && let Some(who) = &operation.who
        {
            check_presence(case, operation, who, false, window, &mut violations);
        }
    }
    violations
}

fn check_view(
    case: &Case<'_>,
    operation: &Operation,
    view: &View,
    window: Span,
    violations: &mut Vec<Violation>,
) {
    let members = case.history.setup.groups.get(&view.group).map(Vec::as_slice).unwrap_or_default();
    let mut found: BTreeMap<&str, Vec<&Entry>> = BTreeMap::new();
    for entry in &view.entries {
        found.entry(&entry.who).or_default().push(entry);
    }
    let asked = Span { from: operation.start, until: operation.end };
    let damaged = case.expectations.foreign_writes && asked.meets(case.trouble());
    for (who, entries) in &found {
        // What somebody has overwritten looks like a provider of his own until it is repaired.
        if who.is_empty() && damaged {
            continue;
        }
        if !members.iter().any(|member| member == who) {
            let what = format!("{} lists {who}, which nobody registered there", place(operation, view));
            violations.push(Violation { rule: Rule::Phantom, at: operation.end, what });
        }
        // Its old state and its new one may meet in a copy for a moment; the same state never stands twice.
        if entries.windows(2).any(|pair| pair[0].payload == pair[1].payload) {
            let what = format!("{} lists {who} {} times", place(operation, view), entries.len());
            violations.push(Violation { rule: Rule::LeftOver, at: operation.end, what });
        }
    }
    for who in members {
        let Some(states) = case.states.get(who) else { continue };
        let Some(entries) = found.get(who.as_str()) else {
            // What somebody has deleted is missing until it is put back.
            let deleted = damaged && case.saw_deletion(who, window);
            if !states.possible(Field::Payload, None, window) && !deleted {
                let options = states.options(Field::Payload, window).join(" or ");
                let what = format!("{} lacks {who}, which was {options}", place(operation, view));
                violations.push(Violation { rule: missing(case, operation), at: operation.end, what });
            }
            continue;
        };
        for (field, value) in entries.iter().flat_map(|entry| fields(entry)) {
            if let Some(rule) = wrong(states, field, value, window, operation.end) {
                let options = states.options(field, window).join(" or ");
                let place = place(operation, view);
                let what = format!("{place} shows {who} with {field:?} {value}, which was {options}");
                violations.push(Violation { rule, at: operation.end, what });
            }
        }
    }
}

fn check_presence(
    case: &Case<'_>,
    operation: &Operation,
    who: &str,
    present: bool,
    window: Span,
    violations: &mut Vec<Violation>,
) {
    let Some(states) = case.states.get(who) else { return };
    let absent = states.possible(Field::Payload, None, window);
    let registered = states.registers.get(&Field::Payload).into_iter().flat_map(|register| &register.effects);
    let gone = states.gone_from.is_some_and(|gone| gone < window.from);
    let standing =
        !gone && registered.into_iter().any(|effect| effect.value.is_some() && effect.span.meets(window));
    let gateway = operation.gateway;
    if !present && !absent {
        let options = states.options(Field::Payload, window).join(" or ");
        let what = format!(
            "gateway {gateway} tells {} that {who} is not there, which was {options}",
            operation.client
        );
        violations.push(Violation { rule: missing(case, operation), at: operation.end, what });
    }
    if present && !standing {
        let what = format!("gateway {gateway} tells {} that {who} is there", operation.client);
        violations.push(Violation { rule: Rule::Resurrected, at: operation.end, what });
    }
}

/// The fields of an entry.
pub fn fields(entry: &Entry) -> [(Field, &str); 2] {
    [(Field::Payload, entry.payload.as_str()), (Field::Status, entry.status.as_str())]
}

/// Which rule a value breaks that was seen in `window`, if any.
pub fn wrong(states: &States, field: Field, value: &str, window: Span, end: u64) -> Option<Rule> {
    if states.possible(field, Some(value), window) {
        None
    } else if !states.invoked(field, value, end) {
        Some(Rule::Phantom)
    } else if states.options(field, window).iter().all(|option| option == "absent" || option == "lapsed")
        || states.gone_from.is_some_and(|gone| gone < window.from)
    {
        Some(Rule::Resurrected)
    } else {
        Some(Rule::Torn)
    }
}

/// Which rule is broken when somebody is missing.
fn missing(case: &Case<'_>, operation: &Operation) -> Rule {
    let asked = Span { from: operation.start, until: operation.end };
    let trouble = operation.stale > 0 || asked.meets(case.trouble());
    if trouble { Rule::MassLoss } else { Rule::LostAcknowledged }
}

fn place(operation: &Operation, view: &View) -> String {
    let again = if operation.status == 304 { ", which the client holds already," } else { "" };
    format!("the list of {} by gateway {}{again}", view.group, operation.gateway)
}
