//! Open files: each connection is one, and the process must not run out of them for anything else.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files that the process needs besides its connections, without those of each thread that serves: listening sockets,
/// the connection to ZooKeeper and its attempts, log, pollers.
const OWN: u64 = 40;

/// Files of each thread that serves.
const PER_WORKER: u64 = 4;

/// How many connections there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// On the listeners of both dialects.
    pub http: usize,
    /// On the listener of probes.
    pub ops: usize,
}

/// Raises the limit of open files of this process to what it may have, and answers it.
pub fn raise_limit() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        // What is refused leaves the limit as it was.
        let raised = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
        if raised.is_ok() {
            return limit.maximum;
        }
    }
    limit.current
}

/// What `wanted` comes to within `limit` open files, `None` for any number.
#[must_use]
pub fn room(limit: Option<u64>, workers: usize, wanted: Room) -> Room {
    let Some(limit) = limit else { return wanted };
    let ops = wanted.ops.min(usize::try_from(limit / 8).unwrap_or(usize::MAX)).max(1);
    let own = OWN + PER_WORKER * (workers as u64 + 1) + ops as u64;
    let http = usize::try_from(limit.saturating_sub(own)).unwrap_or(usize::MAX);
    Room { http: wanted.http.min(http).max(1), ops }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_files_for_everything_else() {
        let wanted = Room { http: 25_000, ops: 256 };
        assert_eq!(room(None, 2, wanted), wanted);
        assert_eq!(room(Some(1_048_576), 2, wanted), wanted);
        assert_eq!(room(Some(256), 2, wanted), Room { http: 172, ops: 32 });
        assert_eq!(room(Some(10), 2, wanted), Room { http: 1, ops: 1 });
    }
}
