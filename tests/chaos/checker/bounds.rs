//! The spans that the promises are made for, widened by the patience of a run.

use std::time::Duration;

use crate::history::{Moment, SECOND};

/// Spans in the unit of [`Moment`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    /// How far behind an answer may be that does not say so itself.
    pub staleness: Moment,
    /// How late whoever watches ZooKeeper from outside sees what was committed.
    pub observer: Moment,
    /// How long a registrant may be silent.
    pub time_to_live: Moment,
    /// Length of a ZooKeeper session.
    pub session: Moment,
    /// How long the brake holds mass silence at most.
    pub longest_hold: Moment,
    /// How long a request may take.
    pub deadline: Moment,
    /// What everything is multiplied by.
    pub patience: f64,
}

/// What spans are multiplied by unless `ZOOGATE_CHAOS_PATIENCE` says otherwise.
const PATIENCE: f64 = 2.0;

impl Bounds {
    /// The bounds of a run whose driver was held up for `lag` at most. Only what is promised to happen *soon* is
    /// widened; a time to live is a least time, and stays.
    pub fn new(time_to_live: Duration, session: Duration, longest_hold: Duration, lag: Moment) -> Self {
        let patience = patience();
        Self {
            staleness: widened(Duration::from_secs(2), patience) + lag,
            observer: widened(Duration::from_millis(500), patience) + lag,
            time_to_live: micros(time_to_live),
            session: micros(session),
            longest_hold: micros(longest_hold),
            deadline: widened(Duration::from_secs(5), patience) + lag,
            patience,
        }
    }

    /// `span` as this run has patience for it.
    pub fn widen(&self, span: Duration) -> Moment {
        widened(span, self.patience)
    }
}

/// The patience of this process.
pub fn patience() -> f64 {
    let given = std::env::var("ZOOGATE_CHAOS_PATIENCE").ok().and_then(|text| text.parse::<f64>().ok());
    given.filter(|factor| *factor >= 1.0).unwrap_or(PATIENCE)
}

/// `span` in the unit of [`Moment`].
pub fn micros(span: Duration) -> Moment {
    Moment::try_from(span.as_micros()).unwrap_or(Moment::MAX / 4)
}

fn widened(span: Duration, patience: f64) -> Moment {
    micros(span.mul_f64(patience))
}

/// The bounds of hand-written histories: no patience, whole seconds.
impl Default for Bounds {
    fn default() -> Self {
        Self {
            staleness: 2 * SECOND,
            observer: SECOND,
            time_to_live: 3 * SECOND,
            session: 2 * SECOND,
            longest_hold: 5 * SECOND,
            deadline: 5 * SECOND,
            patience: 1.0,
        }
    }
}
