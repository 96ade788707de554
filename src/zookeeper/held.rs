//! Providers that have gone, until what came in their place has been read.
//!
//! A transaction that puts one provider in the place of another makes two paths dirty. The old one may have been dirty already
//! and be read as absent while the news of the new one is still on its way, or in a later batch. Taken as they are read,
//! consumers would miss the provider for a moment; so what has gone goes last. What came in its place may have been
//! replaced itself by the time at which it is read: then the first goes with the second, since they are of one family.
//! A family is what stands at one address in one folder. Whole folders would be too much: where many providers change,
//! some change is always on its way, and nothing would ever go.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::change::{Node, Waiter};
use super::layout::parent;

/// How long anything is held, however often its family changes. What has gone last is held for longer, if need be: while
/// something new comes all the time, and has gone again when it is read, an old state is shown rather than nothing.
const LONGEST: Duration = Duration::from_secs(10);

/// The folder of a znode, and the address in its name if that is a URL; else as much as is needed to tell it from others.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Family<'p> {
    folder: Cow<'p, str>,
    address: Cow<'p, str>,
}

impl<'p> Family<'p> {
    /// That of the znode at `path`.
    pub fn of(path: &'p str) -> Self {
        let folder = parent(path);
        let name = path.get(folder.len() + 1..).unwrap_or_default();
        let rest = find(name, "%3A%2F%2F").map_or(name, |at| &name[at + "%3A%2F%2F".len()..]);
        let end = [find(rest, "%2F"), find(rest, "%3F")].into_iter().flatten().min();
        let address = &rest[..end.unwrap_or(rest.len())];
        Self { folder: Cow::Borrowed(folder), address: Cow::Borrowed(address) }
    }

    fn kept(self) -> Family<'static> {
        let kept = |part: Cow<'p, str>| Cow::Owned(part.into_owned());
        Family { folder: kept(self.folder), address: kept(self.address) }
    }
}

/// Where `text` has `part`, in whatever case.
fn find(text: &str, part: &str) -> Option<usize> {
    text.as_bytes().windows(part.len()).position(|some| some.eq_ignore_ascii_case(part.as_bytes()))
}

/// What was read as absent of one family.
struct Gone {
    /// What became dirty of it before this has to be read first: see [`super::dirty::Dirty`].
    until: u64,
    since: Instant,
    paths: HashSet<String>,
    /// The one of them that was read last.
    last: String,
    /// Those who wait until it is known that something has gone, among other things.
    waiters: Vec<Arc<Vec<Waiter>>>,
}

/// What has gone and is still shown.
#[derive(Default)]
pub(super) struct Held {
    families: HashMap<Family<'static>, Gone>,
}

impl Held {
    /// Holds `nodes`, what is held of their families already, and those who wait for them, until everything of the family
    /// has been read that became dirty before `until`.
    pub fn hold(&mut self, until: u64, nodes: Vec<Node>, waiters: Vec<Waiter>) {
        let (since, waiters) = (Instant::now(), Arc::new(waiters));
        for Node { path, .. } in nodes {
            let new =
                || Gone { until, since, paths: HashSet::new(), last: String::new(), waiters: Vec::new() };
            let family = self.families.entry(Family::of(&path).kept()).or_insert_with(new);
            family.until = until;
            if !waiters.is_empty() && !family.waiters.last().is_some_and(|last| Arc::ptr_eq(last, &waiters)) {
                family.waiters.push(waiters.clone());
            }
            family.last.clone_from(&path);
            family.paths.insert(path);
        }
    }

    /// Forgets that these had gone: they have come back.
    pub fn forget(&mut self, back: &[Node]) {
        if self.families.is_empty() {
            return;
        }
        for node in back {
            if let Some(family) = self.families.get_mut(&Family::of(&node.path).kept()) {
                family.paths.remove(&node.path);
            }
        }
    }

    /// What may go now that these are still to be read, with their numbers: all families of which nothing is left to be
    /// read first. Those who wait for it are told when the answer is dropped.
    pub fn release<'p>(&mut self, open: impl Iterator<Item = (u64, &'p str)>) -> Released {
        let mut released = Released::default();
        if self.families.is_empty() {
            return released;
        }
        let folders: HashSet<&str> = self.families.keys().map(|family| &*family.folder).collect();
        let mut blocked = HashSet::new();
        for (number, path) in open.filter(|(_, path)| folders.contains(parent(path))) {
            let family = Family::of(path);
            if self.families.get(&family).is_some_and(|gone| number < gone.until) {
                blocked.insert(family);
            }
        }
        for (family, gone) in &mut self.families {
            if blocked.contains(family) && gone.since.elapsed() > LONGEST {
                gone.since = Instant::now();
                let old = gone.paths.extract_if(|path| *path != gone.last);
                released.nodes.extend(old.map(|path| Node { path, state: None }));
            }
        }
        for (_, gone) in self.families.extract_if(|family, _| !blocked.contains(family)) {
            released.nodes.extend(gone.paths.into_iter().map(|path| Node { path, state: None }));
            released.waiters.extend(gone.waiters);
        }
        released
    }

    /// Forgets everything, and tells those who wait for it that it has failed.
    pub fn fail(&mut self) {
        let waiters = self.families.drain().flat_map(|(_, gone)| gone.waiters);
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
    use super::super::change::Done;
    use super::*;

    fn gone(path: &str) -> Node {
        Node { path: path.to_owned(), state: None }
    }

    const A: &str = "/x/dubbo%3A%2F%2F10.0.0.1%3A20880%2Fi%3Fa%3D1";
    const B: &str = "/x/tri%3a%2f%2f10.0.0.1%3A20880%3Fa%3D2";
    const C: &str = "/x/dubbo%3A%2F%2F10.0.0.2%3A20880%2Fi";

    fn released(held: &mut Held, open: &[(u64, &str)]) -> Vec<String> {
        let released = held.release(open.iter().copied());
        let mut paths: Vec<String> = released.nodes.into_iter().map(|node| node.path).collect();
        paths.sort();
        paths
    }

    #[test]
    fn what_has_gone_goes_when_what_came_in_its_place_was_read() {
        let mut held = Held::default();
        held.hold(3, vec![gone(A), gone(C)], Vec::new());
        held.hold(5, vec![gone("/y/c")], Vec::new());
        // Of another address, another folder, and of the same but later.
        assert_eq!(released(&mut held, &[(1, B), (2, "/y/d"), (5, "/y/c")]), [C, "/y/c"]);
        // What came in the place of the first was replaced itself.
        held.hold(7, vec![gone(B)], Vec::new());
        assert!(released(&mut held, &[(6, A)]).is_empty());
        assert_eq!(released(&mut held, &[(7, A), (1, C)]), [A, B]);
        held.hold(9, vec![gone(A), gone(B)], Vec::new());
        held.forget(&[gone(A)]);
        assert_eq!(released(&mut held, &[]), [B]);
    }

    #[test]
    fn whoever_waits_is_told_when_all_of_it_has_gone_or_cannot_be_known() {
        let wait = || {
            let (done, is_done) = tokio::sync::oneshot::channel();
            (vec![Waiter::new(Done::Refreshed(done))], is_done)
        };
        let mut held = Held::default();
        let (waiters, mut is_done) = wait();
        held.hold(3, vec![gone("/x/a")], waiters);
        assert!(is_done.try_recv().is_err());
        drop(held.release(std::iter::empty()));
        assert_eq!(is_done.try_recv(), Ok(()));
        let (waiters, mut is_done) = wait();
        held.hold(3, vec![gone("/x/a")], waiters);
        held.fail();
        assert!(is_done.try_recv().is_err());
    }
}
