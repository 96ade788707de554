//! The time of day, for what people read. Leases never look at it: they use a monotonic clock.

use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since the Unix epoch.
pub(super) fn unix_millis() -> i64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX)
}

/// Seconds since the Unix epoch, as the v4 API writes them.
pub(super) fn unix_seconds() -> String {
    (unix_millis() / 1000).to_string()
}
