//! Collects the history while it happens.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::history::{Moment, Operation, Outcome, Phase, Record};

/// How often the driver looks whether it is held up.
const TICK: Duration = Duration::from_millis(50);

/// The one clock of a run, and all that was seen by it.
pub struct Recorder {
    started: Instant,
    records: Mutex<Vec<Record>>,
    under_way: AtomicUsize,
    succeeded: AtomicU64,
}

/// A request on its way: the history is not complete without it.
pub struct UnderWay<'r>(&'r Recorder);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Recorder {
    /// A clock that begins now.
    pub fn new() -> Self {
        Self {
            started: Instant::now(),
            records: Mutex::default(),
            under_way: AtomicUsize::new(0),
            succeeded: AtomicU64::new(0),
        }
    }

    /// The time since the run began.
    pub fn now(&self) -> Moment {
        Moment::try_from(self.started.elapsed().as_micros()).unwrap_or(Moment::MAX)
    }

    /// Adds a record.
    pub fn add(&self, record: Record) {
        if matches!(&record, Record::Operation(Operation { outcome: Outcome::Ok, .. })) {
            self.succeeded.fetch_add(1, Ordering::Relaxed);
        }
        self.records.lock().unwrap().push(record);
    }

    /// Notes that `phase` begins.
    pub fn phase(&self, phase: Phase) {
        eprintln!("  {:6.1} s {phase:?}", self.now() as f64 / 1e6);
        self.add(Record::Phase { phase, at: self.now() });
    }

    /// Notes that `who` has sent its last request.
    pub fn silent(&self, who: &str) {
        self.add(Record::Silent { who: who.to_owned(), at: self.now() });
    }

    /// How many requests have succeeded so far.
    pub fn succeeded(&self) -> u64 {
        self.succeeded.load(Ordering::Relaxed)
    }

    /// Notes that a request is on its way, until what is returned is dropped.
    pub fn under_way(&self) -> UnderWay<'_> {
        self.under_way.fetch_add(1, Ordering::SeqCst);
        UnderWay(self)
    }

    /// Waits until no request is on its way; each has a deadline.
    pub async fn all_ended(&self) {
        while self.under_way.load(Ordering::SeqCst) > 0 {
            tokio::time::sleep(TICK).await;
        }
    }

    /// Everything so far.
    pub fn records(&self) -> Vec<Record> {
        self.records.lock().unwrap().clone()
    }

    /// Measures until it is dropped how long tasks of this process wait for their turn.
    pub async fn watch_lag(&self) {
        let mut longest = Duration::ZERO;
        loop {
            let before = Instant::now();
            tokio::time::sleep(TICK).await;
            let late = before.elapsed().saturating_sub(TICK);
            if late > longest {
                longest = late;
                let longest = Moment::try_from(late.as_micros()).unwrap_or(Moment::MAX);
                self.add(Record::Lag { longest });
            }
        }
    }
}
