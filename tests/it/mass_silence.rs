//! Far more registrants than usual fall silent at once: they are held, everybody is told, and it has an end.

use std::time::Duration;

use reqwest::Method;

use crate::fixtures::one_provider;
use crate::support::beat::Beat;
use crate::support::client::Request;
use crate::support::eventually::{ensure, eventually, throughout};
use crate::support::gateway::{Gateway, Options};
use crate::support::watcher::Watcher;
use crate::support::zookeeper;

/// How long a sidecar may be silent in these tests.
const TIME_TO_LIVE: Duration = Duration::from_secs(5);
/// Time for something to happen beyond the time to live.
const SOON: Duration = Duration::from_secs(5);
/// A process that stood still for so long gives everybody a new lease.
const PAUSE: Duration = Duration::from_secs(2);
/// Sidecars that fall silent together.
const SIDECARS: u16 = 40;

struct Scene {
    gateway: Gateway,
    watcher: Watcher,
}

impl Scene {
    /// A gateway with everybody registered, and nobody going on. After a pause every lease starts anew, so that all of
    /// them fall silent at the same instant.
    async fn start(options: impl FnOnce(Options) -> Options) -> Self {
        let root = zookeeper::shared().await;
        let gateway = options(Options::new(&root).time_to_live(TIME_TO_LIVE)).start().await;
        let watcher = Watcher::start(&root, "/dubbo").await;
        let beats = beats(&gateway, SIDECARS);
        eventually("all are registered", 4 * SOON, async || {
            let registered = beats.iter().filter(|beat| !beat.versions().is_empty()).count();
            ensure(registered == beats.len(), || format!("{registered} are"))
        })
        .await;
        gateway.pause();
        drop(beats);
        tokio::time::sleep(PAUSE).await;
        gateway.go_on();
        Self { gateway, watcher }
    }

    async fn metric(&self, name: &str) -> u64 {
        let metrics = self.gateway.ops("/metrics").send().await.body;
        let line =
            metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).map(str::to_owned);
        line.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {name} in {metrics}"))
    }

    /// Waits until a metric has this value: it is set a little after what it counts can be seen.
    async fn counts(&self, name: &str, expected: u64) {
        eventually(name, TIME_TO_LIVE + SOON, async || {
            let value = self.metric(name).await;
            ensure(value == expected, || format!("it is {value}"))
        })
        .await;
    }

    async fn held(&self) {
        self.counts("zoogate_mass_silence_held", u64::from(SIDECARS)).await;
    }

    async fn gone(&self, count: usize) {
        eventually("they are taken down", TIME_TO_LIVE + SOON, async || {
            let deleted = self.watcher.deleted("/providers/").len();
            ensure(deleted == count, || format!("{deleted} are gone"))
        })
        .await;
    }

    async fn nobody_goes(&self) {
        throughout("nobody goes", TIME_TO_LIVE, async || {
            let deleted = self.watcher.deleted("/providers/");
            ensure(deleted.is_empty(), || format!("{deleted:?}"))
        })
        .await;
    }

    async fn readyz(&self) -> String {
        let answer = self.gateway.ops("/readyz").send().await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body
    }

    async fn release(&self) -> u16 {
        Request::new(Method::POST, self.gateway.ops, "/release").send().await.status
    }
}

/// The first `count` sidecars, each with a provider of its own.
fn beats(gateway: &Gateway, count: u16) -> Vec<Beat> {
    let beat = |sidecar: u16| {
        let snapshot = one_provider("demo.Echo", 20_000 + sidecar);
        let name = format!("sidecar-{sidecar}");
        Beat::sidecar(&[gateway.http], &name, &snapshot, Duration::from_millis(500))
    };
    (0..count).map(beat).collect()
}

#[tokio::test]
async fn those_who_fall_silent_together_are_held_until_most_are_heard_again() {
    let scene = Scene::start(|options| options).await;
    scene.held().await;
    let told = scene.readyz().await;
    assert!(told.starts_with("ok\n[!] mass silence: 40 of 40 registrations"), "{told}");
    assert!(told.contains("for at most 10m"), "{told}");
    assert_eq!(scene.metric("zoogate_mass_silence_holds_total").await, 1);
    scene.nobody_goes().await;

    let beats = beats(&scene.gateway, 25);
    scene.gone(15).await;
    assert_eq!(scene.readyz().await, "ok\n");
    scene.counts("zoogate_mass_silence_held", 0).await;
    for beat in beats {
        assert!(beat.versions().iter().all(|version| *version == 1), "{:?}", beat.answers());
    }
}

#[tokio::test]
async fn an_operator_takes_down_those_who_are_held() {
    let scene = Scene::start(|options| options.set("mass_silence", "longest_hold", "\"0s\"")).await;
    assert_eq!(scene.release().await, 409);
    scene.held().await;
    let told = scene.readyz().await;
    assert!(told.contains("until an operator releases them"), "{told}");
    scene.nobody_goes().await;
    assert_eq!(scene.release().await, 200);
    scene.gone(usize::from(SIDECARS)).await;
    assert_eq!(scene.readyz().await, "ok\n");
    assert_eq!(scene.release().await, 409);
}

#[tokio::test]
async fn a_hold_ends_by_itself() {
    let scene = Scene::start(|options| options.set("mass_silence", "longest_hold", "\"1s\"")).await;
    scene.gone(usize::from(SIDECARS)).await;
    assert_eq!(scene.metric("zoogate_mass_silence_holds_total").await, 1);
    scene.counts("zoogate_lease_expirations_total", u64::from(SIDECARS)).await;
}

#[tokio::test]
async fn with_all_allowed_nobody_is_held() {
    let scene = Scene::start(|options| options.set("mass_silence", "percent", "100")).await;
    scene.gone(usize::from(SIDECARS)).await;
    assert_eq!(scene.metric("zoogate_mass_silence_holds_total").await, 0);
}
