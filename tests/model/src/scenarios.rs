//! What is looked at: who registers, and how much may happen.

use crate::guards::Guards;
use crate::protocol::{Bounds, Protocol, Steps};
use crate::world::{FREELY, Kind};

/// Repeating oneself and the passing of time are not counted; a world looks the same after them.
const ORDINARY: Bounds =
    Bounds { changes: 2, faults: 1, deletions: 0, repeats: FREELY, passes: FREELY, version: 3 };

/// Registrants and bounds, by a name for the command line and for reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// What it is called.
    pub name: &'static str,
    registrants: &'static [Kind],
    bounds: Bounds,
    steps: Steps,
}

impl Scenario {
    /// One registrant that changes twice, and no fault.
    pub const fn calm(kind: Kind) -> Self {
        Self::of("calm", kind, Bounds { faults: 0, ..ORDINARY }, Steps::Usual)
    }

    /// One registrant that registers once, and one fault.
    pub const fn short(kind: Kind) -> Self {
        Self::of("short", kind, Bounds { changes: 1, ..ORDINARY }, Steps::Usual)
    }

    /// One registrant that changes twice, and one fault.
    pub const fn fault(kind: Kind) -> Self {
        Self::of("fault", kind, ORDINARY, Steps::Usual)
    }

    /// One registrant that changes three times, and one fault.
    pub const fn changes(kind: Kind) -> Self {
        Self::of("changes", kind, Bounds { changes: 3, ..ORDINARY }, Steps::Usual)
    }

    /// As `changes`, with the largest steps.
    pub const fn coarse(kind: Kind) -> Self {
        Self::of("coarse", kind, Bounds { changes: 3, ..ORDINARY }, Steps::Large)
    }

    /// One registrant that changes twice and whose lease is deleted by hand, and no other fault.
    pub const fn by_hand(kind: Kind) -> Self {
        Self::of("by-hand", kind, Bounds { faults: 0, deletions: 1, ..ORDINARY }, Steps::Usual)
    }

    /// One registrant that registers once, no fault, and the smallest steps.
    pub const fn small(kind: Kind) -> Self {
        Self::of("small", kind, Bounds { changes: 1, faults: 0, ..ORDINARY }, Steps::Small)
    }

    /// One registrant that changes twice, one fault, and the smallest steps.
    pub const fn small_fault(kind: Kind) -> Self {
        Self::of("small-fault", kind, ORDINARY, Steps::Small)
    }

    /// One registrant that registers once, and two faults.
    pub const fn faults(kind: Kind) -> Self {
        Self::of("faults", kind, Bounds { changes: 1, faults: 2, ..ORDINARY }, Steps::Usual)
    }

    /// A sidecar and an instance.
    pub const fn both() -> Self {
        let bounds = Bounds { repeats: 1, passes: 2, version: 2, ..ORDINARY };
        Self { name: "both", registrants: &[Kind::Sidecar, Kind::Instance], bounds, steps: Steps::Large }
    }

    const fn of(name: &'static str, kind: Kind, bounds: Bounds, steps: Steps) -> Self {
        let registrants: &[Kind] = match kind {
            Kind::Sidecar => &[Kind::Sidecar],
            Kind::Instance => &[Kind::Instance],
        };
        Self { name, registrants, bounds, steps }
    }

    /// Those that every run of the tests looks at.
    pub fn every_time() -> Vec<Self> {
        let of_one: [fn(Kind) -> Self; 2] = [Self::by_hand, Self::fault];
        let mut scenarios = of_both_kinds(&of_one);
        scenarios.push(Self::both());
        scenarios
    }

    /// Those that take minutes.
    pub fn now_and_then() -> Vec<Self> {
        of_both_kinds(&[Self::faults])
    }

    /// Every one, also those that only show what a guard is good for.
    pub fn all() -> Vec<Self> {
        let mut scenarios = of_both_kinds(&[Self::calm, Self::short, Self::small, Self::coarse]);
        scenarios.extend(Self::every_time());
        scenarios.extend(Self::now_and_then());
        scenarios.extend(of_both_kinds(&[Self::changes, Self::small_fault]));
        scenarios
    }

    /// The protocol with `guards`. Worlds that are alike count as one when it is `canonical`.
    pub fn protocol(self, guards: Guards, canonical: bool) -> Protocol {
        let Self { registrants, bounds, steps, .. } = self;
        Protocol { registrants: registrants.to_vec(), guards, bounds, steps, canonical }
    }
}

impl std::fmt::Display for Scenario {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.registrants {
            [Kind::Sidecar] => write!(formatter, "{}-sidecar", self.name),
            [Kind::Instance] => write!(formatter, "{}-instance", self.name),
            _ => write!(formatter, "{}", self.name),
        }
    }
}

fn of_both_kinds(scenarios: &[fn(Kind) -> Scenario]) -> Vec<Scenario> {
    let kinds = [Kind::Sidecar, Kind::Instance];
    scenarios.iter().flat_map(|scenario| kinds.map(scenario)).collect()
}
