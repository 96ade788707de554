//! What is measured, one room for each group.

mod changes;
mod find;
mod heartbeat;
pub mod large;
mod news;
mod register;
mod replacement;
mod sync;

use futures::future::LocalBoxFuture;

use crate::bench::Bench;

/// One scenario.
pub struct Scenario {
    /// What `--scenario` takes.
    pub name: &'static str,
    /// What it measures.
    pub about: &'static str,
    /// Adds its figures to the report.
    pub run: for<'b> fn(&'b Bench) -> LocalBoxFuture<'b, anyhow::Result<()>>,
}

macro_rules! scenario {
    ($name:literal, $about:literal, $bench:ident => $run:expr) => {
        Scenario { name: $name, about: $about, run: |$bench| Box::pin($run) }
    };
}

/// All of them, in the order in which they run: what makes the catalog large comes last.
pub const ALL: &[Scenario] = &[
    scenario!("find-not-modified", "a find of 100 instances whose rev is current", it => find::not_modified(it)),
    scenario!("heartbeat-one", "the heartbeat of one instance", it => heartbeat::one(it)),
    scenario!("sync-unchanged", "20 providers and 40 consumers, nothing changed", it => sync::unchanged(it)),
    scenario!("find-1", "a find of 1 instance", it => find::whole(it, 1, false)),
    scenario!("find-1-gzip", "the same by who takes gzip", it => find::whole(it, 1, true)),
    scenario!("find-100", "a find of 100 instances", it => find::whole(it, 100, false)),
    scenario!("find-100-gzip", "the same by who takes gzip", it => find::whole(it, 100, true)),
    scenario!("find-1000", "a find of 1,000 instances", it => find::whole(it, 1_000, false)),
    scenario!("find-1000-gzip", "the same by who takes gzip", it => find::whole(it, 1_000, true)),
    scenario!("batch-find", "100 services of which one has changed", it => find::batch(it)),
    scenario!("change-in-thousand", "the find after one of 1,000 instances has changed", it => changes::in_thousand(it)),
    scenario!("storm", "finds while another service changes 1,000 times a second", it => changes::storm(it)),
    scenario!("sync-changed", "one of 20 providers is another one each time", it => sync::changed(it)),
    scenario!("change-to-watcher", "from a change to the message of a WebSocket", it => news::watcher(it)),
    scenario!("change-across-replicas", "from a change to the answer of another replica", it => news::replicas(it)),
    scenario!("register-same", "an instance that stands already", it => register::same(it)),
    scenario!("register-growing", "64 clients, each time a new instance", it => register::growing(it)),
    scenario!("heartbeat-many", "heartbeats of 10,000 instances in turns", it => heartbeat::many(it)),
    scenario!("list-services", "all of 10,000 services", it => find::list(it)),
    scenario!("growth-1000", "find, heartbeat, sync, register among 1,000 instances", it => large::growth(it, 1_000)),
    scenario!("growth-10000", "the same among 10,000", it => large::growth(it, 10_000)),
    scenario!("start-10000", "a start with 10,000 instances, and their memory", it => large::start(it, 10_000)),
    scenario!("growth-100000", "the same as growth-1000 among 100,000", it => large::growth(it, 100_000)),
    scenario!("start-100000", "a start with 100,000 instances, and their memory", it => large::start(it, 100_000)),
    scenario!("replica-joins", "it takes half of 100,000 instances over", it => replacement::joins(it, 100_000)),
    scenario!("replica-dies", "its 100,000 instances go to another one", it => replacement::dies(it, 100_000)),
];
