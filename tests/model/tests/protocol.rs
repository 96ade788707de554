//! scratch
use stateright::*;
use zoogate_model::*;

#[test]
fn counts() {
    let kinds = std::env::var("KINDS").unwrap_or("s".into());
    let num = |key: &str, default: u8| std::env::var(key).ok().and_then(|v| v.parse().ok()).unwrap_or(default);
    let registrants: Vec<_> = kinds.chars().map(|c| if c == 's' { Kind::Sidecar } else { Kind::Instance }).collect();
    let steps = match std::env::var("STEPS").as_deref() { Ok("large") => Steps::Large, Ok("small") => Steps::Small, _ => Steps::Usual };
    let bounds = Bounds { changes: num("CHANGES", 2), faults: num("FAULTS", 1), deletions: num("DELETIONS", 0), repeats: num("REPEATS", 255), passes: num("PASSES", 255), version: num("VERSION", 3) };
    let guards = match std::env::var("WITHOUT") {
        Ok(name) => Guards::without(*Guard::ALL.iter().find(|g| format!("{g:?}") == name).unwrap()),
        Err(_) => Guards::all(),
    };
    let started = std::time::Instant::now();
    let checker = Protocol { registrants, guards, bounds, steps, canonical: std::env::var("PLAIN").is_err() }.checker().finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    println!("{kinds} {bounds:?} states {} generated {} depth {} in {:?}", checker.unique_state_count(), checker.state_count(), checker.max_depth(), started.elapsed());
    for (name, path) in checker.discoveries() {
        println!("{name}: {} steps", path.clone().into_actions().len());
        for action in path.clone().into_actions() { println!("   {action:?}"); }
        println!("{:#?}", path.last_state());
    }
}
