//! The leases of all registrants and the replicas that mark them.

use std::collections::HashSet;
use std::time::Duration;

use ahash::{HashMap, RandomState};

use super::few::Few;
use super::quiet::Quiet;
use super::services::Services;
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
    pub marks: Few<ReplicaId>,
    /// How long the registrant may be silent, for an instance that is known. It stands here as well because every lease
    /// is looked at all the time.
    time_to_live: Option<Duration>,
    quiet: Quiet,
}

/// The leases of all registrants and the replicas that mark them.
pub(super) struct Leases {
    hasher: RandomState,
    shards: Vec<HashMap<Registrant, Lease>>,
    /// The replicas that any mark is named after, so that all marks share the name.
    marking: HashSet<ReplicaId>,
    /// The replicas that live.
    pub replicas: HashSet<ReplicaId>,
    /// Those of them that write the application level of Dubbo.
    pub application_writers: HashSet<ReplicaId>,
}

impl Default for Leases {
    fn default() -> Self {
        let shards = (0..SHARDS).map(|_| HashMap::default()).collect();
        Self {
            hasher: RandomState::new(),
            shards,
            marking: HashSet::new(),
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
    pub fn marks(&self, registrant: &Registrant) -> Option<&[ReplicaId]> {
        self.get(registrant).map(|lease| &*lease.marks)
    }

    /// The leases of one shard.
    pub fn shard(&self, shard: usize) -> impl Iterator<Item = (&Registrant, &Lease)> {
        self.shards.get(shard).into_iter().flatten()
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.shards.iter().map(HashMap::len).sum()
    }

    /// Takes a lease as it was read, with the zxid of its creation; true when it was lost. `time_to_live` is that of an
    /// instance that is known.
    pub fn lease(
        &mut self,
        registrant: Registrant,
        created: Option<i64>,
        time_to_live: Option<Duration>,
    ) -> bool {
        let shard = self.shard_of(&registrant);
        let shard = &mut self.shards[shard];
        if let Some(created) = created {
            let lease = shard.entry(registrant).or_default();
            (lease.created, lease.time_to_live) = (created, time_to_live);
            lease.quiet.end();
            return false;
        }
        shard.remove(&registrant).is_some()
    }

    /// Takes a mark as it was read. `new` answers for a lease that is not known: the copy of its registrant that all share,
    /// and the time to live of an instance that is known.
    pub fn mark(
        &mut self,
        registrant: Registrant,
        replica: ReplicaId,
        exists: bool,
        new: impl FnOnce(Registrant) -> (Registrant, Option<Duration>),
    ) {
        let shard = self.shard_of(&registrant);
        let shard = &mut self.shards[shard];
        if exists {
            // A mark may be read before its lease.
            let lease = match shard.get_mut(&registrant) {
                Some(lease) => lease,
                None => {
                    let (registrant, time_to_live) = new(registrant);
                    shard.entry(registrant).or_insert(Lease { time_to_live, ..Lease::default() })
                }
            };
            if !lease.marks.contains(&replica) {
                let marking = &mut self.marking;
                let replica = marking.get(&replica).cloned().unwrap_or_else(|| {
                    // Those that are gone leave their names until their marks are swept.
                    marking.retain(ReplicaId::is_shared);
                    marking.insert(replica.clone());
                    replica
                });
                lease.marks.push(replica);
            }
            lease.quiet.end();
        } else if let Some(lease) = shard.get_mut(&registrant) {
            lease.quiet.end();
            lease.marks.retain(|mark| *mark != replica);
        }
    }

    /// Takes what an instance says of how long it may be silent; `None` when it is not known any more.
    pub fn set_time_to_live(&mut self, registrant: &Registrant, time_to_live: Option<Duration>) {
        let shard = self.shard_of(registrant);
        if let Some(lease) = self.shards[shard].get_mut(registrant) {
            lease.time_to_live = time_to_live;
            lease.quiet.end();
        }
    }

    /// Takes the znode of a replica as it was read; true when it was lost.
    pub fn replica(&mut self, replica: &ReplicaId, data: Option<&[u8]>) -> bool {
        if self.replicas.contains(replica) != data.is_some() {
            // Marks live and die with the replica that they are named after.
            self.shards.iter_mut().flat_map(HashMap::values_mut).for_each(|lease| lease.quiet.end());
        }
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

impl Services {
    /// How long a registrant may be silent, for an instance that is known.
    pub fn time_to_live_of(&self, registrant: &Registrant) -> Option<Duration> {
        match registrant {
            Registrant::Sidecar(_) | Registrant::Dependency(_) => None,
            Registrant::Instance(key) => self.time_to_live(key),
        }
    }
}

impl Catalog {
    /// Whether a registrant has a lease.
    pub fn has_lease(&self, registrant: &Registrant) -> bool {
        self.state.read().leases.get(registrant).is_some()
    }

    /// The marks below the lease of a registrant; `None` without a lease.
    pub fn marks(&self, registrant: &Registrant) -> Option<Vec<ReplicaId>> {
        self.state.read().leases.marks(registrant).map(<[ReplicaId]>::to_vec)
    }

    /// The zxid of the creation of the lease of a registrant; `None` without a lease.
    pub fn lease_created(&self, registrant: &Registrant) -> Option<i64> {
        self.state.read().leases.get(registrant).map(|lease| lease.created)
    }

    /// Whether `replica` has marked the lease of `registrant`.
    pub fn is_marked(&self, registrant: &Registrant, replica: &ReplicaId) -> bool {
        self.state.read().leases.marks(registrant).is_some_and(|marks| marks.contains(replica))
    }

    /// How long an instance that is known may be silent, and whether `replica` has marked its lease. `None` without a lease, or
    /// without the instance.
    pub fn lease_of(&self, registrant: &Registrant, replica: Option<&ReplicaId>) -> Option<(Duration, bool)> {
        let state = self.state.read();
        let lease = state.leases.get(registrant)?;
        Some((lease.time_to_live?, replica.is_some_and(|replica| lease.marks.contains(replica))))
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
                    quiet: &lease.quiet,
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::{HealthCheck, Instance, InstanceDocument, InstanceKey, SidecarId, Tenant};
    use crate::telemetry::Metrics;
    use crate::zookeeper::{Node, Sink, Stat};

    #[test]
    fn a_lease_knows_what_its_instance_says_whichever_is_read_first() {
        let layout = Layout {
            dubbo_root: "/dubbo".into(),
            services_root: String::new(),
            registry_root: "/zoogate".into(),
        };
        let (service_id, instance_id) = ("cart".into(), "cart-1".into());
        let key = InstanceKey { tenant: Tenant::default(), service_id, instance_id };
        let registrant = Registrant::from(key.clone());
        let node = |path: String, data: Option<Vec<u8>>| {
            let stat = Stat { czxid: 1, mzxid: 1, ..Stat::default() };
            Node { path, state: data.map(|data| (data, stat)) }
        };
        let instance = |interval| {
            let (service_id, instance_id) = (key.service_id.to_string(), key.instance_id.to_string());
            let health_check = Some(HealthCheck { interval, times: 1, ..HealthCheck::default() });
            let instance = Instance { instance_id, service_id, health_check, ..Instance::default() };
            let document = InstanceDocument { instance, ..InstanceDocument::default() };
            node(layout.document(&registrant), Some(serde_json::to_vec(&document).unwrap()))
        };
        let gone = || node(layout.document(&registrant), None);
        let lease = || node(layout.lease(&registrant), Some(Vec::new()));
        let mark = || node(layout.mark(&registrant, &ReplicaId::new("a")), Some(Vec::new()));
        let known = |nodes: Vec<Node>| {
            let catalog = Catalog::new(layout.clone(), usize::MAX, Arc::new(Metrics::new().unwrap()));
            catalog.apply(nodes);
            let seconds = |lease: LeaseView<'_>| lease.time_to_live.map(|span| span.as_secs());
            catalog.look_at_leases(|lease| Some(seconds(lease)))
        };
        assert_eq!(known(vec![lease()]), [None]);
        for (nodes, seconds) in [
            (vec![lease(), instance(5)], Some(10)),
            (vec![mark(), instance(5)], Some(10)),
            (vec![instance(5), lease()], Some(10)),
            (vec![instance(5), mark(), instance(7)], Some(14)),
            (vec![instance(5), lease(), mark(), gone()], None),
        ] {
            assert_eq!(known(nodes.clone()), [seconds], "{nodes:?}");
        }
    }

    #[test]
    fn whatever_changes_about_a_lease_ends_its_quiet() {
        let registrant = |id: &str| Registrant::Sidecar(SidecarId::parse(id).unwrap());
        let (one, other) = (registrant("a@b"), registrant("c@d"));
        let replica = ReplicaId::new("x");
        let is_quiet = |leases: &Leases, id: &Registrant| leases.get(id).unwrap().quiet.at(0).is_some();
        let mark = |leases: &mut Leases, id: &Registrant, exists| {
            leases.mark(id.clone(), replica.clone(), exists, |registrant| (registrant, None));
            exists
        };
        type Change<'c> = (&'c dyn Fn(&mut Leases) -> bool, bool);
        let changes: [Change<'_>; 6] = [
            (&|leases| leases.lease(one.clone(), Some(2), None), true),
            (&|leases| mark(leases, &one, true), true),
            (&|leases| mark(leases, &one, false), true),
            (
                &|leases| {
                    leases.set_time_to_live(&one, Some(Duration::from_secs(9)));
                    true
                },
                true,
            ),
            (&|leases| leases.replica(&ReplicaId::new("y"), Some(b"{}")), false),
            (&|leases| leases.replica(&replica, None), false),
        ];
        for (number, (change, is_of_one)) in changes.into_iter().enumerate() {
            let mut leases = Leases::default();
            leases.replica(&replica, Some(b"{}"));
            for id in [&one, &other] {
                leases.lease(id.clone(), Some(1), None);
                mark(&mut leases, id, true);
                leases.get(id).unwrap().quiet.last_until(9, false);
            }
            assert!(is_quiet(&leases, &one) && is_quiet(&leases, &other));
            // Read again, and the same as before.
            leases.replica(&replica, Some(b"{}"));
            assert!(is_quiet(&leases, &one), "nothing has changed");
            change(&mut leases);
            assert!(!is_quiet(&leases, &one), "{number}");
            assert_eq!(is_quiet(&leases, &other), is_of_one, "{number}");
        }
    }
}
