//! What the gateways hold on to (V10): open files and memory, as they say themselves.

use std::net::SocketAddr;

use reqwest::Method;

use crate::support::client::Request;

/// What a gateway holds on to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resources {
    /// Open files.
    pub files: u64,
    /// Resident bytes.
    pub memory: u64,
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
        Self { files: number("process_open_fds"), memory: number("process_resident_memory_bytes") }
    }

    /// How much too much `self` is after a run that began with `before`, in words. One run shows leaks of whole
    /// connections and lists; the slow ones are for runs that last.
    pub fn excess(&self, before: &Self) -> Option<String> {
        let files = self.files > 2 * before.files + 100;
        let memory = before.memory > 0 && self.memory > 2 * before.memory + (64 << 20);
        (files || memory).then(|| format!("{before:?} became {self:?}"))
    }
}
