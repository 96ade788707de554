//! The load of a run: registrants of both dialects that behave as real ones do, and clients that look for them. All live
//! in this process, so that one clock orders everything they see.

pub mod answers;
pub mod call;
pub mod finder;
pub mod instance;
pub mod recorder;
pub mod sidecar;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::StdRng;

use call::Caller;
use recorder::Recorder;

/// Registrants of each dialect, and groups of each that they spread over.
const REGISTRANTS: usize = 16;
const GROUPS: usize = 4;
/// Clients that look for them, and how often each asks.
const FINDERS: usize = 8;
const FIND_EVERY: Duration = Duration::from_millis(11);
/// Between two signs of life of a registrant.
pub const BEAT_EVERY: Duration = Duration::from_millis(300);

/// Application of everything.
pub const APPLICATION: &str = "chaos";

/// What all clients are told while they run.
#[derive(Default)]
pub struct Orders {
    /// Change nothing any more, but for one last time.
    pub quiet: AtomicBool,
    /// Stop.
    pub stop: AtomicBool,
    /// How many registrants have had their last change acknowledged.
    pub calm: AtomicUsize,
}

/// All clients of a run.
pub struct Load {
    /// Registrants by group.
    pub groups: BTreeMap<String, Vec<String>>,
    orders: Arc<Orders>,
    silence: BTreeMap<String, Arc<AtomicBool>>,
    recorder: Arc<Recorder>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

/// Name of a group of sidecars: the interface that all of them provide.
pub fn sidecar_group(number: usize) -> String {
    format!("chaos.Shop{}", number % GROUPS)
}

/// Name of a group of instances: their microservice.
pub fn instance_group(number: usize) -> String {
    format!("chaos-orders-{}", number % GROUPS)
}

/// The interface that only this sidecar provides.
pub fn own_interface(sidecar: usize) -> String {
    format!("chaos.Own{}", sidecar % REGISTRANTS)
}

/// The sidecar that alone provides this interface.
pub fn owner_of(interface: &str) -> Option<String> {
    interface.strip_prefix("chaos.Own").map(|number| format!("s{number}"))
}

/// Registrants by group.
pub fn groups() -> BTreeMap<String, Vec<String>> {
    let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for number in 0..REGISTRANTS {
        groups.entry(sidecar_group(number)).or_default().push(format!("s{number}"));
        groups.entry(instance_group(number)).or_default().push(format!("i{number}"));
    }
    groups
}

impl Load {
    /// Starts all clients against the gateways at `urls`; the microservices are registered first.
    ///
    /// # Errors
    /// When they cannot be.
    pub async fn start(urls: &[String], seed: u64, recorder: Arc<Recorder>) -> anyhow::Result<Self> {
        let caller = Caller::new(urls, recorder.clone())?;
        let mut services = Vec::new();
        for number in 0..GROUPS {
            services.push(instance::create_service(&caller, &instance_group(number)).await?);
        }
        let orders = Arc::new(Orders::default());
        let mut silence = BTreeMap::new();
        let mut tasks = Vec::new();
        for number in 0..REGISTRANTS {
            let random = |kind: u64| StdRng::seed_from_u64(seed ^ (kind << 32) ^ number as u64);
            let mut switch = |name: String| {
                let switch = Arc::new(AtomicBool::new(false));
                silence.insert(name, switch.clone());
                switch
            };
            let member = Member {
                caller: caller.clone(),
                orders: orders.clone(),
                silent: switch(format!("s{number}")),
                // Half of them stay with a gateway, the others come through a load balancer.
                sticks: number % 2 == 0,
            };
            tasks.push(tokio::spawn(sidecar::Sidecar::new(number, member, random(1)).run()));
            let member = Member {
                caller: caller.clone(),
                orders: orders.clone(),
                silent: switch(format!("i{number}")),
                sticks: number % 2 == 0,
            };
            let service = services[number % GROUPS].clone();
            tasks.push(tokio::spawn(instance::Instance::new(number, service, member, random(2)).run()));
        }
        for number in 0..FINDERS {
            let random = StdRng::seed_from_u64(seed ^ (3 << 32) ^ number as u64);
            let finder = finder::Finder::new(number, caller.clone(), orders.clone(), random);
            tasks.push(tokio::spawn(finder.run(FIND_EVERY)));
        }
        Ok(Self { groups: groups(), orders, silence, recorder, tasks })
    }

    /// Lets `percent` of all registrants fall silent for good.
    pub fn fall_silent(&self, percent: u32) {
        let count = self.silence.len() * percent as usize / 100;
        for switch in self.silence.values().take(count) {
            switch.store(true, Ordering::SeqCst);
        }
    }

    /// Tells all registrants to make one last change, and no other afterwards.
    pub fn be_quiet(&self) {
        self.orders.quiet.store(true, Ordering::SeqCst);
    }

    /// Whether the last change of every registrant that is not silent was acknowledged.
    pub fn is_calm(&self) -> bool {
        let silent = self.silence.values().filter(|switch| switch.load(Ordering::SeqCst)).count();
        self.orders.calm.load(Ordering::SeqCst) + silent >= self.silence.len()
    }

    /// Ends all clients, and waits for what is still on its way.
    pub async fn stop(self) {
        self.orders.stop.store(true, Ordering::SeqCst);
        for task in self.tasks {
            let _ = task.await;
        }
        self.recorder.all_ended().await;
    }
}

/// What a registrant needs beside what it is.
pub struct Member {
    /// How it reaches the gateways.
    pub caller: Arc<Caller>,
    /// What it is told.
    pub orders: Arc<Orders>,
    /// Whether it is to fall silent for good.
    pub silent: Arc<AtomicBool>,
    /// Whether it stays with a gateway that answers.
    pub sticks: bool,
}

impl Member {
    /// Whether it goes on.
    pub fn goes_on(&self) -> bool {
        !self.orders.stop.load(Ordering::SeqCst) && !self.silent.load(Ordering::SeqCst)
    }

    /// Whether it changes nothing any more.
    pub fn is_quiet(&self) -> bool {
        self.orders.quiet.load(Ordering::SeqCst)
    }

    /// Notes the end of `who`, if it falls silent.
    pub fn end(&self, who: &str) {
        if self.silent.load(Ordering::SeqCst) {
            self.caller.recorder.silent(who);
        }
    }
}
