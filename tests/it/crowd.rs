//! A crowd of watchers: everybody hears of everything, and nothing of them stays behind.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval};

use crate::fixtures::{create_instance, create_service, find, instances};
use crate::support::eventually::{ensure, eventually};
use crate::support::gateway::{Gateway, Options, registry_path};
use crate::support::socket::Socket;
use crate::support::zookeeper;

/// Watchers of each of two replicas.
const WATCHERS: usize = 1_000;
/// Instances that change in turn.
const INSTANCES: usize = 20;
/// Changes, a hundred a second.
const CHANGES: usize = 200;
const PERIOD: Duration = Duration::from_millis(10);
/// What the allocator may keep for itself after a crowd has left.
const KEPT_BYTES: f64 = 12e6;

/// Resident memory in bytes.
async fn memory(gateway: &Gateway) -> f64 {
    let metrics = gateway.ops("/metrics").send().await.body;
    let line = metrics.lines().find_map(|line| line.strip_prefix("process_resident_memory_bytes "));
    line.expect("the metric is there").parse().unwrap()
}

async fn subscribers(gateway: &Gateway, count: usize) {
    let line = format!("zoogate_watch_subscribers {count}\n");
    eventually("everybody is counted", Duration::from_secs(30), async || {
        ensure(gateway.ops("/metrics").send().await.body.contains(&line), || line.clone())
    })
    .await;
}

/// Reads until every change has arrived, and checks that each instance's changes come in order, without a gap.
async fn hear(mut socket: Socket) -> Socket {
    let mut last: HashMap<String, Value> = HashMap::new();
    for _ in 0..CHANGES {
        let event = socket.json().await;
        assert_eq!(event["action"], "UPDATE", "{event}");
        let instance = event["instance"]["instanceId"].as_str().unwrap().to_owned();
        let status = event["instance"]["status"].clone();
        // Every change turns the status over: two of the same in a row would mean that one was left out.
        let before = last.insert(instance, status.clone()).unwrap_or_else(|| "UP".into());
        assert_ne!(before, status, "{event}");
    }
    socket
}

async fn crowd(gateways: [&Gateway; 2], consumer: &str, provider: &str, ids: &[String]) {
    let mut hearing = JoinSet::new();
    for gateway in gateways {
        let path = registry_path(&format!("/microservices/{consumer}/watcher"));
        for _ in 0..WATCHERS {
            hearing.spawn(hear(Socket::open(gateway.http, &path).await.unwrap()));
        }
    }
    for gateway in gateways {
        subscribers(gateway, WATCHERS).await;
    }
    let mut pace = interval(PERIOD);
    let mut up = vec![true; ids.len()];
    let started = Instant::now();
    for change in 0..CHANGES {
        pace.tick().await;
        let index = change % ids.len();
        up[index] = !up[index];
        let value = if up[index] { "UP" } else { "DOWN" };
        let path = format!("{}/{}/status?value={value}", instances(provider), ids[index]);
        gateways[change % 2].put(&path).await.ok();
    }
    eprintln!("{CHANGES} changes took {:?}", started.elapsed());
    let sockets = hearing.join_all().await;
    eprintln!("{} watchers have heard all after {:?}", sockets.len(), started.elapsed());
    drop(sockets);
    for gateway in gateways {
        subscribers(gateway, 0).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_watchers_hear_of_every_change_in_order_and_leave_no_memory_behind() {
    let root = zookeeper::shared().await;
    let (one, other) = (Options::new(&root).start().await, Options::new(&root).start().await);
    let (consumer, provider) = (create_service(&one, "web").await, create_service(&one, "stock").await);
    let mut ids = Vec::new();
    for port in 0..INSTANCES {
        ids.push(create_instance(&one, &provider, 8000 + u16::try_from(port).unwrap()).await);
    }
    let found =
        one.request(reqwest::Method::GET, &registry_path(&find("stock"))).header("X-ConsumerId", &consumer);
    found.send().await.ok();
    let known = format!("/microservices/{consumer}/providers");
    for gateway in [&one, &other] {
        eventually("the dependency is known", Duration::from_secs(5), async || {
            ensure(gateway.get(&known).await.body.contains(&provider), || "it is not".into())
        })
        .await;
    }
    // What the first crowd leaves is what a gateway keeps for any; what counts is that it does not grow.
    crowd([&one, &other], &consumer, &provider, &ids).await;
    let before = [memory(&one).await, memory(&other).await];
    crowd([&one, &other], &consumer, &provider, &ids).await;
    for (gateway, before) in [&one, &other].into_iter().zip(before) {
        eventually("memory is where it was", Duration::from_secs(20), async || {
            let now = memory(gateway).await;
            ensure(now < before + KEPT_BYTES, || format!("{now} bytes instead of {before}"))
        })
        .await;
        eprintln!("{before} bytes before, {} after", memory(gateway).await);
    }
}
