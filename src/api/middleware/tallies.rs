//! The metrics of requests that come often, looked up once: finding them by their labels costs as much as an answer.

use std::sync::OnceLock;

use prometheus::{Histogram, IntCounter};

use crate::api::servicecomb::Frequent;
use crate::telemetry::Metrics;

/// The metrics of one kind of request.
pub struct Tally {
    /// Answered with 200.
    pub ok: IntCounter,
    /// Answered with 304.
    pub not_modified: IntCounter,
    /// How long they took.
    pub duration: Histogram,
}

/// Those of every [`Frequent`], each looked up with the first request: before that, it is not shown.
#[derive(Default)]
pub struct Tallies([OnceLock<Tally>; Frequent::ALL.len()]);

impl Tallies {
    /// Those of `frequent`.
    pub fn of(&self, frequent: Frequent, metrics: &Metrics) -> &Tally {
        let (dialect, route) = ("servicecomb", frequent.route());
        let method = match frequent {
            Frequent::Find => "GET",
            Frequent::Heartbeat => "PUT",
            Frequent::FindMany => "POST",
        };
        self.0[frequent as usize].get_or_init(|| Tally {
            ok: metrics.http_requests.with_label_values(&[dialect, route, method, "200"]),
            not_modified: metrics.http_requests.with_label_values(&[dialect, route, method, "304"]),
            duration: metrics.http_duration.with_label_values(&[dialect, route]),
        })
    }
}
