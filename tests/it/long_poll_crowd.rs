//! A crowd of sidecars that wait: those are woken whom a change concerns, nobody else, and waiting is cheap.
//!
//! `ZOOGATE_TEST_POLLS` says how many wait (2,000 without it); each takes two file descriptors, one of them here.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures::future::join_all;
use rustix::process::{Resource, getrlimit, setrlimit};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::fixtures::polls::{GET, SYNC, waiting};
use crate::fixtures::{one_provider, snapshot};
use crate::support::eventually::scaled;
use crate::support::gateway::{Gateway, Options};
use crate::support::zookeeper;

const POLLS: usize = 2_000;
/// Sidecars that share the polls.
const SIDECARS: usize = 100;
/// Interfaces that each of them consumes.
const CONSUMED: usize = 10;
const PATIENCE: Duration = Duration::from_secs(60);

fn polls() -> usize {
    std::env::var("ZOOGATE_TEST_POLLS").ok().and_then(|text| text.parse().ok()).unwrap_or(POLLS)
}

/// Lets this process, and those that it starts, open as many files as the machine allows.
fn raise_limit() {
    let limits = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, rustix::process::Rlimit { current: limits.maximum, ..limits }).unwrap();
}

/// Even ones consume `demo.Even`, odd ones `demo.Odd`, and all of them others that nobody ever provides.
fn consumers(sidecar: usize) -> Value {
    let own = if sidecar.is_multiple_of(2) { "demo.Even" } else { "demo.Odd" };
    let others = (1..CONSUMED).map(|number| format!("demo.Unprovided{number}"));
    let entries: Vec<Value> = others
        .chain([own.to_owned()])
        .map(|interface| json!({"service": {"interface": interface}, "host": "10.0.0.9"}))
        .collect();
    snapshot(&[], &entries)
}

/// What is sent for poll `number`: half of them sync, the others only read. Without `wait` it is no poll.
fn request(number: usize, wait: &str) -> Vec<u8> {
    let sidecar = number % SIDECARS;
    let (line, body) = match (number / SIDECARS).is_multiple_of(2) {
        true => (format!("POST {SYNC}{wait}"), consumers(sidecar).to_string()),
        false => (format!("GET {GET}{wait}"), String::new()),
    };
    let head = format!(
        "{line} HTTP/1.1\r\nhost: h\r\nx-registrant-id: s{sidecar}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len(),
    );
    head.into_bytes()
}

async fn connect(address: SocketAddr, request: Vec<u8>) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(&request).await.unwrap();
    stream
}

/// Reads one answer and returns its body.
async fn answer(stream: &mut TcpStream) -> Value {
    let mut bytes = Vec::new();
    let body = timeout(scaled(PATIENCE), async {
        loop {
            assert!(stream.read_buf(&mut bytes).await.unwrap() > 0, "closed without an answer");
            let text = String::from_utf8_lossy(&bytes);
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
            if body.len() >= length.parse().unwrap() {
                return body.to_owned();
            }
        }
    });
    let body = body.await.expect("an answer");
    serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}"))
}

/// Resident memory in bytes.
async fn memory(gateway: &Gateway) -> f64 {
    let metrics = gateway.ops("/metrics").send().await.body;
    let line = metrics.lines().find_map(|line| line.strip_prefix("process_resident_memory_bytes "));
    line.expect("the metric is there").parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_wait_and_only_those_are_woken_whom_a_change_concerns() {
    raise_limit();
    let count = polls();
    let root = zookeeper::shared().await;
    let options = Options::new(&root).time_to_live(Duration::from_secs(600));
    let gateway = options.set("mosn", "max_wait", "\"10m\"").start().await;
    let ids: Vec<String> = (0..SIDECARS).map(|sidecar| format!("s{sidecar}")).collect();
    let snapshots: Vec<Value> = (0..SIDECARS).map(consumers).collect();
    join_all(ids.iter().zip(&snapshots).map(|(id, snapshot)| gateway.synced(id, snapshot))).await;

    let empty = memory(&gateway).await;
    let mut idle = Vec::new();
    for number in 0..count {
        let mut stream = connect(gateway.http, request(number, "")).await;
        assert_eq!(answer(&mut stream).await["code"], 0);
        idle.push(stream);
    }
    let with_idle = memory(&gateway).await;
    drop(idle);

    let mut crowd = Vec::new();
    for number in 0..count {
        crowd.push((number, connect(gateway.http, request(number, "?wait=9m")).await));
    }
    waiting(&gateway, count).await;
    let with_polls = memory(&gateway).await;
    let each = |bytes: f64| (bytes - empty) / count as f64;
    eprintln!(
        "{count} polls of {SIDECARS} sidecars with {CONSUMED} interfaces each: {:.0} bytes a poll, {:.0} of them \
         for the connection",
        each(with_polls),
        each(with_idle),
    );

    for (parity, interface) in ["demo.Even", "demo.Odd"].into_iter().enumerate() {
        let (mut concerned, others): (Vec<_>, Vec<_>) =
            crowd.into_iter().partition(|(number, _)| number % 2 == parity);
        let changed = Instant::now();
        gateway.synced("provider", &one_provider(interface, 1)).await;
        let acknowledged = changed.elapsed();
        let answers = join_all(concerned.iter_mut().map(|(_, stream)| answer(stream))).await;
        eprintln!(
            "{} woken: all have their answers {:?} after the change was sent, {acknowledged:?} until it was \
             acknowledged",
            answers.len(),
            changed.elapsed(),
        );
        for answer in answers {
            assert_eq!(answer["code"], 0, "{answer}");
            assert_eq!(answer["service_list"]["dispatched_interface_list"], json!([interface]), "{answer}");
        }
        waiting(&gateway, others.len()).await;
        for (number, stream) in &others {
            let quiet = stream.try_read(&mut [0; 1]).map_err(|error| error.kind());
            assert_eq!(quiet, Err(std::io::ErrorKind::WouldBlock), "poll {number} was answered");
        }
        crowd = others;
        // Gone again: nobody who still waits is concerned by that either.
        gateway.synced("provider", &snapshot(&[], &[])).await;
    }
    assert!(crowd.is_empty());
}
