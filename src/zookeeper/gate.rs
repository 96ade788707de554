//! Lets only so many transactions through at a time. What waits here can still be refused honestly: once it is sent,
//! nobody knows what becomes of it.

use std::time::Duration;

use prometheus::IntCounter;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use super::transaction::CommitError;

/// What transactions wait at until they are sent.
pub(super) struct Gate {
    room: Semaphore,
    patience: Duration,
    shed: IntCounter,
}

impl Gate {
    /// Room for `room` at a time; whoever waits for longer than `patience` is refused and counted.
    pub fn new(room: usize, patience: Duration, shed: IntCounter) -> Self {
        Self { room: Semaphore::new(room.min(Semaphore::MAX_PERMITS)), patience, shed }
    }

    /// Waits for its turn, which lasts until what is returned is dropped.
    ///
    /// # Errors
    /// [`CommitError::Busy`] when it does not come in time.
    pub async fn enter(&self) -> Result<SemaphorePermit<'_>, CommitError> {
        if let Ok(permit) = self.room.try_acquire() {
            return Ok(permit);
        }
        match timeout(self.patience, self.room.acquire()).await {
            Ok(Ok(permit)) => Ok(permit),
            _ => {
                self.shed.inc();
                Err(CommitError::Busy)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_waits_too_long_is_refused_and_whoever_leaves_makes_room() {
        let shed = IntCounter::new("shed", "shed").unwrap();
        let gate = Gate::new(1, Duration::from_millis(20), shed.clone());
        let first = gate.enter().await.unwrap();
        assert_eq!(gate.enter().await.err(), Some(CommitError::Busy));
        assert_eq!(shed.get(), 1);
        drop(first);
        assert!(gate.enter().await.is_ok());
        assert_eq!(shed.get(), 1);
    }
}
