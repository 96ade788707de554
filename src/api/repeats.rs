//! Remembers what requests came to, so that one that comes again, word for word, need not be read. Kept by a digest of all
//! that decides what is answered; whether it is still true is for whoever keeps it to see.

use std::hash::{BuildHasher, RandomState};

use quick_cache::Weighter;
use quick_cache::sync::Cache;
use xxhash_rust::xxh3::Xxh3;

/// About what a usual entry takes.
const USUAL: usize = 1024;

/// What a request came to.
pub trait Outcome: Clone {
    /// About how many bytes it takes.
    fn size(&self) -> usize;
}

/// What the last requests came to. The least used go when there is no room.
pub struct Repeats<O> {
    known: Option<Cache<Key, O, Size>>,
    /// Nobody outside can make two requests that look the same.
    seed: u64,
}

/// The digest of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key(u128);

#[derive(Clone)]
struct Size;

impl<O: Outcome> Weighter<Key, O> for Size {
    fn weight(&self, _: &Key, outcome: &O) -> u64 {
        outcome.size() as u64
    }
}

impl<O: Outcome> Repeats<O> {
    /// Takes about `bytes` at most; with 0 nothing is remembered.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        let known = (bytes > 0).then(|| Cache::with_weighter(bytes / USUAL + 1, bytes as u64, Size));
        Self { known, seed: RandomState::new().hash_one(bytes) }
    }

    /// Whether anything is remembered at all.
    pub fn is_on(&self) -> bool {
        self.known.is_some()
    }

    /// What a request with this body is remembered by, in the name of somebody. No name has a line break in it.
    pub fn key<const NAMES: usize>(&self, names: [&str; NAMES], body: &[u8]) -> Key {
        let mut digest = Xxh3::with_seed(self.seed);
        for name in names {
            digest.update(name.as_bytes());
            digest.update(b"\n");
        }
        digest.update(body);
        Key(digest.digest128())
    }

    /// What a request came to, if that is known.
    pub fn get(&self, key: Key) -> Option<O> {
        self.known.as_ref()?.get(&key)
    }

    /// Remembers what a request came to.
    pub fn remember(&self, key: Key, outcome: O) {
        if let Some(known) = &self.known {
            known.insert(key, outcome);
        }
    }

    /// About how many bytes are taken.
    #[cfg(test)]
    pub fn weight(&self) -> u64 {
        self.known.as_ref().map_or(0, Cache::weight)
    }
}
