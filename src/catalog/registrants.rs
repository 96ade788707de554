//! One copy of each registrant for all who speak of it: its lease, its znodes in Dubbo's tree, and who takes note of it.

use ahash::{HashSet, RandomState};

use crate::model::Registrant;

/// Looked through one at a time, so that nobody waits for a look at all registrants.
const SHARDS: usize = 64;
/// A shard with fewer is not worth looking through.
const FEW: usize = 64;

/// The copies that are shared.
pub(super) struct Registrants {
    hasher: RandomState,
    shards: Vec<Shard>,
}

#[derive(Default)]
struct Shard {
    known: HashSet<Registrant>,
    /// How many there may be before it is looked whom nobody speaks of any more.
    most: usize,
}

impl Default for Registrants {
    fn default() -> Self {
        Self { hasher: RandomState::new(), shards: (0..SHARDS).map(|_| Shard::default()).collect() }
    }
}

impl Registrants {
    /// The copy that all share.
    pub fn shared(&mut self, registrant: Registrant) -> Registrant {
        let shard = usize::try_from(self.hasher.hash_one(&registrant) % SHARDS as u64).unwrap_or(0);
        let Shard { known, most } = &mut self.shards[shard];
        if let Some(known) = known.get(&registrant) {
            return known.clone();
        }
        if known.len() >= (*most).max(FEW) {
            known.retain(Registrant::is_shared);
            *most = 2 * known.len();
        }
        known.insert(registrant.clone());
        registrant
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::SidecarId;

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
            drop(registrants.shards.iter_mut().map(|shard| shard.known.remove(&kept)).collect::<Vec<_>>());
            assert!(again == kept && again.is_shared(), "the same copy");
        }
    }
}
