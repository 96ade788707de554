//! A list of which there are very many and that nearly always holds one thing, which then needs no memory of its own.

use std::fmt;
use std::ops::Deref;

/// What a list holds.
#[derive(Clone, PartialEq, Eq)]
pub enum Few<T> {
    /// One thing.
    One(T),
    /// None, or several.
    Others(Box<[T]>),
}

impl<T> Few<T> {
    /// Adds `thing` at the end.
    pub fn push(&mut self, thing: T) {
        let known = std::mem::take(self).into_vec();
        *self = known.into_iter().chain([thing]).collect();
    }

    /// Takes out what is not to be kept.
    pub fn retain(&mut self, keep: impl Fn(&T) -> bool) {
        if !self.iter().all(&keep) {
            *self = std::mem::take(self).into_vec().into_iter().filter(keep).collect();
        }
    }

    /// All of it as a vector.
    pub fn into_vec(self) -> Vec<T> {
        match self {
            Self::One(thing) => vec![thing],
            Self::Others(things) => things.into_vec(),
        }
    }
}

impl<T> Default for Few<T> {
    fn default() -> Self {
        Self::Others(Box::default())
    }
}

impl<T> Deref for Few<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match self {
            Self::One(thing) => std::slice::from_ref(thing),
            Self::Others(things) => things,
        }
    }
}

impl<T> FromIterator<T> for Few<T> {
    fn from_iter<I: IntoIterator<Item = T>>(things: I) -> Self {
        let mut things = things.into_iter();
        match (things.next(), things.next()) {
            (None, _) => Self::default(),
            (Some(thing), None) => Self::One(thing),
            (Some(first), Some(second)) => Self::Others([first, second].into_iter().chain(things).collect()),
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Few<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.deref().fmt(formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_holds_what_was_put_in_in_its_order() {
        let mut few = Few::default();
        assert_eq!(few.len(), 0);
        for (thing, all) in [("a", &["a"][..]), ("b", &["a", "b"]), ("c", &["a", "b", "c"])] {
            few.push(thing);
            assert_eq!(&few[..], all);
            assert_eq!(
                (all.iter().copied().collect::<Few<_>>(), few.clone().into_vec()),
                (few.clone(), all.to_vec())
            );
        }
        assert!(matches!(few, Few::Others(_)));
        for (gone, rest) in [("b", &["a", "c"][..]), ("b", &["a", "c"]), ("a", &["c"]), ("c", &[])] {
            few.retain(|thing| *thing != gone);
            assert_eq!(&few[..], rest);
            assert_eq!(matches!(few, Few::One(_)), rest.len() == 1);
        }
        assert_eq!(format!("{:?}", Few::One(1)), "[1]");
    }
}
