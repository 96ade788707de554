//! The microservices of one name, by version.

/// The ids of microservices by version: several of one when one has an id of its own and another stands behind provider
/// URLs. Nearly always there is one, so that a table would be mostly empty.
#[derive(Default)]
pub(super) struct Versions {
    /// Versions with ids, sorted.
    known: Vec<(String, String)>,
}

impl Versions {
    /// All ids, by version and in their order.
    pub fn ids(&self) -> impl Iterator<Item = &String> {
        self.known.iter().map(|(_, id)| id)
    }

    /// The ids of one version, in their order.
    pub fn of(&self, version: &str) -> impl Iterator<Item = &String> {
        let first = self.known.partition_point(|(other, _)| other.as_str() < version);
        let from_first = &self.known[first..];
        let count = from_first.partition_point(|(other, _)| other == version);
        from_first[..count].iter().map(|(_, id)| id)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Adds the id of a microservice of this version.
    pub fn insert(&mut self, version: &str, id: &str) {
        if let Err(place) = self.place(version, id) {
            if self.known.is_empty() {
                // As a rule no other comes.
                self.known.reserve_exact(1);
            }
            self.known.insert(place, (version.to_owned(), id.to_owned()));
        }
    }

    /// Takes the id of a microservice of this version out.
    pub fn remove(&mut self, version: &str, id: &str) {
        if let Ok(place) = self.place(version, id) {
            self.known.remove(place);
        }
    }

    fn place(&self, version: &str, id: &str) -> Result<usize, usize> {
        let given = (version, id);
        self.known.binary_search_by(|(version, id)| (version.as_str(), id.as_str()).cmp(&given))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_stand_by_version_each_once() {
        let mut versions = Versions::default();
        for (version, id) in [("2", "b"), ("1.0", "c"), ("2", "a"), ("10", "d"), ("2", "b"), ("1.0", "a")] {
            versions.insert(version, id);
        }
        let all = |versions: &Versions| versions.ids().cloned().collect::<Vec<_>>();
        assert_eq!(all(&versions), ["a", "c", "d", "a", "b"]);
        let of = |version: &str| versions.of(version).cloned().collect::<Vec<_>>();
        assert_eq!(
            (of("2"), of("1.0"), of("1")),
            (vec!["a".into(), "b".into()], vec!["a".into(), "c".into()], vec![])
        );
        for (version, id) in [("2", "b"), ("2", "c"), ("3", "a"), ("1.0", "a"), ("1.0", "c"), ("10", "d")] {
            versions.remove(version, id);
        }
        assert_eq!(all(&versions), ["a"]);
        versions.remove("2", "a");
        assert!(versions.is_empty());
    }
}
