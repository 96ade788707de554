//! ZooKeeper without a gateway: what one client reaches that does nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use futures::future::try_join_all;
use futures::stream::{FuturesUnordered, StreamExt};
use zookeeper_client::{AddWatchMode, Client, EventType, MultiReadResult};

use crate::generator::Measured;
use crate::statistics::Latencies;
use crate::world::zookeeper::{PERSISTENT, connect};

/// As many as one gateway reads with one request, and requests under way.
const BATCH: usize = 200;
const REQUESTS: usize = 8;

/// Single creates of `bytes` bytes each, `in_flight` of them under way, below a part of the tree that is empty.
///
/// # Errors
/// When one fails.
pub async fn creates(
    connect_string: &str,
    bytes: usize,
    in_flight: usize,
    span: Duration,
) -> anyhow::Result<Measured> {
    let (client, root) = place(connect_string).await?;
    let data = vec![b'x'; bytes];
    let folders = folders(&client, &root).await?;
    let (client, folders, data) = (&client, &folders, &data);
    in_turns(in_flight, span, async move |number| {
        let path = format!("{}/instance-{number:032}", folders[number as usize % folders.len()]);
        client.create(&path, data, &PERSISTENT).await?;
        Ok(())
    })
    .await
}

/// Transactions as a change of one entry of a snapshot takes them: the document of `bytes` bytes is written anew, one
/// znode comes and one goes. Each of `in_flight` has a document of its own.
///
/// # Errors
/// When one fails.
pub async fn transactions(
    connect_string: &str,
    bytes: usize,
    in_flight: usize,
    span: Duration,
) -> anyhow::Result<Measured> {
    let (client, root) = place(connect_string).await?;
    let data = vec![b'x'; bytes];
    let documents: Vec<String> = (0..in_flight).map(|document| format!("{root}/{document}")).collect();
    for document in &documents {
        client.create(document, &data, &PERSISTENT).await?;
        client.create(&format!("{document}/0"), b"", &PERSISTENT).await?;
    }
    let (client, documents, data) = (&client, &documents, &data);
    // The next of a document begins when the one before has ended.
    let turns: Vec<_> = (0..in_flight).map(|_| AtomicU64::new(0)).collect();
    let turns = &turns;
    lanes(in_flight, span, async move |lane| {
        let (document, turn) = (&documents[lane], turns[lane].fetch_add(1, Ordering::Relaxed));
        let mut writer = client.new_multi_writer();
        writer.add_set_data(document, data, None)?;
        writer.add_create(&format!("{document}/{}", turn + 1), b"", &PERSISTENT)?;
        writer.add_delete(&format!("{document}/{turn}"), None)?;
        writer.commit().await?;
        Ok(())
    })
    .await
}

/// Transactions that change nothing: two conditions each, as for a registration that stands already.
///
/// # Errors
/// When one fails.
pub async fn checks(connect_string: &str, in_flight: usize, span: Duration) -> anyhow::Result<Measured> {
    let (client, root) = place(connect_string).await?;
    let (client, root) = (&client, &root);
    in_turns(in_flight, span, async move |_| {
        let mut writer = client.new_multi_writer();
        writer.add_check_version(root, 0)?;
        writer.add_check_version("/", 0)?;
        writer.commit().await?;
        Ok(())
    })
    .await
}

/// Transactions of `creates` creates each, of `bytes` bytes, with `in_flight` of them under way, by a client that watches all
/// of it: the way of a gateway whose registrations share transactions.
async fn watched_creates(
    connect_string: &str,
    bytes: usize,
    (creates, in_flight): (u64, usize),
    span: Duration,
) -> anyhow::Result<()> {
    let (client, root) = place(connect_string).await?;
    let data = vec![b'x'; bytes];
    let folders = folders(&client, &root).await?;
    let mut watcher = client.watch(&root, AddWatchMode::PersistentRecursive).await?;
    let writes = in_turns(in_flight, span, async |number| {
        let mut writer = client.new_multi_writer();
        for (folder, create) in folders.iter().cycle().zip(0..creates) {
            writer.add_create(&format!("{folder}/{number}-{create}"), &data, &PERSISTENT)?;
        }
        writer.commit().await?;
        Ok(())
    });
    tokio::select! {
        written = writes => written.map(drop),
        // Heard as they come, or they would pile up.
        state = async {
            loop {
                let event = watcher.changed().await;
                if event.session_state.is_terminated() {
                    break event.session_state;
                }
            }
        } => anyhow::bail!("the session ended: {state}"),
    }
}

/// Lets the server do what the scenarios make it do most, each for `span`.
///
/// # Errors
/// When one fails.
pub async fn warm_up(connect_string: &str, span: Duration) -> anyhow::Result<()> {
    const BYTES: usize = 200;
    const IN_FLIGHT: usize = 64;
    creates(connect_string, BYTES, IN_FLIGHT, span).await?;
    transactions(connect_string, BYTES, IN_FLIGHT, span).await?;
    watched_creates(connect_string, BYTES, (100, 4), span).await?;
    let client = connect(connect_string).await?;
    let paths = paths(&client).await?;
    read_all(&client, &paths).await?;
    Ok(())
}

/// A session, and a folder that nobody else uses.
async fn place(connect_string: &str) -> anyhow::Result<(Client, String)> {
    let client = connect(connect_string).await?;
    let root = format!("/raw-{}", client.session_id().0);
    client.mkdir(&root, &PERSISTENT).await?;
    Ok((client, root))
}

/// Folders, as the gateway's znodes have: one of them all would be another thing for the server.
async fn folders(client: &Client, root: &str) -> anyhow::Result<Vec<String>> {
    let folders: Vec<String> = (0..100).map(|folder| format!("{root}/{folder}")).collect();
    try_join_all(folders.iter().map(|folder| client.create(folder, b"", &PERSISTENT))).await?;
    Ok(folders)
}

async fn in_turns(
    in_flight: usize,
    span: Duration,
    one: impl AsyncFn(u64) -> anyhow::Result<()>,
) -> anyhow::Result<Measured> {
    let next = AtomicU64::new(0);
    let (next, one) = (&next, &one);
    lanes(in_flight, span, async move |_| one(next.fetch_add(1, Ordering::Relaxed)).await).await
}

async fn lanes(
    in_flight: usize,
    span: Duration,
    one: impl AsyncFn(usize) -> anyhow::Result<()>,
) -> anyhow::Result<Measured> {
    let started = Instant::now();
    let one = &one;
    let mut lanes: FuturesUnordered<_> = (0..in_flight)
        .map(async |lane| {
            let mut latencies = Latencies::default();
            while started.elapsed() < span {
                let sent = Instant::now();
                one(lane).await?;
                latencies.add(sent.elapsed());
            }
            anyhow::Ok(latencies)
        })
        .collect();
    let mut all = Latencies::default();
    while let Some(latencies) = lanes.next().await {
        all.merge(latencies?);
    }
    Ok(all.measured(started.elapsed()))
}

/// Every path below the root of `client`, but for ZooKeeper's own, found level by level.
///
/// # Errors
/// When the connection breaks.
pub async fn paths(client: &Client) -> anyhow::Result<Vec<String>> {
    let mut found = Vec::new();
    let mut level = vec![String::from("/")];
    while !level.is_empty() {
        let mut next = Vec::new();
        for some in level.chunks(BATCH * REQUESTS) {
            let lists = try_join_all(some.chunks(BATCH).map(async |batch| {
                let mut reader = client.new_multi_reader();
                for path in batch {
                    reader.add_get_children(path)?;
                }
                let results = reader.commit().await?;
                let children = batch.iter().zip(results).filter_map(|(path, result)| match result {
                    MultiReadResult::Children { children } => Some((path, children)),
                    _ => None,
                });
                let paths = children.flat_map(|(path, children)| {
                    let parent = path.trim_end_matches('/');
                    children.into_iter().map(move |child| format!("{parent}/{child}"))
                });
                anyhow::Ok(paths.collect::<Vec<_>>())
            }))
            .await?;
            next.extend(lists.into_iter().flatten());
        }
        next.retain(|path| path != "/zookeeper");
        found.extend(next.iter().cloned());
        level = next;
    }
    Ok(found)
}

/// Reads all of `paths`, as many at a time as a gateway does, and tells how long it took and how many bytes they hold.
///
/// # Errors
/// When the connection breaks.
pub async fn read_all(client: &Client, paths: &[String]) -> anyhow::Result<(Duration, usize)> {
    let started = Instant::now();
    let mut bytes = 0;
    let mut batches = paths.chunks(BATCH);
    let mut requests = FuturesUnordered::new();
    loop {
        while requests.len() < REQUESTS
            && let Some(batch) = batches.next()
        {
            let mut reader = client.new_multi_reader();
            for path in batch {
                reader.add_get_data(path)?;
            }
            requests.push(async move { reader.commit().await });
        }
        let Some(results) = requests.next().await else { break };
        bytes += results?
            .iter()
            .map(|result| if let MultiReadResult::Data { data, .. } = result { data.len() } else { 0 })
            .sum::<usize>();
    }
    Ok((started.elapsed(), bytes))
}

/// How long it takes from sending a change to one session until another one, which watches, has read it: `count` times,
/// one after the other.
///
/// # Errors
/// When the connection breaks.
pub async fn news(connect_string: &str, bytes: usize, count: usize) -> anyhow::Result<Latencies> {
    let ((writer, root), reader) = (place(connect_string).await?, connect(connect_string).await?);
    let data = vec![b'x'; bytes];
    let mut watcher = reader.watch(&root, AddWatchMode::PersistentRecursive).await?;
    let mut latencies = Latencies::default();
    let writer = Arc::new(writer);
    for _ in 0..count {
        let sent = Instant::now();
        let change = writer.set_data(&root, &data, None);
        loop {
            let event = watcher.changed().await;
            if event.event_type == EventType::NodeDataChanged {
                break;
            }
            anyhow::ensure!(!event.session_state.is_terminated(), "the session ended");
        }
        reader.get_data(&root).await?;
        latencies.add(sent.elapsed());
        change.await.context("a change")?;
    }
    Ok(latencies)
}
