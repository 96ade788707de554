//! The leases of all registrants and the replicas that mark them.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use super::{Catalog, LeaseView};
use crate::model::{Registrant, ReplicaId};
use crate::zookeeper::Layout;

/// Looked through one after the other, so that nobody waits for a look at all leases.
pub(super) const SHARDS: usize = 64;

/// One lease.
#[derive(Default)]
pub(super) struct Lease {
    /// The zxid of its creation; 0 while only marks of it have been read.
    pub created: i64,
    /// The replicas that have marked it.
    pub marks: Vec<ReplicaId>,
    /// How long its registrant may be silent, if its document says. Kept here too, since all leases are looked at several
    /// times a second.
    pub time_to_live: Option<Duration>,
}

/// The leases of all registrants and the replicas that mark them.
pub(super) struct Leases {
    hasher: RandomState,
    shards: Vec<HashMap<Registrant, Lease>>,
    /// The replicas that live.
    pub replicas: HashSet<ReplicaId>,
    /// Those of them that write the application level of Dubbo.
    pub application_writers: HashSet<ReplicaId>,
}

impl Default for Leases {
    fn default() -> Self {
        let shards = (0..SHARDS).map(|_| HashMap::new()).collect();
        Self {
            hasher: RandomState::new(),
            shards,
            replicas: HashSet::new(),
            application_writers: HashSet::new(),
        }
    }
}

impl Leases {
    /// The lease of a registrant, if it has one.
    pub fn get(&self, registrant: &Registrant) -> Option<&Lease> {
        self.shards[self.shard_of(registrant)].get(registrant)
    }

    /// The marks below the lease of a registrant; `None` without a lease.
    pub fn marks(&self, registrant: &Registrant) -> Option<&Vec<ReplicaId>> {
        self.get(registrant).map(|lease| &lease.marks)
    }

    /// The leases of one shard.
    pub fn shard(&self, shard: usize) -> impl Iterator<Item = (&Registrant, &Lease)> {
        self.shards.get(shard).into_iter().flatten()
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.shards.iter().map(HashMap::len).sum()
    }

    /// Takes a lease as it was read, with the zxid of its creation; true when it was lost.
    pub fn lease(&mut self, registrant: Registrant, created: Option<i64>) -> bool {
        let shard = self.shard_of(&registrant);
        let shard = &mut self.shards[shard];
        if let Some(created) = created {
            shard.entry(registrant).or_default().created = created;
            return false;
        }
        shard.remove(&registrant).is_some()
    }

    /// Takes note of how long a registrant may be silent.
    pub fn set_time_to_live(&mut self, registrant: &Registrant, time_to_live: Option<Duration>) {
        let shard = self.shard_of(registrant);
        if let Some(lease) = self.shards[shard].get_mut(registrant) {
            lease.time_to_live = time_to_live;
        }
    }

    /// Takes a mark as it was read.
    pub fn mark(&mut self, registrant: Registrant, replica: ReplicaId, exists: bool) {
        let shard = self.shard_of(&registrant);
        let shard = &mut self.shards[shard];
        if exists {
            // A mark may be read before its lease.
            let marks = &mut shard.entry(registrant).or_default().marks;
            if !marks.contains(&replica) {
                marks.push(replica);
            }
        } else if let Some(lease) = shard.get_mut(&registrant) {
            lease.marks.retain(|mark| *mark != replica);
        }
    }

    /// Takes the znode of a replica as it was read; true when it was lost.
    pub fn replica(&mut self, replica: &ReplicaId, data: Option<&[u8]>) -> bool {
        let Some(data) = data else {
            self.application_writers.remove(replica);
            return self.replicas.remove(replica);
        };
        self.replicas.insert(replica.clone());
        if writes_applications(data) {
            self.application_writers.insert(replica.clone());
        } else {
            self.application_writers.remove(replica);
        }
        false
    }

    /// Every path that is believed to exist.
    pub fn paths(&self, layout: &Layout, paths: &mut Vec<String>) {
        for (registrant, lease) in self.shards.iter().flatten() {
            paths.extend(lease.marks.iter().map(|replica| layout.mark(registrant, replica)));
            paths.push(layout.lease(registrant));
        }
        paths.extend(self.replicas.iter().map(|replica| layout.replica(replica)));
    }

    fn shard_of(&self, registrant: &Registrant) -> usize {
        usize::try_from(self.hasher.hash_one(registrant) % SHARDS as u64).unwrap_or(0)
    }
}

impl Catalog {
    /// The marks below the lease of a registrant; `None` without a lease.
    pub fn marks(&self, registrant: &Registrant) -> Option<Vec<ReplicaId>> {
        self.state.read().leases.marks(registrant).cloned()
    }

    /// Whether a registrant has a lease.
    pub fn has_lease(&self, registrant: &Registrant) -> bool {
        self.state.read().leases.get(registrant).is_some()
    }

    /// The zxid of the creation of the lease of a registrant; `None` without a lease.
    pub fn lease_created(&self, registrant: &Registrant) -> Option<i64> {
        self.state.read().leases.get(registrant).map(|lease| lease.created)
    }

    /// Whether `replica` has marked the lease of `registrant`.
    pub fn is_marked(&self, registrant: &Registrant, replica: &ReplicaId) -> bool {
        self.state.read().leases.marks(registrant).is_some_and(|marks| marks.contains(replica))
    }

    /// Shows every lease to `look`, a few at a time so that nobody waits for it, and collects what it answers.
    pub fn look_at_leases<T>(&self, mut look: impl FnMut(LeaseView<'_>) -> Option<T>) -> Vec<T> {
        let mut answers = Vec::new();
        for shard in 0..SHARDS {
            let state = self.state.read();
            for (registrant, lease) in state.leases.shard(shard) {
                let view = LeaseView {
                    registrant,
                    created: lease.created,
                    marks: &lease.marks,
                    replicas: &state.leases.replicas,
                    time_to_live: lease.time_to_live,
                };
                answers.extend(look(view));
            }
        }
        answers
    }

    /// The replicas that live.
    pub fn replicas(&self) -> HashSet<ReplicaId> {
        self.state.read().leases.replicas.clone()
    }
}

/// What a replica says of itself: see `replica_data` of the options.
fn writes_applications(data: &[u8]) -> bool {
    let said = serde_json::from_slice::<serde_json::Value>(data).ok();
    said.and_then(|said| said.get("applicationLevel")?.as_bool()).unwrap_or(false)
}
