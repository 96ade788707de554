//! Microservices on go-chassis, unmodified, that call each other with nothing but the gateway to find one another.

use std::ffi::OsString;
use std::time::Duration;

use crate::program::{Program, addresses, built, two_gateways};
use crate::support::gateway::Gateway;
use crate::support::ports::free_port;

/// What the framework takes to start, register, find, and call; and to find out, once in 25 s, that a gateway is dead.
const START: Duration = Duration::from_secs(90);

/// For how long calls must go well, many of them, to be said to go well.
const STEADY: Duration = Duration::from_secs(3);

/// A microservice with this name that calls `other`, and the port that it listens at.
fn peer(name: &str, other: &str, gateways: &[&Gateway]) -> (Program, u16) {
    let port = free_port();
    let settings = [
        format!("--servicecomb.service.name={name}"),
        format!("--servicecomb.protocols.rest.listenAddress=127.0.0.1:{port}"),
        format!("--servicecomb.registry.address={}", addresses(gateways).join(",")),
        format!("--interop.other={other}"),
    ];
    (Program::start(&built("go-chassis").join("go-chassis"), &settings.map(OsString::from)), port)
}

#[tokio::test]
async fn two_go_chassis_microservices_call_each_other_also_when_an_instance_ends_or_a_gateway_dies() {
    let (mut first, second) = two_gateways().await;
    let (mut left, left_port) = peer("go-left", "go-right", &[&first, &second]);
    let (mut right, right_port) = peer("go-right", "go-left", &[&first, &second]);
    left.says(&format!("> hello go-left from 127.0.0.1:{right_port}"), START).await;
    right.says(&format!("> hello go-right from 127.0.0.1:{left_port}"), START).await;

    // One that joins is called too, and one that leaves no more.
    let (mut another, another_port) = peer("go-right", "go-left", &[&first, &second]);
    another.says(&format!("> hello go-right from 127.0.0.1:{left_port}"), START).await;
    left.says(&format!("> hello go-left from 127.0.0.1:{another_port}"), START).await;
    right.stop(START).await;
    left.says_only(&format!("> hello go-left from 127.0.0.1:{another_port}"), STEADY, START).await;

    first.kill();
    let (mut late, late_port) = peer("go-right", "go-left", &[&second]);
    late.says(&format!("> hello go-right from 127.0.0.1:{left_port}"), START).await;
    left.says(&format!("> hello go-left from 127.0.0.1:{late_port}"), START).await;
}
