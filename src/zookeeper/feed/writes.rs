//! What this session has written itself, taken from the replies to its transactions.

use super::{Ended, Feed, Node, Refresh, Waiter};
use crate::zookeeper::change::{Done, Shown};
use crate::zookeeper::writing::Change;

impl Feed<'_> {
    /// Takes what became of a transaction.
    pub(super) fn on_ended(&mut self, ended: Ended, is_watching: bool) {
        match ended {
            Ended::Stirred(paths) => paths.into_iter().for_each(|path| self.note(path)),
            Ended::Written(zxid, changes) => self.on_written(zxid, changes, is_watching),
        }
    }

    fn on_written(&mut self, zxid: i64, changes: Vec<Change>, is_watching: bool) {
        // A full reading under way, or one that is to come, may have met an earlier state.
        let is_following =
            is_watching && self.load.is_none() && !self.must_load && self.connection.is_usable();
        let (mut nodes, mut folders, mut waiters) = (Vec::new(), Vec::new(), Vec::new());
        for change in changes {
            let is_clear = self.is_clear(&change.nodes);
            if !(is_following && is_clear && change.is_whole) {
                self.read_instead(change, is_watching);
                continue;
            }
            let waiter = Waiter::new(change.done);
            for folder in change.folders {
                if self.dirty.contains(&folder) || self.reading.contains_key(&folder) {
                    // An earlier state of it may be on its way.
                    self.dirty.mark(folder).push(waiter.clone());
                } else if folders.last() != Some(&folder) {
                    folders.push(folder);
                }
            }
            nodes.extend(change.nodes);
            waiters.push(waiter);
        }
        self.sink.touch(folders, zxid);
        self.take(nodes, waiters);
        self.release_held();
    }

    /// Whether nothing but the transaction itself has happened to these since it was sent, so that nothing else is to be
    /// known of them than what it says.
    fn is_clear(&self, nodes: &[Node]) -> bool {
        let writing = &self.connection.sender.writing;
        nodes.iter().fold(true, |is_clear, Node { path, .. }| {
            // Each has to be settled, whatever is known of those before.
            let is_alone = writing.settle(path);
            is_clear && is_alone && !self.dirty.contains(path) && !self.reading.contains_key(path)
        })
    }

    fn read_instead(&mut self, change: Change, is_watching: bool) {
        let mut paths: Vec<String> = change.nodes.into_iter().map(|node| node.path).collect();
        paths.extend(change.along);
        let done = match change.done {
            Done::Committed(listener, _) => Done::Committed(listener, Shown::AsRead),
            done => done,
        };
        self.on_refresh(Refresh { paths, sync: false, done }, is_watching);
    }
}
