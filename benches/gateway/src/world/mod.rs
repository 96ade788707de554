//! What is measured: a real ZooKeeper, gateways in front of it, and a catalog that is filled through their API.

pub mod client;
pub mod fill;
pub mod gateway;
pub mod zookeeper;

use std::net::SocketAddr;
use std::time::Duration;

use crate::support::eventually::eventually;
use crate::support::process::Process;

pub use gateway::Gateway;
pub use zookeeper::ZooKeeper;

/// How long a server may take until it listens.
const START: Duration = Duration::from_secs(30);

/// Waits until a server has told that it listens for `purpose`, and where.
///
/// # Panics
/// When it ends instead, with what it printed.
pub async fn listening(process: &mut Process, purpose: &str) -> SocketAddr {
    eventually("a server listens", START, async || {
        if let Some(code) = process.exit_code() {
            panic!("a server ended with code {code}:\n{}", process.output());
        }
        let output = process.output();
        let ending = format!(" for {purpose}");
        let mut lines = output.lines().filter_map(|line| line.strip_suffix(&ending));
        let address = lines.find_map(|line| line.rsplit_once("listening on ")?.1.parse().ok());
        address.ok_or_else(|| format!("no address in:\n{output}"))
    })
    .await
}

/// Resident memory of a process in bytes.
pub fn resident(process: &Process) -> f64 {
    let path = format!("/proc/{}/status", process.id().as_raw_nonzero());
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.trim().split(' ').next()?.parse::<f64>().ok());
    kilobytes.unwrap_or(f64::NAN) * 1024.0
}
