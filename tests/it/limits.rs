//! What is past a limit is refused at once, in the form of its dialect, with the time after which to come again, and
//! nobody else is slowed down. The table of all limits stands in docs/operations.md.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::fixtures::{create_instance, create_service, find, instances, one_provider};
use crate::support::client::{Answer, Request, raw};
use crate::support::eventually::{ensure, eventually, scaled};
use crate::support::gateway::{Gateway, Options, accepted, sync_request};
use crate::support::zookeeper::{self, ZooKeeper};

/// Longest time for what needs no patience on an idle machine.
const SOON: Duration = Duration::from_secs(10);

/// The value of a counter or gauge, 0 while it is not there.
async fn metric(gateway: &Gateway, name: &str) -> f64 {
    let text = gateway.ops("/metrics").send().await.ok().body;
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.map_or(0.0, |value| value.parse().unwrap())
}

async fn shed(gateway: &Gateway, reason: &str) -> f64 {
    metric(gateway, &format!("zoogate_shed_total{{reason=\"{reason}\"}}")).await
}

/// Asserts that `answer` is a refusal of `status` in the form of the sync, or of the v4 API.
#[track_caller]
fn is_refusal(answer: &Answer, status: u16) {
    assert_eq!(answer.status, status, "{answer:?}");
    let body = answer.json();
    let is_sync = body["code"] == 1 && body["service_list"] == json!({"version": 0});
    let is_v4 = body["errorMessage"].is_string() && body["detail"].is_string();
    assert!(is_sync || is_v4, "{answer:?}");
    if status == 429 || status == 503 {
        let after: u64 = answer.header("retry-after").unwrap_or_default().parse().unwrap();
        assert!(after >= 1, "{answer:?}");
    }
}

/// A request whose body never ends: it keeps its place until it is dropped.
async fn unfinished(gateway: &Gateway, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(gateway.http).await.unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{{"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

/// Unfinished requests, each of which is to keep a place.
struct Held<'g> {
    gateway: &'g Gateway,
    requests: [(&'static str, TcpStream); 2],
}

impl<'g> Held<'g> {
    async fn new(gateway: &'g Gateway, [one, other]: [&'static str; 2]) -> Self {
        let requests = [(one, unfinished(gateway, one).await), (other, unfinished(gateway, other).await)];
        Self { gateway, requests }
    }

    /// Sends another one in the place of any that was answered: a request before it may have kept its place a moment
    /// longer than its answer took.
    async fn keep(&mut self) {
        for (path, stream) in &mut self.requests {
            let read = stream.try_read(&mut [0]);
            if !read.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock) {
                *stream = unfinished(self.gateway, path).await;
            }
        }
    }
}

#[tokio::test]
async fn changes_past_the_limit_are_refused_while_discovery_goes_on() {
    let root = zookeeper::shared().await;
    let options = Options::new(&root).set("http", "max_changes", "2").set("http", "max_requests", "50");
    let gateway = options.start().await;
    let service = create_service(&gateway, "orders").await;
    create_instance(&gateway, &service, 1).await;
    let paths = ["/registry/info/sync", "/v4/default/registry/microservices"];
    let mut held = Held::new(&gateway, paths).await;
    eventually("both count", SOON, async || {
        held.keep().await;
        let count = metric(&gateway, "zoogate_http_requests_in_flight").await;
        ensure(count >= 2.0, || count.to_string())
    })
    .await;
    let before = shed(&gateway, "changes").await;
    is_refusal(&gateway.sync("r", &one_provider("demo.Echo", 1)).await, 503);
    let refused = gateway.put(&format!("{}/x/heartbeat", instances(&service))).await;
    is_refusal(&refused, 503);
    assert_eq!(refused.json()["errorCode"], "500011");
    assert!(refused.header("server").unwrap().starts_with("SERVICECENTER/"), "{refused:?}");
    let edit = gateway.request(Method::POST, "/pub").json(&json!({})).send().await;
    assert_eq!((edit.status, &edit.json()["code"]), (503, &json!(1)), "{edit:?}");
    for _ in 0..20 {
        gateway.get(&find("orders")).await.ok();
    }
    assert_eq!(shed(&gateway, "changes").await - before, 3.0);
    drop(held);
    eventually("there is room again", SOON, async || {
        let answer = gateway.sync("r", &one_provider("demo.Echo", 1)).await;
        ensure(answer.status == 200, || format!("{answer:?}"))
    })
    .await;
}

#[tokio::test]
async fn requests_past_the_limit_are_refused_and_those_that_wait_for_news_do_not_count() {
    let root = zookeeper::shared().await;
    let options = Options::new(&root).set("http", "max_changes", "2").set("http", "max_requests", "2");
    let gateway = options.start().await;
    gateway.synced("r", &one_provider("demo.Echo", 1)).await;
    let waiting: Vec<_> = (0..4)
        .map(|_| {
            let poll = gateway.request(Method::GET, "/registry/info/get?wait=50s");
            tokio::spawn(poll.header("x-registrant-id", "r").patience(SOON).send())
        })
        .collect();
    eventually("all wait", SOON, async || {
        let count = metric(&gateway, "zoogate_waiting_polls").await;
        ensure(count == 4.0, || count.to_string())
    })
    .await;
    gateway.get("/microservices").await.ok();
    let mut held = Held::new(&gateway, ["/pub", "/pub"]).await;
    eventually("both places are taken", SOON, async || {
        held.keep().await;
        let answer = gateway.get("/microservices").await;
        ensure(answer.status == 503, || format!("{answer:?}"))
    })
    .await;
    is_refusal(&gateway.get("/microservices").await, 503);
    let plain = gateway.request(Method::GET, "/openapi.json").send().await;
    assert_eq!((plain.status, plain.header("retry-after")), (503, Some("1")), "{plain:?}");
    assert!(shed(&gateway, "requests").await >= 3.0);
    // Probes are on another listener.
    gateway.ops("/readyz").send().await.ok();
    drop(held);
    eventually("there is room again", SOON, async || {
        let answer = gateway.sync("r", &one_provider("demo.Echo", 2)).await;
        ensure(answer.status == 200, || format!("{answer:?}"))
    })
    .await;
    for poll in waiting {
        poll.await.unwrap().ok();
    }
}

#[tokio::test]
async fn an_address_that_asks_too_often_is_told_so_and_no_other() {
    let root = zookeeper::shared().await;
    let options = Options::new(&root).set("http", "peer_rate", "1").set("http", "peer_burst", "3").set(
        "http",
        "trusted_proxies",
        "[\"127.0.0.1\"]",
    );
    let gateway = options.start().await;
    let from = |address: &str, request: Request| request.header("x-forwarded-for", address).send();
    let list = || gateway.request(Method::GET, "/v4/default/registry/microservices");
    // A machine that is slow enough lets one in now and then.
    let refused = eventually("the first address is told", SOON, async || {
        let answer = from("192.0.2.1", list()).await;
        if answer.status == 429 { Ok(answer) } else { Err(format!("{answer:?}")) }
    })
    .await;
    is_refusal(&refused, 429);
    let sync = || sync_request(gateway.http, "r", &one_provider("demo.Echo", 1));
    let refused = eventually("in the form of the sync as well", SOON, async || {
        let answer = from("192.0.2.1", sync()).await;
        if answer.status == 429 { Ok(answer) } else { Err(format!("{answer:?}")) }
    })
    .await;
    is_refusal(&refused, 429);
    accepted(&from("192.0.2.2", sync()).await);
    assert!(shed(&gateway, "peer_rate").await >= 2.0);
    eventually("the first address may again", SOON, async || {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let answer = from("192.0.2.1", list()).await;
        ensure(answer.status == 200, || format!("{answer:?}"))
    })
    .await;
}

#[tokio::test]
async fn while_zookeeper_hangs_changes_are_shed_and_discovery_and_heartbeats_go_on() {
    let server = ZooKeeper::single().await;
    let gateway = Options::new(&server.connect_string())
        .session(Duration::from_secs(30))
        .set("zookeeper", "max_in_flight", "2")
        .set("zookeeper", "max_queue_time", "\"100ms\"")
        .set("zookeeper", "operation_timeout", "\"10s\"")
        .start()
        .await;
    let known = one_provider("demo.Known", 1);
    gateway.synced("known", &known).await;
    let service = create_service(&gateway, "orders").await;
    let instance = create_instance(&gateway, &service, 1).await;
    server.pause(0);
    let changes: Vec<_> = (1..=20)
        .map(|number| {
            let request =
                sync_request(gateway.http, &format!("r{number}"), &one_provider("demo.Echo", number));
            tokio::spawn(request.patience(SOON).send())
        })
        .collect();
    eventually("those without a turn are refused", SOON, async || {
        let count = shed(&gateway, "zookeeper").await;
        ensure(count >= 18.0, || count.to_string())
    })
    .await;
    gateway.get(&find("orders")).await.ok();
    accepted(&gateway.sync("known", &known).await);
    gateway.put(&format!("{}/{instance}/heartbeat", instances(&service))).await.ok();
    let refused = gateway.post(&instances(&service), &json!({"instance": {"hostName": "n"}})).await;
    is_refusal(&refused, 503);
    server.go_on(0);
    let mut refused = 0;
    for change in changes {
        let answer = change.await.unwrap();
        if answer.status == 503 {
            is_refusal(&answer, 503);
            refused += 1;
        }
    }
    assert!(refused >= 18, "{refused}");
    gateway.synced("later", &one_provider("demo.Later", 1)).await;
}

#[tokio::test]
async fn a_body_that_does_not_arrive_in_time_is_given_up_with_its_connection() {
    let root = zookeeper::shared().await;
    let gateway = Options::new(&root).set("http", "request_body_timeout", "\"300ms\"").start().await;
    for (path, form) in [
        ("/registry/info/sync", "\"service_list\":{\"version\":0}"),
        ("/v4/default/registry/microservices", "\"errorCode\":\"400001\""),
        ("/pub", "\"code\":1"),
    ] {
        let mut stream = unfinished(&gateway, path).await;
        let mut answer = String::new();
        let read = tokio::time::timeout(scaled(SOON), stream.read_to_string(&mut answer)).await;
        read.unwrap().unwrap();
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
        assert!(answer.contains(form) && answer.contains("did not arrive within 300ms"), "{answer}");
    }
    assert_eq!(shed(&gateway, "body_time").await, 3.0);
}

/// A connection with a body that is nearly as long as the memory for all of them, and never ends.
async fn much_of_a_body(gateway: &Gateway) -> TcpStream {
    let mut stream = TcpStream::connect(gateway.http).await.unwrap();
    let head = "POST /registry/info/sync HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\n\
                Content-Length: 1048576\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    // The gateway may refuse it before it has all, which the caller looks at.
    let _ = stream.write_all(&vec![b' '; 1_048_000]).await;
    stream
}

/// Whether the other side has answered `stream`, or closed it.
fn has_ended(stream: &TcpStream) -> bool {
    let read = stream.try_read(&mut [0]);
    !matches!(read, Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
}

#[tokio::test]
async fn bodies_share_a_bounded_memory() {
    let root = zookeeper::shared().await;
    let options = Options::new(&root)
        .set("http", "max_body_memory", "1048576")
        .set("http", "max_sync_body", "1048576")
        .set("servicecomb", "max_body", "1048576");
    let gateway = options.start().await;
    let mut held = much_of_a_body(&gateway).await;
    // What the server has read and not handed over yet does not count, so it must be much that does not fit.
    let large = format!("{{\"provider_list\":[]{}}}", " ".repeat(500_000));
    let refused = eventually("there is no room beside it", SOON, async || {
        // While both grow, the one refused may be the one that is to stay.
        if has_ended(&held) {
            held = much_of_a_body(&gateway).await;
        }
        let request = gateway.request(Method::POST, "/registry/info/sync").header("x-registrant-id", "r");
        let sync = request.header("content-type", "application/json").body(large.clone()).send().await;
        let request = gateway.request(Method::POST, "/v4/default/registry/microservices");
        let service = request.body(large.clone()).send().await;
        let both = [sync, service];
        if both.iter().all(|answer| answer.status == 503) { Ok(both) } else { Err(format!("{both:?}")) }
    })
    .await;
    for answer in &refused {
        is_refusal(answer, 503);
    }
    assert!(shed(&gateway, "body_memory").await >= 2.0);
    drop(held);
    eventually("there is room again", SOON, async || {
        let request = gateway.request(Method::POST, "/registry/info/sync").header("x-registrant-id", "r");
        let answer = request.header("content-type", "application/json").body(large.clone()).send().await;
        ensure(answer.status == 200, || format!("{answer:?}"))
    })
    .await;
}

/// Holds connections that send nothing, or a byte now and then, of a head or of a body.
async fn crawl(gateway: &Gateway, number: usize) {
    let Ok(mut stream) = TcpStream::connect(gateway.http).await else { return };
    let begin: &[u8] = match number % 3 {
        0 => b"",
        1 => b"GET /v4/default/registry/microservices HTTP/1.1\r\nHost: ",
        _ => {
            b"POST /pub HTTP/1.1\r\nHost: g\r\nContent-Type: application/json\r\nContent-Length: 900\r\n\r\n"
        }
    };
    let _ = stream.write_all(begin).await;
    while !number.is_multiple_of(3) && stream.write_all(b"x").await.is_ok() {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    // Until the other side ends it.
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
}

#[tokio::test]
async fn healthy_clients_are_served_beside_more_slow_ones_than_there_are_open_files() {
    let options = Options::new(&zookeeper::shared().await)
        .set("http", "request_head_timeout", "\"500ms\"")
        .set("http", "request_body_timeout", "\"500ms\"")
        .open_files(256);
    let gateway = std::sync::Arc::new(options.start().await);
    assert!(gateway.output().contains("the limit of open files is 256"), "{}", gateway.output());
    let slow: Vec<_> = (0..400)
        .map(|number| {
            let gateway = gateway.clone();
            tokio::spawn(async move {
                loop {
                    crawl(&gateway, number).await;
                }
            })
        })
        .collect();
    for number in 1..=5 {
        let request = sync_request(gateway.http, &format!("r{number}"), &one_provider("demo.Echo", number));
        accepted(&request.patience(SOON).send().await);
        gateway.ops("/readyz").send().await.ok();
    }
    slow.iter().for_each(|task| task.abort());
    assert_eq!(metric(&gateway, "zoogate_panics_total").await, 0.0);
}

#[tokio::test]
async fn a_gateway_that_runs_out_of_open_files_takes_connections_again_when_there_are_some() {
    let gateway = Options::new(&zookeeper::shared().await).start().await;
    gateway.limit_open_files(64);
    let mut held = Vec::new();
    for _ in 0..100 {
        held.push(TcpStream::connect(gateway.http).await.unwrap());
    }
    eventually("it has run out", SOON, async || {
        let output = gateway.output();
        ensure(output.contains("Error accepting connection"), || output)
    })
    .await;
    drop(held);
    let request = sync_request(gateway.http, "r", &one_provider("demo.Echo", 1));
    accepted(&request.patience(SOON).send().await);
    gateway.ops("/readyz").send().await.ok();
}

#[tokio::test]
async fn heads_that_are_too_long_or_have_too_many_headers_are_refused() {
    let gateway = Options::new("127.0.0.1:1").any_port().launch().await;
    let request = |headers: &str| {
        format!("GET /openapi.json HTTP/1.1\r\nHost: h\r\nConnection: close\r\n{headers}\r\n")
    };
    let many = |count: usize| (0..count).map(|number| format!("x-{number}: 1\r\n")).collect::<String>();
    let long = |bytes: usize| format!("x-long: {}\r\n", "x".repeat(bytes));
    for (headers, status) in
        [(many(90), "200"), (many(100), "431"), (long(60_000), "200"), (long(200_000), "431")]
    {
        let answer = raw(gateway.http, request(&headers).as_bytes()).await;
        let given = answer.split(' ').nth(1).unwrap_or_default();
        assert_eq!(given, status, "{} bytes: {:.200}", headers.len(), answer);
    }
}

#[tokio::test]
async fn a_compressed_body_is_not_unpacked() {
    let root = zookeeper::shared().await;
    let gateway = Options::new(&root).start().await;
    let sync = gateway.request(Method::POST, "/registry/info/sync").header("content-encoding", "gzip");
    let refused = sync.json(&one_provider("demo.Echo", 1)).send().await.ok();
    assert!(refused.json()["msg"].as_str().unwrap().starts_with("Content-Encoding: "), "{refused:?}");
    // The v4 API reads it as it is, and finds no JSON.
    let refused = gateway.request(Method::POST, "/v4/default/registry/microservices");
    let refused = refused.header("content-encoding", "gzip").body("\u{1f}\u{8b}\u{8}").send().await;
    refused.refused("400001");
}
