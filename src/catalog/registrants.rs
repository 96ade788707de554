//! One copy of each registrant for all who speak of it: its lease, its znodes in Dubbo's tree, and who takes note of it.

use std::sync::Arc;

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use ahash::{HashSet, RandomState};

use super::few::Few;
use crate::model::{InstanceKey, Registrant};

/// Looked through one at a time, so that nobody waits for a look at all registrants.
const SHARDS: usize = 64;
/// A shard with fewer is not worth looking through.
const FEW: usize = 64;

/// The copies that are shared.
pub(super) struct Registrants {
    hasher: RandomState,
    shards: Vec<Shard>,
    texts: Texts,
}

#[derive(Default)]
struct Shard {
    /// By their hash, so that a table that grows need not ask every one of them for it again.
    known: HashMap<u64, Few<Registrant>, BuildHasherDefault<Hashed>>,
    /// How many there may be before it is looked whom nobody speaks of any more.
    most: usize,
}

/// The hash of what is a hash already.
#[derive(Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.0 = self.0.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// What many registrants have in common: tenants and the ids of microservices.
#[derive(Default)]
struct Texts {
    known: HashSet<Arc<str>>,
    /// How many there may be before it is looked which of them nobody uses any more.
    most: usize,
}

impl Texts {
    /// Puts the copy that all share in the place of `text`.
    fn share(&mut self, text: &mut Arc<str>) {
        if let Some(known) = self.known.get(text) {
            text.clone_from(known);
            return;
        }
        if self.known.len() >= self.most.max(FEW) {
            self.known.retain(|text| Arc::strong_count(text) > 1);
            self.most = 2 * self.known.len();
        }
        self.known.insert(text.clone());
    }
}

impl Default for Registrants {
    fn default() -> Self {
        let shards = (0..SHARDS).map(|_| Shard::default()).collect();
        Self { hasher: RandomState::new(), shards, texts: Texts::default() }
    }
}

impl Registrants {
    /// The copy that all share.
    pub fn shared(&mut self, mut registrant: Registrant) -> Registrant {
        let hash = self.hasher.hash_one(&registrant);
        // Not by the bits by which the table of a shard tells its entries apart.
        let shard = usize::try_from((hash >> 32) % SHARDS as u64).unwrap_or(0);
        let Shard { known, most } = &mut self.shards[shard];
        let mut alike = known.get(&hash).into_iter().flat_map(|alike| alike.iter());
        if let Some(known) = alike.find(|known| **known == registrant) {
            return known.clone();
        }
        if known.len() >= (*most).max(FEW) {
            known.retain(|_, alike| {
                alike.retain(Registrant::is_shared);
                !alike.is_empty()
            });
            *most = 2 * known.len();
        }
        if let Registrant::Instance(key) = &mut registrant {
            let InstanceKey { tenant, service_id, instance_id: _ } = Arc::make_mut(key);
            for text in [&mut tenant.domain, &mut tenant.project, service_id] {
                self.texts.share(text);
            }
        }
        known.entry(hash).or_default().push(registrant.clone());
        registrant
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{SidecarId, Tenant};

    fn sidecar(number: usize) -> Registrant {
        Registrant::Sidecar(SidecarId::parse(&format!("sidecar@{number}")).unwrap())
    }

    #[test]
    fn whoever_is_spoken_of_stands_once_and_the_others_are_forgotten() {
        let mut registrants = Registrants::default();
        let kept: Vec<_> = (0..100).map(|number| registrants.shared(sidecar(number))).collect();
        assert!(kept.iter().all(Registrant::is_shared));
        for number in 100..100_000 {
            let own = registrants.shared(sidecar(number));
            assert!(own.is_shared());
        }
        let known: usize = registrants.shards.iter().map(|shard| shard.known.len()).sum();
        assert!((100..=(FEW + 10) * SHARDS).contains(&known), "{known}");
        for (number, kept) in kept.into_iter().enumerate() {
            let again = registrants.shared(sidecar(number));
            for shard in &mut registrants.shards {
                shard.known.values_mut().for_each(|alike| alike.retain(|one| *one != kept));
            }
            assert!(again == kept && again.is_shared(), "the same copy");
        }
    }

    #[test]
    fn instances_of_one_microservice_share_its_id_and_tenant() {
        let mut registrants = Registrants::default();
        let mut shared = |service: &str, instance: &str| {
            let key = InstanceKey {
                tenant: Tenant::default(),
                service_id: service.into(),
                instance_id: instance.into(),
            };
            match registrants.shared(Registrant::from(key)) {
                Registrant::Instance(key) => key,
                other => panic!("{other}"),
            }
        };
        let (one, other, else_where) = (shared("cart", "a"), shared("cart", "b"), shared("shop", "a"));
        assert!(Arc::ptr_eq(&one.service_id, &other.service_id));
        assert!(Arc::ptr_eq(&one.tenant.domain, &one.tenant.project), "they happen to be the same text");
        assert!(Arc::ptr_eq(&one.tenant.domain, &else_where.tenant.domain));
        assert_eq!((&*other.instance_id, &*else_where.service_id), ("b", "shop"));
        assert!(Arc::ptr_eq(&one, &shared("cart", "a")));
        drop((one, other, else_where));
        // Whatever nobody uses any more is forgotten when room is made.
        for number in 0..10_000 {
            shared(&format!("service-{number}"), "a");
        }
        assert!(registrants.texts.known.len() < 2 * (FEW + 10) * SHARDS, "{}", registrants.texts.known.len());
    }
}
