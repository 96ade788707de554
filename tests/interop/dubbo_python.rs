//! The registry part of apache-dubbo for Python, unmodified, which gives up on the first name that it cannot read.

use std::time::Duration;

use crate::greeter::{FOLLOW, INTERFACE, START, Sidecar, VERSION, address};
use crate::program::{Program, built};
use crate::support::eventually::{ensure, eventually};
use crate::support::gateway::Options;
use crate::support::ports::free_port;
use crate::support::zookeeper::ZooKeeper;

/// How long a sidecar may be silent here.
const TIME_TO_LIVE: Duration = Duration::from_secs(4);

/// The lists that the reader was told of so far, and those that it found by itself.
fn lists(reader: &Program, verb: &str) -> Vec<String> {
    let prefix = format!("> {verb} ");
    reader.output().lines().filter_map(|line| line.strip_prefix(&prefix)).map(str::to_owned).collect()
}

#[tokio::test]
async fn a_python_reader_is_told_of_each_change_of_synced_providers_once_and_as_a_whole() {
    let zookeeper = ZooKeeper::single().await;
    let gateway = Options::new(&zookeeper.connect_string()).time_to_live(TIME_TO_LIVE).start().await;
    let (one, two) = (free_port(), free_port());
    let sidecar = Sidecar::new();
    sidecar.offers(&gateway, &[(one, "red")]).await;

    let home = built("apache-dubbo-python");
    let arguments = [home.join("reader.py").into(), zookeeper.connect_string().into(), INTERFACE.into()];
    let mut reader = Program::start(&home.join("environment/bin/python"), &arguments);
    reader.says("> finds ", START).await;
    let steps: [&[(u16, &str)]; 5] = [
        &[(one, "red"), (two, "blue")],
        &[(one, "green"), (two, "blue")],
        &[(two, "blue")],
        &[(one, "green"), (two, "white")],
        &[],
    ];
    let mut expected = vec![list(&sidecar, &[(one, "red")])];
    for step in steps {
        sidecar.offers(&gateway, step).await;
        expected.push(list(&sidecar, step));
        eventually("the reader finds the change", FOLLOW, async || {
            reader.still_runs();
            ensure(lists(&reader, "finds").len() == expected.len(), || reader.output())
        })
        .await;
    }
    drop(sidecar);
    expected.push(String::new());
    eventually("the reader finds that all are gone", FOLLOW, async || {
        reader.still_runs();
        ensure(lists(&reader, "finds").len() == expected.len(), || reader.output())
    })
    .await;
    assert_eq!(expected, lists(&reader, "told of"), "{}", reader.output());
    assert_eq!(expected, lists(&reader, "finds"), "{}", reader.output());
}

/// These providers as the reader tells of them, with those that are always there.
fn list(sidecar: &Sidecar, providers: &[(u16, &str)]) -> String {
    let colored = providers.iter().map(|(port, color)| format!("{} {VERSION} greet {color}", address(*port)));
    let others = sidecar.others().map(|(port, version, _)| format!("{} {version} * -", address(port)));
    let mut all: Vec<_> = colored.chain(others).collect();
    all.sort();
    all.join(", ")
}
