//! Tests the tests: gateways that are made to do wrong, each with a fault that shows it. One that nobody notices is a hole
//! in the checker; one that is noticed in a run that fails without it as well proves nothing.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::Path;
use std::process::{Command, Stdio};

/// One way to do wrong.
pub struct Mutant {
    /// Its name, which is that of its fail point.
    pub name: &'static str,
    /// When the fail point does what it does.
    pub when: &'static str,
    /// The fault that shows it.
    pub fault: &'static str,
    /// What is added to the seed, so that the fault is drawn in a form that does.
    pub seed: u64,
    /// What it does.
    pub what: &'static str,
}

const fn mutant(name: &'static str, when: &'static str, fault: &'static str, what: &'static str) -> Mutant {
    Mutant { name, when, fault, seed: 0, what }
}

/// Every mutant.
pub const MUTANTS: [Mutant; 10] = [
    // What is sent must not arrive, or nothing that is acknowledged too early is lost: with seed 4 it does not.
    Mutant {
        seed: 3,
        ..mutant("ack-before-commit", "return", "F7", "answers before ZooKeeper has committed")
    },
    mutant("skip-relist", "return", "F11", "does not read everything again after a reconnect"),
    mutant("skip-remark", "return", "F9", "does not mark anew whom it hears after its session expired"),
    mutant("drop-event", "5%return", "F1", "loses a watch event now and then"),
    mutant("old-epoch", "return", "F6", "acts on what it knew before others took over"),
    mutant("resurrect", "return", "F1", "puts back what was given up"),
    mutant("stale-answer", "return", "F1", "answers from what it once serialised"),
    mutant("brake-stuck", "return", "F23", "holds mass silence for ever"),
    mutant("ignore-unknown", "return", "F5", "takes a change whose outcome is unknown for done"),
    mutant("wall-clock", "return", "F1", "counts leases by a clock that is set forward by an hour"),
];

/// Runs those of `names`, or all, each in a process of its own, and each fault without a mutant before; true when every
/// mutant was noticed.
///
/// # Errors
/// When a name is unknown, or a run cannot be started.
pub fn run_all(names: &[String], seed: u64, into: &Path) -> anyhow::Result<bool> {
    if !cfg!(feature = "failpoints") {
        anyhow::bail!("mutants need the feature `failpoints`");
    }
    for name in names {
        if !MUTANTS.iter().any(|mutant| mutant.name == name) {
            let known: Vec<_> = MUTANTS.iter().map(|mutant| mutant.name).collect();
            anyhow::bail!("there is no mutant {name}; there are {}", known.join(", "));
        }
    }
    let into = into.join("mutants");
    let is_chosen = |mutant: &&Mutant| names.is_empty() || names.iter().any(|name| name == mutant.name);
    let mut controls: BTreeMap<(&str, u64), String> = BTreeMap::new();
    let mut lines = Vec::new();
    let mut all = true;
    for mutant in MUTANTS.iter().filter(is_chosen) {
        let seed = seed + mutant.seed;
        if let Entry::Vacant(new) = controls.entry((mutant.fault, seed)) {
            eprintln!("== without a mutant");
            new.insert(verdict(mutant.fault, seed, "", &into.join("none"))?);
        }
        eprintln!("== mutant {}: {}", mutant.name, mutant.what);
        let points = format!("{}={}", mutant.name, mutant.when);
        let verdict = verdict(mutant.fault, seed, &points, &into.join(mutant.name))?;
        let control = controls.get(&(mutant.fault, seed)).map(String::as_str).unwrap_or_default();
        // A run that proves nothing has noticed nothing.
        let word = match (verdict.contains("FAILED"), control.contains("passed")) {
            (true, true) => "noticed",
            (true, false) => "NOT PROVEN",
            (false, _) => "NOT NOTICED",
        };
        all &= word == "noticed";
        lines.push(format!("{:18} {word}: {verdict}; without it: {control}", mutant.name));
    }
    lines.iter().for_each(|line| println!("{line}"));
    Ok(all)
}

/// What a run with these fail points comes to, in a line.
fn verdict(fault: &str, seed: u64, points: &str, into: &Path) -> anyhow::Result<String> {
    let mut command = Command::new(std::env::current_exe()?);
    match points {
        "" => command.env_remove("FAILPOINTS"),
        points => command.env("FAILPOINTS", points),
    };
    command.args(["--fault", fault, "--seed", &seed.to_string(), "--into"]).arg(into);
    let output = command.stderr(Stdio::inherit()).output()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(said.lines().next().unwrap_or("nothing").trim().to_owned())
}
