//! The leases of all registrants and the replicas that mark them.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};

use crate::model::{Registrant, ReplicaId};
use crate::zookeeper::Layout;

/// Looked through one after the other, so that nobody waits for a look at all leases.
pub(super) const SHARDS: usize = 64;

/// The leases of all registrants and the replicas that mark them.
pub(super) struct Leases {
    hasher: RandomState,
    shards: Vec<HashMap<Registrant, Vec<ReplicaId>>>,
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
    /// The marks below the lease of a registrant; `None` without a lease.
    pub fn marks(&self, registrant: &Registrant) -> Option<&Vec<ReplicaId>> {
        self.shards[self.shard_of(registrant)].get(registrant)
    }

    /// The leases of one shard with their marks.
    pub fn shard(&self, shard: usize) -> impl Iterator<Item = (&Registrant, &Vec<ReplicaId>)> {
        self.shards.get(shard).into_iter().flatten()
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.shards.iter().map(HashMap::len).sum()
    }

    /// Takes a lease as it was read; true when it was lost.
    pub fn lease(&mut self, registrant: Registrant, exists: bool) -> bool {
        let shard = self.shard_of(&registrant);
        let shard = &mut self.shards[shard];
        if exists {
            shard.entry(registrant).or_default();
            return false;
        }
        shard.remove(&registrant).is_some()
    }

    /// Takes a mark as it was read.
    pub fn mark(&mut self, registrant: Registrant, replica: ReplicaId, exists: bool) {
        let shard = self.shard_of(&registrant);
        let shard = &mut self.shards[shard];
        if exists {
            // A mark may be read before its lease.
            let marks = shard.entry(registrant).or_default();
            if !marks.contains(&replica) {
                marks.push(replica);
            }
        } else if let Some(marks) = shard.get_mut(&registrant) {
            marks.retain(|mark| *mark != replica);
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
        for (registrant, marks) in self.shards.iter().flatten() {
            paths.extend(marks.iter().map(|replica| layout.mark(registrant, replica)));
            paths.push(layout.lease(registrant));
        }
        paths.extend(self.replicas.iter().map(|replica| layout.replica(replica)));
    }

    fn shard_of(&self, registrant: &Registrant) -> usize {
        usize::try_from(self.hasher.hash_one(registrant) % SHARDS as u64).unwrap_or(0)
    }
}

/// What a replica says of itself: see `replica_data` of the options.
fn writes_applications(data: &[u8]) -> bool {
    let said = serde_json::from_slice::<serde_json::Value>(data).ok();
    said.and_then(|said| said.get("applicationLevel")?.as_bool()).unwrap_or(false)
}
