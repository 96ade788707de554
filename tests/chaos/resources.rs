//! What the gateways hold on to (V10): open files and memory, as they say themselves.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use reqwest::Method;
use rustix::process::Pid;
use tokio::task::JoinHandle;

use crate::support::client::Request;

/// What a gateway holds on to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resources {
    /// Open files.
    pub files: u64,
    /// Resident bytes.
    pub memory: u64,
    /// Tasks beside those of connections.
    pub tasks: u64,
    /// Threads.
    pub threads: u64,
}

impl Resources {
    /// What the gateway with its health and metrics at `ops` holds on to; nothing when it does not answer.
    pub async fn of(ops: SocketAddr) -> Self {
        let answer = Request::new(Method::GET, ops, "/metrics").try_send().await;
        let text = answer.map(|answer| answer.body).unwrap_or_default();
        let number = |name: &str| {
            let line = text.lines().find(|line| line.starts_with(name) && !line.starts_with('#'));
            let value = line.and_then(|line| line.split_whitespace().last()?.parse::<f64>().ok());
            value.unwrap_or(0.0) as u64
        };
        Self {
            files: number("process_open_fds"),
            memory: number("process_resident_memory_bytes"),
            tasks: number("zoogate_tasks"),
            threads: number("process_threads"),
        }
    }

    /// How much too much `self` is after a run that began with `before`, in words. One run shows leaks of whole
    /// connections and lists; the slow ones are for runs that last.
    pub fn excess(&self, before: &Self) -> Option<String> {
        let files = self.files > 2 * before.files + 100;
        let memory = before.memory > 0 && self.memory > 2 * before.memory + (64 << 20);
        (files || memory).then(|| format!("{before:?} became {self:?}"))
    }
}

/// The memory of a process while something happens, as the kernel says it: who is busy need not be asked.
pub struct Peak {
    process: Pid,
    before: u64,
    following: JoinHandle<()>,
    most: Arc<AtomicU64>,
}

impl Peak {
    /// Follows it from now on.
    pub fn follow(process: Pid) -> Self {
        let before = resident(process);
        let most = Arc::new(AtomicU64::new(before));
        let seen = most.clone();
        let following = tokio::spawn(async move {
            loop {
                seen.fetch_max(resident(process), Ordering::SeqCst);
                tokio::time::sleep(LOOK).await;
            }
        });
        Self { process, before, following, most }
    }

    /// How many bytes it was at first, and at most.
    pub fn end(self) -> (u64, u64) {
        self.following.abort();
        let most = self.most.load(Ordering::SeqCst);
        (self.before, most.max(resident(self.process)))
    }
}

/// Between two looks at the memory of a process.
const LOOK: Duration = Duration::from_millis(50);

/// Resident bytes of a process; 0 when it is gone.
fn resident(process: Pid) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{}/status", process.as_raw_nonzero()));
    let text = text.unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}
