//! Without any one of the guards something breaks: none of them is there for nothing.

use std::time::Instant;

use stateright::{Checker, Expectation, HasDiscoveries, Model};
use zoogate_model::{Guard, Guards, Kind, Scenario};

/// Threads that look at states.
const THREADS: usize = 2;

const COMMITTED: &str = "I1 acknowledged is committed";
const WHOLE: &str = "I2 whole or not at all";
const SERVED: &str = "I3 any replica serves any request";
const SILENCE: &str = "I4 only silence removes";
const VERSIONS: &str = "I5 versions come from ZooKeeper";
/// No invariant that something bad never happens, but that something good still can.
const TAKEN_DOWN: &str = "what the dead had heard is taken down";

/// What fails without a guard, and where that shows soonest.
fn fails_without(guard: Guard) -> (&'static str, Scenario) {
    use Kind::{Instance, Sidecar};
    match guard {
        Guard::DocumentVersion => (VERSIONS, Scenario::calm(Sidecar)),
        Guard::MarkFirst => (WHOLE, Scenario::coarse(Instance)),
        Guard::NotEmpty => (SILENCE, Scenario::calm(Sidecar)),
        Guard::AnswerAfterCommit => (COMMITTED, Scenario::calm(Sidecar)),
        Guard::ChangeChecksMark => (COMMITTED, Scenario::by_hand(Sidecar)),
        Guard::RegisterAsks => (COMMITTED, Scenario::by_hand(Instance)),
        Guard::LeaseStaysAbsent => (WHOLE, Scenario::by_hand(Instance)),
        Guard::CatchUpBeforeAbsent => (SERVED, Scenario::calm(Instance)),
        Guard::TimeAgain => (SILENCE, Scenario::calm(Sidecar)),
        Guard::AnnounceFirst => (SILENCE, Scenario::short(Sidecar)),
        Guard::LookForLapse => (SILENCE, Scenario::calm(Sidecar)),
        Guard::StoreTimeFirst => (SILENCE, Scenario::small(Sidecar)),
        Guard::LookWhileAway => (SILENCE, Scenario::short(Instance)),
        Guard::AwayBriefly => (SILENCE, Scenario::coarse(Instance)),
        Guard::WaitForOutcome => (SILENCE, Scenario::short(Sidecar)),
        Guard::DecideFirst => (SILENCE, Scenario::short(Sidecar)),
        Guard::ReadBack => (SILENCE, Scenario::short(Sidecar)),
        Guard::NewName => (SILENCE, Scenario::short(Sidecar)),
        Guard::SameSession => (SILENCE, Scenario::short(Sidecar)),
        Guard::MarkNeedsReplica => (TAKEN_DOWN, Scenario::short(Sidecar)),
        Guard::MarkNeedsLease => (WHOLE, Scenario::calm(Sidecar)),
        Guard::MarkChecksDocument => (WHOLE, Scenario::calm(Instance)),
        Guard::ListenAnew => (SILENCE, Scenario::short(Sidecar)),
        Guard::DecideAnew => (SILENCE, Scenario::short(Sidecar)),
        Guard::WatchOrphans => (SILENCE, Scenario::by_hand(Sidecar)),
        Guard::NewLeaseCountsAnew => (SILENCE, Scenario::by_hand(Sidecar)),
        Guard::WatchDeadMarks => (SILENCE, Scenario::short(Sidecar)),
        Guard::SweepCatchesUp => (SILENCE, Scenario::fault(Sidecar)),
        Guard::KnownMarks => (SILENCE, Scenario::short(Sidecar)),
        Guard::RepairChecksDocument => (WHOLE, Scenario::calm(Sidecar)),
        Guard::RestoreChecksLease => (WHOLE, Scenario::calm(Instance)),
        Guard::RepairMarksTheHeard => (SILENCE, Scenario::by_hand(Sidecar)),
    }
}

#[test]
fn without_any_one_of_the_guards_something_breaks() {
    let mut faults = Vec::new();
    for guard in Guard::ALL {
        let (property, scenario) = fails_without(guard);
        let started = Instant::now();
        let protocol = scenario.protocol(Guards::without(guard), true);
        let checker = protocol.checker().threads(THREADS).finish_when(HasDiscoveries::AnyFailures);
        let checker = checker.spawn_bfs().join();
        let properties = checker.model().properties();
        let failed = properties.iter().filter(|property| {
            let is_found = checker.discovery(property.name).is_some();
            is_found != (property.expectation == Expectation::Sometimes)
        });
        // When an invariant breaks the search ends, before everything that is possible has been met.
        let (broken, missed): (Vec<_>, Vec<_>) =
            failed.partition(|property| property.expectation == Expectation::Always);
        let failed = if broken.is_empty() { missed } else { broken };
        let names: Vec<&str> = failed.iter().map(|property| property.name).collect();
        let states = checker.unique_state_count();
        println!("without {guard:?}, {scenario}: {names:?} ({states} states, {:.1?})", started.elapsed());
        if !names.contains(&property) {
            faults.push(format!("without {guard:?} {property:?} does not fail, but {names:?}"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
