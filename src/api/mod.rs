//! The HTTP front: two dialects over one registry. A dialect never imports the other.

pub mod body;
pub mod middleware;
pub mod mosn;
pub mod openapi;
pub mod peer;
mod repeats;
pub mod servicecomb;

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header::HeaderValue;

use crate::catalog::Catalog;
use crate::registry::Registry;
use crate::telemetry::Metrics;

/// The value of `Retry-After`: whole seconds, rounded up, and at least one.
fn retry_seconds(span: Duration) -> HeaderValue {
    HeaderValue::from((span + Duration::from_millis(999)).as_secs().max(1))
}

/// The value of `X-Registry-Staleness-Ms`: milliseconds, rounded up, so that what is out of date never says that it is not.
fn stale_milliseconds(span: Duration) -> HeaderValue {
    let milliseconds = span.as_micros().div_ceil(1000).max(1);
    HeaderValue::from(u64::try_from(milliseconds).unwrap_or(u64::MAX))
}

/// What every handler works with.
pub struct Gateway {
    /// Everything that changes the registry.
    pub registry: Arc<Registry>,
    /// Everything that reads it.
    pub catalog: Arc<Catalog>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_out_of_date_says_so_from_the_first_moment() {
        for (microseconds, expected) in [(0, "1"), (1, "1"), (1_000, "1"), (1_001, "2"), (2_500_000, "2500")]
        {
            assert_eq!(stale_milliseconds(Duration::from_micros(microseconds)), expected, "{microseconds}");
        }
    }
}
