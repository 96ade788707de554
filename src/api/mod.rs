//! The HTTP front: two dialects over one registry. A dialect never imports the other.

pub mod body;
pub mod middleware;
pub mod mosn;
pub mod openapi;
pub mod peer;
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

/// What every handler works with.
pub struct Gateway {
    /// Everything that changes the registry.
    pub registry: Arc<Registry>,
    /// Everything that reads it.
    pub catalog: Arc<Catalog>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
}
