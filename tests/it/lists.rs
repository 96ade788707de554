//! An interface with so many providers that Java clients are about to lose it.

use std::time::Duration;

use crate::support::eventually::{ensure, eventually};
use crate::support::gateway::{Gateway, Options};
use crate::support::znodes::{Znodes, escape};
use crate::support::zookeeper;

const FOLDER: &str = "/dubbo/demo.Long/providers";
/// Where the gateway reports by default, and where Java clients break by default.
const WARNING: usize = 786_432;
const JUTE_MAXBUFFER: usize = 1_048_575;
/// Time within which the gateway must have seen some thousand znodes.
const PATIENCE: Duration = Duration::from_secs(60);

/// The znode of a provider with a name of some three hundred bytes.
fn provider(number: usize) -> String {
    let url = format!(
        "dubbo://10.0.{}.{}:20880/demo.Long?application=demo&interface=demo.Long&methods={}&side=provider",
        number / 250,
        number % 250 + 1,
        "doSomething,doSomethingElse,".repeat(5),
    );
    format!("{FOLDER}/{}", escape(&url))
}

fn providers(numbers: std::ops::Range<usize>) -> Vec<String> {
    numbers.map(provider).collect()
}

/// Waits until the metrics say how long the list is, and whether it is too long.
async fn measured(gateway: &Gateway, znodes: &Znodes, over: usize) -> usize {
    let bytes: usize = znodes.children(FOLDER).await.iter().map(|name| name.len() + 4).sum();
    let lines = [
        format!("zoogate_dubbo_longest_list_bytes {bytes}"),
        format!("zoogate_dubbo_interfaces_over_list_warning {over}"),
    ];
    eventually("the metrics say so", PATIENCE, async || {
        let metrics = gateway.ops("/metrics").send().await.body;
        let has = |line: &String| metrics.lines().any(|given| given == line);
        ensure(lines.iter().all(has), || format!("{lines:?} in:\n{metrics}"))
    })
    .await;
    bytes
}

/// How often the log has said it.
fn reports(gateway: &Gateway) -> usize {
    let output = gateway.output();
    output.lines().filter(|line| line.contains("of demo.Long have grown to")).count()
}

#[tokio::test]
async fn a_list_that_gets_too_long_for_java_is_reported_once_each_time_before_it_breaks() {
    let root = zookeeper::shared().await;
    let znodes = Znodes::connect(&root).await;
    let gateway = Options::new(&root).start().await;
    znodes.create_all(FOLDER).await;

    znodes.create_many(&providers(0..1_000)).await;
    assert!(measured(&gateway, &znodes, 0).await < WARNING);
    assert_eq!(reports(&gateway), 0);
    znodes.create_many(&providers(1_000..3_200)).await;
    let bytes = measured(&gateway, &znodes, 1).await;
    assert!(WARNING < bytes && bytes < JUTE_MAXBUFFER, "{bytes}");
    assert_eq!(reports(&gateway), 1);

    // Past the point where Java gives up, zoogate goes on and does not repeat itself.
    znodes.create_many(&providers(3_200..4_200)).await;
    assert!(measured(&gateway, &znodes, 1).await > JUTE_MAXBUFFER);
    assert_eq!(reports(&gateway), 1);
    let found = gateway.get("/instances?appId=demo&serviceName=demo.Long").await.ok().json();
    assert_eq!(found["instances"].as_array().map(Vec::len), Some(4_200));

    znodes.delete_many(&providers(1_000..4_200)).await;
    measured(&gateway, &znodes, 0).await;
    znodes.create_many(&providers(1_000..3_200)).await;
    measured(&gateway, &znodes, 1).await;
    assert_eq!(reports(&gateway), 2);
}

#[tokio::test]
async fn consumers_count_as_well_and_the_line_can_be_drawn_elsewhere() {
    let root = zookeeper::shared().await;
    let znodes = Znodes::connect(&root).await;
    let mut gateway = Options::new(&root).set("dubbo", "list_warning", "2000").start().await;
    let folder = FOLDER.replace("providers", "consumers");
    znodes.create_all(&folder).await;
    let names: Vec<_> = (0..10).map(|number| format!("{folder}/{number:0>300}")).collect();
    znodes.create_many(&names).await;
    for _ in 0..2 {
        eventually("it is reported, also after a restart", PATIENCE, async || {
            ensure(reports(&gateway) == 1, || gateway.output())
        })
        .await;
        gateway.kill();
        gateway.restart().await;
    }
    assert!(gateway.output().contains("the names of the consumers of demo.Long"), "{}", gateway.output());
}
