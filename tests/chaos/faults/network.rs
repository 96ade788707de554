//! What happens between a gateway and ZooKeeper: packets that vanish, sessions that end, connections that are cut where
//! it hurts most.

use std::time::Duration;

use futures::FutureExt;
use rand::Rng;
use rand::rngs::StdRng;

use super::{Fault, Scale, Step, Trouble, exactly, own};
use crate::checker::expectations::Expectations;
use crate::proxy::{Flow, Trap};
use crate::random::choose;
use crate::support::eventually::{eventually, scaled};
use crate::wire_format::{ADD_WATCH, MULTI, MULTI_READ, SYNC};
use crate::world::{SESSION, World};

/// F7: nothing arrives any more between gateways and ZooKeeper, and nobody is told.
pub struct Partition {
    forth: Flow,
    back: Flow,
    all: bool,
    victims: Vec<usize>,
}

impl Partition {
    /// Both directions or one, of one gateway or of all.
    pub fn drawn(random: &mut StdRng) -> Self {
        let (forth, back) =
            choose(random, &[(Flow::Hold, Flow::Hold), (Flow::Hold, Flow::Pass), (Flow::Pass, Flow::Hold)]);
        Self { forth, back, all: random.gen_bool(0.3), victims: Vec::new() }
    }
}

impl Fault for Partition {
    fn id(&self) -> &'static str {
        "F7"
    }

    fn title(&self) -> String {
        let whom = if self.all { "all gateways" } else { "one gateway" };
        let what = match (self.forth, self.back) {
            (Flow::Hold, Flow::Hold) => "both ways",
            (Flow::Hold, _) => "on the way there",
            _ => "on the way back",
        };
        format!("part {whom} from ZooKeeper without a word, {what}")
    }

    fn expectations(&self) -> Expectations {
        Expectations { lasts: 3 * SESSION, ..Expectations::default() }
    }

    fn inject<'a>(&'a mut self, world: &'a mut World, random: &'a mut StdRng) -> Step<'a> {
        async move {
            let count = world.gateways.len();
            self.victims = if self.all { (0..count).collect() } else { vec![random.gen_range(0..count)] };
            let mut evidence = Vec::new();
            for &index in &self.victims {
                world.attached(index).await;
                world.gateways[index].set(self.forth, self.back);
                let what = format!("frames of gateway {index} wait");
                let held = eventually(&what, SESSION, async || match world.gateways[index].held() {
                    0 => Err("none yet"),
                    held => Ok(held),
                });
                let held = held.await;
                let line = world.logged(index, "check zookeeper is not ready").await;
                evidence.push(format!("gateway {index}: {held} frames wait; {line}"));
            }
            Ok(evidence)
        }
        .boxed_local()
    }

    fn heal<'a>(&'a mut self, world: &'a mut World) -> Step<'a> {
        async move {
            self.victims.iter().for_each(|index| world.gateways[*index].set(Flow::Pass, Flow::Pass));
            Ok(vec![])
        }
        .boxed_local()
    }
}

/// F9: sessions of gateways end at the servers while the gateways live.
pub struct Expiry {
    silently: bool,
    all: bool,
    victims: Vec<usize>,
}

impl Expiry {
    /// By silence or at once, of one gateway or of all.
    pub fn drawn(random: &mut StdRng) -> Self {
        Self { silently: random.gen_bool(0.5), all: random.gen_bool(0.5), victims: Vec::new() }
    }
}

impl Fault for Expiry {
    fn id(&self) -> &'static str {
        "F9"
    }

    fn title(&self) -> String {
        let whose = if self.all { "the sessions of all gateways" } else { "the session of one gateway" };
        let how = if self.silently {
            "by three session timeouts of silence"
        } else {
            "from one moment to the next"
        };
        format!("end {whose} {how}")
    }

    fn expectations(&self) -> Expectations {
        let lasts = if self.silently { 3 * SESSION } else { SESSION };
        Expectations { lasts, ..Expectations::default() }
    }

    fn inject<'a>(&'a mut self, world: &'a mut World, random: &'a mut StdRng) -> Step<'a> {
        async move {
            let count = world.gateways.len();
            self.victims = if self.all { (0..count).collect() } else { vec![random.gen_range(0..count)] };
            for &index in &self.victims {
                if self.silently {
                    world.attached(index).await;
                    world.gateways[index].set(Flow::Hold, Flow::Hold);
                } else {
                    expire_at_once(world, index).await?;
                }
            }
            Ok(vec![])
        }
        .boxed_local()
    }

    fn heal<'a>(&'a mut self, world: &'a mut World) -> Step<'a> {
        async move {
            self.victims.iter().for_each(|index| world.gateways[*index].set(Flow::Pass, Flow::Pass));
            let mut evidence = Vec::new();
            for &index in &self.victims {
                evidence.push(world.logged(index, "expired").await);
            }
            Ok(evidence)
        }
        .boxed_local()
    }
}

/// Ends the session of a gateway until it has noticed: one that reconnects by itself in the same moment takes its session
/// with it.
async fn expire_at_once(world: &World, index: usize) -> Result<(), Trouble> {
    for _ in 0..EXPIRIES {
        let before = expiries(world, index);
        if let Err(Trouble::Impossible(why)) = world.expire_session(index).await {
            return Err(Trouble::Impossible(why));
        }
        let deadline = tokio::time::Instant::now() + NOTICED;
        while tokio::time::Instant::now() < deadline {
            if expiries(world, index) > before {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    Err(Trouble::Unobserved(format!("gateway {index} never says that its session expired")))
}

/// How often a session is ended before that is given up, and how long a gateway has to notice.
const EXPIRIES: usize = 5;
const NOTICED: Duration = Duration::from_secs(4);

/// How often gateway `index` has said that its session expired.
fn expiries(world: &World, index: usize) -> usize {
    world.gateways[index].process.output().matches("expired").count()
}

/// F10: requests are carried out, and the connection is cut before their replies.
pub struct LostReplies {
    rounds: usize,
}

impl LostReplies {
    /// Some, or many.
    pub fn new(scale: Scale) -> Self {
        Self { rounds: if scale == Scale::Full { 25 } else { 8 } }
    }
}

/// How long to wait for a frame that springs a trap; some kinds are rare.
const TRAP: Duration = Duration::from_secs(3);

/// Frames that may go through before one is caught.
const SKIP: u32 = 50;

impl Fault for LostReplies {
    fn id(&self) -> &'static str {
        "F10"
    }

    fn title(&self) -> String {
        format!("cut the connection between a commit and its reply, {} times", self.rounds)
    }

    fn expectations(&self) -> Expectations {
        Expectations { lasts: Duration::ZERO, ..Expectations::default() }
    }

    fn inject<'a>(&'a mut self, world: &'a mut World, random: &'a mut StdRng) -> Step<'a> {
        async move {
            let mut evidence = Vec::new();
            for round in 0..self.rounds {
                let index = random.gen_range(0..world.gateways.len());
                world.attached(index).await;
                let opcode = [Some(MULTI), Some(MULTI_READ), Some(ADD_WATCH), Some(SYNC), None][round % 5];
                // What only a new connection, or a new session, sends comes soon after it.
                let skip = match opcode {
                    Some(MULTI | MULTI_READ) => random.gen_range(0..SKIP),
                    _ => random.gen_range(0..3),
                };
                let before = world.gateways[index].traps.set(Trap::BeforeReply { opcode, skip });
                match opcode {
                    Some(ADD_WATCH) => world.gateways[index].wires.iter().for_each(|wire| wire.cut()),
                    None => drop(world.expire_session(index).await),
                    _ => {}
                }
                if sprung(world, index, before, TRAP).await {
                    let what = world.gateways[index].traps.last();
                    evidence.push(format!("gateway {index}: {what} never arrived, after {skip} that did"));
                }
            }
            exactly(evidence.len() >= self.rounds / 3, || {
                format!("only {} replies were caught", evidence.len())
            })?;
            Ok(evidence)
        }
        .boxed_local()
    }
}

/// Whether the trap of a gateway springs within `patience` (scaled), after `before` that had sprung when it was set. It is
/// taken away in either case.
async fn sprung(world: &World, index: usize, before: u64, patience: Duration) -> bool {
    let traps = &world.gateways[index].traps;
    let deadline = tokio::time::Instant::now() + scaled(patience);
    while traps.sprung() == before && tokio::time::Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    traps.clear();
    traps.sprung() > before
}

/// F11: a gateway is cut off right after a watch event, or events arrive late, and much changes meanwhile.
pub struct MissedEvents {
    rounds: usize,
    late: bool,
}

/// Changes that a gateway misses.
const CHANGES: usize = 500;

impl MissedEvents {
    /// Once, or many times; events that are lost, or that come late.
    pub fn drawn(scale: Scale, random: &mut StdRng) -> Self {
        Self { rounds: if scale == Scale::Full { 8 } else { 3 }, late: random.gen_bool(0.25) }
    }
}

impl Fault for MissedEvents {
    fn id(&self) -> &'static str {
        "F11"
    }

    fn title(&self) -> String {
        let what =
            if self.late { "hold watch events back" } else { "cut the connection after a watch event" };
        format!("{what} while {CHANGES} znodes change, {} times", self.rounds)
    }

    fn expectations(&self) -> Expectations {
        Expectations { lasts: Duration::ZERO, ..Expectations::default() }
    }

    fn inject<'a>(&'a mut self, world: &'a mut World, random: &'a mut StdRng) -> Step<'a> {
        async move {
            let interface = own::interface("gap");
            let znodes = world.znodes().await;
            znodes.create_all(&own::folder(&interface)).await;
            let mut evidence = Vec::new();
            for _ in 0..self.rounds {
                let index = random.gen_range(0..world.gateways.len());
                world.attached(index).await;
                let skip = random.gen_range(0..10);
                if self.late {
                    world.gateways[index].wires.iter().for_each(|wire| wire.hold_events(true));
                } else {
                    let before = world.gateways[index].traps.set(Trap::AfterEvent { skip });
                    // In a quiet moment this is the event.
                    for number in 0..12 {
                        znodes.create_many(&[own::provider(&interface, 100_000 + number)]).await;
                    }
                    let seen = sprung(world, index, before, 5 * TRAP).await;
                    exactly(seen, || format!("no event reached gateway {index}"))?;
                    world.gateways[index].set(Flow::Hold, Flow::Hold);
                    let extra: Vec<_> =
                        (0..12).map(|number| own::provider(&interface, 100_000 + number)).collect();
                    znodes.delete_many(&extra).await;
                }
                let standing = own::standing(&znodes, &interface).await.len();
                let all: Vec<_> = (0..CHANGES).map(|number| own::provider(&interface, number)).collect();
                if standing == 0 {
                    znodes.create_many(&all).await;
                } else {
                    znodes.delete_many(&all).await;
                }
                world.gateways[index].wires.iter().for_each(|wire| wire.pass());
                if !self.late {
                    world.gateways[index].wires.iter().for_each(|wire| wire.cut());
                }
                let count = own::agreed(world, &interface).await?;
                evidence
                    .push(format!("gateway {index}, after {skip} events: {count} providers, as in the tree"));
            }
            Ok(evidence)
        }
        .boxed_local()
    }

    fn heal<'a>(&'a mut self, world: &'a mut World) -> Step<'a> {
        async move {
            world.gateways.iter().for_each(|gateway| gateway.wires.iter().for_each(|wire| wire.pass()));
            let znodes = world.znodes().await;
            let folder = own::folder(&own::interface("gap"));
            let left = znodes.children(&folder).await;
            znodes.delete_many(&left.iter().map(|name| format!("{folder}/{name}")).collect::<Vec<_>>()).await;
            Ok(vec![])
        }
        .boxed_local()
    }
}
