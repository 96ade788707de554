//! What operators rely on: probes, metrics, the way in and the way out.

use std::time::Duration;

use crate::fixtures::one_provider;
use crate::support::eventually::{ensure, eventually, throughout};
use crate::support::gateway::{Options, check_config, run};
use crate::support::watcher::Watcher;
use crate::support::znodes::Znodes;
use crate::support::zookeeper::{self, ZooKeeper};

/// Exit code of a configuration error (`EX_CONFIG`).
const CONFIGURATION_ERROR: i32 = 78;

#[tokio::test]
async fn the_metrics_that_dashboards_use_are_there() {
    let gateway = Options::new(&zookeeper::shared().await).start().await;
    gateway.synced("r", &one_provider("demo.Echo", 20880)).await;
    gateway.get("/microservices").await.ok();
    let answer = gateway.ops("/metrics").send().await.ok();
    assert!(answer.header("content-type").unwrap().starts_with("text/plain"), "{answer:?}");
    for name in [
        "zoogate_build_info",
        "zoogate_http_requests_total",
        "zoogate_http_request_duration_seconds",
        "zoogate_http_requests_in_flight",
        "zoogate_zk_connected",
        "zoogate_zk_session_epoch",
        "zoogate_zk_sessions_expired_total",
        "zoogate_zk_operations_total",
        "zoogate_zk_operation_duration_seconds",
        "zoogate_mirror_instances",
        "zoogate_mirror_services",
        "zoogate_mirror_revision",
        "zoogate_mirror_staleness_seconds",
        "zoogate_leases",
        "zoogate_lease_expirations_total",
        "zoogate_panics_total",
        "process_resident_memory_bytes",
    ] {
        assert!(answer.body.contains(&format!("# TYPE {name} ")), "{name} in:\n{}", answer.body);
    }
    for line in ["zoogate_zk_connected 1", "zoogate_leases 1", "zoogate_panics_total 0"] {
        assert!(answer.body.lines().any(|given| given == line), "{line} in:\n{}", answer.body);
    }
}

#[tokio::test]
async fn a_gateway_on_ports_of_the_systems_choice_tells_them_and_is_ready() {
    let gateway = Options::new(&zookeeper::shared().await).any_port().start().await;
    assert_ne!(gateway.http.port(), 0);
    assert_ne!(gateway.http, gateway.ops);
    assert_eq!(gateway.ops("/livez").send().await.status, 200);
    assert_eq!(gateway.ops("/readyz").send().await.status, 200);
    gateway.get("/microservices").await.ok();
}

#[tokio::test]
async fn a_gateway_that_is_older_than_its_zookeeper_waits_for_it() {
    let mut zookeeper = ZooKeeper::single().await;
    zookeeper.kill(0);
    let mut gateway = Options::new(&zookeeper.connect_string()).launch().await;
    throughout("alive and not ready", Duration::from_secs(3), async || {
        let (live, ready) = (gateway.ops("/livez").send().await, gateway.ops("/readyz").send().await);
        ensure(live.status == 200 && ready.status == 503, || format!("{live:?} {ready:?}"))
    })
    .await;
    let url = format!("http://{}", gateway.ops);
    assert_eq!(run(&["healthcheck", "--url", &url]).status.code(), Some(1));
    let refused = gateway.sync("r", &one_provider("demo.Echo", 1)).await;
    assert_eq!(refused.json()["msg"], "zk not connected.", "{refused:?}");
    zookeeper.restart(0).await;
    gateway.ready().await;
    assert_eq!(run(&["healthcheck", "--url", &url]).status.code(), Some(0));
    assert_eq!(gateway.synced("r", &one_provider("demo.Echo", 1)).await, 1);
}

#[tokio::test]
async fn sigterm_ends_the_gateway_its_session_and_nothing_else() {
    let root = zookeeper::shared().await;
    let znodes = Znodes::connect(&root).await;
    let mut gateway = Options::new(&root).start().await;
    gateway.synced("r", &one_provider("demo.Echo", 20880)).await;
    assert_eq!(znodes.children("/zoogate/replicas").await.len(), 1);
    let watcher = Watcher::start(&root, "/dubbo").await;
    let (code, output) = gateway.terminate();
    assert_eq!(code, 0, "{output}");
    // Long before the session would expire, also with the patience that a busy machine is given.
    eventually("its replica is gone at once", Duration::from_secs(1), async || {
        ensure(znodes.children("/zoogate/replicas").await.is_empty(), || "it is still there".into())
    })
    .await;
    assert_eq!(znodes.urls("demo.Echo", "providers").await.len(), 1);
    gateway.restart().await;
    assert_eq!(gateway.synced("r", &one_provider("demo.Echo", 20880)).await, 1);
    assert_eq!(watcher.seen(), []);
}

#[test]
fn a_good_configuration_is_told_so() {
    let output = check_config("[zookeeper]\nconnect = \"127.0.0.1:2181\"\n");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[test]
fn an_unknown_key_stops_the_start_with_its_name() {
    let output = check_config("[zookeeper]\nconect = \"127.0.0.1:2181\"\n");
    assert_eq!(output.status.code(), Some(CONFIGURATION_ERROR), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("conect"), "{output:?}");
    let output = run(&["serve", "--config", "/does/not/exist.toml"]);
    assert_eq!(output.status.code(), Some(CONFIGURATION_ERROR), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("/does/not/exist.toml"), "{output:?}");
}

#[test]
fn help_and_version_are_told() {
    for (argument, expected) in [("--help", "serve"), ("--version", env!("CARGO_PKG_VERSION"))] {
        let output = run(&[argument]);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stdout).contains(expected), "{output:?}");
    }
}
