//! What an observer outside the gateways saw in ZooKeeper (V1, V2, V3): no provider goes that nobody gave up, and none
//! comes that nobody wants.

use std::collections::BTreeMap;

use super::states::{Span, States};
use super::{Case, Rule, Violation};
use crate::history::{Field, Moment, Outcome, ZnodeEvent};

/// Everything that should not have come or gone, or should have come and did not.
pub fn check(case: &Case<'_>) -> Vec<Violation> {
    let mut violations = Vec::new();
    check_commits(case, &mut violations);
    for event in &case.history.znodes {
        let Some(states) = case.states.get(&event.who) else {
            let what = format!("{} has come, whose registrant is nobody", event.path);
            violations.push(Violation { rule: Rule::Phantom, at: event.at, what });
            continue;
        };
        let fault = if event.created {
            wrong_creation(case, states, event)
        } else {
            wrong_deletion(case, states, event)
        };
        if let Some((rule, what)) = fault {
            let what = format!("{what}: {} of {}", event.path, event.who);
            violations.push(Violation { rule, at: event.at, what });
        }
    }
    violations
}

/// What a sidecar was acknowledged had come, or stood there already: also during a fault, unless the observer
/// may see late.
fn check_commits(case: &Case<'_>, violations: &mut Vec<Violation>) {
    if case.expectations.observer_late || case.expectations.foreign_writes {
        return;
    }
    // When each state of each registrant came first.
    let mut came: BTreeMap<&str, BTreeMap<&str, Moment>> = BTreeMap::new();
    for event in case.history.znodes.iter().filter(|event| event.created) {
        if let Some(payload) = &event.payload {
            let first = came.entry(&event.who).or_default().entry(payload).or_insert(event.at);
            *first = event.at.min(*first);
        }
    }
    for operation in case.history.operations.iter().filter(|operation| operation.outcome == Outcome::Ok) {
        let Some(known) = operation.who.as_deref().and_then(|who| came.get(who)) else { continue };
        let payloads = operation.writes.iter().filter(|write| write.field == Field::Payload);
        for payload in payloads.filter_map(|write| write.value.as_deref()) {
            let told = operation.end.saturating_add(case.bounds.observer);
            if known.get(payload).is_none_or(|at| *at > told) {
                let (client, gateway) = (&operation.client, operation.gateway);
                let what = format!(
                    "gateway {gateway} acknowledged payload {payload} of {client}, which was not there"
                );
                violations.push(Violation { rule: Rule::LostAcknowledged, at: operation.end, what });
            }
        }
    }
}

fn wrong_deletion(case: &Case<'_>, states: &States, event: &ZnodeEvent) -> Option<(Rule, String)> {
    let judged = case.expectations.no_provider_deleted && !case.expectations.foreign_writes;
    if !judged || is_excused(case, states, event) {
        return None;
    }
    Some((Rule::LostAcknowledged, "a provider went that nobody gave up".into()))
}

/// Whether something else than what went was asked for before it went, or silence explains it.
fn is_excused(case: &Case<'_>, states: &States, event: &ZnodeEvent) -> bool {
    // It is told late, never early.
    let window = case.window(Span { from: event.since, until: event.at }, 0);
    if states.can_have_lapsed(window) {
        return true;
    }
    let fields = match &event.payload {
        Some(payload) => vec![(Field::Payload, Some(payload.as_str()))],
        // The URL of an instance carries no payload; it changes with the status, and goes with the registration.
        None => vec![(Field::Payload, None), (Field::Status, None)],
    };
    fields.iter().any(|(field, value)| other_asked(states, *field, *value, event.at))
}

/// Whether a write of something else than `value` can have taken effect after `value` was first asked for.
fn other_asked(states: &States, field: Field, value: Option<&str>, until: Moment) -> bool {
    let Some(register) = states.registers.get(&field) else { return false };
    let Some(value) = value else {
        // Which state stood there is not known: any two writes of different values can have made it go.
        let recent = register.effects.iter().filter(|effect| effect.start <= until);
        let mut values: Vec<_> = recent.map(|effect| &effect.value).collect();
        values.dedup();
        return field == Field::Payload && values.iter().filter(|value| value.is_none()).count() > 1
            || field == Field::Status && values.iter().filter(|value| value.is_some()).count() > 1;
    };
    let first = register.effects.iter().find(|effect| effect.value.as_deref() == Some(value));
    let first = first.map_or(0, |effect| effect.start);
    let mut others = register.effects.iter().filter(|effect| effect.value.as_deref() != Some(value));
    others.any(|other| other.start <= until && other.end > first)
}

fn wrong_creation(case: &Case<'_>, states: &States, event: &ZnodeEvent) -> Option<(Rule, String)> {
    if case.expectations.foreign_writes {
        return None;
    }
    let window = case.window(Span { from: event.since, until: event.at }, 0);
    match &event.payload {
        Some(payload) => {
            let rule = super::reads::wrong(states, Field::Payload, payload, window, event.at)?;
            let was = states.options(Field::Payload, window).join(" or ");
            Some((rule, format!("a provider came with payload {payload}, which was {was}")))
        }
        None => {
            let register = states.registers.get(&Field::Payload)?;
            let mut standing = register.effects.iter().filter(|effect| effect.value.is_some());
            let possible = standing.any(|effect| effect.span.meets(window));
            (!possible).then(|| (Rule::Resurrected, "a provider came whose instance was gone".into()))
        }
    }
}
