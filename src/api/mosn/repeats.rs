//! Remembers what the last snapshots came to, so that one that comes again, word for word, need not be read: it is how
//! sidecars say that they live. Kept by a digest of all that decides what a sync does.

use std::hash::{BuildHasher, RandomState};

use actix_web::HttpResponse;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use xxhash_rust::xxh3::Xxh3;

use super::answer::Success;
use crate::registry::{Registry, Standing};

/// About what an entry takes beside its answer.
const ENTRY: usize = 400;
/// About what an entry takes with the answer to a small sidecar.
const USUAL: usize = 1024;

/// What the last snapshots came to. The least used go when there is no room.
pub struct Repeats {
    known: Option<Cache<Key, Repeat, Bytes>>,
    /// Nobody outside can make two snapshots that look the same.
    seed: u64,
}

/// The digest of a snapshot, of the name that came with it, and of the address that sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key(u128);

#[derive(Clone)]
struct Repeat {
    standing: Standing,
    answer: Success,
}

#[derive(Clone)]
struct Bytes;

impl Weighter<Key, Repeat> for Bytes {
    fn weight(&self, _: &Key, repeat: &Repeat) -> u64 {
        (ENTRY + repeat.answer.len()) as u64
    }
}

impl Repeats {
    /// Takes about `bytes` at most; with 0 nothing is remembered.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        let known = (bytes > 0).then(|| Cache::with_weighter(bytes / USUAL + 1, bytes as u64, Bytes));
        Self { known, seed: RandomState::new().hash_one(bytes) }
    }

    /// What the snapshot in `body` is remembered by, which came from `peer` in the name of whoever the header says.
    pub(super) fn key(&self, named: Option<&str>, peer: &str, body: &[u8]) -> Key {
        let mut digest = Xxh3::with_seed(self.seed);
        // A name has no control characters, an address neither.
        digest.update(named.unwrap_or_default().as_bytes());
        digest.update(b"\n");
        digest.update(peer.as_bytes());
        digest.update(b"\n");
        digest.update(body);
        Key(digest.digest128())
    }

    /// The answer to a snapshot that still stands as it did, which is also taken as a sign of life.
    pub(super) fn answer(&self, key: Key, registry: &Registry) -> Option<HttpResponse> {
        let repeat = self.known.as_ref()?.get(&key)?;
        registry.hear_again(&repeat.standing).then(|| repeat.answer.respond())
    }

    /// Remembers what a snapshot came to.
    pub(super) fn remember(&self, key: Key, standing: Standing, answer: Success) {
        if let Some(known) = &self.known {
            known.insert(key, Repeat { standing, answer });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_decides_what_a_sync_does_makes_another_key() {
        let repeats = Repeats::new(1 << 20);
        let key = repeats.key(Some("shop"), "10.0.0.7", b"{}");
        assert_eq!(repeats.key(Some("shop"), "10.0.0.7", b"{}"), key);
        for (named, peer, body) in [
            (None, "10.0.0.7", &b"{}"[..]),
            (Some("shop-"), "10.0.0.7", b"{}"),
            (Some("shop"), "10.0.0.8", b"{}"),
            (Some("shop"), "10.0.0.7", b"{ }"),
        ] {
            assert_ne!(repeats.key(named, peer, body), key);
        }
    }
}
