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
    order: VecDeque<String>,
}

impl Dirty {
    /// Notes that `path` has changed, and answers who waits for it.
    pub fn mark(&mut self, path: String) -> &mut Vec<Waiter> {
        match self.waiters.entry(path) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                self.order.push_back(new.key().clone());
                new.insert(Vec::new())
            }
        }
    }

    /// All of them, in no order.
    pub fn paths(&self) -> impl Iterator<Item = &String> {
        self.waiters.keys()
    }

    /// Takes the first ones that `is_ready`, with all who wait for them, until one of those does not `fit` any more.
    pub fn take(
        &mut self,
        is_ready: impl Fn(&str) -> bool,
        mut fits: impl FnMut(&str) -> bool,
    ) -> (Vec<String>, Vec<Waiter>) {
        let (mut taken, mut waiting, mut passed_over) = (Vec::new(), Vec::new(), Vec::new());
        while let Some(path) = self.order.pop_front() {
            if !is_ready(&path) {
                passed_over.push(path);
            } else if fits(&path) {
                waiting.extend(self.waiters.remove(&path).into_iter().flatten());
                taken.push(path);
            } else {
                self.order.push_front(path);
                break;
            }
        }
        passed_over.into_iter().rev().for_each(|path| self.order.push_front(path));
        (taken, waiting)
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
        let (taken, _) = dirty.take(|path| path != "a", fits);
        assert_eq!(taken, ["b", "c"]);
        dirty.mark("b".to_owned());
        let (taken, _) = dirty.take(|_| true, |_| true);
        assert_eq!(taken, ["a", "d", "b"]);
        assert!(dirty.take(|_| true, |_| true).0.is_empty());
    }
}
