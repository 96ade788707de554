//! Which paths are to be read, in the order in which they changed.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};

use super::change::Waiter;

/// Paths that changed since they were read last. Those that changed first are read first: a flood of changes elsewhere
/// then holds up nobody for longer than it takes to read what came before, and no change is seen before an older one.
#[derive(Default)]
pub(super) struct Dirty {
    /// Who waits for each.
    waiters: HashMap<String, Vec<Waiter>>,
    /// With a number that grows from path to path.
    order: VecDeque<(u64, String)>,
    next: u64,
}

/// Paths that were taken to be read.
#[derive(Default)]
pub(super) struct Taken {
    /// The paths.
    pub paths: Vec<String>,
    /// The number of each.
    pub numbers: Vec<u64>,
    /// All who wait for them.
    pub waiters: Vec<Waiter>,
}

impl Dirty {
    /// Notes that `path` has changed, and answers who waits for it.
    pub fn mark(&mut self, path: String) -> &mut Vec<Waiter> {
        match self.waiters.entry(path) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                self.order.push_back((self.next, new.key().clone()));
                self.next += 1;
                new.insert(Vec::new())
            }
        }
    }

    /// Whether `path` has changed.
    pub fn contains(&self, path: &str) -> bool {
        self.waiters.contains_key(path)
    }

    /// Lets `waiter` wait for all of them.
    pub fn all_wait(&mut self, waiter: &Waiter) {
        self.waiters.values_mut().for_each(|waiters| waiters.push(waiter.clone()));
    }

    /// Takes the first ones that `is_ready`, with all who wait for them, until one of those does not `fit` any more.
    pub fn take(&mut self, is_ready: impl Fn(&str) -> bool, mut fits: impl FnMut(&str) -> bool) -> Taken {
        let (mut taken, mut passed_over) = (Taken::default(), Vec::new());
        while let Some((number, path)) = self.order.pop_front() {
            if !is_ready(&path) {
                passed_over.push((number, path));
            } else if fits(&path) {
                taken.waiters.extend(self.waiters.remove(&path).into_iter().flatten());
                taken.numbers.push(number);
                taken.paths.push(path);
            } else {
                self.order.push_front((number, path));
                break;
            }
        }
        passed_over.into_iter().rev().for_each(|passed_over| self.order.push_front(passed_over));
        taken
    }

    /// The number that the next path gets: all that are dirty now have lower ones.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// All of them with their numbers, those that changed first at the beginning.
    pub fn numbered(&self) -> impl Iterator<Item = (u64, &str)> {
        self.order.iter().map(|(number, path)| (*number, path.as_str()))
    }

    /// Forgets all paths and answers who waits for them.
    pub fn clear(&mut self) -> Vec<Waiter> {
        self.order.clear();
        self.waiters.drain().flat_map(|(_, waiters)| waiters).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changed_first_is_taken_first_and_what_is_being_read_keeps_its_place() {
        let mut dirty = Dirty::default();
        for path in ["a", "b", "c", "a", "d"] {
            dirty.mark(path.to_owned());
        }
        let mut room = 2;
        let fits = |_: &str| {
            room -= 1;
            room >= 0
        };
        let taken = dirty.take(|path| path != "a", fits);
        assert_eq!((taken.paths, taken.numbers), (vec!["b".to_owned(), "c".to_owned()], vec![1, 2]));
        assert_eq!((dirty.numbered().collect(), dirty.next()), (vec![(0, "a"), (3, "d")], 4));
        dirty.mark("b".to_owned());
        let taken = dirty.take(|_| true, |_| true);
        assert_eq!(taken.paths, ["a", "d", "b"]);
        assert!(dirty.take(|_| true, |_| true).paths.is_empty());
    }
}
