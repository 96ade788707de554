//! Measures the gateway beside what the same machine can do at most: the program behind `scripts/bench`, which tells how
//! to use it. What the figures mean is in docs/performance.md.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a run ends at the first surprise in its own machinery, and tells what it does"
)]

mod bench;
mod ceilings;
mod generator;
mod report;
mod rounds;
mod scenarios;
mod statistics;
mod support;
mod world;

use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::{Parser, Subcommand};
use futures::FutureExt;
use tikv_jemallocator::Jemalloc;

use bench::{Bench, Settings, Tools};
use report::Report;
use scenarios::{ALL, Scenario};

/// The gateway's own, so that the bare handler has no other.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// Measures zoogate beside what the same machine can do at most.
#[derive(Debug, Parser)]
#[command(name = "scripts/bench")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs scenarios.
    Run(Run),
    /// Prints their names.
    List,
    /// Is the bare handler that answers what stands in a directory.
    Bare {
        /// The directory.
        directory: PathBuf,
    },
}

#[derive(Debug, clap::Args)]
struct Run {
    /// Only this scenario; may be repeated.
    #[arg(long, value_name = "NAME")]
    scenario: Vec<String>,
    /// How long each round takes.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
    /// Rounds of the gateway and of its ceiling, in turns; the medians count.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=100))]
    rounds: u64,
    /// Connections of the generators.
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    connections: u64,
    /// One round of a second with a tenth of everything, only to see that it works.
    #[arg(long)]
    quick: bool,
    /// Where the report is written.
    #[arg(long, value_name = "DIRECTORY")]
    into: PathBuf,
    /// The gateway's program.
    #[arg(long, value_name = "PATH")]
    gateway: PathBuf,
    /// The program oha.
    #[arg(long, value_name = "PATH")]
    oha: PathBuf,
    /// The class path of ZooKeeper.
    #[arg(long)]
    class_path: String,
}

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let outcome = runtime.block_on(async {
        match Arguments::parse().command {
            Command::Run(run) => measure(run).await,
            Command::Bare { directory } => ceilings::server::serve(&directory).await.map(|()| true),
            Command::List => {
                ALL.iter().for_each(|scenario| println!("{:26} {}", scenario.name, scenario.about));
                Ok(true)
            }
        }
    });
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs what was asked for; false when a scenario could not be measured.
async fn measure(run: Run) -> anyhow::Result<bool> {
    let wanted = wanted(&run.scenario)?;
    let quick = run.quick;
    let settings = Settings {
        span: Duration::from_secs(if quick { 1 } else { run.seconds }),
        rounds: if quick { 1 } else { run.rounds as usize },
        connections: run.connections as usize,
        quick,
    };
    let how = format!(
        "{} rounds of {} s on each side, {} connections{}",
        settings.rounds,
        settings.span.as_secs(),
        settings.connections,
        if quick { ", a tenth of everything" } else { "" },
    );
    std::fs::create_dir_all(&run.into)?;
    let into = run.into.canonicalize()?;
    let work = Work::new(&into)?;
    let tools = Tools { gateway: run.gateway, oha: run.oha, class_path: run.class_path };
    let bench = Bench::start(tools, settings, Report::new(how), work.0.clone()).await?;
    for scenario in wanted {
        eprintln!("== {}: {}", scenario.name, scenario.about);
        let outcome = AssertUnwindSafe((scenario.run)(&bench)).catch_unwind().await;
        let outcome = outcome.unwrap_or_else(|_| Err(anyhow::anyhow!("it panicked; see above")));
        let mut report = bench.report.lock().unwrap();
        if let Err(error) = outcome {
            eprintln!("error: {}: {error:#}", scenario.name);
            report.failed.push((scenario.name.to_owned(), format!("{error:#}")));
        }
        // After each, so that a run that is ended leaves what it has.
        report.write(&into)?;
    }
    println!("{}", into.join("report.md").display());
    let report = bench.report.lock().unwrap();
    Ok(report.failed.is_empty())
}

fn wanted(names: &[String]) -> anyhow::Result<Vec<&'static Scenario>> {
    for name in names {
        let known = ALL.iter().any(|scenario| scenario.name == name);
        ensure!(known, "there is no scenario {name}: see --list");
    }
    let is_wanted = |scenario: &&Scenario| names.is_empty() || names.iter().any(|name| name == scenario.name);
    Ok(ALL.iter().filter(is_wanted).collect())
}

/// The files of ZooKeeper and of the gateways, which are gone after the run.
struct Work(PathBuf);

impl Work {
    fn new(into: &Path) -> anyhow::Result<Self> {
        let path = into.join(format!("work-{}", std::process::id()));
        // A process of an earlier run may have had the same id.
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).context("a directory for the run")?;
        Ok(Self(path))
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
