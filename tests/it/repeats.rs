//! The same snapshot again, word for word, which is how sidecars say that they live: it is answered from what it came to
//! before, and only as long as that is true.

use std::time::Duration;

use serde_json::{Value, json};

use crate::fixtures::polls::consumer;
use crate::fixtures::scene::SOON;
use crate::fixtures::{entry, nothing, one_provider, snapshot, sorted, two};
use crate::support::client::Answer;
use crate::support::eventually::{ensure, eventually};
use crate::support::gateway::{Gateway, Options, accepted};
use crate::support::znodes::Znodes;
use crate::support::zookeeper;

/// Nobody lapses meanwhile.
const LONG: Duration = Duration::from_secs(300);

/// Syncs `snapshot` until it is known, and once more.
async fn repeat(gateway: &Gateway, registrant: &str, snapshot: &Value) -> Answer {
    let first = gateway.sync(registrant, snapshot).await;
    accepted(&first);
    let mut last = first;
    for _ in 0..3 {
        let again = gateway.sync(registrant, snapshot).await;
        assert_eq!((&again.body, again.header("etag")), (&last.body, last.header("etag")));
        last = again;
    }
    last
}

/// The consumed interfaces that the answer says have a provider.
fn dispatched(answer: &Answer) -> Value {
    answer.json()["service_list"]["dispatched_interface_list"].clone()
}

async fn start(options: impl FnOnce(Options) -> Options) -> (Gateway, Znodes) {
    let root = zookeeper::shared().await;
    let gateway = options(Options::new(&root).time_to_live(LONG)).start().await;
    (gateway, Znodes::connect(&root).await)
}

#[tokio::test]
async fn a_repetition_is_answered_alike_whether_it_is_remembered_or_not_and_writes_nothing() {
    for memory in ["0", "1048576"] {
        let (gateway, znodes) = start(|options| options.set("mosn", "max_repeat_memory", memory)).await;
        let wanted = snapshot(&[entry("demo.Echo", "10.0.0.1", 1)], &[entry("demo.Used", "10.0.0.1", 2)]);
        gateway.synced("r", &wanted).await;
        let before = znodes.history().await;
        let answer = repeat(&gateway, "r", &wanted).await;
        assert_eq!(answer.header("content-type"), Some("application/json;charset=utf-8"));
        assert_eq!(sorted(&answer.json()["service_list"]["pub_interface_list"]), ["demo.Echo"]);
        assert_eq!(znodes.history().await, before);
    }
}

#[tokio::test]
async fn a_repetition_tells_which_interfaces_have_a_provider_now() {
    let (gateway, _) = start(|options| options).await;
    let wanted = consumer("demo.Later");
    assert_eq!(dispatched(&repeat(&gateway, "consumer", &wanted).await), Value::Null);
    gateway.synced("provider", &one_provider("demo.Later", 1)).await;
    assert_eq!(dispatched(&gateway.sync("consumer", &wanted).await), json!(["demo.Later"]));
    assert_eq!(dispatched(&repeat(&gateway, "consumer", &wanted).await), json!(["demo.Later"]));
    gateway.synced("provider", &nothing()).await;
    assert_eq!(dispatched(&gateway.sync("consumer", &wanted).await), Value::Null);
}

#[tokio::test]
async fn the_same_snapshot_in_another_name_is_not_a_repetition() {
    let (gateway, znodes) = start(|options| options).await;
    let wanted = one_provider("demo.Echo", 1);
    assert_eq!(accepted(&repeat(&gateway, "one", &wanted).await), 1);
    assert_eq!(accepted(&repeat(&gateway, "other", &wanted).await), 1);
    gateway.synced("one", &nothing()).await;
    assert_eq!(znodes.urls("demo.Echo", "providers").await.len(), 1, "the other still has it");
    gateway.synced("other", &nothing()).await;
    assert_eq!(znodes.urls("demo.Echo", "providers").await, Vec::<String>::new());
}

#[tokio::test]
async fn what_another_replica_has_changed_meanwhile_is_changed_back() {
    let (root, one, other) = two(LONG).await;
    let znodes = Znodes::connect(&root).await;
    let (first, second) = (one_provider("demo.Echo", 1), one_provider("demo.Echo", 2));
    repeat(&one, "r", &first).await;
    assert_eq!(other.synced("r", &second).await, 2);
    eventually("it is written again", SOON, async || {
        let version = one.synced("r", &first).await;
        ensure(version == 3, || format!("version {version}"))
    })
    .await;
    let urls = znodes.urls("demo.Echo", "providers").await;
    assert!(urls.iter().any(|url| url.starts_with("dubbo://10.0.0.1:1/")), "{urls:?}");
    // What the other one remembers is over as well.
    repeat(&one, "r", &first).await;
    assert_eq!(other.synced("r", &nothing()).await, 4);
    eventually("it stands again", SOON, async || {
        let version = one.synced("r", &first).await;
        ensure(version == 5, || format!("version {version}"))
    })
    .await;
}

#[tokio::test]
async fn a_repetition_sees_to_the_mark_and_to_a_document_that_somebody_deleted() {
    let (gateway, znodes) = start(|options| options).await;
    let wanted = one_provider("demo.Echo", 1);
    repeat(&gateway, "r", &wanted).await;
    let tree = znodes.tree("/zoogate/leases/snapshots").await;
    let mark = tree.keys().max_by_key(|path| path.matches('/').count()).unwrap();
    znodes.delete(mark).await;
    eventually("it is marked again", SOON, async || {
        gateway.synced("r", &wanted).await;
        ensure(znodes.exists(mark).await, || format!("{mark} is not there"))
    })
    .await;
    let documents = znodes.tree("/zoogate/snapshots").await;
    let document = documents.keys().find(|path| path.ends_with("/r")).unwrap();
    znodes.delete(document).await;
    eventually("it is written again", SOON, async || {
        gateway.synced("r", &wanted).await;
        ensure(znodes.exists(document).await, || format!("{document} is not there"))
    })
    .await;
    repeat(&gateway, "r", &wanted).await;
}

#[tokio::test]
async fn repetitions_keep_alive_and_what_has_lapsed_is_registered_anew() {
    let time_to_live = Duration::from_secs(3);
    let (gateway, znodes) = start(|options| options.time_to_live(time_to_live)).await;
    let wanted = one_provider("demo.Echo", 1);
    let version = accepted(&repeat(&gateway, "r", &wanted).await);
    let begin = std::time::Instant::now();
    while begin.elapsed() < 2 * time_to_live {
        // A machine that stands still for longer than the time to live has let it lapse.
        let sent = std::time::Instant::now();
        let answered = gateway.synced("r", &wanted).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        if sent.elapsed() < time_to_live / 2 {
            assert_eq!(answered, version);
        }
    }
    eventually("it falls silent", 4 * time_to_live, async || {
        let urls = znodes.urls("demo.Echo", "providers").await;
        ensure(urls.is_empty(), || format!("{urls:?}"))
    })
    .await;
    assert!(gateway.synced("r", &wanted).await > version);
    assert_eq!(znodes.urls("demo.Echo", "providers").await.len(), 1);
}
