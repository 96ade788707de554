//! The gateway as its users meet it: the real binary in front of real ZooKeeper servers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a test ends at the first surprise, and tells where its files are"
)]

#[path = "../support/mod.rs"]
mod support;

mod architecture;
mod attributes;
mod client_habits;
mod crash;
mod crowd;
mod dependencies;
mod edits;
mod edits_survive;
mod fixtures;
mod govern;
mod harness;
mod large;
mod long_poll;
mod long_poll_crowd;
mod openapi;
mod operations;
mod outage;
mod races;
mod refusals;
mod repair;
mod replicas;
mod servicecomb;
mod sync;
mod two_worlds;
mod watch;
