//! A witness: sees every creation and deletion below a path, whatever the gateways do.
//!
//! While it is connected it follows a persistent recursive watch. After a reconnect it watches again, reads
//! everything again, and compares by creation zxid, so that a znode that was deleted and created again while
//! nobody looked still counts as deleted.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::stream::{FuturesUnordered, StreamExt};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use zookeeper_client::{AddWatchMode, Client, Error, EventType, SessionState};

use super::znodes::tree;

/// What was seen of one znode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// It came into being.
    Created(String),
    /// It went.
    Deleted(String),
}

/// A running witness. Dropping it ends it.
pub struct Watcher {
    seen: Arc<Mutex<Vec<Seen>>>,
    task: JoinHandle<()>,
}

impl Watcher {
    /// Watches everything below `root`, which is an absolute path under the connect string's chroot.
    /// Returns once the watch stands.
    pub async fn start(connect_string: &str, root: &str) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (ready, is_ready) = oneshot::channel();
        let witness = Witness {
            connect_string: connect_string.to_owned(),
            root: root.to_owned(),
            seen: seen.clone(),
            known: None,
        };
        let task = tokio::spawn(witness.run(ready));
        is_ready.await.unwrap();
        Self { seen, task }
    }

    /// Everything seen so far, in order.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// Everything seen since the last call, in order.
    pub fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.seen.lock().unwrap())
    }

    /// The paths that were deleted so far, in order, those only whose path has `part` in it.
    pub fn deleted(&self, part: &str) -> Vec<String> {
        let deleted = self.seen().into_iter().filter_map(|seen| match seen {
            Seen::Deleted(path) if path.contains(part) => Some(path),
            _ => None,
        });
        deleted.collect()
    }

    /// The paths that were created so far, in order, those only whose path has `part` in it.
    pub fn created(&self, part: &str) -> Vec<String> {
        let created = self.seen().into_iter().filter_map(|seen| match seen {
            Seen::Created(path) if path.contains(part) => Some(path),
            _ => None,
        });
        created.collect()
    }

    /// Forgets what was seen so far.
    pub fn forget(&self) {
        self.seen.lock().unwrap().clear();
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Witness {
    connect_string: String,
    root: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    /// Every znode by its path, with its creation zxid; `None` before the first reading.
    known: Option<BTreeMap<String, i64>>,
}

impl Witness {
    async fn run(mut self, ready: oneshot::Sender<()>) {
        let mut ready = Some(ready);
        loop {
            let connector = Client::connector().with_session_timeout(Duration::from_secs(5));
            if let Ok(client) = connector.connect(&self.connect_string).await {
                // An error means that the session was lost: begin again with another.
                let _ = self.follow(&client, &mut ready).await;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn follow(
        &mut self,
        client: &Client,
        ready: &mut Option<oneshot::Sender<()>>,
    ) -> Result<(), Error> {
        let mut watch = client.watch(&self.root, AddWatchMode::PersistentRecursive).await?;
        self.compare(client).await?;
        if let Some(ready) = ready.take() {
            let _ = ready.send(());
        }
        // What came is looked at while more events are taken: one that waits for the answers of others is told late.
        let mut looks = FuturesUnordered::new();
        loop {
            let event = tokio::select! {
                Some(looked) = looks.next() => {
                    let (path, created): (String, i64) = looked;
                    self.learn(&path, created);
                    continue;
                }
                event = watch.changed() => event,
            };
            match event.event_type {
                EventType::Session if event.session_state.is_terminated() => {
                    return Err(Error::SessionExpired);
                }
                EventType::Session if event.session_state == SessionState::SyncConnected => {
                    // The client does not restore persistent watches by itself.
                    drop(client.watch(&self.root, AddWatchMode::PersistentRecursive).await);
                    // Lost again: the next `SyncConnected` repeats this.
                    let _ = self.compare(client).await;
                }
                EventType::NodeCreated if self.is_new(&event.path) => {
                    looks.push(look(client, event.path));
                }
                // Seen by a reading that came before the event, unless it went and came again since.
                EventType::NodeCreated => {
                    let (path, created) = look(client, event.path).await;
                    self.came(path, created);
                }
                EventType::NodeDeleted => self.deleted(&event.path),
                _ => {}
            }
        }
    }

    /// Notes that `path` came, unless it is known; it is known by 0 until it was looked at.
    fn is_new(&mut self, path: &str) -> bool {
        let known = self.known.get_or_insert_default();
        let is_new = !known.contains_key(path);
        if is_new {
            known.insert(path.to_owned(), 0);
            self.record(Seen::Created(path.to_owned()));
        }
        is_new
    }

    /// Notes by which creation a znode is known that has come, if it is still there.
    fn learn(&mut self, path: &str, created: i64) {
        if let Some(known) = self.known.get_or_insert_default().get_mut(path) {
            // It may be the answer about an earlier creation, which is less.
            *known = created.max(*known);
        }
    }

    /// Notes that a znode came that is known already, unless it is known by this creation.
    fn came(&mut self, path: String, created: i64) {
        if self.known.get_or_insert_default().insert(path.clone(), created) != Some(created) {
            self.record(Seen::Created(path));
        }
    }

    fn deleted(&mut self, path: &str) {
        if self.known.get_or_insert_default().remove(path).is_some() {
            self.record(Seen::Deleted(path.to_owned()));
        }
    }

    /// Reads everything and records the differences to what is known.
    async fn compare(&mut self, client: &Client) -> Result<(), Error> {
        let now: BTreeMap<_, _> =
            tree(client, &self.root).await?.into_iter().map(|(path, stat)| (path, stat.czxid)).collect();
        if let Some(before) = self.known.replace(now.clone()) {
            for (path, created) in &before {
                // A creation whose znode was gone before it could be looked at is known by 0 only.
                if now.get(path).is_none_or(|current| *created != 0 && current != created) {
                    self.record(Seen::Deleted(path.clone()));
                }
            }
            for (path, created) in &now {
                // One that is known by 0 was noted already.
                if before.get(path).is_none_or(|known| *known != 0 && known != created) {
                    self.record(Seen::Created(path.clone()));
                }
            }
        }
        Ok(())
    }

    fn record(&self, seen: Seen) {
        self.seen.lock().unwrap().push(seen);
    }
}

/// `path` with the zxid of its creation; 0 when it is gone, or nobody answers.
async fn look(client: &Client, path: String) -> (String, i64) {
    let created = client.check_stat(&path).await.ok().flatten().map_or(0, |stat| stat.czxid);
    (path, created)
}
