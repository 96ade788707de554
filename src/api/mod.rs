//! The HTTP front: two dialects over one registry. A dialect never imports the other.

pub mod middleware;
pub mod mosn;
pub mod openapi;
pub mod peer;
pub mod servicecomb;

use std::sync::Arc;

use crate::catalog::Catalog;
use crate::registry::Registry;
use crate::telemetry::Metrics;

/// What every handler works with.
pub struct Gateway {
    /// Everything that changes the registry.
    pub registry: Arc<Registry>,
    /// Everything that reads it.
    pub catalog: Arc<Catalog>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
}
