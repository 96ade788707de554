//! Faults in a whole ensemble under load, and the judgement of what happened: the program behind `scripts/chaos`, which
//! tells how to use it. What must hold, and what each fault is, is in docs/reliability.md.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a run ends at the first surprise in its own machinery, and tells what it does"
)]

#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "tests/it uses all of it, this program only a part")]
mod support;

mod checker;
mod clients;
mod disks;
mod ending;
mod faults;
mod history;
mod link;
mod mutants;
mod observer;
mod peers;
mod proxy;
mod random;
mod report;
mod resources;
mod run;
mod soak;
mod summary;
mod wire_format;
mod world;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;

use faults::Scale;
use report::summary;
use run::{Plan, run};
use summary::{Row, Summary};
use tokio::signal::unix::{SignalKind, signal};

/// Faults in a whole ensemble under load.
#[derive(Debug, Parser)]
#[command(name = "scripts/chaos")]
struct Arguments {
    /// A few faults that a change must withstand (the default).
    #[arg(long)]
    short: bool,
    /// Every fault.
    #[arg(long, conflicts_with = "short")]
    full: bool,
    /// Only this fault, `F1` to `F23`; may be repeated.
    #[arg(long, value_name = "ID")]
    fault: Vec<String>,
    /// What everything random comes from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many runs of each fault, each with the next seed.
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// Runs gateways that are made to do wrong, each with a fault that shows it, and fails when nothing is noticed.
    #[arg(long)]
    mutants: bool,
    /// Only this mutant; may be repeated.
    #[arg(long, value_name = "NAME")]
    mutant: Vec<String>,
    /// Lets faults happen one after another in one world for so many minutes, and looks for what grows.
    #[arg(long, value_name = "MINUTES")]
    soak: Option<u64>,
    /// Judges the history in this directory again.
    #[arg(long, value_name = "DIRECTORY")]
    judge: Option<PathBuf>,
    /// Writes the runs below this directory.
    #[arg(long, value_name = "DIRECTORY")]
    into: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match start(&arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn start(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    if let Some(directory) = &arguments.judge {
        let violations = run::judge_again(directory)?;
        for violation in &violations {
            println!("{:8.2} s {}: {}", run::seconds(violation.at), violation.rule, violation.what);
        }
        return Ok(ExitCode::from(u8::from(!violations.is_empty())));
    }
    let into = arguments.into.clone().unwrap_or_else(place);
    if arguments.mutants || !arguments.mutant.is_empty() {
        let noticed = mutants::run_all(&arguments.mutant, arguments.seed, &into)?;
        return Ok(ExitCode::from(u8::from(!noticed)));
    }
    let scale = if arguments.full { Scale::Full } else { Scale::Short };
    let chosen: Vec<&str> = match arguments.fault.as_slice() {
        [] if arguments.full => faults::IDS.to_vec(),
        [] => faults::SHORT.to_vec(),
        some => some.iter().map(String::as_str).collect(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    if let Some(minutes) = arguments.soak {
        let passed = runtime.block_on(async {
            tokio::select! {
                passed = soak::soak(minutes, arguments.seed, &into) => passed,
                () = interrupted() => Err(anyhow::anyhow!("interrupted")),
            }
        })?;
        return Ok(ExitCode::from(u8::from(!passed)));
    }
    let mut all = Summary::default();
    for fault in chosen {
        for seed in arguments.seed..arguments.seed + arguments.seeds {
            let directory = into.join(format!("{fault}-{seed}"));
            let plan = Plan { fault: fault.to_owned(), scale, seed, directory };
            let outcome = runtime.block_on(async {
                tokio::select! {
                    outcome = run(&plan) => outcome.map(Some),
                    // Dropping the run ends its processes, and removes what nobody will read.
                    () = interrupted() => Ok(None),
                }
            })?;
            let Some((verdict, recovery)) = outcome else {
                eprintln!("interrupted");
                return Ok(ExitCode::from(130));
            };
            let line = format!("{fault} seed {seed}: {}", summary(&verdict));
            eprintln!("   {line}\n   see {}", plan.directory.join("report.md").display());
            println!("{line}");
            all.add(Row { fault: fault.to_owned(), seed, verdict, recovery }, &into)?;
        }
    }
    println!("\n{}", all.table());
    Ok(all.exit_code())
}

/// Returns when somebody wants this program to end.
async fn interrupted() {
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return std::future::pending().await };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}

/// Where runs are written: `target/chaos`.
fn place() -> PathBuf {
    let temporary = Path::new(env!("CARGO_TARGET_TMPDIR"));
    temporary.parent().unwrap_or(temporary).join("chaos")
}
