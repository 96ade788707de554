//! A fixed number of locks for any number of keys: those that share one only wait for each other.

use std::hash::{BuildHasher, Hash, RandomState};

use tokio::sync::Mutex;

/// Locks chosen by the hash of a key.
pub(super) struct Locks {
    hasher: RandomState,
    locks: Vec<Mutex<()>>,
}

impl Locks {
    /// `count` locks, at least one.
    pub fn new(count: usize) -> Self {
        Self { hasher: RandomState::new(), locks: (0..count.max(1)).map(|_| Mutex::new(())).collect() }
    }

    /// The lock of `key`.
    pub fn of(&self, key: &impl Hash) -> &Mutex<()> {
        let count = self.locks.len() as u64;
        let index = usize::try_from(self.hasher.hash_one(key) % count).unwrap_or(0);
        &self.locks[index]
    }
}
