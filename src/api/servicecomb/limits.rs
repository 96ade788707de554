//! What this dialect accepts at most.

use actix_web::HttpRequest;

/// What this dialect accepts at most. Handed to the application as plain `app_data`; the defaults hold without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes in the body of any request that has no limit of its own.
    pub body: usize,
    /// Bytes in the body that registers an instance.
    pub instance_body: usize,
    /// Bytes in a body that replaces properties.
    pub properties_body: usize,
    /// Elements in each list of a batch request.
    pub batch_elements: usize,
    /// Bytes in the answer to a batch find.
    pub batch_answer: usize,
    /// Shortest heartbeat interval in seconds; what instances ask for is raised to it.
    pub min_interval: u32,
    /// Fewest heartbeats that may be missed; what instances ask for is raised to it.
    pub min_times: u32,
    /// Tags of a microservice.
    pub tags: usize,
    /// Schemas of a microservice.
    pub schemas: usize,
    /// Consumers that are told of changes by this replica.
    pub watchers: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: 2 << 20,
            instance_body: 5 << 10,
            properties_body: 3 << 10,
            batch_elements: 10_000,
            batch_answer: 64 << 20,
            min_interval: 5,
            min_times: 3,
            tags: 100,
            schemas: 100,
            watchers: 10_000,
        }
    }
}

impl Limits {
    /// Those that the application was given.
    pub fn of(request: &HttpRequest) -> Self {
        request.app_data::<Self>().copied().unwrap_or_default()
    }
}
