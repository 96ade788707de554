//! When each registrant was last heard by this replica: the only thing that a replica knows and ZooKeeper does not.
//!
//! A heartbeat is a timestamp and no write. So that one which arrives while silence is being acted on is never
//! acknowledged and then lost, the two sides check each other in opposite order: a heartbeat stores its time and then
//! looks whether the registrant is lapsing; a lapse announces itself and then looks at the time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ahash::{HashMap, RandomState};
use parking_lot::RwLock;

use super::clock::lease_now;
use crate::model::Registrant;

/// Spread so that heartbeats of different registrants rarely meet.
const SHARDS: usize = 64;

/// What is known of one registrant.
pub(super) struct Ear {
    /// Milliseconds from the start of the hearing to the last sign of life.
    heard: AtomicU64,
    /// Whether the catalog must not be believed about it.
    lapsing: AtomicBool,
    /// Held while its registration is changed; shared by those who change nothing and only ask whether it stands.
    pub change: tokio::sync::RwLock<()>,
}

impl Ear {
    /// Whether its silence is being acted on right now, or something was done of which the catalog may not know.
    pub fn is_lapsing(&self) -> bool {
        self.lapsing.load(Ordering::SeqCst)
    }

    /// Announces, or takes back, that its silence is being acted on or that the catalog may not know what was done.
    pub fn set_lapsing(&self, lapsing: bool) {
        self.lapsing.store(lapsing, Ordering::SeqCst);
    }
}

/// Everybody that this replica has heard.
pub(super) struct Hearing {
    start: Instant,
    hasher: RandomState,
    shards: Vec<RwLock<HashMap<Registrant, Arc<Ear>>>>,
}

impl Hearing {
    pub fn new() -> Self {
        let shards = (0..SHARDS).map(|_| RwLock::default()).collect();
        Self { start: Instant::now(), hasher: RandomState::new(), shards }
    }

    /// Notes a sign of life.
    pub fn touch(&self, registrant: &Registrant) -> Arc<Ear> {
        let ear = self.ear(registrant);
        self.note(&ear);
        ear
    }

    /// Notes a sign of life of somebody who is known here already.
    pub fn touch_again(&self, registrant: &Registrant) -> Option<Arc<Ear>> {
        let ear = self.shard(registrant).read().get(registrant)?.clone();
        self.note(&ear);
        Some(ear)
    }

    fn note(&self, ear: &Ear) {
        // One more than the elapsed time, since 0 stands for never.
        let now = u64::try_from(lease_now().saturating_duration_since(self.start).as_millis())
            .unwrap_or(u64::MAX - 1)
            + 1;
        ear.heard.fetch_max(now, Ordering::SeqCst);
    }

    /// What is known of a registrant, without counting as a sign of life.
    pub fn ear(&self, registrant: &Registrant) -> Arc<Ear> {
        let shard = self.shard(registrant);
        if let Some(ear) = shard.read().get(registrant) {
            return ear.clone();
        }
        let mut ears = shard.write();
        let new = || {
            Arc::new(Ear {
                heard: AtomicU64::new(0),
                lapsing: AtomicBool::new(false),
                change: tokio::sync::RwLock::new(()),
            })
        };
        ears.entry(registrant.clone()).or_insert_with(new).clone()
    }

    /// When the registrant was last heard here.
    pub fn last(&self, registrant: &Registrant) -> Option<Instant> {
        self.heard_at(self.shard(registrant).read().get(registrant)?)
    }

    fn heard_at(&self, ear: &Ear) -> Option<Instant> {
        let heard = ear.heard.load(Ordering::SeqCst);
        (heard > 0).then(|| self.start + Duration::from_millis(heard - 1))
    }

    /// Forgets those that `keep` does not want and nobody is working on.
    pub fn forget(&self, keep: impl Fn(&Registrant, Option<Instant>) -> bool) {
        for shard in &self.shards {
            shard
                .write()
                .retain(|registrant, ear| Arc::strong_count(ear) > 1 || keep(registrant, self.heard_at(ear)));
        }
    }

    fn shard(&self, registrant: &Registrant) -> &RwLock<HashMap<Registrant, Arc<Ear>>> {
        let hash = self.hasher.hash_one(registrant);
        &self.shards[usize::try_from(hash % SHARDS as u64).unwrap_or(0)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::SidecarId;

    #[test]
    fn a_registrant_is_forgotten_only_when_nobody_works_on_it() {
        let hearing = Hearing::new();
        let registrant = Registrant::Sidecar(SidecarId::parse("a@b").unwrap());
        assert_eq!(hearing.last(&registrant), None);
        let ear = hearing.touch(&registrant);
        assert!(hearing.last(&registrant).is_some());
        hearing.forget(|_, _| false);
        assert!(hearing.last(&registrant).is_some());
        drop(ear);
        assert!(hearing.touch_again(&registrant).is_some());
        hearing.forget(|_, _| false);
        assert_eq!(hearing.last(&registrant), None);
        assert!(hearing.touch_again(&registrant).is_none() && hearing.last(&registrant).is_none());
    }
}
