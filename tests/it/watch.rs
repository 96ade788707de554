//! Consumers that are told of changes, and instances that beat, over `WebSocket`s.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::fixtures::{create_instance, create_service, entry, find, instances, nothing, snapshot};
use crate::support::eventually::{ensure, eventually};
use crate::support::gateway::{Gateway, Options, registry_path};
use crate::support::proxy::{Mode, Proxy};
use crate::support::socket::Socket;
use crate::support::zookeeper;

/// Longest time that a test waits for what happens at once.
const SOON: Duration = Duration::from_secs(30);
/// How long a watcher must hear nothing.
const QUIET: Duration = Duration::from_millis(500);

async fn two() -> (Gateway, Gateway) {
    let options = Options::new(&zookeeper::shared().await);
    (options.clone().start().await, options.start().await)
}

fn watcher(service: &str) -> String {
    registry_path(&format!("/microservices/{service}/watcher"))
}

async fn watch(gateway: &Gateway, consumer: &str) -> Socket {
    Socket::open(gateway.http, &watcher(consumer)).await.unwrap_or_else(|status| panic!("{status}"))
}

/// Makes `consumer` depend on what `path` finds, and waits until `watched` knows.
async fn depend(gateway: &Gateway, watched: &Gateway, consumer: &str, path: &str) {
    let request = gateway.request(Method::GET, &registry_path(path));
    request.header("x-consumerid", consumer).send().await.ok();
    eventually("the dependency is recorded", SOON, async || {
        let answer = watched.get(&format!("/microservices/{consumer}/providers")).await.json();
        ensure(answer.get("providers").is_some(), || answer.to_string())
    })
    .await;
}

fn said(event: &Value) -> (&str, &str) {
    (event["action"].as_str().unwrap(), event["instance"]["instanceId"].as_str().unwrap())
}

async fn open_files(gateway: &Gateway) -> u32 {
    let metrics = gateway.ops("/metrics").send().await.body;
    let line = metrics.lines().find_map(|line| line.strip_prefix("process_open_fds "));
    line.expect("the metric is there").parse().unwrap()
}

async fn subscribers(gateway: &Gateway, count: usize) {
    let line = format!("zoogate_watch_subscribers {count}\n");
    eventually("the metric tells the watchers", SOON, async || {
        let metrics = gateway.ops("/metrics").send().await.body;
        ensure(metrics.contains(&line), || format!("no {line}"))
    })
    .await;
}

#[tokio::test]
async fn a_watcher_on_one_replica_hears_of_every_change_on_the_other_in_order_and_once() {
    let (one, other) = two().await;
    let (consumer, provider) = (create_service(&one, "web").await, create_service(&one, "stock").await);
    let unrelated = create_service(&one, "unrelated").await;
    depend(&one, &other, &consumer, &find("stock")).await;
    let mut socket = watch(&other, &consumer).await;
    assert!(socket.is_quiet(QUIET).await, "there is no first snapshot");

    create_instance(&one, &unrelated, 9000).await;
    for port in 8080..8090 {
        let instance = create_instance(&one, &provider, port).await;
        let path = format!("{}/{instance}", instances(&provider));
        one.put(&format!("{path}/heartbeat")).await.ok();
        let created = socket.json().await;
        let key =
            json!({"tenant": "default/default", "appId": "shop", "serviceName": "stock", "version": "1.0.0"});
        assert_eq!(created["key"], key, "{created}");
        assert_eq!(created["instance"]["endpoints"][0], format!("rest://10.0.0.7:{port}"), "{created}");
        assert_eq!(said(&created), ("CREATE", instance.as_str()));
        one.put(&format!("{path}/status?value=DOWN")).await.ok();
        let changed = socket.json().await;
        assert_eq!(said(&changed), ("UPDATE", instance.as_str()));
        assert_eq!(changed["instance"]["status"], "DOWN");
        one.delete(&path).await.ok();
        assert_eq!(said(&socket.json().await), ("DELETE", instance.as_str()));
    }
    socket.ping().await;
    assert!(socket.is_quiet(QUIET).await);
    let last = create_instance(&one, &provider, 9999).await;
    assert_eq!(said(&socket.json().await), ("CREATE", last.as_str()));
    one.delete(&format!("/microservices/{provider}?force=1")).await.ok();
    assert_eq!(said(&socket.json().await), ("DELETE", last.as_str()));
    assert!(socket.is_quiet(QUIET).await);
}

#[tokio::test]
async fn what_a_sidecar_syncs_is_told_like_any_other_instance() {
    let (one, other) = two().await;
    let web = json!({"service": {"appId": "demo", "serviceName": "web", "version": "1.0.0"}});
    let consumer =
        one.post("/microservices", &web).await.ok().json()["serviceId"].as_str().unwrap().to_owned();
    let first = entry("demo.Echo", "10.0.0.1", 20880);
    one.synced("a", &snapshot(std::slice::from_ref(&first), &[])).await;
    depend(&one, &other, &consumer, "/instances?appId=demo&serviceName=demo.Echo").await;
    let mut socket = watch(&other, &consumer).await;
    one.synced("a", &snapshot(&[first, entry("demo.Echo", "10.0.0.2", 20880)], &[])).await;
    let created = socket.json().await;
    assert_eq!(created["action"], "CREATE", "{created}");
    assert_eq!(created["key"]["serviceName"], "demo.Echo", "{created}");
    assert!(
        created["instance"]["endpoints"][0].as_str().unwrap().starts_with("dubbo://10.0.0.2:20880"),
        "{created}"
    );
    one.synced("a", &nothing()).await;
    let gone = [socket.json().await, socket.json().await];
    assert!(gone.iter().all(|event| event["action"] == "DELETE"), "{gone:?}");
    assert_ne!(gone[0]["instance"], gone[1]["instance"]);
    assert!(socket.is_quiet(QUIET).await);
}

#[tokio::test]
async fn what_changed_while_zookeeper_was_away_is_told_after_the_reconnect() {
    let root = zookeeper::shared().await;
    let (proxy, through) = Proxy::in_front_of(&root).await;
    let one = Options::new(&root).start().await;
    let other = Options::new(&through).start().await;
    let (consumer, provider) = (create_service(&one, "web").await, create_service(&one, "stock").await);
    let old = create_instance(&one, &provider, 8080).await;
    let stays = create_instance(&one, &provider, 8081).await;
    depend(&one, &other, &consumer, &find("stock")).await;
    let mut socket = watch(&other, &consumer).await;
    proxy.set(Mode::Refuse);
    one.delete(&format!("{}/{old}", instances(&provider))).await.ok();
    one.put(&format!("{}/{stays}/status?value=DOWN", instances(&provider))).await.ok();
    let new = create_instance(&one, &provider, 8082).await;
    proxy.set(Mode::Pass);
    let mut told = Vec::new();
    for _ in 0..3 {
        let event = socket.json().await;
        let (action, instance) = said(&event);
        told.push((action.to_owned(), instance.to_owned()));
    }
    told.sort();
    let expected = [("CREATE", new), ("DELETE", old), ("UPDATE", stays)];
    assert_eq!(told, expected.map(|(action, instance)| (action.to_owned(), instance)));
    assert!(socket.is_quiet(QUIET).await);
}

#[tokio::test]
async fn an_unknown_service_is_told_so_and_a_chatty_client_is_let_go() {
    let (one, other) = two().await;
    let mut socket = watch(&one, "unknown").await;
    assert_eq!(socket.text().await, "service does not exist");
    assert_eq!(socket.closed().await, 1000);
    // Also one that the other replica has only just registered is known.
    let consumer = create_service(&one, "web").await;
    let mut socket = watch(&other, &consumer).await;
    socket.ping().await;
    socket.send(&"x".repeat(64)).await;
    socket.ping().await;
    socket.send(&"x".repeat(65)).await;
    assert_ne!(socket.closed().await, 1000);
    subscribers(&other, 0).await;
    one.get(&format!("/microservices/{consumer}/watcher")).await.refused("400001");
}

#[tokio::test]
async fn there_are_no_more_watchers_than_allowed_and_who_leaves_makes_room() {
    let options = Options::new(&zookeeper::shared().await).set("servicecomb", "max_watchers", "2");
    let gateway = options.start().await;
    let consumer = create_service(&gateway, "web").await;
    let first = watch(&gateway, &consumer).await;
    let mut second = watch(&gateway, &consumer).await;
    assert_eq!(Socket::open(gateway.http, &watcher(&consumer)).await.err(), Some(503));
    subscribers(&gateway, 2).await;
    drop(first);
    subscribers(&gateway, 1).await;
    watch(&gateway, &consumer).await.ping().await;
    second.ping().await;
}

#[tokio::test]
async fn many_watchers_each_hear_of_a_change_once() {
    let (one, other) = two().await;
    let (consumer, provider) = (create_service(&one, "web").await, create_service(&one, "stock").await);
    depend(&one, &other, &consumer, &find("stock")).await;
    let mut sockets = Vec::new();
    for _ in 0..400 {
        sockets.push(watch(&other, &consumer).await);
    }
    subscribers(&other, 400).await;
    let created =
        [create_instance(&one, &provider, 8080).await, create_instance(&one, &provider, 8081).await];
    for socket in &mut sockets {
        for instance in &created {
            assert_eq!(said(&socket.json().await), ("CREATE", instance.as_str()));
        }
    }
    assert!(sockets[0].is_quiet(QUIET).await);
    drop(sockets);
    subscribers(&other, 0).await;
}

#[tokio::test]
async fn a_watcher_that_takes_nothing_is_let_go_and_holds_up_nobody() {
    let options = Options::new(&zookeeper::shared().await);
    let options = options.set("servicecomb", "max_instance_body", "200000");
    let gateway = options.set("http", "send_timeout", "\"5s\"").start().await;
    let (consumer, provider) =
        (create_service(&gateway, "web").await, create_service(&gateway, "stock").await);
    let instance = json!({"instance": {
        "instanceId": "large", "hostName": "node", "properties": {"text": "x".repeat(150_000)},
    }});
    gateway.post(&instances(&provider), &instance).await.ok();
    depend(&gateway, &gateway, &consumer, &find("stock")).await;
    let mut sound = watch(&gateway, &consumer).await;
    subscribers(&gateway, 1).await;
    let files = open_files(&gateway).await;
    let stuck = watch(&gateway, &consumer).await;
    subscribers(&gateway, 2).await;
    // More than the buffers between the two can hold.
    for round in 0..150 {
        let value = ["DOWN", "UP"][round % 2];
        gateway.put(&format!("{}/large/status?value={value}", instances(&provider))).await.ok();
        assert_eq!(sound.json().await["instance"]["status"], value);
    }
    subscribers(&gateway, 1).await;
    eventually("the connection of the stuck one is cut", Duration::from_secs(60), async || {
        let now = open_files(&gateway).await;
        ensure(now <= files, || format!("{now} open files instead of {files}"))
    })
    .await;
    sound.ping().await;
    drop(stuck);
}

#[tokio::test]
async fn watchers_are_told_to_go_when_a_replica_goes() {
    let (one, mut other) = two().await;
    let (consumer, provider) = (create_service(&one, "web").await, create_service(&one, "stock").await);
    let instance = create_instance(&one, &provider, 8080).await;
    let mut watching = watch(&other, &consumer).await;
    let beat = registry_path(&format!("{}/{instance}/heartbeat", instances(&provider)));
    let mut beating = Socket::open(other.http, &beat).await.unwrap_or_else(|status| panic!("{status}"));
    beating.ping().await;
    let (stopped, codes) = tokio::join!(tokio::task::spawn_blocking(move || other.terminate()), async {
        [watching.closed().await, beating.closed().await]
    });
    let (code, output) = stopped.unwrap();
    assert_eq!((code, codes), (0, [1001, 1001]), "{output}");
    assert_eq!(one.ops("/readyz").send().await.status, 200);
}

#[tokio::test]
async fn an_instance_lives_as_long_as_it_answers_pings_and_is_told_when_it_is_gone() {
    let options = Options::new(&zookeeper::shared().await);
    let options = options.set("servicecomb", "min_interval", "\"1s\"").set("servicecomb", "min_times", "1");
    let gateway = options.start().await;
    let service = create_service(&gateway, "stock").await;
    let instance = json!({"instance": {
        "instanceId": "mine", "hostName": "node", "endpoints": ["rest://10.0.0.7:8080"],
        "healthCheck": {"mode": "push", "interval": 1, "times": 1},
    }});
    gateway.post(&instances(&service), &instance).await.ok();
    let path = format!("{}/mine", instances(&service));
    let beat = registry_path(&format!("{path}/heartbeat"));
    let mut socket = Socket::open(gateway.http, &beat).await.unwrap_or_else(|status| panic!("{status}"));
    // Twice as long as it may be silent.
    assert!(socket.is_quiet(Duration::from_secs(4)).await);
    gateway.get(&path).await.ok();
    gateway.delete(&path).await.ok();
    assert_eq!(socket.closed().await, 4001);
    let mut unknown = Socket::open(gateway.http, &beat).await.unwrap_or_else(|status| panic!("{status}"));
    assert_eq!(unknown.closed().await, 4001);
    gateway.request(Method::GET, &beat).send().await.refused("400001");
}
