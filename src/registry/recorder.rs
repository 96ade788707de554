//! Notes who uses whom when consumers find providers, without making them wait for it.

use std::collections::HashSet;

use parking_lot::Mutex;
use tokio::sync::mpsc::{self, Receiver, Sender};

use super::Registry;
use crate::model::DependencyKey;

/// Dependencies that may wait to be recorded. One that finds no place is noted again by the consumer's next find.
const QUEUE: usize = 10_000;

/// Dependencies that wait to be recorded, each once.
pub(super) struct Recorder {
    queue: Sender<DependencyKey>,
    waiting: Mutex<HashSet<DependencyKey>>,
}

impl Recorder {
    /// A recorder, and where it puts what it notes.
    pub fn new() -> (Self, Receiver<DependencyKey>) {
        let (queue, noted) = mpsc::channel(QUEUE);
        (Self { queue, waiting: Mutex::default() }, noted)
    }

    fn note(&self, key: DependencyKey) {
        let mut waiting = self.waiting.lock();
        if !waiting.contains(&key) && self.queue.try_send(key.clone()).is_ok() {
            waiting.insert(key);
        }
    }

    /// Lets a dependency be noted again.
    pub fn done(&self, key: &DependencyKey) {
        self.waiting.lock().remove(key);
    }
}

impl Registry {
    /// Notes dependencies that finds showed and that are not recorded yet, so that they are soon. It never waits.
    pub fn note_dependencies(&self, keys: impl IntoIterator<Item = DependencyKey>) {
        keys.into_iter().for_each(|key| self.recorder.note(key));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ServiceKey, Tenant};

    fn key(number: usize) -> DependencyKey {
        DependencyKey {
            consumer_id: number.to_string(),
            provider: ServiceKey {
                tenant: Tenant::default(),
                environment: String::new(),
                app_id: "shop".into(),
                service_name: "stock".into(),
            },
        }
    }

    #[test]
    fn a_dependency_waits_once_and_the_queue_has_an_end() {
        let (recorder, mut noted) = Recorder::new();
        recorder.note(key(0));
        recorder.note(key(0));
        assert_eq!(noted.try_recv().unwrap(), key(0));
        assert!(noted.try_recv().is_err());
        recorder.done(&key(0));
        (0..QUEUE + 5).for_each(|number| recorder.note(key(number)));
        assert_eq!(recorder.waiting.lock().len(), QUEUE);
        assert_eq!(noted.len(), QUEUE);
    }
}
