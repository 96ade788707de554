//! Load from established generators: `wrk` as fast as answers come (closed loop), `oha` at a constant rate whatever
//! comes, with latencies counted from when a request was due (open loop).

pub mod oha;
pub mod wrk;

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use anyhow::ensure;
use serde::Serialize;

use crate::support::process::Process;
use crate::world::client::Call;

/// Time between two looks at whether a generator has ended.
const INTERVAL: Duration = Duration::from_millis(20);

/// What is sent.
#[derive(Clone, Debug)]
pub enum Requests {
    /// The same again and again.
    Same(Call),
    /// One after the other, then from the beginning.
    Cycle(Vec<Call>),
    /// Registrations that never were before: `<address>`, `<number>` and `<id>` in the body are replaced. The calls
    /// take turns.
    Growing {
        /// What to fill in.
        calls: Vec<Call>,
        /// The number of the first.
        first: usize,
    },
}

/// How much is sent.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Open connections, each with at most one request under way.
    pub connections: usize,
    /// For how long, in whole seconds.
    pub span: Duration,
}

/// What a generator saw.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Measured {
    /// Requests that were answered.
    pub requests: u64,
    /// Of them in a second.
    pub rate: f64,
    /// Milliseconds that half of the answers took at most.
    pub p50: f64,
    /// 99 %.
    pub p99: f64,
    /// 99.9 %.
    pub p999: f64,
    /// Requests without a good answer.
    pub failures: u64,
}

/// Runs a generator to its end, which is killed when this program ends before, and returns what it printed.
///
/// # Errors
/// When it fails, with the same.
async fn printed(program: &Path, arguments: &[OsString], log: &Path) -> anyhow::Result<String> {
    let _ = std::fs::remove_file(log);
    let mut process = Process::spawn(program, arguments, log);
    let code = loop {
        match process.exit_code() {
            Some(code) => break code,
            None => tokio::time::sleep(INTERVAL).await,
        }
    };
    let output = process.output();
    ensure!(code == 0, "{} failed with code {code}: {output}", program.display());
    Ok(output)
}
