//! Which states each registrant can have had, and when: the model that everything seen is compared with.
//!
//! Registrants are independent, so each is judged alone, and each of its two fields is a register. A write takes effect
//! at some instant between its start and its end; one whose outcome is unknown takes effect at any time after its start,
//! or never. A value is therefore possible from the start of its write until a later write must have taken effect.

use std::collections::BTreeMap;

use super::bounds::Bounds;
use super::expectations::Expectations;
use super::silence;
use crate::history::{Field, History, Moment, Outcome, Phase};

/// A span, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Its first instant.
    pub from: Moment,
    /// Its last instant.
    pub until: Moment,
}

impl Span {
    /// Whether they have an instant in common.
    pub fn meets(self, other: Self) -> bool {
        self.from <= other.until && other.from <= self.until
    }
}

/// A write that was, or may have been, carried out.
#[derive(Clone, Debug)]
pub struct Effect {
    /// When it can have taken effect, and until when its value can have lasted.
    pub span: Span,
    /// When it was invoked.
    pub start: Moment,
    /// By when it must have taken effect; never, if its outcome is unknown.
    pub end: Moment,
    /// Its value.
    pub value: Option<String>,
}

/// One register of one registrant.
#[derive(Clone, Debug, Default)]
pub struct Register {
    /// By start.
    pub effects: Vec<Effect>,
}

/// Everything that is known of one registrant.
#[derive(Clone, Debug, Default)]
pub struct States {
    /// Its registers.
    pub registers: BTreeMap<Field, Register>,
    /// When it can have been taken down for silence.
    pub lapses: Vec<Span>,
    /// From when on it must have been taken down, since it fell silent for good.
    pub gone_from: Option<Moment>,
}

impl States {
    /// Whether `field` can have been `value` at some instant of `window`.
    pub fn possible(&self, field: Field, value: Option<&str>, window: Span) -> bool {
        if value.is_none() && self.can_have_lapsed(window) {
            return true;
        }
        if value.is_some() && self.gone_from.is_some_and(|gone| gone < window.from) {
            return false;
        }
        let Some(register) = self.registers.get(&field) else { return value.is_none() };
        let same = register.effects.iter().filter(|effect| effect.value.as_deref() == value);
        same.into_iter().any(|effect| effect.span.meets(window))
    }

    /// Whether it can have been taken down for silence in `window`.
    pub fn can_have_lapsed(&self, window: Span) -> bool {
        self.lapses.iter().any(|lapse| lapse.meets(window))
    }

    /// Whether `value` was ever asked for before `moment`.
    pub fn invoked(&self, field: Field, value: &str, moment: Moment) -> bool {
        self.registers.get(&field).is_some_and(|register| {
            let effects = register.effects.iter().filter(|effect| effect.start <= moment);
            effects.into_iter().any(|effect| effect.value.as_deref() == Some(value))
        })
    }

    /// All values that `field` can have had in `window`, for messages.
    pub fn options(&self, field: Field, window: Span) -> Vec<String> {
        let register = self.registers.get(&field);
        let effects = register.into_iter().flat_map(|register| &register.effects);
        let mut values: Vec<String> = effects
            .filter(|effect| effect.span.meets(window))
            .map(|effect| effect.value.clone().unwrap_or_else(|| "absent".into()))
            .collect();
        if self.can_have_lapsed(window) {
            values.push("lapsed".into());
        }
        values.sort();
        values.dedup();
        values
    }
}

/// The states of every registrant of `history`.
pub fn all(history: &History, expectations: &Expectations, bounds: &Bounds) -> BTreeMap<String, States> {
    let mut states: BTreeMap<String, States> = BTreeMap::new();
    for who in history.setup.groups.values().flatten() {
        let state = states.entry(who.clone()).or_default();
        for field in [Field::Payload, Field::Status] {
            state.registers.insert(field, register(history, who, field));
        }
        state.lapses = silence::lapses(history, who, bounds);
        if !expectations.registrations_survive {
            let until = history.phase(Phase::Settled).saturating_add(bounds.staleness);
            state.lapses.push(Span { from: history.phase(Phase::Fault), until });
        }
        state.gone_from = history.silent.get(who).map(|at| {
            // The fault may keep everybody from listening, and everybody has a whole time to live anew after it.
            let listening = (*at).max(history.phases.get(&Phase::Heal).copied().unwrap_or(0));
            let settle = bounds.widen(expectations.settle_bound);
            listening + bounds.time_to_live + bounds.session + bounds.longest_hold + settle
        });
    }
    states
}

fn register(history: &History, who: &str, field: Field) -> Register {
    // Before anything is asked for there is nothing.
    let mut writes = vec![(0, 0, None, true)];
    for operation in &history.operations {
        if operation.who.as_deref() != Some(who) || operation.outcome == Outcome::Fail {
            continue;
        }
        let acked = operation.outcome == Outcome::Ok;
        let mut of_field = operation.writes.iter().filter(|write| write.field == field);
        if let Some(write) = of_field.next() {
            writes.push((operation.start, operation.end, write.value.clone(), acked));
        }
    }
    writes.sort_by_key(|(start, ..)| *start);
    // The earliest end of an acknowledged write among those that start at or after each.
    let mut earliest_end = vec![Moment::MAX; writes.len() + 1];
    for (index, (_, end, _, acked)) in writes.iter().enumerate().rev() {
        earliest_end[index] = earliest_end[index + 1].min(if *acked { *end } else { Moment::MAX });
    }
    let effects = writes.iter().enumerate().map(|(index, (start, end, value, acked))| {
        let next = writes.partition_point(|(other, ..)| other < end).max(index + 1);
        let until = if *acked { earliest_end[next] } else { Moment::MAX };
        let end = if *acked { *end } else { Moment::MAX };
        Effect { span: Span { from: *start, until }, start: *start, end, value: value.clone() }
    });
    Register { effects: effects.collect() }
}
