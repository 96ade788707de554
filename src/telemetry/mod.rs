//! What the gateway tells its operators while it runs: metrics, readiness and log lines.

pub mod logging;
pub mod metrics;
pub mod readiness;

pub use metrics::Metrics;
pub use readiness::Readiness;
