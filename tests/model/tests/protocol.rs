//! The protocol with all of its guards: every invariant holds in every state that can be reached.

use std::time::Instant;

use stateright::{Checker, HasDiscoveries, Model};
use zoogate_model::{Guards, Scenario};

/// Threads that look at states.
const THREADS: usize = 2;

fn look_at(scenarios: Vec<Scenario>) {
    for scenario in scenarios {
        let started = Instant::now();
        let protocol = scenario.protocol(Guards::all(), true);
        let checker = protocol.checker().threads(THREADS).finish_when(HasDiscoveries::AnyFailures);
        let checker = checker.spawn_bfs().join();
        println!(
            "{scenario}: {} states, {} steps between them, at most {} deep, in {:.1?}",
            checker.unique_state_count(),
            checker.state_count(),
            checker.max_depth(),
            started.elapsed()
        );
        checker.assert_properties();
    }
}

#[test]
fn every_invariant_holds_in_every_state() {
    look_at(Scenario::every_time());
}

/// Takes minutes and gigabytes: `scripts/model --deep`.
#[test]
#[cfg(feature = "deep")]
fn every_invariant_holds_in_every_state_with_two_faults() {
    look_at(Scenario::now_and_then());
}
