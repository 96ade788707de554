//! The time of day, for what people read. Leases never look at it: they use a monotonic clock.

use std::time::Instant;
use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since the Unix epoch.
pub(super) fn unix_millis() -> i64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX)
}

/// The clock of leases.
pub(super) fn lease_now() -> Instant {
    #[cfg(feature = "failpoints")]
    if crate::failpoints::is_on_later("wall-clock", std::time::Duration::from_secs(9)) {
        return Instant::now() + std::time::Duration::from_secs(3_600);
    }
    Instant::now()
}

/// Seconds since the Unix epoch, as the v4 API writes them.
pub(super) fn unix_seconds() -> String {
    (unix_millis() / 1000).to_string()
}
