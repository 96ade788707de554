//! What this session is writing. The reply to a transaction tells all that reading it back would, so the catalog takes it
//! from there, and the server is not asked again for what it has just been given.
//!
//! What makes that safe: ZooKeeper sends the events of a transaction before the reply to it. An event of a path that is
//! being written is therefore only counted at first. When the reply comes, a path that has met exactly one event has met
//! its own, and nobody else has changed it since; any other one is read, as if nothing of this existed.

use ahash::HashMap;
use parking_lot::Mutex;

use super::change::{Done, Node, Stat};
use super::layout::{Layout, Place, parent};
use super::transaction::{Operation, Transaction};
use crate::model::Registrant;

/// The paths that transactions under way are about to change.
#[derive(Default)]
pub(super) struct Writing(Mutex<HashMap<String, Met>>);

/// What has been met of a path since it is being written.
#[derive(Default)]
struct Met {
    /// Transactions under way that change it.
    writers: usize,
    /// Events that nobody has acted on.
    events: usize,
    /// Whether it has to be read whatever comes.
    is_disturbed: bool,
}

/// Of a transaction that has ended.
pub(super) enum Ended {
    /// It was carried out, with this zxid.
    Written(i64, Vec<Change>),
    /// It was not, or nobody knows; these have met events meanwhile.
    Stirred(Vec<String>),
}

/// What one of those who shared a transaction has changed.
pub(super) struct Change {
    /// What stands there now, creations first as they were ordered.
    pub nodes: Vec<Node>,
    /// The folders whose stat tells of it as well, each once unless others come between.
    pub folders: Vec<String>,
    /// Whether `nodes` tells all of it. Else they are to be read, and `along` with them.
    pub is_whole: bool,
    /// What has to be read at the same time.
    pub along: Vec<String>,
    /// Told when the catalog shows it.
    pub done: Done,
}

impl Writing {
    /// Notes that `transaction` is about to be sent.
    pub fn begin(&self, transaction: &Transaction) {
        let mut paths = self.0.lock();
        for path in changed(transaction) {
            match paths.get_mut(path) {
                Some(met) => (met.writers, met.is_disturbed) = (met.writers + 1, true),
                None => drop(paths.insert(path.to_owned(), Met { writers: 1, ..Met::default() })),
            }
        }
    }

    /// Notes that `transaction` was not carried out, as far as is known, and answers what has to be read after all.
    pub fn give_up(&self, transaction: &Transaction) -> Vec<String> {
        let mut paths = self.0.lock();
        let is_stirred = |path: &&str| end(&mut paths, path).is_some_and(|met| met.events > 0);
        changed(transaction).filter(is_stirred).map(str::to_owned).collect()
    }

    /// Notes that a transaction that changed `path` was carried out, and answers whether nothing else has happened to it.
    pub fn settle(&self, path: &str) -> bool {
        end(&mut self.0.lock(), path).is_some_and(|met| met.events == 1 && !met.is_disturbed)
    }

    /// Counts an event, and answers whether it is to be left to the end of a transaction.
    pub fn note(&self, path: &str) -> bool {
        let mut paths = self.0.lock();
        let Some(met) = paths.get_mut(path) else { return false };
        met.events += 1;
        !met.is_disturbed
    }

    /// Answers all paths whose events were left to the end of a transaction: they will be read in any case.
    pub fn disturb(&self) -> Vec<String> {
        let mut paths = self.0.lock();
        let waiting = paths.iter_mut().filter(|(_, met)| met.events > 0 && !met.is_disturbed);
        let disturbed = waiting.map(|(path, met)| {
            met.is_disturbed = true;
            path.clone()
        });
        disturbed.collect()
    }
}

/// Takes a writer off `path`, and answers what it has met.
fn end(paths: &mut HashMap<String, Met>, path: &str) -> Option<Met> {
    let met = paths.get_mut(path)?;
    met.writers -= 1;
    if met.writers == 0 {
        return paths.remove(path);
    }
    // Neither of the two can tell whose events it has met.
    let events = std::mem::take(&mut met.events);
    Some(Met { writers: met.writers, events, is_disturbed: true })
}

fn changed(transaction: &Transaction) -> impl Iterator<Item = &str> {
    let changes = transaction.operations.iter().filter(|operation| operation.changes());
    changes.map(Operation::path)
}

impl Change {
    /// What `transaction` has changed, told by the results of its steps; `at` is the stat of something that it has written.
    pub fn new(
        layout: &Layout,
        transaction: Transaction,
        results: &[Option<Stat>],
        at: &Stat,
        done: Done,
    ) -> Self {
        let mut change =
            Self { nodes: Vec::new(), folders: Vec::new(), is_whole: true, along: Vec::new(), done };
        for (operation, result) in transaction.operations.into_iter().zip(results) {
            let (path, state) = match operation {
                Operation::Check { .. } => continue,
                Operation::Delete { path, .. } => (path, None),
                Operation::Create { path, data } => (path, Some((data.into_bytes(), created(at)))),
                Operation::Set { path, data, .. } => {
                    change.is_whole &= result.is_some();
                    (path, Some((data.into_bytes(), result.unwrap_or_default())))
                }
            };
            let place = layout.place(&path);
            // What applications offer is not read as it comes, but when the catalog asks for it.
            change.is_whole &= !matches!(place, Place::Application(_) | Place::Foreign(_));
            let folder = parent(&path);
            if place.counts_in_folder() && change.folders.last().is_none_or(|last| last != folder) {
                change.folders.push(folder.to_owned());
            }
            if let Place::Mark(registrant @ Registrant::Instance(_), _) = place {
                change.along.push(layout.document(&registrant));
            }
            change.nodes.push(Node { path, state });
        }
        // With a mark of this replica the catalog must never show the document of one that stood there before.
        let is_written = |path: &String| change.nodes.iter().any(|node| node.path == *path);
        change.along.retain(|path| !is_written(path));
        change.is_whole &= change.along.is_empty();
        change
    }
}

/// The stat of what was created by the transaction that wrote something with the stat `at`.
fn created(at: &Stat) -> Stat {
    Stat {
        czxid: at.mzxid,
        mzxid: at.mzxid,
        pzxid: at.mzxid,
        ctime: at.mtime,
        mtime: at.mtime,
        ..Stat::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writes(paths: &[&str]) -> Transaction {
        let mut transaction = Transaction::default();
        transaction.check("/checked", -1);
        paths.iter().for_each(|path| transaction.create(*path, ""));
        transaction
    }

    #[test]
    fn only_a_path_that_has_met_its_own_event_and_no_other_is_known() {
        let writing = Writing::default();
        writing.begin(&writes(&["/a", "/b", "/c"]));
        assert!(!writing.note("/checked") && !writing.note("/x"), "of others");
        assert!(writing.note("/a") && writing.note("/b") && writing.note("/b"));
        assert_eq!(["/a", "/b", "/c"].map(|path| writing.settle(path)), [true, false, false]);
        assert!(!writing.note("/a"), "it has ended");
    }

    #[test]
    fn what_two_transactions_write_is_read_after_both() {
        let writing = Writing::default();
        writing.begin(&writes(&["/a"]));
        assert!(writing.note("/a"));
        writing.begin(&writes(&["/a"]));
        assert!(!writing.note("/a"), "nobody can tell whose it is");
        assert_eq!([writing.settle("/a"), writing.settle("/a")], [false, false]);
        writing.begin(&writes(&["/a", "/a"]));
        assert_eq!([writing.settle("/a"), writing.settle("/a")], [false, false]);
        assert!(writing.0.lock().is_empty());
    }

    #[test]
    fn what_was_left_is_read_after_all_when_nothing_came_of_it_or_somebody_waits() {
        let writing = Writing::default();
        writing.begin(&writes(&["/a", "/b"]));
        assert!(writing.note("/a"));
        assert_eq!(writing.give_up(&writes(&["/a", "/b"])), ["/a"]);
        writing.begin(&writes(&["/a", "/b"]));
        assert!(writing.note("/b"));
        assert_eq!(writing.disturb(), ["/b"]);
        assert!(writing.disturb().is_empty() && !writing.note("/b"));
        assert_eq!([writing.settle("/a"), writing.settle("/b")], [false, false]);
    }
}
