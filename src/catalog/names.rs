//! What consumers name when they look for a service, as the key of indexes that can be asked without copying it.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

/// Environment, application and name (or alias).
pub(super) type NameKey = (String, String, String);

/// The three parts of a [`NameKey`], whoever they belong to. An index is asked for `&(a, b, c) as &dyn Name`.
pub(super) trait Name {
    fn parts(&self) -> (&str, &str, &str);
}

impl Name for NameKey {
    fn parts(&self) -> (&str, &str, &str) {
        (&self.0, &self.1, &self.2)
    }
}

impl Name for (&str, &str, &str) {
    fn parts(&self) -> (&str, &str, &str) {
        *self
    }
}

impl<'n> Borrow<dyn Name + 'n> for NameKey {
    fn borrow(&self) -> &(dyn Name + 'n) {
        self
    }
}

// Texts hash and compare alike, whether they are owned or not, and so do tuples of them.
impl Hash for dyn Name + '_ {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.parts().hash(state);
    }
}

impl PartialEq for dyn Name + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}

impl Eq for dyn Name + '_ {}

impl PartialOrd for dyn Name + '_ {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for dyn Name + '_ {
    fn cmp(&self, other: &Self) -> Ordering {
        self.parts().cmp(&other.parts())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashMap};

    use super::*;

    #[test]
    fn an_index_is_asked_with_borrowed_parts() {
        let names = [("", "shop", "cart"), ("", "shopc", "art"), ("production", "shop", "cart")];
        let owned = names.map(|(environment, app_id, name)| {
            (environment.to_owned(), app_id.to_owned(), name.to_owned()) as NameKey
        });
        let hashed: HashMap<NameKey, usize> = owned.iter().cloned().zip(0..).collect();
        let sorted: BTreeMap<NameKey, usize> = owned.iter().cloned().zip(0..).collect();
        for (number, name) in names.iter().enumerate() {
            assert_eq!(hashed.get(name as &dyn Name), Some(&number));
            assert_eq!(sorted.get(name as &dyn Name), Some(&number));
        }
        let unknown = ("", "shop", "carts");
        assert_eq!(hashed.get(&unknown as &dyn Name), None);
        assert_eq!(sorted.get(&unknown as &dyn Name), None);
    }
}
