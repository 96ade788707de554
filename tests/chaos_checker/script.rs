//! A short way to write a history down. Times are tenths of a second.

use crate::checker::bounds::Bounds;
use crate::checker::expectations::Expectations;
use crate::checker::{Rule, check};
use crate::history::{
    Entry, Field, Final, History, Kind, Moment, Operation, Outcome, Phase, Record, SECOND, Setup, View,
    Write, ZnodeEvent,
};

/// One tenth of a second.
const TENTH: Moment = SECOND / 10;

/// A history in the making, of the registrants `a` and `b` of one group.
pub struct Script {
    records: Vec<Record>,
    expectations: Expectations,
}

impl Script {
    /// Nothing has happened; the fault comes at 100 s and settles at 110 s unless [`Script::trouble`] says otherwise.
    pub fn new() -> Self {
        let groups = [("g".to_owned(), vec!["a".to_owned(), "b".to_owned()])].into();
        let setup = Setup { fault: "F0".into(), seed: 1, groups, gateways: 2 };
        Self { records: vec![Record::Setup(setup)], expectations: Expectations::default() }
            .trouble(1000, 1100)
    }

    /// When the fault comes, and when everything has settled.
    pub fn trouble(mut self, from: Moment, until: Moment) -> Self {
        for (phase, at) in [(Phase::Fault, from), (Phase::Settled, until)] {
            self.records.push(Record::Phase { phase, at: at * TENTH });
        }
        self
    }

    /// What the fault may break.
    pub fn expecting(mut self, change: impl FnOnce(&mut Expectations)) -> Self {
        change(&mut self.expectations);
        self
    }

    /// A request of any kind; `change` fills in what is not plain.
    pub fn operation(
        mut self,
        who: &str,
        kind: Kind,
        span: std::ops::Range<Moment>,
        outcome: Outcome,
        change: impl FnOnce(&mut Operation),
    ) -> Self {
        let mut operation = Operation {
            client: who.to_owned(),
            gateway: 0,
            kind,
            start: span.start * TENTH,
            end: span.end * TENTH,
            outcome,
            status: 200,
            error: String::new(),
            who: Some(who.to_owned()),
            writes: Vec::new(),
            denies: false,
            views: Vec::new(),
            dispatched: Vec::new(),
            version: None,
            stale: 0,
        };
        change(&mut operation);
        self.records.push(Record::Operation(operation));
        self
    }

    /// A sync that wants `payload`, or nothing.
    pub fn sync(
        self,
        who: &str,
        payload: Option<&str>,
        span: std::ops::Range<Moment>,
        outcome: Outcome,
    ) -> Self {
        let writes = vec![
            Write { field: Field::Payload, value: payload.map(str::to_owned) },
            Write { field: Field::Status, value: payload.map(|_| "UP".to_owned()) },
        ];
        self.operation(who, Kind::Sync, span, outcome, |operation| operation.writes = writes)
    }

    /// Signs of life every second from `from` to `until`.
    pub fn beats(mut self, who: &str, from: Moment, until: Moment) -> Self {
        for at in (from..until).step_by(10) {
            self = self.operation(who, Kind::Heartbeat, at..at + 1, Outcome::Ok, |_| {});
        }
        self
    }

    /// A find by `gateway` that shows these registrants with their payloads.
    pub fn find(self, gateway: usize, found: &[(&str, &str)], span: std::ops::Range<Moment>) -> Self {
        self.find_with(gateway, found, span, |_| {})
    }

    /// Likewise, with what is not plain.
    pub fn find_with(
        self,
        gateway: usize,
        found: &[(&str, &str)],
        span: std::ops::Range<Moment>,
        change: impl FnOnce(&mut Operation),
    ) -> Self {
        let view = View { group: "g".into(), entries: entries(found), ..View::default() };
        self.operation("f", Kind::Find, span, Outcome::Ok, |operation| {
            operation.who = None;
            operation.gateway = gateway;
            operation.views.push(view);
            change(operation);
        })
    }

    /// The observer sees the provider of `who` come or go.
    pub fn znode(mut self, created: bool, who: &str, payload: &str, at: Moment) -> Self {
        let event = ZnodeEvent {
            at: at * TENTH,
            since: at * TENTH,
            created,
            who: who.into(),
            payload: Some(payload.into()),
            path: format!("/dubbo/g/providers/{who}"),
        };
        self.records.push(Record::Znode(event));
        self
    }

    /// `who` falls silent for good.
    pub fn silent(mut self, who: &str, at: Moment) -> Self {
        self.records.push(Record::Silent { who: who.into(), at: at * TENTH });
        self
    }

    /// What a source shows in the end.
    pub fn finally(mut self, source: &str, found: &[(&str, &str)], at: Moment) -> Self {
        let groups = [("g".to_owned(), entries(found))].into();
        let (start, end) = (at * TENTH, at * TENTH);
        let dirt = Vec::new();
        self.records.push(Record::Final(Final { source: source.into(), start, end, groups, dirt }));
        self
    }

    /// Its records.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// Which rules are broken, each once.
    pub fn broken(&self) -> Vec<Rule> {
        let history = History::new(self.records.iter().cloned());
        let violations = check(&history, &self.expectations, &Bounds::default());
        for violation in &violations {
            eprintln!("{}: {}", violation.rule, violation.what);
        }
        let mut rules: Vec<Rule> = violations.iter().map(|violation| violation.rule).collect();
        rules.sort();
        rules.dedup();
        rules
    }
}

fn entries(found: &[(&str, &str)]) -> Vec<Entry> {
    let entry = |(who, payload): &(&str, &str)| Entry {
        who: (*who).into(),
        payload: (*payload).into(),
        status: "UP".into(),
    };
    found.iter().map(entry).collect()
}
