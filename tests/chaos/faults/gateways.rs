//! Gateways that crash, stand still, or are restarted.

use std::time::{Duration, Instant};

use futures::FutureExt;
use rand::Rng;
use rand::rngs::StdRng;
use rustix::process::Signal;
use tokio::net::TcpStream;

use super::{Fault, Step, Trouble, exactly, refused_probe};
use crate::checker::expectations::{Expectations, GatewaysDown};
use crate::world::{SESSION, World};

/// F1: one gateway is killed; its clients go to the other.
#[derive(Default)]
pub struct KillOne {
    victim: usize,
}

impl Fault for KillOne {
    fn id(&self) -> &'static str {
        "F1"
    }

    fn title(&self) -> String {
        "kill one gateway".into()
    }

    fn expectations(&self) -> Expectations {
        Expectations { gateways_down: GatewaysDown::One, lasts: 3 * SESSION, ..Expectations::default() }
    }

    fn inject<'a>(&'a mut self, world: &'a mut World, random: &'a mut StdRng) -> Step<'a> {
        async move {
            self.victim = random.gen_range(0..world.gateways.len());
            world.gateways[self.victim].process.kill();
            refused_probe(world.http()[self.victim]).await?;
            Ok(vec![format!("gateway {} is killed and refuses connections", self.victim)])
        }
        .boxed_local()
    }
}

/// F2: all gateways are gone for longer than their sessions last.
pub struct KillAll;

impl Fault for KillAll {
    fn id(&self) -> &'static str {
        "F2"
    }

    fn title(&self) -> String {
        "kill all gateways for three session timeouts".into()
    }

    fn expectations(&self) -> Expectations {
        Expectations {
            gateways_down: GatewaysDown::All,
            reads_must_answer: false,
            fall_silent_percent: 10,
            lasts: 3 * SESSION,
            ..Expectations::default()
        }
    }

    fn inject<'a>(&'a mut self, world: &'a mut World, _random: &'a mut StdRng) -> Step<'a> {
        async move {
            world.gateways.iter_mut().for_each(|gateway| gateway.process.kill());
            for address in world.http() {
                refused_probe(address).await?;
            }
            Ok(vec!["every gateway is killed and refuses connections".into()])
        }
        .boxed_local()
    }

    fn heal<'a>(&'a mut self, world: &'a mut World) -> Step<'a> {
        async move {
            // Everybody who beats again must find his registration; but it is their sessions that were to end.
            let replicas = world.znodes().await.children("/zoogate/replicas").await;
            world.start_gateways().await;
            exactly(replicas.is_empty(), || format!("sessions outlived the gateways: {replicas:?}"))?;
            Ok(vec!["the sessions of the killed gateways had ended before they were started again".into()])
        }
        .boxed_local()
    }
}

/// F6: a gateway stands still for longer than its session lasts, and goes on as if nothing had been.
#[derive(Default)]
pub struct Pause {
    victim: usize,
}

impl Fault for Pause {
    fn id(&self) -> &'static str {
        "F6"
    }

    fn title(&self) -> String {
        "pause one gateway for three session timeouts".into()
    }

    fn expectations(&self) -> Expectations {
        Expectations { gateways_down: GatewaysDown::One, lasts: 3 * SESSION, ..Expectations::default() }
    }

    fn inject<'a>(&'a mut self, world: &'a mut World, random: &'a mut StdRng) -> Step<'a> {
        async move {
            self.victim = random.gen_range(0..world.gateways.len());
            world.attached(self.victim).await;
            world.gateways[self.victim].process.pause();
            Ok(vec![format!("gateway {} is paused", self.victim)])
        }
        .boxed_local()
    }

    fn heal<'a>(&'a mut self, world: &'a mut World) -> Step<'a> {
        async move {
            world.gateways[self.victim].process.go_on();
            let expired = world.logged(self.victim, "zookeeper session of replica").await;
            let stood = world.logged(self.victim, "the process stood still for").await;
            Ok(vec![expired, stood])
        }
        .boxed_local()
    }
}

/// F15: every process is killed at once, as by a power cut, and started again.
pub struct KillEverything;

impl Fault for KillEverything {
    fn id(&self) -> &'static str {
        "F15"
    }

    fn title(&self) -> String {
        "kill every gateway and every server at once".into()
    }

    fn expectations(&self) -> Expectations {
        Expectations {
            observer_late: true,
            gateways_down: GatewaysDown::All,
            reads_must_answer: false,
            lasts: Duration::from_secs(1),
            settle_bound: Duration::from_secs(30),
            ..Expectations::default()
        }
    }

    fn inject<'a>(&'a mut self, world: &'a mut World, _random: &'a mut StdRng) -> Step<'a> {
        async move {
            world.gateways.iter_mut().for_each(|gateway| gateway.process.kill());
            world.zookeeper.kill_all();
            for address in world.http() {
                refused_probe(address).await?;
            }
            for index in 0..world.zookeeper.count() {
                exactly(
                    TcpStream::connect(("127.0.0.1", world.zookeeper.port_of(index))).await.is_err(),
                    || format!("server {index} still listens"),
                )?;
            }
            Ok(vec!["no gateway and no server listens".into()])
        }
        .boxed_local()
    }
}

/// F16: the gateways are restarted one after the other, each asked to end and waited for, as an upgrade does it.
pub struct Rolling;

/// How long a gateway may take to end. Its own limits are `http.shutdown_timeout` and three seconds for the session.
const DRAIN: Duration = Duration::from_secs(20);

impl Fault for Rolling {
    fn id(&self) -> &'static str {
        "F16"
    }

    fn title(&self) -> String {
        "restart the gateways one by one".into()
    }

    fn expectations(&self) -> Expectations {
        // One at a time, and each of them in turn.
        Expectations { gateways_down: GatewaysDown::All, lasts: Duration::ZERO, ..Expectations::default() }
    }

    fn inject<'a>(&'a mut self, world: &'a mut World, _random: &'a mut StdRng) -> Step<'a> {
        async move {
            let mut evidence = Vec::new();
            for index in 0..world.gateways.len() {
                let process = &mut world.gateways[index].process;
                let began = Instant::now();
                process.signal(Signal::TERM);
                let code = process.ends(DRAIN).await;
                let code = code.ok_or_else(|| Trouble::Broken(format!("gateway {index} does not end")))?;
                if code != 0 {
                    return Err(Trouble::Broken(format!("gateway {index} ended with code {code}")));
                }
                evidence.push(format!("gateway {index} ended {:?} after SIGTERM", began.elapsed()));
                world.start_gateways().await;
                world.gateways_ready().await;
            }
            Ok(evidence)
        }
        .boxed_local()
    }
}
