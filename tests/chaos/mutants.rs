//! Tests the tests: gateways that are made to do wrong, each with a fault that shows it. One that nobody notices is a hole
//! in the checker.

use std::path::Path;
use std::process::Command;

/// One way to do wrong.
pub struct Mutant {
    /// Its name, which is that of its fail point.
    pub name: &'static str,
    /// When the fail point does what it does.
    pub when: &'static str,
    /// The fault that shows it.
    pub fault: &'static str,
    /// What it does.
    pub what: &'static str,
}

/// Every mutant.
pub const MUTANTS: [Mutant; 10] = [
    Mutant {
        name: "ack-before-commit",
        when: "return",
        fault: "F7",
        what: "answers before ZooKeeper has committed",
    },
    Mutant {
        name: "skip-relist",
        when: "return",
        fault: "F11",
        what: "does not read everything again after a reconnect",
    },
    Mutant {
        name: "skip-remark",
        when: "return",
        fault: "F9",
        what: "does not mark anew whom it hears after its session expired",
    },
    Mutant { name: "drop-event", when: "5%return", fault: "F1", what: "loses a watch event now and then" },
    Mutant {
        name: "old-epoch",
        when: "return",
        fault: "F6",
        what: "acts after a pause on what it knew before",
    },
    Mutant { name: "resurrect", when: "return", fault: "F1", what: "puts back what was given up" },
    Mutant {
        name: "stale-answer",
        when: "return",
        fault: "F1",
        what: "answers from what it once serialised",
    },
    Mutant { name: "brake-stuck", when: "return", fault: "F23", what: "holds mass silence for ever" },
    Mutant {
        name: "ignore-unknown",
        when: "return",
        fault: "F10",
        what: "takes a change whose outcome is unknown for done",
    },
    Mutant {
        name: "wall-clock",
        when: "return",
        fault: "F1",
        what: "counts leases by a clock that is set forward by an hour",
    },
];

/// Runs those of `names`, or all, each in a process of its own; true when every one was noticed.
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
    let mut lines = Vec::new();
    let mut all = true;
    for mutant in
        MUTANTS.iter().filter(|mutant| names.is_empty() || names.iter().any(|name| name == mutant.name))
    {
        eprintln!("== mutant {}: {}", mutant.name, mutant.what);
        let place = into.join("mutants").join(mutant.name);
        let output = Command::new(std::env::current_exe()?)
            .env("FAILPOINTS", format!("{}={}", mutant.name, mutant.when))
            .args(["--fault", mutant.fault, "--seed", &seed.to_string(), "--into"])
            .arg(&place)
            .stderr(std::process::Stdio::inherit())
            .output()?;
        let said = String::from_utf8_lossy(&output.stdout);
        // A run that proves nothing has noticed nothing.
        let noticed = said.contains("FAILED");
        all &= noticed;
        let word = if noticed { "noticed" } else { "NOT NOTICED" };
        lines.push(format!("{:18} {:4} {word}: {}", mutant.name, mutant.fault, said.trim()));
    }
    lines.iter().for_each(|line| println!("{line}"));
    Ok(all)
}
