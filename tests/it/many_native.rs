//! A tree full of Dubbo's own providers when the gateway starts: all are found, and it is told how long that takes.

use std::time::{Duration, Instant};

use futures::future::try_join_all;
use futures::stream::{self, StreamExt, TryStreamExt};
use zookeeper_client::{Client, Error, MultiReadResult};

use crate::support::eventually::{ensure, eventually};
use crate::support::gateway::{Gateway, Options};
use crate::support::znodes::{Znodes, escape};
use crate::support::zookeeper;

const INTERFACES: usize = 1_000;
const PROVIDERS: usize = 5;
/// Time within which all must be found.
const PATIENCE: Duration = Duration::from_secs(120);
/// Requests of the gateway's own kind: this many znodes each, this many under way.
const BATCH: usize = 200;
const IN_FLIGHT: usize = 8;

fn interface(number: usize) -> String {
    format!("com.example.many.Service{number:04}")
}

fn provider(interface: &str, number: usize) -> String {
    format!(
        "dubbo://10.{}.0.1:20880/{interface}?application=demo&deprecated=false&dubbo=2.0.2&dynamic=true&generic=false\
         &interface={interface}&methods=add,greet,say&release=3.3.6&revision=1.0.0&service-name-mapping=true\
         &side=provider&timestamp=1795229889041&version=1.0.0",
        number + 1
    )
}

/// Writes all of them, and answers their paths.
async fn fill(znodes: &Znodes) -> Vec<String> {
    znodes.create_all("/dubbo").await;
    let interfaces: Vec<_> = (0..INTERFACES).map(|number| format!("/dubbo/{}", interface(number))).collect();
    znodes.create_many(&interfaces).await;
    let folders: Vec<_> = interfaces.iter().map(|path| format!("{path}/providers")).collect();
    znodes.create_many(&folders).await;
    let providers: Vec<_> = (0..INTERFACES * PROVIDERS)
        .map(|number| {
            let url = provider(&interface(number % INTERFACES), number / INTERFACES);
            format!("{}/{}", folders[number % INTERFACES], escape(&url))
        })
        .collect();
    znodes.create_many(&providers).await;
    providers
}

/// Reads every provider, level by level, one request for each znode and all requests of a level under way at once.
async fn read_one_by_one(client: &Client) -> Result<usize, Error> {
    let interfaces = client.list_children("/dubbo").await?;
    let folders: Vec<_> = interfaces.iter().map(|name| format!("/dubbo/{name}/providers")).collect();
    let names = try_join_all(folders.iter().map(|folder| client.list_children(folder))).await?;
    let paths = below(&folders, names);
    try_join_all(paths.iter().map(|path| client.get_data(path))).await.map(|read| read.len())
}

/// Reads the same with requests as the gateway makes them.
async fn read_in_batches(client: &Client) -> Result<usize, Error> {
    let interfaces = client.list_children("/dubbo").await?;
    let folders: Vec<_> = interfaces.iter().map(|name| format!("/dubbo/{name}/providers")).collect();
    let names = batches(client, &folders, true).await?.into_iter().filter_map(|result| match result {
        MultiReadResult::Children { children } => Some(children),
        _ => None,
    });
    let paths = below(&folders, names.collect());
    Ok(batches(client, &paths, false).await?.len())
}

fn below(folders: &[String], names: Vec<Vec<String>>) -> Vec<String> {
    let children = folders.iter().zip(names);
    children
        .flat_map(|(folder, names)| names.into_iter().map(move |name| format!("{folder}/{name}")))
        .collect()
}

async fn batches(client: &Client, paths: &[String], children: bool) -> Result<Vec<MultiReadResult>, Error> {
    let batches = stream::iter(paths.chunks(BATCH)).map(|batch| async move {
        let mut reader = client.new_multi_reader();
        for path in batch {
            if children {
                reader.add_get_children(path)?
            } else {
                reader.add_get_data(path)?
            };
        }
        reader.commit().await
    });
    let read: Vec<Vec<MultiReadResult>> = batches.buffered(IN_FLIGHT).try_collect().await?;
    Ok(read.into_iter().flatten().collect())
}

/// How long it took from being connected to following everything, by the gateway's own log.
fn reading_time(gateway: &Gateway) -> Duration {
    let output = gateway.output();
    let at = |text: &str| {
        let line = output.lines().find(|line| line.contains(text)).unwrap_or_else(|| panic!("{text}"));
        // Of "2026-01-01T01:02:03.456789Z ..." the time of the day, in seconds.
        let (_, time) =
            line.split_whitespace().next().unwrap().trim_end_matches('Z').split_once('T').unwrap();
        time.split(':').fold(0.0, |seconds, part| seconds * 60.0 + part.parse::<f64>().unwrap())
    };
    let seconds = at("the catalog follows zookeeper") - at("zookeeper connected as replica");
    Duration::from_secs_f64(seconds.rem_euclid(86_400.0))
}

async fn started(root: &str) -> (Gateway, Duration) {
    let begin = Instant::now();
    let gateway = Options::new(root).start().await;
    (gateway, begin.elapsed())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_thousand_native_providers_are_all_found_by_a_gateway_that_starts() {
    let root = zookeeper::shared().await;
    let (empty, in_front_of_nothing) = started(&root).await;
    drop(empty);
    let znodes = Znodes::connect(&root).await;
    let paths = fill(&znodes).await;

    let begin = Instant::now();
    assert_eq!(read_one_by_one(znodes.client()).await.unwrap(), paths.len());
    let one_by_one = begin.elapsed();
    let begin = Instant::now();
    assert_eq!(read_in_batches(znodes.client()).await.unwrap(), paths.len());
    let in_batches = begin.elapsed();

    let (gateway, in_front_of_all) = started(&root).await;
    let reading = reading_time(&gateway);
    let times = |raw: Duration| reading.as_secs_f64() / raw.as_secs_f64();
    let (single, batched) = (times(one_by_one), times(in_batches));
    eprintln!("raw, one request each:      {one_by_one:?}");
    eprintln!("raw, {BATCH} in each request:   {in_batches:?}");
    eprintln!("connected until following:  {reading:?}, {single:.2} and {batched:.2} times the raw ones");
    eprintln!(
        "process until ready:        {in_front_of_all:?}, of which {in_front_of_nothing:?} without any znode"
    );

    let begin = Instant::now();
    let found = stream::iter(0..INTERFACES).map(|number| {
        let gateway = &gateway;
        async move {
            let path = format!("/instances?appId=demo&serviceName={}", interface(number));
            eventually("all providers of an interface are found", PATIENCE, async || {
                let answer = gateway.get(&path).await;
                let instances = answer.json()["instances"].as_array().cloned().unwrap_or_default();
                ensure(instances.len() == PROVIDERS, || format!("{answer:?}"))?;
                Ok::<_, String>(instances.into_iter().filter(|one| one["status"] == "UP").count())
            })
            .await
        }
    });
    let found: usize =
        found.buffer_unordered(IN_FLIGHT).fold(0, |sum, count| async move { sum + count }).await;
    assert_eq!(found, paths.len());
    eprintln!("{INTERFACES} finds:                 {:?}", begin.elapsed());
}
