//! The reading of what has become dirty: in batches, applied in the order in which they were sent, and what has gone last.

use std::sync::Arc;

use futures::future::BoxFuture;
use futures::stream::FuturesOrdered;
use zookeeper_client::Error;

use super::{BATCH, Feed, LARGE_BATCH, READS_IN_FLIGHT};
use crate::zookeeper::application::ApplicationPlace;
use crate::zookeeper::change::{Node, Waiter};
use crate::zookeeper::connection::{Connection, Read};
use crate::zookeeper::dirty::Taken;
use crate::zookeeper::layout::Place;

/// A read that has ended, and how.
pub(super) struct Finished {
    paths: Vec<String>,
    outcome: Result<Vec<Read>, Error>,
}

fn read(connection: Arc<Connection>, paths: Vec<String>) -> BoxFuture<'static, Finished> {
    Box::pin(async move {
        let wanted: Vec<(String, bool)> = paths.into_iter().map(|path| (path, false)).collect();
        let outcome = connection.read(&wanted).await;
        Finished { paths: wanted.into_iter().map(|(path, _)| path).collect(), outcome }
    })
}

impl Feed<'_> {
    pub(super) fn start_reads(&mut self) {
        while self.reads.len() < READS_IN_FLIGHT {
            let mut room = BATCH;
            let fits = |path: &str| {
                let large = matches!(
                    self.layout.place(path),
                    Place::Application(ApplicationPlace::Metadata(_) | ApplicationPlace::Mapping(_))
                );
                let left = room.checked_sub(if large { BATCH / LARGE_BATCH } else { 1 });
                room = left.unwrap_or(0);
                left.is_some()
            };
            let Taken { paths, numbers, waiters } =
                self.dirty.take(|path| !self.reading.contains_key(path), fits);
            if paths.is_empty() {
                return;
            }
            self.reading.extend(paths.iter().cloned().zip(numbers));
            self.waiting.push_back(waiters);
            self.reads.push_back(read(self.connection.clone(), paths));
        }
    }

    pub(super) fn on_finished(&mut self, finished: Finished) {
        let waiters = self.waiting.pop_front().unwrap_or_default();
        let reads = match finished.outcome {
            Ok(reads) => reads,
            Err(error) => {
                log::debug!("reading {} changed znodes failed: {error}", finished.paths.len());
                waiters.iter().for_each(Waiter::fail);
                if self.connection.is_usable() {
                    // Once more, in halves, and what was read after it waits: half a transaction must not be seen.
                    let mut first = finished.paths;
                    let second = first.split_off(first.len() / 2);
                    for half in [second, first].into_iter().filter(|half| !half.is_empty()) {
                        self.waiting.push_front(Vec::new());
                        self.reads.push_front(read(self.connection.clone(), half));
                    }
                } else {
                    // Disconnected: everything is read again after the reconnect.
                    self.waiting.drain(..).flatten().for_each(|waiter| waiter.fail());
                    self.reads = FuturesOrdered::new();
                    self.reading.clear();
                }
                return;
            }
        };
        for path in &finished.paths {
            self.reading.remove(path);
            self.wanted.remove(path);
        }
        if self.load.is_some() {
            self.touched.extend(finished.paths.iter().cloned());
        }
        let nodes = finished.paths.into_iter().zip(reads).filter_map(|(path, read)| match read {
            Read::Data(data, stat) => Some(Node { path, state: Some((data, stat)) }),
            Read::Absent => Some(Node { path, state: None }),
            Read::Refused(reason) => {
                log::warn!("cannot read {path}: {reason}");
                None
            }
            // Only data is asked for here.
            Read::Children(_) => None,
        });
        self.take(nodes.collect(), waiters);
        self.release_held();
    }

    /// Hands on what is known to stand there now, and holds what has gone.
    pub(super) fn take(&mut self, nodes: Vec<Node>, waiters: Vec<Waiter>) {
        let is_held = |node: &Node| node.state.is_none() && self.layout.place(&node.path).is_offered();
        let (gone, rest): (Vec<_>, Vec<_>) = nodes.into_iter().partition(is_held);
        self.held.forget(&rest);
        self.apply(rest);
        if !gone.is_empty() {
            self.held.hold(self.dirty.next(), gone, waiters);
        }
    }

    /// Lets go what has gone, as far as everything that may have come in its place has been read: of what came while the
    /// connection was away nobody tells, so that is when all has been read again.
    pub(super) fn release_held(&mut self) {
        if self.load.is_some() || self.must_load {
            return;
        }
        let reading = self.reading.iter().map(|(path, number)| (*number, path.as_str()));
        let mut released = self.held.release(reading.chain(self.dirty.numbered()));
        if !released.nodes.is_empty() {
            self.apply(std::mem::take(&mut released.nodes));
        }
    }
}
