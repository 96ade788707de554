//! What must hold while a fault lasts and after it: the promise of the product for each fault, in the checker's terms.

use std::time::Duration;

/// What the checker demands of a run beside what it demands of every run.
///
/// The default is the strictest: a fault names what it is allowed to break. Durations are those of an idle machine and
/// multiplied by the patience of the run before they are used.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Expectations {
    /// Registrants that go on trying keep their registrations: nothing of theirs is taken down because of the fault.
    pub registrations_survive: bool,
    /// Nobody who watches ZooKeeper sees a provider znode go that its registrant did not give up himself.
    pub no_provider_deleted: bool,
    /// Writes may be refused, or their outcome be unknown, from the injection until `settle_bound` after the heal.
    pub writes_may_fail_during: bool,
    /// Each gateway that runs and is not itself the victim goes on answering reads.
    pub reads_must_answer: bool,
    /// Gateways (by index) that may be out of reach or silent, and need not answer, from the injection until they are
    /// settled. All others must answer every request within its deadline.
    pub gateways_down: GatewaysDown,
    /// The fault itself deletes or damages znodes: the observer's deletions are then not held against zoogate, but what
    /// was deleted must be back in the end.
    pub foreign_writes: bool,
    /// The servers are harmed, or flooded: whoever watches ZooKeeper from outside may see late what was committed.
    pub observer_late: bool,
    /// So many come that gateways refuse some at once, with 429 or 503 and the words to repeat the request later.
    pub may_shed: bool,
    /// Percent of the registrants that the run lets fall silent for good when the fault strikes. They must be taken down
    /// in the end, and not before their time to live.
    pub fall_silent_percent: u32,
    /// How long the fault lasts between injection and heal.
    pub lasts: Duration,
    /// Within this time after the heal everything is as if nothing had happened: all gateways ready, all views equal.
    pub settle_bound: Duration,
    /// Least operations a second before the fault for the run to be valid.
    pub least_rate: f64,
}

/// Which gateways the fault takes away from their clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GatewaysDown {
    /// None.
    None,
    /// One of them, in turn or chosen at random.
    One,
    /// All of them at some time.
    All,
}

impl Default for Expectations {
    fn default() -> Self {
        Self {
            registrations_survive: true,
            no_provider_deleted: true,
            writes_may_fail_during: true,
            reads_must_answer: true,
            gateways_down: GatewaysDown::None,
            foreign_writes: false,
            observer_late: false,
            may_shed: false,
            fall_silent_percent: 0,
            lasts: Duration::from_secs(6),
            settle_bound: Duration::from_secs(10),
            least_rate: 100.0,
        }
    }
}
