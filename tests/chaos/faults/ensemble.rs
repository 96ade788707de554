//! ZooKeeper servers that crash, hang, are parted from one another, are restarted, or come later than the gateways.

use std::time::Duration;

use futures::FutureExt;
use rand::Rng;
use rand::rngs::StdRng;
use tokio::time::sleep;

use super::{Fault, Step, exactly};
use crate::checker::expectations::{Expectations, GatewaysDown};
use crate::random::choose;
use crate::support::eventually::{ensure, eventually};
use crate::world::{SESSION, Setup, World};

/// F3: the leader is killed.
pub struct KillLeader;

impl Fault for KillLeader {
    fn id(&self) -> &'static str {
        "F3"
    }

    fn title(&self) -> String {
        "kill the leader of the ensemble".into()
    }

    fn expectations(&self) -> Expectations {
        Expectations { observer_late: true, lasts: 2 * SESSION, ..Expectations::default() }
    }

    fn inject<'a>(&'a mut self, world: &'a mut World, _random: &'a mut StdRng) -> Step<'a> {
        async move {
            let old = world.zookeeper.leader().await;
            world.zookeeper.kill(old);
            let new = world.zookeeper.leader().await;
            exactly(new != old, || format!("server {old} still leads"))?;
            Ok(vec![format!("server {old} led, was killed, and server {new} leads")])
        }
        .boxed_local()
    }
}

/// F4: two of three servers are killed.
pub struct LoseQuorum;

impl Fault for LoseQuorum {
    fn id(&self) -> &'static str {
        "F4"
    }

    fn title(&self) -> String {
        "kill two of three servers for three session timeouts".into()
    }

    fn expectations(&self) -> Expectations {
        Expectations {
            observer_late: true,
            fall_silent_percent: 10,
            lasts: 3 * SESSION,
            ..Expectations::default()
        }
    }

    fn inject<'a>(&'a mut self, world: &'a mut World, random: &'a mut StdRng) -> Step<'a> {
        async move {
            let survivor = random.gen_range(0..world.zookeeper.count());
            for index in (0..world.zookeeper.count()).filter(|index| *index != survivor) {
                world.zookeeper.kill(index);
            }
            world.has_role(survivor, None).await;
            Ok(vec![format!("only server {survivor} is left, and it does not serve")])
        }
        .boxed_local()
    }
}

/// F5: the leader hangs, and when it goes on, the server that a gateway is attached to.
#[derive(Default)]
pub struct Hang {
    paused: usize,
}

impl Fault for Hang {
    fn id(&self) -> &'static str {
        "F5"
    }

    fn title(&self) -> String {
        "pause the leader, then the server that a gateway is attached to".into()
    }

    fn expectations(&self) -> Expectations {
        Expectations { observer_late: true, lasts: 3 * SESSION, ..Expectations::default() }
    }

    fn inject<'a>(&'a mut self, world: &'a mut World, random: &'a mut StdRng) -> Step<'a> {
        async move {
            let leader = world.zookeeper.leader().await;
            world.zookeeper.pause(leader);
            world.has_role(leader, None).await;
            sleep(3 * SESSION).await;
            world.zookeeper.go_on(leader);
            for index in 0..world.zookeeper.count() {
                world.zookeeper.ready(index).await;
            }
            world.gateways_ready().await;
            let gateway = random.gen_range(0..world.gateways.len());
            self.paused = world.attached(gateway).await;
            world.zookeeper.pause(self.paused);
            world.has_role(self.paused, None).await;
            Ok(vec![
                format!("server {leader} led and did not answer for three session timeouts"),
                format!("server {} had the session of gateway {gateway} and does not answer", self.paused),
            ])
        }
        .boxed_local()
    }

    fn heal<'a>(&'a mut self, world: &'a mut World) -> Step<'a> {
        async move {
            world.zookeeper.go_on(self.paused);
            for index in 0..world.zookeeper.count() {
                world.zookeeper.ready(index).await;
            }
            Ok(vec![])
        }
        .boxed_local()
    }
}

/// F8: one server is parted from the others, which none of them is told.
pub struct Part {
    leader: bool,
}

impl Part {
    /// The leader, or the server that a gateway is attached to.
    pub fn drawn(random: &mut StdRng) -> Self {
        Self { leader: choose(random, &[true, false]) }
    }
}

impl Fault for Part {
    fn id(&self) -> &'static str {
        "F8"
    }

    fn title(&self) -> String {
        let whom = if self.leader { "the leader" } else { "the server that a gateway is attached to" };
        format!("part {whom} from the other servers")
    }

    fn expectations(&self) -> Expectations {
        Expectations { observer_late: true, lasts: 3 * SESSION, ..Expectations::default() }
    }

    fn prepare(&self, setup: &mut Setup) {
        setup.peer_wires = true;
        // How long a server waits for one that does not answer before it goes on with an election.
        setup.server_lines.push("cnxTimeout=500".into());
    }

    fn inject<'a>(&'a mut self, world: &'a mut World, random: &'a mut StdRng) -> Step<'a> {
        async move {
            let gateway = random.gen_range(0..world.gateways.len());
            let alone =
                if self.leader { world.zookeeper.leader().await } else { world.attached(gateway).await };
            if let Some(peers) = &world.peers {
                peers.isolate(alone);
            }
            // It takes a while until they give one another up; what is acknowledged until then is committed.
            world.has_role(alone, None).await;
            let leader = world.zookeeper.leader().await;
            Ok(vec![format!("server {alone} is alone and does not serve, server {leader} leads")])
        }
        .boxed_local()
    }

    fn heal<'a>(&'a mut self, world: &'a mut World) -> Step<'a> {
        async move {
            if let Some(peers) = &world.peers {
                peers.join();
            }
            for index in 0..world.zookeeper.count() {
                world.zookeeper.ready(index).await;
            }
            Ok(vec![])
        }
        .boxed_local()
    }
}

/// How long a server of an idle machine takes to end.
const ENDS: Duration = Duration::from_secs(30);

/// F17: the servers are restarted one after the other.
pub struct RollingServers;

impl Fault for RollingServers {
    fn id(&self) -> &'static str {
        "F17"
    }

    fn title(&self) -> String {
        "restart the servers one by one".into()
    }

    fn expectations(&self) -> Expectations {
        Expectations { observer_late: true, lasts: Duration::ZERO, ..Expectations::default() }
    }

    fn inject<'a>(&'a mut self, world: &'a mut World, random: &'a mut StdRng) -> Step<'a> {
        async move {
            let mut evidence = Vec::new();
            let first = random.gen_range(0..world.zookeeper.count());
            for step in 0..world.zookeeper.count() {
                let index = (first + step) % world.zookeeper.count();
                let role = world.zookeeper.role(index).await.unwrap_or_else(|| "not serving".into());
                world.zookeeper.signal(index, rustix::process::Signal::TERM);
                eventually("the server ends", ENDS, async || {
                    ensure(!world.zookeeper.runs(index), || format!("server {index} goes on"))
                })
                .await;
                world.start_servers().await;
                evidence.push(format!("server {index}, {role}, ended and serves again"));
            }
            Ok(evidence)
        }
        .boxed_local()
    }
}

/// F21: the gateways are started while there is no ZooKeeper.
pub struct GatewaysFirst;

impl Fault for GatewaysFirst {
    fn id(&self) -> &'static str {
        "F21"
    }

    fn title(&self) -> String {
        "start the gateways long before the servers".into()
    }

    fn expectations(&self) -> Expectations {
        Expectations {
            observer_late: true,
            gateways_down: GatewaysDown::All,
            reads_must_answer: false,
            lasts: 5 * SESSION,
            ..Expectations::default()
        }
    }

    fn inject<'a>(&'a mut self, world: &'a mut World, _random: &'a mut StdRng) -> Step<'a> {
        async move {
            world.gateways.iter_mut().for_each(|gateway| gateway.process.kill());
            world.zookeeper.kill_all();
            world.start_gateways().await;
            let mut evidence = Vec::new();
            for index in 0..world.gateways.len() {
                evidence.push(world.logged(index, "check zookeeper is not ready").await);
                let live = world.gateways[index].process.ops("/livez").send().await;
                let ready = world.gateways[index].process.ops("/readyz").send().await;
                super::kept(live.status == 200, || format!("gateway {index} is not live: {live:?}"))?;
                super::kept(ready.status == 503, || format!("gateway {index} is ready: {ready:?}"))?;
            }
            Ok(evidence)
        }
        .boxed_local()
    }

    fn heal<'a>(&'a mut self, world: &'a mut World) -> Step<'a> {
        async move {
            for index in 0..world.gateways.len() {
                let runs = world.gateways[index].process.runs();
                super::kept(runs, || format!("gateway {index} ended for want of ZooKeeper"))?;
            }
            world.start_servers().await;
            Ok(vec![])
        }
        .boxed_local()
    }
}
