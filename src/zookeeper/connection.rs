//! One ZooKeeper session as the rest of the gateway uses it: every operation has a deadline and is counted, and
//! nothing is sent while the session is not connected (the client library would queue it for as long as it takes).

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::try_join_all;
use futures::stream::{self, StreamExt};
use parking_lot::Mutex;
use std::collections::HashSet;
use tokio::time::timeout;
use zookeeper_client::{Client, CreateMode, Error, MultiReadResult, SessionState};

use super::change::{Shown, Stat};
use super::gate::Gate;
use super::layout::{Layout, parent};
use super::sender::{Sender, cause_of, outcome_name, unknown};
use super::shared::Shared;
use super::transaction::{Cause, CommitError, Operation, Transaction};
use crate::model::ReplicaId;

/// How many folders are remembered as existing. Past it the memory starts anew; forgetting costs a look-up.
const MAX_KNOWN_FOLDERS: usize = 200_000;

/// Folders that are made at once.
const FOLDERS_IN_FLIGHT: usize = 64;

/// One ZooKeeper session.
pub struct Connection {
    pub(super) client: Client,
    /// The name of this replica for the length of this session.
    pub replica: ReplicaId,
    layout: Layout,
    deadline: Duration,
    gate: Arc<Gate>,
    shared: Shared,
    pub(super) sender: Arc<Sender>,
    /// Bytes that the chroot adds to every path.
    pub chroot_bytes: usize,
    /// Folders that exist: they are never deleted, so seeing one once is enough.
    folders: Mutex<HashSet<String>>,
}

/// One result of [`Connection::read`].
pub(super) enum Read {
    /// The data and stat of a znode.
    Data(Vec<u8>, Stat),
    /// The names of its children.
    Children(Vec<String>),
    /// It does not exist.
    Absent,
    /// It cannot be read, for example for want of permission.
    Refused(String),
}

impl Connection {
    pub(super) fn new(replica: ReplicaId, gate: Arc<Gate>, sender: Sender) -> Self {
        let client = sender.client.clone();
        let chroot_bytes = if client.path() == "/" { 0 } else { client.path().len() };
        let sender = Arc::new(sender);
        Self {
            client,
            replica,
            layout: sender.layout.clone(),
            deadline: sender.deadline,
            gate,
            shared: Shared::start(sender.clone()),
            sender,
            chroot_bytes,
            folders: Mutex::default(),
        }
    }

    /// Whether an operation can be sent now.
    pub fn is_usable(&self) -> bool {
        self.client.state() == SessionState::SyncConnected
    }

    /// Carries out `transactions`, one after the other, and answers how the catalog knows of them. Only before the first they have to wait for their turn: a change
    /// that has begun must not be refused half way.
    ///
    /// # Errors
    /// [`CommitError::Busy`] when their turn does not come in time, or that of the first transaction that fails; what
    /// comes after it is not carried out.
    pub async fn commit_in_turn(&self, transactions: &[Transaction]) -> Result<Shown, CommitError> {
        if !self.is_usable() {
            return Err(CommitError::NotConnected);
        }
        let _turn = self.gate.enter().await?;
        let mut shown = Shown::AsWritten;
        for (index, transaction) in transactions.iter().enumerate() {
            let how = self.commit(transaction).await.map_err(|error| match error {
                CommitError::NotConnected if index > 0 => {
                    CommitError::Unknown("the connection was lost before all of it was sent".into())
                }
                CommitError::Busy if index > 0 => {
                    CommitError::Unknown("not all of it could be sent in time".into())
                }
                error => error,
            })?;
            shown = shown.max(how);
        }
        Ok(shown)
    }

    /// Carries out `transaction`, after making sure that the folders of what it creates exist, and answers how the
    /// catalog knows of what it has changed; if that takes too long, it stands all the same. Those of the gate's crowd
    /// that wait for their turn do not come before it: what this replica does of its own accord must not be kept from.
    ///
    /// # Errors
    /// See [`CommitError`]; a step whose folder was deleted by hand is tried once more with the folder restored.
    pub async fn commit(&self, transaction: &Transaction) -> Result<Shown, CommitError> {
        self.ensure_folders(transaction).await?;
        #[cfg(feature = "failpoints")]
        {
            if does_wrong!("ack-before-commit") {
                self.commit_later(transaction);
                return Ok(Shown::AsWritten);
            }
            if does_wrong!("resurrect") {
                self.put_back_later(transaction).await;
            }
        }
        match self.try_commit(transaction).await {
            Err(CommitError::Unknown(_)) if does_wrong!("ignore-unknown") => Ok(Shown::AsWritten),
            Err(CommitError::Failed { path, cause: Cause::NoNode })
                if creates(transaction, &path) && self.forget_folder(&path) =>
            {
                self.ensure_folders(transaction).await?;
                self.try_commit(transaction).await
            }
            outcome => outcome,
        }
    }

    async fn try_commit(&self, transaction: &Transaction) -> Result<Shown, CommitError> {
        self.shared.commit(transaction.clone()).await
    }

    /// Creates what is missing of a folder's path.
    pub(super) async fn make_folder(&self, path: &str) -> Result<(), Error> {
        let options = CreateMode::Persistent.with_acls(self.sender.acls());
        let started = Instant::now();
        let outcome = timeout(self.deadline, self.client.mkdir(path, &options)).await;
        self.sender.count("mkdir", started, outcome_name(&outcome));
        outcome.unwrap_or(Err(Error::Timeout))
    }

    /// Creates the ephemeral znode of this replica.
    pub(super) async fn announce(&self, path: &str, data: &str) -> Result<(), Error> {
        let options = CreateMode::Ephemeral.with_acls(self.sender.acls());
        let started = Instant::now();
        let outcome = timeout(self.deadline, self.client.create(path, data.as_bytes(), &options)).await;
        self.sender.count("create", started, outcome_name(&outcome));
        match outcome {
            Err(_) => Err(Error::Timeout),
            Ok(Err(error)) if error != Error::NodeExists => Err(error),
            Ok(_) => Ok(()),
        }
    }

    /// Deletes everything below `path`, deepest first, and answers how much that was.
    ///
    /// # Errors
    /// [`CommitError`] when something could not be read or deleted.
    pub async fn delete_below(&self, path: &str) -> Result<usize, CommitError> {
        // Parents come before their children here, and are deleted after them.
        let mut found = vec![path.to_owned()];
        let mut next = 0;
        while let Some(folder) = found.get(next).cloned() {
            let names = timeout(self.deadline, self.client.list_children(&folder)).await;
            let names = names.unwrap_or(Err(Error::Timeout)).map_err(|error| failed(&folder, error))?;
            found.extend(names.into_iter().map(|name| format!("{folder}/{name}")));
            next += 1;
        }
        let mut deletions = Transaction::default();
        for below in found.iter().skip(1).rev() {
            deletions.delete(below, -1);
        }
        self.try_commit(&deletions).await?;
        Ok(deletions.operations.len())
    }

    /// Reads many znodes in one request: the children of those paths that come with `true`, the data of the others.
    pub(super) async fn read(&self, wanted: &[(String, bool)]) -> Result<Vec<Read>, Error> {
        let mut reader = self.client.new_multi_reader();
        // A path that the client library refuses to send, because of a foreign name, has no place in the request.
        let mut sent = vec![true; wanted.len()];
        for (index, (path, children)) in wanted.iter().enumerate() {
            let added = if *children { reader.add_get_children(path) } else { reader.add_get_data(path) };
            sent[index] = added.is_ok();
        }
        let started = Instant::now();
        let outcome = timeout(self.deadline, reader.commit()).await;
        self.sender.count("multi_read", started, outcome_name(&outcome));
        let mut results = outcome.unwrap_or(Err(Error::Timeout))?.into_iter();
        let reads = sent.into_iter().map(|sent| {
            if !sent {
                return Ok(Read::Refused("the client library does not accept its path".into()));
            }
            Ok(match results.next() {
                Some(MultiReadResult::Data { data, stat }) => Read::Data(data, Stat::from(&stat)),
                Some(MultiReadResult::Children { children }) => Read::Children(children),
                Some(MultiReadResult::Error { err: Error::NoNode }) => Read::Absent,
                Some(MultiReadResult::Error { err }) => Read::Refused(err.to_string()),
                _ => return Err(Error::RuntimeInconsistent),
            })
        });
        reads.collect()
    }

    /// The data of znodes, `None` for those that do not exist. It may be as old as the catalog, but no older.
    ///
    /// # Errors
    /// [`CommitError::NotConnected`], [`CommitError::Unknown`] when no answer came in time, or
    /// [`CommitError::Failed`] when one may not be read.
    pub async fn data(&self, paths: &[String]) -> Result<Vec<Option<Vec<u8>>>, CommitError> {
        if !self.is_usable() {
            return Err(CommitError::NotConnected);
        }
        let wanted: Vec<(String, bool)> = paths.iter().map(|path| (path.clone(), false)).collect();
        let reads = self.read(&wanted).await.map_err(unknown)?;
        let data = paths.iter().zip(reads).map(|(path, read)| match read {
            Read::Data(data, _) => Ok(Some(data)),
            Read::Absent | Read::Children(_) => Ok(None),
            Read::Refused(reason) => {
                Err(CommitError::Failed { path: path.clone(), cause: Cause::Other(reason) })
            }
        });
        data.collect()
    }

    /// Asks the server to catch up with the leader, and does not wait for it.
    pub(super) fn send_sync(&self, path: &str) {
        drop(self.sender.after_sending(|| self.client.sync(path)));
    }

    /// Asks the server to catch up with the leader. Requests sent after it see everything committed before it.
    pub(super) async fn sync(&self, path: &str) -> Result<(), Error> {
        let started = Instant::now();
        // Whoever waits for it must not meet a change afterwards that was given up before.
        let reply = self.sender.after_sending(|| self.client.sync(path));
        let outcome = timeout(self.deadline, reply).await;
        self.sender.count("sync", started, outcome_name(&outcome));
        outcome.unwrap_or(Err(Error::Timeout))
    }

    async fn ensure_folders(&self, transaction: &Transaction) -> Result<(), CommitError> {
        let missing: HashSet<&str> = {
            let known = self.folders.lock();
            let folders = creations(transaction).map(parent).filter(|folder| !known.contains(*folder));
            // A lease or a document that is missing below what is created means that it is gone: to make it here
            // would bring back what somebody has just taken down.
            folders.filter(|folder| self.layout.place(folder).is_permanent()).collect()
        };
        if missing.is_empty() {
            return Ok(());
        }
        if !self.is_usable() {
            return Err(CommitError::NotConnected);
        }
        try_join_all(missing.iter().map(|folder| self.make_folder(folder)))
            .await
            .map_err(unknown_or_refused)?;
        self.make_folders_beside(&missing).await;
        let mut known = self.folders.lock();
        if known.len() > MAX_KNOWN_FOLDERS {
            known.clear();
        }
        known.extend(missing.into_iter().map(str::to_owned));
        Ok(())
    }

    /// Makes what else an interface must have. Others may own its folder and forbid it: they know what they need, and
    /// nothing of a registration stands there.
    async fn make_folders_beside(&self, folders: &HashSet<&str>) {
        let beside: HashSet<String> = folders.iter().flat_map(|folder| self.layout.beside(folder)).collect();
        let missing = beside.iter().filter(|folder| !folders.contains(folder.as_str()));
        stream::iter(missing)
            .for_each_concurrent(FOLDERS_IN_FLIGHT, |folder| async move {
                if let Err(error) = self.make_folder(folder).await {
                    log::debug!("cannot make {folder}: {error}");
                }
            })
            .await;
    }

    /// Forgets the folder of `path`; false when it was not known.
    fn forget_folder(&self, path: &str) -> bool {
        self.folders.lock().remove(parent(path))
    }
}

fn creations(transaction: &Transaction) -> impl Iterator<Item = &str> {
    transaction.operations.iter().filter_map(|operation| match operation {
        Operation::Create { path, .. } => Some(path.as_str()),
        _ => None,
    })
}

fn creates(transaction: &Transaction, path: &str) -> bool {
    creations(transaction).any(|created| created == path)
}

fn failed(path: &str, error: Error) -> CommitError {
    CommitError::Failed { path: path.to_owned(), cause: cause_of(error) }
}

/// A folder that could not be made: only a refusal is certain not to be mended by trying again.
fn unknown_or_refused(error: Error) -> CommitError {
    match error {
        Error::NoAuth | Error::InvalidAcl | Error::NoNode | Error::BadArguments(_) | Error::QuotaExceeded => {
            failed("", error)
        }
        error => unknown(error),
    }
}
