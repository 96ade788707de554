//! Very many changes at once: what else changes meanwhile is told in the order in which it happened.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::fixtures::{entry, snapshot};
use crate::support::eventually::{ensure, eventually};
use crate::support::gateway::{Gateway, Options};
use crate::support::znodes::{Znodes, escape};
use crate::support::zookeeper;

/// Znodes that come and go in a folder of their own.
const FLOOD: usize = 4_000;
/// Changes of the one provider that is looked at.
const CHANGES: usize = 15;

/// A snapshot whose provider says which one it is.
fn numbered(number: usize) -> Value {
    let mut provider = entry("demo.Calm", "10.0.0.1", 20880);
    provider["service"]["params"] = json!({"application": "demo", "number": number.to_string()});
    snapshot(&[provider], &[])
}

/// The newest of what a gateway finds.
async fn newest(gateway: &Gateway) -> Option<usize> {
    let found = gateway.get("/instances?appId=demo&serviceName=demo.Calm").await.json();
    let instances = found["instances"].as_array().into_iter().flatten();
    instances.filter_map(|instance| instance["properties"]["number"].as_str()?.parse().ok()).max()
}

#[tokio::test]
async fn a_flood_of_changes_never_shows_an_older_state_after_a_newer_one_nor_none_at_all() {
    let root = zookeeper::shared().await;
    let (one, other) = (Options::new(&root).start().await, Options::new(&root).start().await);
    let znodes = Znodes::connect(&root).await;
    let folder = "/dubbo/demo.Flood/providers";
    znodes.create_all(folder).await;
    let flood: Vec<_> = (0..FLOOD)
        .map(|number| format!("{folder}/{}", escape(&format!("dubbo://10.0.0.1:{}/demo.Flood", 1 + number))))
        .collect();
    one.synced("r", &numbered(0)).await;
    eventually("the other gateway shows it", Duration::from_secs(5), async || {
        let newest = newest(&other).await;
        ensure(newest == Some(0), || format!("it shows {newest:?}"))
    })
    .await;

    let done = AtomicBool::new(false);
    let change = async {
        for number in 1..=CHANGES {
            // Under the flood ZooKeeper may not answer in time, and the request is to be repeated.
            eventually("the change is acknowledged", Duration::from_secs(30), async || {
                let answer = one.sync("r", &numbered(number)).await;
                ensure(answer.json()["code"] == 0, || format!("{answer:?}"))
            })
            .await;
        }
        done.store(true, Ordering::SeqCst);
    };
    let flow = async {
        while !done.load(Ordering::SeqCst) {
            znodes.create_many(&flood).await;
            znodes.delete_many(&flood).await;
        }
    };
    let look = async {
        let mut last = 0;
        while last < CHANGES {
            let now = newest(&other).await;
            let Some(now) = now.filter(|now| *now >= last) else {
                panic!("{now:?} is shown after {last}");
            };
            last = now;
        }
    };
    let all = async { tokio::join!(change, flow, look) };
    tokio::time::timeout(Duration::from_secs(300), all).await.unwrap();
}
