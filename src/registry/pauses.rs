//! Notices when the process stood still, for whatever reason. Nobody was listening then, and what was known before may be
//! over: the session, the marks, whole registrations.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::{Registry, RegistryError};

/// How often the process looks at the clock.
const TICK: Duration = Duration::from_millis(250);
/// A look that is late by more than this means that the process stood still.
const PAUSE: Duration = Duration::from_millis(1_500);

/// When the process looked at the clock last.
pub(super) struct Pauses {
    start: Instant,
    /// Milliseconds from the start.
    looked: AtomicU64,
    /// Whether nobody has made sure yet that what was known before a pause still holds.
    in_doubt: AtomicBool,
}

impl Pauses {
    pub fn new() -> Self {
        Self { start: Instant::now(), looked: AtomicU64::new(0), in_doubt: AtomicBool::new(false) }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn is_late(&self) -> Option<Duration> {
        let passed = Duration::from_millis(self.now().saturating_sub(self.looked.load(Ordering::Acquire)));
        (passed > TICK + PAUSE).then_some(passed)
    }
}

impl Registry {
    /// Looks at the clock until the process ends. A task of its own, since work on the leases takes time as well.
    pub(super) async fn watch_pauses(&self) {
        let pauses = &self.pauses;
        pauses.looked.store(pauses.now(), Ordering::Release);
        loop {
            sleep(TICK).await;
            if let Some(stood_still) = pauses.is_late() {
                log::warn!("the process stood still for {stood_still:?}: every lease starts anew");
                *self.listening.lock() = Instant::now();
                pauses.in_doubt.store(true, Ordering::Release);
            }
            pauses.looked.store(pauses.now(), Ordering::Release);
        }
    }

    /// Whether the process stood still and nobody has looked since at what ZooKeeper says now. Whoever answers from memory
    /// asks first: the request may be the first thing that happens after the pause.
    pub(super) fn has_stood_still(&self) -> bool {
        self.pauses.in_doubt.load(Ordering::Acquire) || self.pauses.is_late().is_some()
    }

    /// After a pause, waits until the catalog shows what was committed meanwhile.
    pub(super) async fn wake_up(&self) -> Result<(), RegistryError> {
        if self.has_stood_still() {
            self.catch_up().await?;
            self.pauses.in_doubt.store(false, Ordering::Release);
        }
        Ok(())
    }
}
