//! Servers whose disks are slow or full.

use std::time::Duration;

use futures::FutureExt;
use rand::Rng;
use rand::rngs::StdRng;
use tokio::time::sleep;

use super::{Fault, Step, exactly};
use crate::checker::expectations::Expectations;
use crate::proxy::Flow;
use crate::support::eventually::{ensure, eventually};
use crate::world::{SESSION, Setup, World};

/// F12: everything that ZooKeeper does takes long.
pub struct Slow {
    by_pausing: bool,
}

/// How long ZooKeeper is slow, in steps after each of which it is slow in another way.
const SLOW_STEPS: u32 = 24;
const SLOW_STEP: Duration = Duration::from_millis(500);

impl Slow {
    /// By pausing the servers again and again, or by delaying what goes over the wires.
    pub fn drawn(random: &mut StdRng) -> Self {
        Self { by_pausing: random.gen_bool(0.5) }
    }
}

impl Fault for Slow {
    fn id(&self) -> &'static str {
        "F12"
    }

    fn title(&self) -> String {
        if self.by_pausing {
            "slow ZooKeeper down: every server stands still most of the time".into()
        } else {
            "slow ZooKeeper down: every answer takes 100 to 800 ms".into()
        }
    }

    fn expectations(&self) -> Expectations {
        Expectations { observer_late: true, lasts: Duration::ZERO, ..Expectations::default() }
    }

    fn inject<'a>(&'a mut self, world: &'a mut World, random: &'a mut StdRng) -> Step<'a> {
        async move {
            let mut total = Duration::ZERO;
            for _ in 0..SLOW_STEPS {
                if self.by_pausing {
                    let stop = SLOW_STEP.mul_f64(random.gen_range(0.4..0.8));
                    (0..world.zookeeper.count()).for_each(|index| world.zookeeper.pause(index));
                    sleep(stop).await;
                    (0..world.zookeeper.count()).for_each(|index| world.zookeeper.go_on(index));
                    sleep(SLOW_STEP.saturating_sub(stop)).await;
                    total += stop;
                } else {
                    let delay = Flow::Delay(Duration::from_millis(random.gen_range(50..=400)));
                    world.gateways.iter().for_each(|gateway| gateway.set(delay, delay));
                    sleep(SLOW_STEP).await;
                }
            }
            if self.by_pausing {
                return Ok(vec![format!("{SLOW_STEPS} times paused, for {total:?} in all")]);
            }
            let held: Vec<_> = world.gateways.iter().map(|gateway| gateway.held()).collect();
            exactly(held.iter().all(|held| *held > 0), || "no frame was delayed".into())?;
            Ok(vec![format!("delayed frames of each gateway: {held:?}")])
        }
        .boxed_local()
    }

    fn heal<'a>(&'a mut self, world: &'a mut World) -> Step<'a> {
        async move {
            world.gateways.iter().for_each(|gateway| gateway.set(Flow::Pass, Flow::Pass));
            Ok(vec![])
        }
        .boxed_local()
    }
}

/// F13: the disk of one server is full, then the disks of all.
#[derive(Default)]
pub struct Full {
    first: usize,
}

impl Full {
    /// What a server says when it cannot write.
    const SIGN: &str = "No space left on device";

    async fn is_hit(world: &World, index: usize) {
        eventually("a server finds its disk full", Duration::from_secs(60), async || {
            let output = world.zookeeper.output(index);
            ensure(output.contains(Self::SIGN), || format!("server {index} has written all it wanted"))
        })
        .await;
    }
}

impl Fault for Full {
    fn id(&self) -> &'static str {
        "F13"
    }

    fn title(&self) -> String {
        "fill the disk of one server, then the disks of all".into()
    }

    fn expectations(&self) -> Expectations {
        Expectations {
            observer_late: true,
            lasts: 2 * SESSION,
            settle_bound: Duration::from_secs(30),
            ..Expectations::default()
        }
    }

    fn prepare(&self, setup: &mut Setup) {
        setup.small_disks = Some(24);
        // Logs grow in steps of 1 MiB and are begun anew often, so that a full disk is met soon.
        setup.server_lines.extend(["preAllocSize=1024".into(), "snapCount=2000".into()]);
        setup.server_lines.extend(["autopurge.snapRetainCount=3".into()]);
    }

    fn inject<'a>(&'a mut self, world: &'a mut World, random: &'a mut StdRng) -> Step<'a> {
        async move {
            self.first = random.gen_range(0..world.zookeeper.count());
            let mut evidence = Vec::new();
            let bytes = world.disks[self.first].fill()?;
            Self::is_hit(world, self.first).await;
            evidence.push(format!("server {}: {bytes} bytes filled its disk, and it said so", self.first));
            sleep(2 * SESSION).await;
            for index in (0..world.zookeeper.count()).filter(|index| *index != self.first) {
                let bytes = world.disks[index].fill()?;
                evidence.push(format!("server {index}: {bytes} bytes filled its disk"));
            }
            // Without a quorum the last server has nothing to write and so cannot notice.
            eventually("a second server finds its disk full", Duration::from_secs(60), async || {
                let count = (0..world.zookeeper.count())
                    .filter(|index| world.zookeeper.output(*index).contains(Self::SIGN))
                    .count();
                ensure(count >= 2, || format!("{count} said so"))
            })
            .await;
            Ok(evidence)
        }
        .boxed_local()
    }

    fn heal<'a>(&'a mut self, world: &'a mut World) -> Step<'a> {
        async move {
            world.disks.iter().for_each(|disk| disk.free());
            // What is left of a server that could not write is for its supervisor to start again.
            world.zookeeper.kill_all();
            world.start_servers().await;
            Ok(vec![])
        }
        .boxed_local()
    }
}
