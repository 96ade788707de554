//! Providers that have gone, until what came in their place has been read.
//!
//! A transaction that puts one provider in the place of another makes two paths dirty. The old one may have been dirty already
//! and be read as absent while the news of the new one is still on its way, or in a later batch. Taken as they are read,
//! consumers would miss the provider for a moment; so what has gone goes last. What came in its place may have been
//! replaced itself by the time at which it is read: then the first goes with the second, since they stand in one folder.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::change::{Node, Waiter};
use super::layout::parent;

/// How long anything is held, however much goes on in its folder.
const LONGEST: Duration = Duration::from_secs(10);

/// What was read as absent in one folder.
struct Folder {
    /// What became dirty in it before this has to be read first: see [`super::dirty::Dirty`].
    until: u64,
    since: Instant,
    paths: HashSet<String>,
    /// Those who wait until it is known that something has gone, among other things.
    waiters: Vec<Arc<Vec<Waiter>>>,
}

/// What has gone and is still shown.
#[derive(Default)]
pub(super) struct Held {
    folders: HashMap<String, Folder>,
}

impl Held {
    /// Holds `nodes`, what is held of their folders already, and those who wait for them, until everything in the folder
    /// has been read that became dirty before `until`.
    pub fn hold(&mut self, until: u64, nodes: Vec<Node>, waiters: Vec<Waiter>) {
        let (since, waiters) = (Instant::now(), Arc::new(waiters));
        for Node { path, .. } in nodes {
            let name = parent(&path);
            if !self.folders.contains_key(name) {
                let folder = Folder { until, since, paths: HashSet::new(), waiters: Vec::new() };
                self.folders.insert(name.to_owned(), folder);
            }
            let Some(folder) = self.folders.get_mut(name) else { continue };
            folder.until = until;
            if !waiters.is_empty() && !folder.waiters.last().is_some_and(|last| Arc::ptr_eq(last, &waiters)) {
                folder.waiters.push(waiters.clone());
            }
            folder.paths.insert(path);
        }
    }

    /// Forgets that these had gone: they have come back.
    pub fn forget(&mut self, back: &[Node]) {
        if self.folders.is_empty() {
            return;
        }
        for node in back {
            if let Some(folder) = self.folders.get_mut(parent(&node.path)) {
                folder.paths.remove(&node.path);
            }
        }
    }

    /// The folders in which something is held, and until when.
    pub fn folders(&self) -> impl Iterator<Item = (&str, u64)> {
        self.folders.iter().map(|(name, folder)| (name.as_str(), folder.until))
    }

    /// What may go now: all of the folders that are not `blocked`. Those who wait for it are told when the answer is
    /// dropped.
    pub fn release(&mut self, blocked: &HashSet<String>) -> Released {
        let is_over =
            |name: &String, folder: &mut Folder| !blocked.contains(name) || folder.since.elapsed() > LONGEST;
        let mut released = Released::default();
        for (_, folder) in self.folders.extract_if(is_over) {
            released.nodes.extend(folder.paths.into_iter().map(|path| Node { path, state: None }));
            released.waiters.extend(folder.waiters);
        }
        released
    }

    /// Forgets everything, and tells those who wait for it that it has failed.
    pub fn fail(&mut self) {
        let waiters = self.folders.drain().flat_map(|(_, folder)| folder.waiters);
        waiters.for_each(|waiters| waiters.iter().for_each(Waiter::fail));
    }
}

/// What is held no longer.
#[derive(Default)]
pub(super) struct Released {
    /// What is to be taken as gone.
    pub nodes: Vec<Node>,
    waiters: Vec<Arc<Vec<Waiter>>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gone(path: &str) -> Node {
        Node { path: path.to_owned(), state: None }
    }

    fn released(held: &mut Held, blocked: &[&str]) -> Vec<String> {
        let blocked = blocked.iter().map(|&folder| folder.to_owned()).collect();
        let mut paths: Vec<String> = held.release(&blocked).nodes.into_iter().map(|node| node.path).collect();
        paths.sort();
        paths
    }

    #[test]
    fn what_has_gone_goes_with_its_folder_unless_it_came_back() {
        let mut held = Held::default();
        held.hold(3, vec![gone("/x/a"), gone("/x/b")], Vec::new());
        held.hold(5, vec![gone("/y/c")], Vec::new());
        held.hold(7, vec![gone("/x/d")], Vec::new());
        held.forget(&[gone("/x/b")]);
        let folders: HashSet<_> = held.folders().collect();
        assert_eq!(folders, HashSet::from([("/x", 7), ("/y", 5)]));
        assert!(released(&mut held, &["/x", "/y"]).is_empty());
        assert_eq!(released(&mut held, &["/x"]), ["/y/c"]);
        assert_eq!(released(&mut held, &[]), ["/x/a", "/x/d"]);
    }

    #[test]
    fn whoever_waits_is_told_when_all_of_it_has_gone_or_cannot_be_known() {
        let wait = || {
            let (done, is_done) = tokio::sync::oneshot::channel();
            (vec![Waiter::new(done)], is_done)
        };
        let mut held = Held::default();
        let (waiters, mut is_done) = wait();
        held.hold(3, vec![gone("/x/a")], waiters);
        assert!(is_done.try_recv().is_err());
        drop(held.release(&HashSet::new()));
        assert_eq!(is_done.try_recv(), Ok(()));
        let (waiters, mut is_done) = wait();
        held.hold(3, vec![gone("/x/a")], waiters);
        held.fail();
        assert!(is_done.try_recv().is_err());
    }
}
