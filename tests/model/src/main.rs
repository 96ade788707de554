//! Looks at one scenario, with all guards or without one, and tells what happened before something failed.

use std::process::ExitCode;
use std::time::Instant;

use stateright::{Checker, Expectation, HasDiscoveries, Model};
use zoogate_model::{Guard, Guards, Scenario};

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (wanted, without) = (arguments.next().unwrap_or_default(), arguments.next());
    let Some(scenario) = Scenario::all().into_iter().find(|scenario| scenario.to_string() == wanted) else {
        let names: Vec<String> = Scenario::all().iter().map(Scenario::to_string).collect();
        eprintln!("usage: zoogate-model <scenario> [<guard to leave out>]");
        eprintln!("scenarios: {}", names.join(", "));
        eprintln!("guards: {:?}", Guard::ALL);
        return ExitCode::from(2);
    };
    let guard = without.and_then(|name| Guard::ALL.into_iter().find(|guard| format!("{guard:?}") == name));
    let guards = guard.map_or(Guards::all(), Guards::without);
    let started = Instant::now();
    // What is found is easier to read when no replica changes its place on the way.
    let protocol = scenario.protocol(guards, guard.is_none());
    let checker = protocol.checker().finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    println!("{scenario}: {} states in {:.1?}", checker.unique_state_count(), started.elapsed());
    let mut holds = true;
    for property in checker.model().properties() {
        let found = checker.discovery(property.name);
        match (property.expectation, found) {
            (Expectation::Sometimes, None) => {
                holds = false;
                println!("{}: never", property.name);
            }
            (Expectation::Always, Some(path)) => {
                holds = false;
                println!("{}: not after", property.name);
                path.into_actions().iter().for_each(|action| println!("  {action:?}"));
            }
            _ => {}
        }
    }
    if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
