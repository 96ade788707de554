//! Reads all trees whole, level by level, two hundred znodes a request.

use std::sync::Arc;

use futures::stream::{FuturesUnordered, StreamExt};
use tokio::sync::mpsc;
use zookeeper_client::Error;

use super::change::{Node, Stat};
use super::connection::{Connection, Read};
use super::feed::BATCH;
use super::layout::{Layout, Place};

/// Requests under way at once: enough to keep the server busy, few enough not to hold up a transaction.
const REQUESTS_IN_FLIGHT: usize = 8;
/// Answers that may wait for the catalog.
const ANSWERS: usize = 16;

/// A piece of a full reading.
pub(super) enum Loaded {
    /// Some of the znodes.
    Nodes(Vec<Node>),
    /// That was all.
    Complete,
    /// It could not be finished.
    Failed(Error),
}

/// Begins a full reading; it stops by itself when the receiver is dropped.
pub(super) fn start(connection: Arc<Connection>, layout: Layout) -> mpsc::Receiver<Loaded> {
    let (sender, receiver) = mpsc::channel(ANSWERS);
    tokio::spawn(async move {
        let last = tokio::select! {
            outcome = load(&connection, &layout, &sender) => match outcome {
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

async fn load(
    connection: &Arc<Connection>,
    layout: &Layout,
    sender: &mpsc::Sender<Loaded>,
) -> Result<(), Error> {
    let mut wanted = vec![Wanted::new(layout.registry_root.clone(), What::Children)];
    if layout.services_root != layout.dubbo_root {
        wanted.push(Wanted::new(layout.dubbo_root.clone(), What::Children));
    }
    if layout.reads_applications() {
        wanted.push(Wanted::new(layout.services_root.clone(), What::DataFirst));
    }
    let mut requests = FuturesUnordered::new();
    loop {
        while requests.len() < REQUESTS_IN_FLIGHT && !wanted.is_empty() {
            let batch = wanted.split_off(wanted.len().saturating_sub(BATCH));
            let connection = connection.clone();
            requests.push(async move {
                let (paths, whats): (Vec<_>, Vec<_>) =
                    batch.into_iter().map(|Wanted { path, what }| ((path, what.is_list()), what)).unzip();
                let reads = connection.read(&paths).await;
                (paths, whats, reads)
            });
        }
        let Some((paths, whats, reads)) = requests.next().await else { return Ok(()) };
        let mut nodes = Vec::with_capacity(paths.len());
        for (((path, _), what), read) in paths.into_iter().zip(whats).zip(reads?) {
            match read {
                Read::Children(names) => {
                    let folder = layout.place(&path);
                    for name in names {
                        take_child(layout, &folder, [&path, "/", &name].concat(), &mut wanted, &mut nodes);
                    }
                }
                Read::Data(data, stat) => {
                    let is_folder = what == What::DataFirst && stat.children > 0;
                    if is_folder && layout.place(&path).has_children() {
                        wanted.push(Wanted::new(path.clone(), What::Children));
                    }
                    nodes.push(Node { path, state: Some((data, stat)) });
                }
                Read::Absent => {}
                Read::Refused(reason) => log::warn!("cannot read {path}: {reason}"),
            }
        }
        if !nodes.is_empty() && sender.send(Loaded::Nodes(nodes)).await.is_err() {
            return Ok(());
        }
    }
}

/// Something to read.
struct Wanted {
    path: String,
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

impl What {
    fn is_list(self) -> bool {
        self == Self::Children
    }
}

impl Wanted {
    fn new(path: String, what: What) -> Self {
        Self { path, what }
    }
}

fn take_child(
    layout: &Layout,
    folder: &Place,
    path: String,
    wanted: &mut Vec<Wanted>,
    nodes: &mut Vec<Node>,
) {
    // Where nearly all znodes stand, their folder tells what they are.
    let place = match folder {
        Place::ProviderFolder { .. } | Place::InstanceFolder(..) => {
            return wanted.push(Wanted::new(path, What::Data));
        }
        Place::Lease(_) => return nodes.push(listed(path)),
        _ => layout.place(&path),
    };
    match place {
        Place::Other => {}
        Place::Folder => wanted.push(Wanted::new(path, What::Children)),
        Place::Lease(_) => {
            // As a rule it has a mark, so both are asked for at once.
            wanted.push(Wanted::new(path.clone(), What::Data));
            wanted.push(Wanted::new(path, What::Children));
        }
        place if place.is_listed() => {
            if place.has_children() {
                wanted.push(Wanted::new(path.clone(), What::Children));
            }
            nodes.push(listed(path));
        }
        _ => wanted.push(Wanted::new(path, What::DataFirst)),
    }
}

/// A znode of which only is noted that it exists.
fn listed(path: String) -> Node {
    Node { path, state: Some((Vec::new(), Stat::default())) }
}
