//! Providers that have gone, until what came in their place has been read.
//!
//! A transaction that puts one provider in the place of another makes two paths dirty. The old one may have been dirty already
//! and be read as absent while the news of the new one is still on its way, or in a later batch. Taken as they are read,
//! consumers would miss the provider for a moment; so what has gone goes last.

use std::collections::VecDeque;

use super::change::{Node, Waiter};

/// What was read as absent together.
struct Group {
    /// What became dirty before this has been read: see [`super::dirty::Dirty`].
    until: u64,
    nodes: Vec<Node>,
    /// Who waits until it is known that it has gone.
    waiters: Vec<Waiter>,
}

/// What has gone and is still shown, in the order in which it was read.
#[derive(Default)]
pub(super) struct Held {
    groups: VecDeque<Group>,
}

impl Held {
    /// Holds `nodes`, and those who wait for them, until everything has been read that became dirty before `until`.
    pub fn hold(&mut self, until: u64, nodes: Vec<Node>, waiters: Vec<Waiter>) {
        self.groups.push_back(Group { until, nodes, waiters });
    }

    /// Forgets that these had gone: they have been read once more.
    pub fn forget(&mut self, read: &[Node]) {
        for group in &mut self.groups {
            group.nodes.retain(|gone| !read.iter().any(|node| node.path == gone.path));
        }
    }

    /// What may go now that everything has been read that became dirty before `oldest`, with those who wait for it.
    pub fn release(&mut self, oldest: u64) -> (Vec<Node>, Vec<Waiter>) {
        let count = self.groups.partition_point(|group| group.until <= oldest);
        let (mut nodes, mut waiters) = (Vec::new(), Vec::new());
        for group in self.groups.drain(..count) {
            nodes.extend(group.nodes);
            waiters.extend(group.waiters);
        }
        (nodes, waiters)
    }

    /// Forgets everything, and answers who waits for it.
    pub fn clear(&mut self) -> Vec<Waiter> {
        self.groups.drain(..).flat_map(|group| group.waiters).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gone(path: &str) -> Node {
        Node { path: path.to_owned(), state: None }
    }

    #[test]
    fn what_has_gone_goes_in_its_turn_unless_it_came_back() {
        let mut held = Held::default();
        held.hold(3, vec![gone("a"), gone("b")], Vec::new());
        held.hold(5, vec![gone("c")], Vec::new());
        held.forget(&[gone("b")]);
        let released = |held: &mut Held, oldest| -> Vec<String> {
            held.release(oldest).0.into_iter().map(|node| node.path).collect()
        };
        assert!(released(&mut held, 2).is_empty());
        assert_eq!(released(&mut held, 4), ["a"]);
        assert_eq!(released(&mut held, 5), ["c"]);
    }
}
