//! Dubbo's clients for Node.js, unmodified, which read names of znodes in ways of their own: the first parameter of a
//! URL is lost to one, and without `methods` the other ends.

use std::ffi::OsString;
use std::path::Path;

use crate::greeter::{Caller, GROUP, INTERFACE, Provider, Sidecar, VERSION, address};
use crate::program::{Program, built};
use crate::support::gateway::Options;
use crate::support::zookeeper::ZooKeeper;

fn consumer(script: &str, zookeeper: &str) -> Caller {
    let script = built("dubbo-js").join(script).into();
    let wanted = [zookeeper, INTERFACE, VERSION, GROUP].map(OsString::from);
    Caller::new(Program::start(Path::new("node"), &[&[script], &wanted[..]].concat()))
}

/// A consumer on either client calls whom a sidecar registers, and never fails.
async fn follows_synced_providers(script: &str) {
    let zookeeper = ZooKeeper::single().await;
    let gateway = Options::new(&zookeeper.connect_string()).start().await;
    let (one, two) = tokio::join!(Provider::start(), Provider::start());
    let sidecar = Sidecar::new();
    // Neither waits for the first provider.
    sidecar.offers(&gateway, &[(one.port, "red")]).await;
    let mut consumer = consumer(script, &zookeeper.connect_string());
    consumer.hears(&[address(one.port)]).await;

    sidecar.offers(&gateway, &[(one.port, "red"), (two.port, "blue")]).await;
    consumer.hears(&[address(one.port), address(two.port)]).await;
    // What changes is who offers it; that parameters changed cannot be seen from here.
    sidecar.offers(&gateway, &[(one.port, "green"), (two.port, "blue")]).await;
    sidecar.offers(&gateway, &[(two.port, "blue")]).await;
    consumer.hears(&[address(two.port)]).await;
    sidecar.offers(&gateway, &[(one.port, "green"), (two.port, "white")]).await;
    consumer.hears(&[address(one.port), address(two.port)]).await;
    sidecar.offers(&gateway, &[(one.port, "green")]).await;
    consumer.hears(&[address(one.port)]).await;
    assert_eq!(Vec::<String>::new(), consumer.unanswered());
}

#[tokio::test]
async fn an_apache_dubbo_js_consumer_is_answered_by_synced_providers_that_come_and_go() {
    follows_synced_providers("apache-dubbo-js.js").await;
}

#[tokio::test]
async fn a_node_zookeeper_dubbo_consumer_is_answered_by_synced_providers_that_come_and_go() {
    follows_synced_providers("node-zookeeper-dubbo.js").await;
}
