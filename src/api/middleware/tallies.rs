//! The metrics of requests that come often, looked up once: finding them by their labels costs as much as an answer.

use std::sync::OnceLock;

use actix_web::http::StatusCode;
use prometheus::{Histogram, IntCounter};

use crate::api::servicecomb::Frequent;

/// The metrics of one kind of request, each looked up when it is first needed: before that, it is not shown.
#[derive(Default)]
pub struct Tally {
    ok: OnceLock<IntCounter>,
    not_modified: OnceLock<IntCounter>,
    /// How long they took.
    pub duration: OnceLock<Histogram>,
}

impl Tally {
    /// Where the counter of a usual `status` is kept.
    pub fn counter(&self, status: StatusCode) -> Option<&OnceLock<IntCounter>> {
        match status {
            StatusCode::OK => Some(&self.ok),
            StatusCode::NOT_MODIFIED => Some(&self.not_modified),
            _ => None,
        }
    }
}

/// Those of every [`Frequent`].
#[derive(Default)]
pub struct Tallies([Tally; Frequent::ALL.len()]);

impl Tallies {
    /// Those of `frequent`.
    pub fn of(&self, frequent: Frequent) -> &Tally {
        &self.0[frequent as usize]
    }
}
