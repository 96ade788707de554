//! Sidecars that want to hear instead of ask: the answer is kept back until there is something new in it.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::fixtures::applications::{offers, register_shop, shop};
use crate::fixtures::polls::{GET, SYNC, consumer, waiting};
use crate::fixtures::{nothing, one_provider, two};
use crate::support::client::{Answer, Request};
use crate::support::eventually::{ensure, eventually, throughout};
use crate::support::gateway::{Gateway, Options, accepted, sync_request};
use crate::support::watcher::Watcher;
use crate::support::znodes::Znodes;
use crate::support::zookeeper::{self, ZooKeeper};

/// Longer than any test waits on purpose.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long a sidecar may be silent in the tests that wait for it.
const TIME_TO_LIVE: Duration = Duration::from_secs(3);

fn in_background(request: Request) -> JoinHandle<Answer> {
    tokio::spawn(request.patience(PATIENCE).send())
}

/// A poll that only reads, of sidecar `r`.
fn read(gateway: &Gateway, query: &str) -> Request {
    gateway.request(Method::GET, &format!("{GET}?{query}")).header("x-registrant-id", "r")
}

/// A poll by sync, of sidecar `r`.
fn sync(gateway: &Gateway, query: &str, snapshot: &Value) -> Request {
    let path = format!("{SYNC}?{query}");
    gateway.request(Method::POST, &path).header("x-registrant-id", "r").json(snapshot)
}

fn tag(answer: &Answer) -> String {
    answer.header("etag").unwrap_or_else(|| panic!("no tag in {answer:?}")).to_owned()
}

fn dispatched(answer: &Answer) -> Value {
    answer.json()["service_list"]["dispatched_interface_list"].clone()
}

async fn one() -> Gateway {
    Options::new(&zookeeper::shared().await).time_to_live(PATIENCE).start().await
}

#[tokio::test]
async fn a_poll_is_answered_when_a_consumed_interface_gets_its_first_provider_or_loses_its_last() {
    let (_, one, other) = two(PATIENCE).await;
    one.synced("r", &consumer("demo.Used")).await;
    let mut known = tag(&one.request(Method::GET, GET).header("x-registrant-id", "r").send().await.ok());
    for path in [GET, SYNC] {
        for (snapshot, expected) in
            [(one_provider("demo.Used", 1), json!(["demo.Used"])), (nothing(), Value::Null)]
        {
            let request =
                one.request(Method::GET, &format!("{path}?wait=50s")).header("x-registrant-id", "r");
            let poll = in_background(request.header("if-none-match", &known));
            waiting(&one, 1).await;
            // Of another interface, and a second change of the same: no news.
            other.synced("stranger", &one_provider("demo.Unused", 7)).await;
            let changed = Instant::now();
            other.synced("provider", &snapshot).await;
            let answer = poll.await.unwrap().ok();
            eprintln!("heard {:?} after the change was acknowledged elsewhere", changed.elapsed());
            assert_eq!(dispatched(&answer), expected, "{answer:?}");
            assert_eq!(answer.json()["msg"], "get service list succ");
            assert_ne!(tag(&answer), known);
            known = tag(&answer);
            // The same on the other replica, so that whoever moves there is not told what it knows.
            eventually("both have the same state", PATIENCE, async || {
                let there = read(&other, "").send().await;
                ensure(tag(&there) == known, || format!("{there:?} instead of {known}"))
            })
            .await;
        }
    }
}

#[tokio::test]
async fn a_provider_that_only_stands_at_the_application_level_is_news_as_well() {
    let root = zookeeper::shared().await;
    let gateway = Options::new(&root).time_to_live(PATIENCE).start().await;
    let znodes = Znodes::connect(&root).await;
    gateway.synced("r", &consumer("demo.Echo")).await;
    let poll = in_background(read(&gateway, "wait=50s"));
    waiting(&gateway, 1).await;
    znodes.create("/dubbo/metadata/shop/0a", &offers("shop", "0a", &["demo.Echo"])).await;
    register_shop(&znodes, "10.0.0.9", &shop("10.0.0.9", "0a", "remote")).await;
    assert_eq!(dispatched(&poll.await.unwrap().ok()), json!(["demo.Echo"]));
    let poll = in_background(read(&gateway, "wait=50s"));
    waiting(&gateway, 1).await;
    znodes.delete("/services/shop/10.0.0.9:20880").await;
    assert_eq!(dispatched(&poll.await.unwrap().ok()), Value::Null);
}

#[tokio::test]
async fn what_changed_between_two_polls_is_told_at_once() {
    let gateway = one().await;
    gateway.synced("r", &consumer("demo.Used")).await;
    let first = read(&gateway, "").send().await.ok();
    gateway.synced("provider", &one_provider("demo.Used", 1)).await;
    // The version is still the same: only the tag tells.
    let told = read(&gateway, "wait=50s&version=1").header("if-none-match", &tag(&first)).send().await.ok();
    assert_eq!(dispatched(&told), json!(["demo.Used"]));
    let by_sync = sync(&gateway, "wait=50s", &consumer("demo.Used")).header("if-none-match", &tag(&first));
    assert_eq!(tag(&by_sync.send().await.ok()), tag(&told));
    for query in ["wait=50s&version=0", "wait=50s&version=7"] {
        assert_eq!(tag(&read(&gateway, query).send().await.ok()), tag(&told), "{query}");
    }
    // Who knows everything waits for the whole time, and is then told the same.
    for request in [
        read(&gateway, "wait=300ms").header("if-none-match", &format!("\"x\", W/{}", tag(&told))),
        read(&gateway, "wait=300ms&version=1"),
        read(&gateway, "wait=300ms"),
        sync(&gateway, "wait=300ms", &consumer("demo.Used")).header("if-none-match", &tag(&told)),
        sync(&gateway, "wait=300ms", &consumer("demo.Used")),
    ] {
        let answer = request.send().await.ok();
        assert_eq!(tag(&answer), tag(&told));
        assert!(answer.took >= Duration::from_millis(300), "{answer:?}");
    }
}

#[tokio::test]
async fn a_sync_that_changes_something_does_not_wait_and_one_that_does_not_hears_of_changes_by_others() {
    let (_, one, other) = two(PATIENCE).await;
    let snapshot = consumer("demo.Used");
    for (body, version) in [(snapshot.clone(), 1), (nothing(), 2), (snapshot.clone(), 3)] {
        assert_eq!(accepted(&sync(&one, "wait=50s", &body).send().await.ok()), version);
    }
    let poll = in_background(sync(&one, "wait=50s", &snapshot));
    waiting(&one, 1).await;
    assert_eq!(other.synced("r", &nothing()).await, 4);
    let answer = poll.await.unwrap().ok();
    assert_eq!(accepted(&answer), 4);
    assert_eq!(answer.json()["msg"], "registry service success");
    // Also of a change that its own edits make.
    let poll = in_background(read(&one, "wait=50s&version=4"));
    waiting(&one, 1).await;
    let edit = other.request(Method::POST, "/pub").header("x-registrant-id", "r");
    edit.json(&json!({"service": {"interface": "demo.Edited"}})).send().await.ok();
    let answer = poll.await.unwrap().ok().json();
    assert_eq!(answer["service_list"], json!({"pub_interface_list": ["demo.Edited"], "version": 5}));
}

#[tokio::test]
async fn a_sidecar_that_waits_is_alive_and_one_that_is_only_read_of_is_not() {
    let (root, one, _other) = two(TIME_TO_LIVE).await;
    let watcher = Watcher::start(&root, "/dubbo").await;
    let mine = one_provider("demo.Mine", 1);
    one.synced("r", &mine).await;
    let poll = in_background(sync(&one, "wait=9s", &mine));
    throughout("alive", 3 * TIME_TO_LIVE, async || {
        ensure(watcher.deleted("/providers/").is_empty(), || format!("{:?}", watcher.seen()))
    })
    .await;
    let answer = poll.await.unwrap().ok();
    assert_eq!(accepted(&answer), 1, "{answer:?}");
    // From here on it is only read of: it falls silent, and that is told.
    let answer = read(&one, "wait=50s").patience(PATIENCE).send().await.ok();
    assert_eq!(answer.json()["service_list"], json!({"version": 2}), "{answer:?}");
    assert_eq!(watcher.deleted("demo.Mine/providers/").len(), 1);
}

#[tokio::test]
async fn a_wait_out_of_bounds_is_refused_and_changes_nothing() {
    let root = zookeeper::shared().await;
    let gateway = Options::new(&root).set("mosn", "max_wait", "\"10s\"").start().await;
    for (query, reason) in [
        ("wait=0s", "wait: must be more than 0s and at most 10s"),
        ("wait=11s", "wait: must be more than 0s and at most 10s"),
        ("wait=5", "wait: \"5\" is no duration"),
        ("wait=5s&version=x", "version: "),
    ] {
        let answer = sync(&gateway, query, &one_provider("demo.Echo", 1)).send().await.ok();
        let body = answer.json();
        assert_eq!((&body["code"], &body["service_list"]["version"]), (&json!(1), &json!(0)), "{answer:?}");
        assert!(body["msg"].as_str().unwrap().starts_with(reason), "{answer:?}");
    }
    assert_eq!(gateway.synced("r", &one_provider("demo.Echo", 1)).await, 1);
    let answer = read(&gateway, "wait=11s").send().await.ok();
    assert_eq!(answer.json()["code"], 1, "{answer:?}");
    let nobody = gateway.request(Method::GET, &format!("{GET}?wait=5s")).header("x-registrant-id", "nobody");
    assert_eq!(nobody.send().await.ok().json()["msg"], "nobody never synced");
}

#[tokio::test]
async fn past_the_limit_nobody_else_waits_and_the_snapshot_stands_all_the_same() {
    let root = zookeeper::shared().await;
    let options = Options::new(&root).time_to_live(TIME_TO_LIVE).set("mosn", "max_waiting", "2");
    let gateway = options.start().await;
    let (watcher, mine) = (Watcher::start(&root, "/dubbo").await, one_provider("demo.Mine", 1));
    gateway.synced("r", &mine).await;
    gateway.synced("other", &consumer("demo.Used")).await;
    let polls: Vec<_> = (0..2)
        .map(|_| {
            let path = format!("{GET}?wait=50s");
            in_background(gateway.request(Method::GET, &path).header("x-registrant-id", "other"))
        })
        .collect();
    waiting(&gateway, 2).await;
    throughout("refused and alive", 2 * TIME_TO_LIVE, async || {
        // Others wait on behalf of `other`, who must not fall silent meanwhile.
        gateway.synced("other", &consumer("demo.Used")).await;
        for request in [sync(&gateway, "wait=5s", &mine), read(&gateway, "wait=5s")] {
            let answer = request.send().await.ok();
            let body = answer.json();
            let is_refused = body["code"] == 1 && body["msg"].as_str().unwrap().contains("2 requests wait");
            ensure(is_refused && answer.header("retry-after") == Some("1"), || format!("{answer:?}"))?;
        }
        ensure(watcher.deleted("/providers/").is_empty(), || format!("{:?}", watcher.seen()))
    })
    .await;
    // There is always room for who needs no waiting.
    assert_eq!(accepted(&sync(&gateway, "wait=5s&version=0", &mine).send().await), 1);
    gateway.synced("provider", &one_provider("demo.Used", 1)).await;
    for poll in polls {
        assert_eq!(dispatched(&poll.await.unwrap().ok()), json!(["demo.Used"]));
    }
    waiting(&gateway, 0).await;
}

#[tokio::test]
async fn the_deadline_of_requests_does_not_cut_a_wait_short() {
    let root = zookeeper::shared().await;
    let gateway = Options::new(&root).set("http", "request_timeout", "\"1s\"").start().await;
    gateway.synced("r", &consumer("demo.Used")).await;
    for request in [read(&gateway, "wait=3s"), sync(&gateway, "wait=3s", &consumer("demo.Used"))] {
        let answer = request.send().await.ok();
        assert!(answer.took >= Duration::from_secs(3), "{answer:?}");
    }
    let metrics = gateway.ops("/metrics").send().await.body;
    assert!(metrics.contains("route=\"/registry/info/get?wait\""), "{metrics}");
}

#[tokio::test]
async fn a_client_that_goes_away_is_forgotten() {
    let gateway = one().await;
    let snapshot = consumer("demo.Used");
    gateway.synced("r", &snapshot).await;
    let mut connections = Vec::new();
    for number in 0..40 {
        let mut stream = TcpStream::connect(gateway.http).await.unwrap();
        let (method, body) =
            if number % 2 == 0 { ("GET", String::new()) } else { ("POST", snapshot.to_string()) };
        let head = format!(
            "{method} {SYNC}?wait=50s HTTP/1.1\r\nhost: h\r\nx-registrant-id: r\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len(),
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        connections.push(stream);
    }
    waiting(&gateway, 40).await;
    connections.truncate(10);
    waiting(&gateway, 10).await;
    drop(connections);
    let gone = Instant::now();
    waiting(&gateway, 0).await;
    eprintln!("forgotten after {:?}", gone.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_is_answered_when_the_replica_goes_and_finds_out_what_happened_from_the_next() {
    let root = zookeeper::shared().await;
    let mut gateway = Options::new(&root).time_to_live(PATIENCE).start().await;
    let mine = consumer("demo.Used");
    gateway.synced("r", &mine).await;
    let polls = [in_background(read(&gateway, "wait=50s")), in_background(sync(&gateway, "wait=50s", &mine))];
    waiting(&gateway, 2).await;
    let asked = Instant::now();
    let (code, _) = gateway.terminate();
    eprintln!("gone after {:?}", asked.elapsed());
    assert_eq!(code, 0);
    let mut known = String::new();
    for poll in polls {
        let answer = poll.await.unwrap().ok();
        assert_eq!(accepted(&answer), 1);
        known = tag(&answer);
    }
    gateway.restart().await;
    let poll = in_background(read(&gateway, "wait=50s&version=1").header("if-none-match", &known));
    waiting(&gateway, 1).await;
    gateway.synced("provider", &one_provider("demo.Used", 1)).await;
    assert_eq!(dispatched(&poll.await.unwrap().ok()), json!(["demo.Used"]));
    gateway.terminate();
    gateway.restart().await;
    let late = read(&gateway, "wait=50s&version=1").header("if-none-match", &known).send().await.ok();
    assert_eq!(dispatched(&late), json!(["demo.Used"]), "told at once");
}

#[tokio::test]
async fn who_waits_is_told_when_zookeeper_goes_away() {
    let mut zookeeper = ZooKeeper::single().await;
    let gateway = Options::new(&zookeeper.connect_string()).time_to_live(PATIENCE).start().await;
    let mine = consumer("demo.Used");
    gateway.synced("r", &mine).await;
    let known = tag(&read(&gateway, "").send().await.ok());
    let by_sync = in_background(sync(&gateway, "wait=50s", &mine));
    let by_read = in_background(read(&gateway, "wait=50s"));
    waiting(&gateway, 2).await;
    zookeeper.kill(0);
    let refused = json!({"code": 1, "msg": "zk not connected.", "service_list": {"version": 0}});
    assert_eq!(by_sync.await.unwrap().ok().json(), refused);
    let told = by_read.await.unwrap().ok();
    assert_eq!(tag(&told), known);
    assert!(told.header("x-registry-staleness-ms").is_some(), "{told:?}");
    // Who comes now is refused at once, or waits for news that come when ZooKeeper does.
    assert_eq!(sync(&gateway, "wait=50s", &mine).send().await.ok().json(), refused);
    let late = in_background(read(&gateway, "wait=50s").header("if-none-match", &known));
    waiting(&gateway, 1).await;
    zookeeper.restart(0).await;
    eventually("ZooKeeper is back", PATIENCE, async || {
        let answer = sync_request(gateway.http, "provider", &one_provider("demo.Used", 1)).send().await;
        ensure(answer.json()["code"] == 0, || format!("{answer:?}"))
    })
    .await;
    let told = late.await.unwrap().ok();
    assert_eq!(dispatched(&told), json!(["demo.Used"]), "{told:?}");
}
