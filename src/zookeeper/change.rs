//! What the feed hands on: znodes as they were read, who takes them, and who waits for them.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::layout::Place;
use super::transaction::CommitError;

/// What is known of a znode besides its data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stat {
    /// zxid of its creation.
    pub czxid: i64,
    /// zxid of the last change of its data.
    pub mzxid: i64,
    /// zxid of the last creation or deletion of a child.
    pub pzxid: i64,
    /// How often its data was changed: `dataVersion`.
    pub version: i32,
    /// Time of creation, Unix milliseconds.
    pub ctime: i64,
    /// Time of the last change of its data, Unix milliseconds.
    pub mtime: i64,
    /// The session that owns it, or 0.
    pub ephemeral_owner: i64,
    /// How many children it has.
    pub children: i32,
}

impl Stat {
    /// Whether the znode was only listed and not read.
    pub fn is_listed_only(&self) -> bool {
        self.czxid == 0
    }
}

impl From<&zookeeper_client::Stat> for Stat {
    fn from(stat: &zookeeper_client::Stat) -> Self {
        Self {
            czxid: stat.czxid,
            mzxid: stat.mzxid,
            pzxid: stat.pzxid,
            version: stat.version,
            ctime: stat.ctime,
            mtime: stat.mtime,
            ephemeral_owner: stat.ephemeral_owner,
            children: stat.num_children,
        }
    }
}

/// A znode as it was read.
#[derive(Clone, Debug)]
pub struct Node {
    /// Where.
    pub path: String,
    /// What was there; `None` when nothing was.
    pub state: Option<(Vec<u8>, Stat)>,
}

/// Znodes that a full reading has met, taken apart as far as that is possible without looking at anything else.
pub trait Batch: Send {
    /// Their paths.
    fn paths(&self) -> Vec<&str>;
    /// Leaves out those with such paths.
    fn leave_out(&mut self, is_left_out: &dyn Fn(&str) -> bool);
    /// Has the sink take them: see [`Sink::apply`].
    fn apply(self: Box<Self>) -> Vec<String>;
}

/// Who is told of every change.
pub trait Sink: Send + Sync + 'static {
    /// Takes apart znodes of which it is known where they stand, on whatever thread and at any time.
    fn take_apart(self: Arc<Self>, nodes: Vec<(Node, Place)>) -> Box<dyn Batch>;
    /// Takes znodes as they were read, newest last. Those of which a full reading only notes that they exist come with
    /// a stat of zeros; answers the paths of those that it wants to be read all the same.
    fn apply(&self, nodes: Vec<Node>) -> Vec<String>;
    /// Takes that children of these folders were created or deleted by the transaction `zxid`.
    fn touch(&self, folders: Vec<String>, zxid: i64);
    /// Whether it has never been told of anything.
    fn is_new(&self) -> bool;
    /// Every path that it believes to exist; what a full reading did not meet is then taken away.
    fn known_paths(&self) -> Vec<String>;
    /// Whether it is being kept up to date from now on.
    fn following(&self, following: bool);
}

/// A wish to have paths read now.
pub(super) struct Refresh {
    /// What to read; may be empty, when only everything that changed before is to be applied.
    pub paths: Vec<String>,
    /// Whether the server must first catch up with the leader: needed unless this session made the change itself.
    pub sync: bool,
    /// Told when it is done, or cannot be.
    pub done: Done,
}

/// Who is told that something has been read.
pub(super) enum Done {
    /// Somebody who asked for it; dropped when it cannot be.
    Refreshed(oneshot::Sender<()>),
    /// Somebody whose change was carried out, and how the catalog will come to know of it.
    Committed(oneshot::Sender<Result<Shown, CommitError>>, Shown),
}

/// How the catalog knows of a change that was carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shown {
    /// It was told what was written.
    AsWritten,
    /// It has read what stood there afterwards.
    AsRead,
    /// It does not know yet.
    NotYet,
}

impl Done {
    /// Whether nobody listens any more.
    pub fn is_closed(&self) -> bool {
        match self {
            Self::Refreshed(listener) => listener.is_closed(),
            Self::Committed(listener, _) => listener.is_closed(),
        }
    }

    /// Says whether the catalog shows it.
    pub fn tell(self, is_shown: bool) {
        // Who does not listen any more has given up.
        match self {
            Self::Refreshed(listener) if is_shown => drop(listener.send(())),
            Self::Refreshed(_) => {}
            Self::Committed(listener, how) => {
                let how = if is_shown { how } else { Shown::NotYet };
                drop(listener.send(Ok(how)));
            }
        }
    }
}

/// Somebody who waits for reads. Everything that is read for them holds a clone; they are told when the last one goes.
#[derive(Clone)]
pub(super) struct Waiter(Arc<Waiting>);

struct Waiting(Mutex<Option<Done>>);

impl Waiter {
    pub fn new(done: Done) -> Self {
        Self(Arc::new(Waiting(Mutex::new(Some(done)))))
    }

    /// What they wait for failed, and they are told so.
    pub fn fail(&self) {
        if let Some(done) = self.0.0.lock().take() {
            done.tell(false);
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(done) = self.0.lock().take() {
            done.tell(true);
        }
    }
}
