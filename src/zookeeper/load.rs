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
    let mut wanted = vec![(layout.registry_root.clone(), true)];
    if layout.services_root != layout.dubbo_root {
        wanted.push((layout.dubbo_root.clone(), true));
    }
    if layout.reads_applications() {
        wanted.push((layout.services_root.clone(), false));
    }
    let mut requests = FuturesUnordered::new();
    loop {
        while requests.len() < REQUESTS_IN_FLIGHT && !wanted.is_empty() {
            let batch = wanted.split_off(wanted.len().saturating_sub(BATCH));
            let connection = connection.clone();
            requests.push(async move {
                let reads = connection.read(&batch).await;
                (batch, reads)
            });
        }
        let Some((batch, reads)) = requests.next().await else { return Ok(()) };
        let mut nodes = Vec::new();
        for ((path, _), read) in batch.into_iter().zip(reads?) {
            match read {
                Read::Children(names) => {
                    for name in names {
                        take_child(layout, format!("{path}/{name}"), &mut wanted, &mut nodes);
                    }
                }
                Read::Data(data, stat) => {
                    if stat.children > 0 && layout.place(&path).has_children() {
                        wanted.push((path.clone(), true));
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

fn take_child(layout: &Layout, path: String, wanted: &mut Vec<(String, bool)>, nodes: &mut Vec<Node>) {
    match layout.place(&path) {
        Place::Other => {}
        Place::Folder => wanted.push((path, true)),
        place if place.is_listed() => {
            if place.has_children() {
                wanted.push((path.clone(), true));
            }
            nodes.push(Node { path, state: Some((Vec::new(), Stat::default())) });
        }
        _ => wanted.push((path, false)),
    }
}
