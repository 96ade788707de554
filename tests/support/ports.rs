//! Loopback ports that a server can leave and take again.
//!
//! They lie below the range from which the system hands out ports for outgoing connections: otherwise, while a
//! server is down, any client's connection could take its port, or a client that retries could connect to itself.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

const FIRST: u16 = 12_000;
const COUNT: u16 = 18_000;

static NEXT: AtomicU16 = AtomicU16::new(0);

/// A port of 127.0.0.1 that is free now and is given out only once by this process.
pub fn free_port() -> u16 {
    // Processes that run at the same time start their search far from one another.
    let origin = (std::process::id() as u16).wrapping_mul(97) % COUNT;
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = FIRST + (origin + step % COUNT) % COUNT;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no port of 127.0.0.1 is free between {FIRST} and {}", FIRST + COUNT);
}
