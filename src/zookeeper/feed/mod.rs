//! Follows all trees and hands every change to the catalog.
//!
//! ZooKeeper's recursive watches say which path changed, not to what, and what happened while the connection was
//! away is never told. So an event only makes its path dirty; dirty paths are read in batches, and after every
//! reconnect everything is read again. Two rules keep the catalog from stepping back: a path is in at most one
//! read at a time (a path that gets dirty meanwhile is read once more), and a full reading never overwrites a path
//! that was read because it got dirty after the full reading began.
//!
//! What a full reading only lists and the catalog wants to know more of is read as if it were dirty, and the catalog
//! does not count as following before that has arrived.

mod reads;
mod writes;

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use futures::future::BoxFuture;
use futures::stream::{FuturesOrdered, StreamExt};
use tokio::sync::mpsc;
use zookeeper_client::{Error, SessionState};

use self::reads::Finished;
use super::change::{Batch, Node, Refresh, Sink, Waiter};
use super::connection::Connection;
use super::dirty::Dirty;
use super::held::Held;
use super::layout::{Layout, parent};
use super::load::{self, Loaded};
use super::watches::{Seen, Watches};
use super::writing::Ended;

/// Paths in one read. Two hundred is where the server's cost per path stops falling.
pub(super) const BATCH: usize = 200;
/// Documents of what applications offer in one read: each can be large.
const LARGE_BATCH: usize = 10;
/// Reads under way at once; few, so that a flood of events never delays a transaction by much.
const READS_IN_FLIGHT: usize = 4;

/// Why the feed of a connection ended.
pub(super) enum End {
    /// The session is over.
    SessionOver(SessionState),
    /// Reading failed for a reason that this session cannot mend.
    Failed(Error),
}

/// The state of following one connection.
struct Feed<'f> {
    connection: &'f Arc<Connection>,
    layout: &'f Layout,
    sink: &'f Arc<dyn Sink>,
    /// Paths to read, with those who wait for it.
    dirty: Dirty,
    /// Paths that are being read, with the numbers that they had among the dirty ones.
    reading: HashMap<String, u64>,
    /// In the order in which they were sent, which is that in which the server answers.
    reads: FuturesOrdered<BoxFuture<'static, Finished>>,
    /// Those who wait for each of them.
    waiting: VecDeque<Vec<Waiter>>,
    held: Held,
    /// The full reading under way, if any, and the paths that it must not overwrite.
    load: Option<mpsc::Receiver<Loaded>>,
    /// Whether one is to come: what happened since the connection was lost has not been told.
    must_load: bool,
    /// Those who wait for everything that was committed before they asked: until the server is asked to catch up,
    /// until it has, and while a full reading is under way, since what was missed is not known before.
    before_sync: Vec<Waiter>,
    after_sync: Vec<Waiter>,
    sync: Option<BoxFuture<'static, bool>>,
    after_load: Vec<Waiter>,
    touched: HashSet<String>,
    /// What it has met; `None` when the catalog knew of nothing before, so that it can know of nothing that has gone.
    met: Option<HashSet<String>>,
    /// What the catalog wants to be read besides, and whether a full reading is done but for that.
    wanted: HashSet<String>,
    ending: bool,
}

/// Follows `connection` until its session ends; `on_state` is told of every state of the session and of the end of
/// every full reading (`true`: the catalog follows).
pub(super) async fn follow(
    connection: &Arc<Connection>,
    layout: &Layout,
    sink: &Arc<dyn Sink>,
    refreshes: &mut mpsc::Receiver<Refresh>,
    outcomes: &mut mpsc::Receiver<Ended>,
    on_state: &(dyn Fn(SessionState, bool) + Send + Sync),
) -> End {
    let mut watches = match Watches::start(&connection.client, layout).await {
        Ok(watches) => watches,
        Err(error) => return End::Failed(error),
    };
    let mut feed = Feed {
        connection,
        layout,
        sink,
        dirty: Dirty::default(),
        reading: HashMap::new(),
        reads: FuturesOrdered::new(),
        waiting: VecDeque::new(),
        held: Held::default(),
        load: None,
        must_load: true,
        before_sync: Vec::new(),
        after_sync: Vec::new(),
        sync: None,
        after_load: Vec::new(),
        touched: HashSet::new(),
        met: None,
        wanted: HashSet::new(),
        ending: false,
    };
    feed.begin_load();
    // A session event that was met while looking for changes.
    let mut session_event = None;
    loop {
        if let Some(state) = session_event.take() {
            match feed.on_session(state, on_state).await {
                Some(end) => return end,
                None => continue,
            }
        }
        if feed.ending && feed.wanted.is_empty() {
            feed.ending = false;
            sink.following(true);
            on_state(SessionState::SyncConnected, true);
        }
        feed.start_reads();
        tokio::select! {
            seen = watches.next() => match seen {
                Seen::Change(path) => {
                    feed.on_event(path);
                    // What came with it is read with it.
                    session_event = watches.drain(|path| feed.on_event(path));
                }
                Seen::Session(state) => session_event = Some(state),
            },
            Some(refresh) = refreshes.recv() => {
                // Events of what this session has written have arrived before it was told so.
                session_event = watches.drain(|path| feed.on_event(path));
                feed.on_refresh(refresh, session_event.is_none());
            }
            Some(ended) = outcomes.recv() => {
                // As above.
                session_event = watches.drain(|path| feed.on_event(path));
                feed.on_ended(ended, session_event.is_none());
                while let Ok(ended) = outcomes.try_recv() {
                    feed.on_ended(ended, session_event.is_none());
                }
            }
            synced = next_synced(&mut feed.sync) => {
                feed.sync = None;
                // Events of what was committed before have arrived before the reply.
                session_event = watches.drain(|path| feed.on_event(path));
                feed.on_synced(synced && session_event.is_none());
            }
            Some(finished) = feed.reads.next(), if !feed.reads.is_empty() => {
                // As above: of everything that was committed before it was read.
                session_event = watches.drain(|path| feed.on_event(path));
                feed.on_finished(finished);
            }
            loaded = next_loaded(&mut feed.load) => match loaded {
                Loaded::Nodes(nodes) => feed.on_loaded(nodes),
                Loaded::Complete => feed.end_load(),
                Loaded::Failed(error) => {
                    feed.load = None;
                    if is_fatal(&error) {
                        return End::Failed(error);
                    }
                    // Lost while connected, for example to the deadline on a busy server: begin again.
                    if connection.is_usable() {
                        feed.begin_load();
                    }
                }
            },
        }
    }
}

fn is_fatal(error: &Error) -> bool {
    matches!(error, Error::NoAuth | Error::Unimplemented | Error::AuthFailed | Error::SessionExpired)
}

async fn next_loaded(load: &mut Option<mpsc::Receiver<Loaded>>) -> Loaded {
    match load {
        Some(receiver) => receiver.recv().await.unwrap_or(Loaded::Failed(Error::ConnectionLoss)),
        None => std::future::pending().await,
    }
}

async fn next_synced(sync: &mut Option<BoxFuture<'static, bool>>) -> bool {
    match sync {
        Some(sync) => sync.await,
        None => std::future::pending().await,
    }
}

impl Feed<'_> {
    async fn on_session(
        &mut self,
        state: SessionState,
        on_state: &(dyn Fn(SessionState, bool) + Send + Sync),
    ) -> Option<End> {
        if state.is_terminated() {
            return Some(End::SessionOver(state));
        }
        if state == SessionState::SyncConnected {
            // The library does not restore persistent watches after a reconnect; asking again does.
            match Watches::start(&self.connection.client, self.layout).await {
                Ok(_) if does_wrong!("skip-relist") => (self.ending, self.must_load) = (true, false),
                // The objects are dropped: the first watchers live on and get the events.
                Ok(_) => self.begin_load(),
                Err(error) if is_fatal(&error) => return Some(End::Failed(error)),
                // Disconnected again: the next event says so.
                Err(error) => log::debug!("cannot watch again: {error}"),
            }
        } else {
            self.sink.following(false);
            // What it has read may be outdated by what happens until the connection is back.
            self.load = None;
            self.must_load = true;
            self.sync = None;
            self.ending = false;
            self.fail_waiters();
        }
        on_state(state, false);
        None
    }

    fn begin_load(&mut self) {
        self.touched.clear();
        self.met = (!self.sink.is_new()).then(HashSet::new);
        self.wanted.clear();
        self.ending = false;
        self.must_load = false;
        self.load = Some(load::start(self.connection.clone(), self.layout.clone(), self.sink.clone()));
    }

    fn on_loaded(&mut self, mut nodes: Box<dyn Batch>) {
        if let Some(met) = &mut self.met {
            met.extend(nodes.paths().into_iter().map(str::to_owned));
        }
        if !self.touched.is_empty() {
            nodes.leave_out(&|path| self.touched.contains(path));
        }
        let wanted = nodes.apply();
        self.want(wanted);
    }

    fn apply(&mut self, nodes: Vec<Node>) {
        let wanted = self.sink.apply(nodes);
        self.want(wanted);
    }

    /// Has read what the catalog wants to know more of.
    fn want(&mut self, paths: Vec<String>) {
        for path in paths {
            self.dirty.mark(path.clone());
            self.wanted.insert(path);
        }
    }

    fn end_load(&mut self) {
        self.load = None;
        let met = self.met.take();
        let gone = met.into_iter().flat_map(|met| {
            let is_gone = move |path: &String| !met.contains(path);
            self.sink.known_paths().into_iter().filter(is_gone)
        });
        for path in gone.filter(|path| !self.touched.contains(path)).collect::<Vec<_>>() {
            // In its turn: what has come in its place may have been noticed already and not been read yet.
            self.dirty.mark(path.clone());
            self.wanted.insert(path);
        }
        self.touched = HashSet::new();
        self.ending = true;
        for waiter in std::mem::take(&mut self.after_load) {
            self.wait_for_everything(&waiter);
        }
        self.release_held();
    }

    fn on_event(&mut self, path: String) {
        if does_wrong!("drop-event") {
            return;
        }
        if !self.connection.sender.writing.note(&path) {
            self.note(path);
        }
    }

    /// Has `path` read, and its folder if that is a part of it.
    fn note(&mut self, path: String) {
        let place = self.layout.place(&path);
        // The stat of these folders is part of every revision, and a child's event does not name its folder.
        if place.counts_in_folder() {
            self.dirty.mark(parent(&path).to_owned());
        }
        if place.is_read() {
            self.dirty.mark(path);
        }
    }

    fn on_refresh(&mut self, refresh: Refresh, is_watching: bool) {
        if !self.connection.is_usable() || refresh.done.is_closed() {
            return refresh.done.tell(false);
        }
        let waiter = Waiter::new(refresh.done);
        if refresh.paths.is_empty() {
            self.before_sync.push(waiter);
            return self.begin_sync();
        }
        if refresh.sync {
            // Sent by the call, and what is sent after it on the same session sees all that was committed before
            // it; so its reply need not be waited for.
            self.connection.send_sync(&self.layout.registry_root);
        }
        // What the session has written has been told already, so what is dirty or being read is what is wanted. What is
        // being read and has changed since is dirty again.
        let is_told = !refresh.sync && is_watching && self.load.is_none();
        let mut is_under_way = false;
        let mut want = |path: String| {
            if is_told && self.reading.contains_key(&path) && !self.dirty.contains(&path) {
                is_under_way = true;
            } else {
                self.dirty.mark(path).push(waiter.clone());
            }
        };
        for path in refresh.paths {
            let place = self.layout.place(&path);
            if place.counts_in_folder() {
                want(parent(&path).to_owned());
            }
            // The texts of schemas, for example, are large and of no interest here.
            if place.is_read() {
                want(path);
            }
        }
        if is_under_way {
            self.waiting.iter_mut().for_each(|waiters| waiters.push(waiter.clone()));
        }
    }

    /// Asks the server to catch up, once for all who wait; those who come meanwhile wait for the next time, since
    /// what they wait for may have been committed after this one was sent.
    fn begin_sync(&mut self) {
        if self.sync.is_none() && !self.before_sync.is_empty() {
            self.after_sync = std::mem::take(&mut self.before_sync);
            let connection = self.connection.clone();
            let root = self.layout.registry_root.clone();
            self.sync = Some(Box::pin(async move { connection.sync(&root).await.is_ok() }));
        }
    }

    fn on_synced(&mut self, succeeded: bool) {
        for waiter in std::mem::take(&mut self.after_sync) {
            if succeeded {
                self.wait_for_everything(&waiter);
            } else {
                waiter.fail();
            }
        }
        self.begin_sync();
    }

    /// Lets `waiter` wait for everything that has been told so far. The server has caught up, so that is all that was
    /// committed before it asked.
    fn wait_for_everything(&mut self, waiter: &Waiter) {
        if self.load.is_some() {
            return self.after_load.push(waiter.clone());
        }
        // What was left to the end of a transaction is not.
        for path in self.connection.sender.writing.disturb() {
            self.note(path);
        }
        self.dirty.all_wait(waiter);
        // What changed after it was read has been told, and is dirty; else its news is what is on its way. Reading it once
        // more for everybody who waits would never end on a slow server.
        self.waiting.iter_mut().for_each(|waiters| waiters.push(waiter.clone()));
    }

    fn fail_waiters(&mut self) {
        self.held.fail();
        self.waiting.iter().flatten().for_each(Waiter::fail);
        let waiting = self.dirty.clear().into_iter();
        let waiting = waiting.chain(self.before_sync.drain(..)).chain(self.after_sync.drain(..));
        for waiter in waiting.chain(self.after_load.drain(..)) {
            waiter.fail();
        }
    }
}

impl Drop for Feed<'_> {
    fn drop(&mut self) {
        // Whoever waits would take the end of it all for the end of a reading.
        self.fail_waiters();
    }
}
