//! Remembers what the last snapshots came to, so that one that comes again, word for word, need not be read: it is how
//! sidecars say that they live. Kept by a digest of all that decides what a sync does.

use actix_web::HttpResponse;

use super::answer::Success;
use crate::api::repeats::{self, Key, Outcome};
use crate::registry::{Registry, Standing};

/// About what an entry takes beside its answer.
const ENTRY: usize = 400;

/// What the last snapshots came to. The least used go when there is no room.
pub struct Repeats(repeats::Repeats<Repeat>);

#[derive(Clone)]
struct Repeat {
    standing: Standing,
    answer: Success,
}

impl Outcome for Repeat {
    fn size(&self) -> usize {
        ENTRY + self.answer.len()
    }
}

impl Repeats {
    /// Takes about `bytes` at most; with 0 nothing is remembered.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        Self(repeats::Repeats::new(bytes))
    }

    /// What the snapshot in `body` is remembered by, which came from `peer` in the name of whoever the header says.
    pub(super) fn key(&self, named: Option<&str>, peer: &str, body: &[u8]) -> Key {
        // A name has no control characters, an address neither.
        self.0.key([named.unwrap_or_default(), peer], body)
    }

    /// The answer to a snapshot that still stands as it did, which is also taken as a sign of life.
    pub(super) fn answer(&self, key: Key, registry: &Registry) -> Option<HttpResponse> {
        let repeat = self.0.get(key)?;
        registry.hear_again(&repeat.standing).then(|| repeat.answer.respond())
    }

    /// Remembers what a snapshot came to.
    pub(super) fn remember(&self, key: Key, standing: Standing, answer: Success) {
        self.0.remember(key, Repeat { standing, answer });
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
