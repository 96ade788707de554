//! Microservices on java-chassis, unmodified, that call each other with nothing but the gateway to find one another.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use crate::program::{Program, addresses, built, two_gateways};
use crate::support::gateway::Gateway;
use crate::support::ports::free_port;
use crate::support::zookeeper;

/// What the framework takes to start, register, find, and call.
const START: Duration = Duration::from_secs(90);

/// For how long calls must go well, many of them, to be said to go well.
const STEADY: Duration = Duration::from_secs(3);

/// A microservice with this name that calls `other`, and the port that it listens at.
fn peer(name: &str, other: &str, gateways: &[&Gateway]) -> (Program, u16) {
    let home = built("java-chassis");
    let class_path = zookeeper::join(&[home.join("classes"), home.join("jars/*")]);
    let port = free_port();
    let settings = [
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn".to_owned(),
        format!("-Dservice_description.name={name}"),
        format!("-Dservicecomb.rest.address=127.0.0.1:{port}"),
        format!("-Dservicecomb.service.registry.address={}", addresses(gateways).join(",")),
    ];
    let mut arguments: Vec<OsString> = vec!["-Xmx256m".into(), "-cp".into(), class_path];
    arguments.extend(settings.map(OsString::from));
    arguments.extend(["interop.Peer".into(), other.into()]);
    (Program::start(Path::new("java"), &arguments), port)
}

#[tokio::test]
async fn two_java_chassis_microservices_call_each_other_also_when_a_gateway_or_an_instance_dies() {
    let (mut first, second) = two_gateways().await;
    let (mut left, left_port) = peer("left", "right", &[&first, &second]);
    let (mut right, right_port) = peer("right", "left", &[&first, &second]);
    left.says(&format!("> hello left from 127.0.0.1:{right_port}"), START).await;
    right.says(&format!("> hello right from 127.0.0.1:{left_port}"), START).await;

    first.kill();
    let (mut another, another_port) = peer("right", "left", &[&second]);
    another.says(&format!("> hello right from 127.0.0.1:{left_port}"), START).await;
    drop(right);
    left.says_only(&format!("> hello left from 127.0.0.1:{another_port}"), STEADY, START).await;
}
