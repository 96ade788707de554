//! Reads all trees whole, level by level, two hundred znodes a request. Whoever has received a reply takes apart what it
//! holds, so that the one task that applies it all has little left to do.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;
use zookeeper_client::Error;

use super::change::{Batch, Node, Sink, Stat};
use super::children::Children;
use super::connection::{Connection, Read};
use super::feed::BATCH;
use super::layout::{Layout, Place};
use crate::background::spawn_vital;

/// What there is room for: requests under way, and those whose replies are being taken apart besides, so that the server has
/// something to do meanwhile. A request takes [`SHARE`] of both: eight under way keep the server busy, and are few enough not
/// to hold up a transaction. While nobody is served, a request for what is small takes one: replies wait for a processor then,
/// and the server should not wait with them.
const UNDER_WAY: usize = 32;
const READERS: usize = 48;
/// See [`UNDER_WAY`].
const SHARE: u32 = 4;
/// Answers that may wait for the catalog.
const ANSWERS: usize = 16;

/// A piece of a full reading.
pub(super) enum Loaded {
    /// Some of the znodes.
    Nodes(Box<dyn Batch>),
    /// That was all.
    Complete,
    /// It could not be finished.
    Failed(Error),
}

/// Begins a full reading for `sink`; it stops by itself when the receiver is dropped.
pub(super) fn start(
    connection: Arc<Connection>,
    layout: Layout,
    sink: Arc<dyn Sink>,
) -> mpsc::Receiver<Loaded> {
    let (sender, receiver) = mpsc::channel(ANSWERS);
    let is_first = sink.is_new();
    let (under_way, readers) = (Semaphore::new(UNDER_WAY), Arc::new(Semaphore::new(READERS)));
    let reader = Arc::new(Reader { connection, layout, sink, is_first, under_way, readers });
    // What cannot be taken apart without a panic would not be the next time either.
    spawn_vital("reads all trees", async move {
        let last = tokio::select! {
            outcome = load(reader, &sender) => match outcome {
                Ok(()) => Loaded::Complete,
                Err(error) => Loaded::Failed(error),
            },
            // At once, so that nothing holds on to a connection that is to be closed.
            () = sender.closed() => return,
        };
        // Nobody listens any more when another reading has begun.
        let _ = sender.send(last).await;
    });
    receiver
}

async fn load(reader: Arc<Reader>, sender: &mpsc::Sender<Loaded>) -> Result<(), Error> {
    let layout = &reader.layout;
    let mut wanted = vec![Wanted::root(layout, &layout.registry_root, What::Children)];
    if layout.services_root != layout.dubbo_root {
        wanted.push(Wanted::root(layout, &layout.dubbo_root, What::Children));
    }
    if layout.reads_applications() {
        wanted.push(Wanted::root(layout, &layout.services_root, What::DataFirst));
    }
    // No more than find room: what waits here goes with more of its kind.
    let most = if reader.is_first { READERS } else { READERS / SHARE as usize };
    // Dropping it ends them all.
    let mut reading = JoinSet::new();
    loop {
        while reading.len() < most && !wanted.is_empty() {
            let batch = wanted.split_off(wanted.len().saturating_sub(BATCH));
            reading.spawn(reader.clone().read(batch));
        }
        let found = match reading.join_next().await {
            None => return Ok(()),
            Some(Ok(found)) => found?,
            Some(Err(error)) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            // Nobody ends them but the end of the runtime.
            Some(Err(_)) => return Err(Error::ClientClosed),
        };
        wanted.extend(found.wanted);
        if let Some(nodes) = found.nodes
            && sender.send(Loaded::Nodes(nodes)).await.is_err()
        {
            return Ok(());
        }
    }
}

/// What all requests of a full reading need.
struct Reader {
    connection: Arc<Connection>,
    layout: Layout,
    sink: Arc<dyn Sink>,
    /// Whether the catalog knows nothing yet.
    is_first: bool,
    under_way: Semaphore,
    readers: Arc<Semaphore>,
}

/// What a request has brought.
struct Found {
    /// The znodes, if there were any.
    nodes: Option<Box<dyn Batch>>,
    /// What is to be read next.
    wanted: Vec<Wanted>,
    /// Kept until the catalog takes it.
    _room: Option<OwnedSemaphorePermit>,
}

impl Reader {
    async fn read(self: Arc<Self>, batch: Vec<Wanted>) -> Result<Found, Error> {
        let share = if self.is_first && batch.iter().all(Wanted::is_small) { 1 } else { SHARE };
        // Neither is ever closed.
        let room = self.readers.clone().acquire_many_owned(share).await.ok();
        let (paths, rest): (Vec<_>, Vec<_>) = batch
            .into_iter()
            .map(|Wanted { path, place, what }| ((path, what == What::Children), (place, what)))
            .unzip();
        let reads = {
            let _turn = self.under_way.acquire_many(share).await;
            self.connection.read(&paths).await?
        };
        let (mut nodes, mut wanted) = (Vec::with_capacity(paths.len()), Vec::new());
        for (((path, _), (place, what)), read) in paths.into_iter().zip(rest).zip(reads) {
            match read {
                Read::Children(names) => {
                    let children = Children::of(&self.layout, &path, &place);
                    for name in names {
                        let child = [&path, "/", &name].concat();
                        let place = children.place(&child, &name);
                        take_child(child, place, &mut wanted, &mut nodes);
                    }
                }
                Read::Data(data, stat) => {
                    let is_folder = what == What::DataFirst && stat.children > 0;
                    if is_folder && place.has_children() {
                        wanted.push(Wanted {
                            path: path.clone(),
                            place: place.clone(),
                            what: What::Children,
                        });
                    }
                    nodes.push((Node { path, state: Some((data, stat)) }, place));
                }
                Read::Absent => {}
                Read::Refused(reason) => log::warn!("cannot read {path}: {reason}"),
            }
        }
        let nodes = (!nodes.is_empty()).then(|| self.sink.clone().take_apart(nodes));
        Ok(Found { nodes, wanted, _room: room })
    }
}

/// Something to read.
struct Wanted {
    path: String,
    place: Place,
    what: What,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    /// The names of its children.
    Children,
    /// Its data, and then the names of its children if it has any that can be of interest.
    DataFirst,
    /// Its data alone.
    Data,
}

impl Wanted {
    fn root(layout: &Layout, root: &str, what: What) -> Self {
        Self { path: root.to_owned(), place: layout.place(root), what }
    }

    /// Whether it takes about a kilobyte at most, as a rule: documents of sidecars take a hundred times that.
    fn is_small(&self) -> bool {
        matches!(
            self.place,
            Place::Instance(_) | Place::Lease(_) | Place::Provider { .. } | Place::Consumer | Place::Folder
        )
    }
}

fn take_child(path: String, place: Place, wanted: &mut Vec<Wanted>, nodes: &mut Vec<(Node, Place)>) {
    match place {
        Place::Other => {}
        Place::Folder => wanted.push(Wanted { path, place, what: What::Children }),
        Place::Provider { .. } | Place::Instance(_) => {
            wanted.push(Wanted { path, place, what: What::Data });
        }
        Place::Lease(_) => {
            // As a rule it has a mark, so both are asked for at once.
            wanted.push(Wanted { path: path.clone(), place: place.clone(), what: What::Data });
            wanted.push(Wanted { path, place, what: What::Children });
        }
        place if place.is_listed() => {
            if place.has_children() {
                wanted.push(Wanted { path: path.clone(), place: place.clone(), what: What::Children });
            }
            nodes.push(listed(path, place));
        }
        _ => wanted.push(Wanted { path, place, what: What::DataFirst }),
    }
}

/// A znode of which only is noted that it exists.
fn listed(path: String, place: Place) -> (Node, Place) {
    (Node { path, state: Some((Vec::new(), Stat::default())) }, place)
}
