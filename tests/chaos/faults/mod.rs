//! The faults that a run injects, one small type each, and what the product must hold while and after they last.
//!
//! A fault does its harm in [`Fault::inject`], lets [`Expectations::lasts`] pass (the runner waits), and undoes it in
//! [`Fault::heal`]. Both bring evidence that the harm was really done: a run without evidence proves nothing and counts
//! as invalid. What a fault is made with is drawn from the run's seed, so that a run can be repeated.

mod clients;
mod clock;
mod disk;
mod ensemble;
mod gateways;
mod herd;
mod network;
mod own;
mod silence;
mod znodes;

use std::net::SocketAddr;

use futures::FutureExt;
use futures::future::LocalBoxFuture;
use rand::rngs::StdRng;
use tokio::net::TcpStream;

use crate::checker::expectations::Expectations;
use crate::world::{Setup, World};

/// What shows that the fault happened, one line each, for the report of the run.
pub type Evidence = Vec<String>;

/// What an action of a fault comes to. It stays on the thread that called it, as the waits of the tests do.
pub type Step<'a> = LocalBoxFuture<'a, Result<Evidence, Trouble>>;

/// Why a run with this fault has no verdict, or a bad one.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Trouble {
    /// This machine cannot do it; says why. The run is not counted.
    #[error("not possible on this machine: {0}")]
    Impossible(String),
    /// The harm could not be done, or nothing shows that it was: the run is invalid.
    #[error("the fault was not seen to happen: {0}")]
    Unobserved(String),
    /// The product broke a promise that only the fault itself can see, for example the exit code of a gateway: the run
    /// failed.
    #[error("{0}")]
    Broken(String),
}

/// One fault of the matrix in docs/reliability.md.
pub trait Fault {
    /// `F1` to `F23`.
    fn id(&self) -> &'static str;

    /// What it does, in one line, with what was drawn for this run.
    fn title(&self) -> String;

    /// What the product may lose by it; everything else must hold.
    fn expectations(&self) -> Expectations;

    /// What the world needs to be like for it.
    fn prepare(&self, _setup: &mut Setup) {}

    /// For a fault that no run can inject here: what covers it instead, and why.
    fn covered_elsewhere(&self) -> Option<String> {
        None
    }

    /// Does the harm. Takes as long as it takes: a rolling restart is all in here.
    fn inject<'a>(&'a mut self, world: &'a mut World, random: &'a mut StdRng) -> Step<'a>;

    /// Undoes the harm. Every process that was ended runs again when it returns; whether they serve is for the runner to
    /// find out, who measures how long that takes. Unless a fault has more to undo, that is all.
    fn heal<'a>(&'a mut self, world: &'a mut World) -> Step<'a> {
        async move {
            // All are launched before any is waited for: nothing promises an order of starts.
            world.launch_servers();
            world.start_gateways().await;
            world.start_servers().await;
            Ok(vec![])
        }
        .boxed_local()
    }
}

/// Every fault, by its id.
pub const IDS: [&str; 23] = [
    "F1", "F2", "F3", "F4", "F5", "F6", "F7", "F8", "F9", "F10", "F11", "F12", "F13", "F14", "F15", "F16",
    "F17", "F18", "F19", "F20", "F21", "F22", "F23",
];

/// Those of `scripts/chaos --short`.
pub const SHORT: [&str; 3] = ["F1", "F3", "F10"];

/// How much of a fault there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// As much as a check of a change can wait for.
    Short,
    /// All of it.
    Full,
}

/// The fault with this id, as the seed draws it; `None` for an id that there is not.
pub fn drawn(id: &str, scale: Scale, random: &mut StdRng) -> Option<Box<dyn Fault>> {
    Some(match id {
        "F1" => Box::new(gateways::KillOne::default()),
        "F2" => Box::new(gateways::KillAll),
        "F3" => Box::new(ensemble::KillLeader),
        "F4" => Box::new(ensemble::LoseQuorum),
        "F5" => Box::new(ensemble::Hang::default()),
        "F6" => Box::new(gateways::Pause::default()),
        "F7" => Box::new(network::Partition::drawn(random)),
        "F8" => Box::new(ensemble::Part::drawn(random)),
        "F9" => Box::new(network::Expiry::drawn(random)),
        "F10" => Box::new(network::LostReplies::new(scale)),
        "F11" => Box::new(network::MissedEvents::drawn(scale, random)),
        "F12" => Box::new(disk::Slow::drawn(random)),
        "F13" => Box::new(disk::Full::default()),
        "F14" => Box::new(clock::SetClock::drawn(random)),
        "F15" => Box::new(gateways::KillEverything),
        "F16" => Box::new(gateways::Rolling),
        "F17" => Box::new(ensemble::RollingServers),
        "F18" => Box::new(znodes::ForeignWrites::new(scale)),
        "F19" => Box::new(herd::Herd::new(scale)),
        "F20" => Box::new(clients::Starvation::default()),
        "F21" => Box::new(ensemble::GatewaysFirst),
        "F22" => Box::new(znodes::BigFolders::new(scale)),
        "F23" => Box::new(silence::Mass),
        _ => return None,
    })
}

/// Interfaces and services that faults make begin with this: they are not the clients', and nobody else's history.
pub const OWN: &str = "chaos.fault.";

/// [`Trouble::Unobserved`] unless the harm shows.
fn exactly(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), Trouble> {
    if holds { Ok(()) } else { Err(Trouble::Unobserved(otherwise())) }
}

/// [`Trouble::Broken`] unless the product keeps its promise.
fn kept(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), Trouble> {
    if holds { Ok(()) } else { Err(Trouble::Broken(otherwise())) }
}

/// Shows that nobody listens there.
async fn refused_probe(address: SocketAddr) -> Result<(), Trouble> {
    exactly(TcpStream::connect(address).await.is_err(), || format!("{address} still takes connections"))
}
