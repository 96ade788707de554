//! Where the old form of a provider is to stay for a moment beside the new one, it does, and never for longer.

use std::time::Duration;

use serde_json::{Value, json};

use crate::fixtures::{entry, nothing, snapshot};
use crate::support::eventually::{ensure, eventually};
use crate::support::gateway::{Gateway, Options, SHORT_SESSION};
use crate::support::znodes::Znodes;
use crate::support::zookeeper;

const INTERFACE: &str = "demo.Echo";
/// Time within which left-overs of a gateway that was killed must be gone: they are looked for every 30 s.
const SWEPT: Duration = Duration::from_secs(90);
/// Longer than any test takes.
const LONG: &str = "\"1m\"";
const SHORT: &str = "\"300ms\"";

struct Scene {
    root: String,
    znodes: Znodes,
}

impl Scene {
    async fn begin() -> Self {
        let root = zookeeper::shared().await;
        Self { znodes: Znodes::connect(&root).await, root }
    }

    async fn gateway(&self, overlap: &str) -> Gateway {
        Options::new(&self.root).set("dubbo", "replacement_overlap", overlap).start().await
    }

    /// The weights and timestamps of the providers that stand there.
    async fn standing(&self) -> Vec<(String, i64)> {
        let urls = self.znodes.urls(INTERFACE, "providers").await;
        let param = |url: &str, key: &str| {
            let start = format!("{key}=");
            url.split(['?', '&']).find_map(|param| param.strip_prefix(&start)).unwrap().to_owned()
        };
        let mut standing: Vec<_> = urls
            .iter()
            .map(|url| (param(url, "weight"), param(url, "timestamp").parse::<i64>().unwrap()))
            .collect();
        standing.sort_by_key(|(_, timestamp)| *timestamp);
        standing
    }

    async fn weights(&self) -> Vec<String> {
        self.standing().await.into_iter().map(|(weight, _)| weight).collect()
    }

    async fn come_to(&self, weights: &[&str], within: Duration) {
        eventually(&format!("{weights:?} stand there"), within, async || {
            let standing = self.weights().await;
            ensure(standing == weights, || format!("{standing:?}"))
        })
        .await;
    }
}

fn weighing(weight: &str) -> Value {
    let mut provider = entry(INTERFACE, "10.0.0.1", 20880);
    provider["service"]["params"]["weight"] = json!(weight);
    snapshot(&[provider], &[])
}

#[tokio::test]
async fn the_old_form_of_a_provider_stays_beside_the_new_one_and_then_goes_without_another_version() {
    let scene = Scene::begin().await;
    let gateway = scene.gateway(SHORT).await;
    assert_eq!(gateway.synced("r", &weighing("1")).await, 1);
    let first = scene.standing().await[0].1;
    for (version, weight) in (2..).zip(["2", "3", "1"]) {
        assert_eq!(gateway.synced("r", &weighing(weight)).await, version);
        scene.come_to(&[weight], Duration::from_secs(20)).await;
        let moved = first + i64::try_from(version).unwrap() - 1;
        assert_eq!(scene.standing().await, [(weight.to_owned(), moved)]);
        assert_eq!(gateway.synced("r", &weighing(weight)).await, version, "nothing has changed");
    }
}

#[tokio::test]
async fn what_a_change_has_superseded_goes_with_the_next_one_at_any_replica_and_with_a_withdrawal() {
    let scene = Scene::begin().await;
    let (one, other) = (scene.gateway(LONG).await, scene.gateway(LONG).await);
    one.synced("r", &weighing("1")).await;
    one.synced("r", &weighing("2")).await;
    assert_eq!(scene.weights().await, ["1", "2"]);
    other.synced("r", &weighing("3")).await;
    assert_eq!(scene.weights().await, ["2", "3"]);
    // The first one takes it for a repetition until it has heard of the change by the other.
    eventually("it is changed back", SWEPT, async || {
        let version = one.synced("r", &weighing("2")).await;
        ensure(version == 4, || format!("version {version}"))
    })
    .await;
    assert_eq!(scene.weights().await, ["3", "2"]);
    other.synced("r", &nothing()).await;
    assert_eq!(scene.weights().await, [""; 0]);
}

#[tokio::test]
async fn a_silent_sidecar_goes_with_what_it_has_superseded() {
    let scene = Scene::begin().await;
    let options = Options::new(&scene.root).time_to_live(Duration::from_secs(2));
    let gateway = options.set("dubbo", "replacement_overlap", LONG).start().await;
    gateway.synced("r", &weighing("1")).await;
    gateway.synced("r", &weighing("2")).await;
    scene.come_to(&[], Duration::from_secs(30)).await;
}

#[tokio::test]
async fn what_a_gateway_that_was_killed_has_superseded_is_swept_by_another() {
    let scene = Scene::begin().await;
    let one = Options::new(&scene.root).set("dubbo", "replacement_overlap", LONG).session(SHORT_SESSION);
    let (mut one, other) = (one.start().await, scene.gateway(LONG).await);
    one.synced("r", &weighing("1")).await;
    one.synced("r", &weighing("2")).await;
    one.kill();
    eventually("the old form is swept away", SWEPT, async || {
        // On a busy machine a session may be lost for a moment: the request is repeated.
        let answer = other.sync("r", &weighing("2")).await.json();
        ensure(answer["service_list"]["version"] == 2, || answer.to_string())?;
        let standing = scene.weights().await;
        ensure(standing == ["2"], || format!("{standing:?}"))
    })
    .await;
}
