//! The gateway as its users meet it: the real binary in front of real ZooKeeper servers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a test ends at the first surprise, and tells where its files are"
)]

#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "chaos runs and the tests with software of others need more of it")]
mod support;

mod application_level;
mod application_level_repair;
mod application_level_replicas;
mod application_level_writing;
mod architecture;
mod attributes;
mod batch_repeats;
mod behind;
mod client_habits;
mod configurators;
mod crash;
mod crowd;
mod dependencies;
mod documents;
mod doubts;
mod edits;
mod edits_survive;
mod faults_of_the_original;
mod fixtures;
mod floods;
mod foreign_znodes;
mod govern;
mod harness;
mod large;
mod limits;
mod lists;
mod long_poll;
mod long_poll_crowd;
mod many_native;
mod mass_silence;
mod native;
mod openapi;
mod operations;
mod outage;
mod own_writes;
mod races;
mod refusals;
mod repair;
mod repeats;
mod replacement;
mod replicas;
mod same_again;
mod servicecomb;
mod shared;
mod slow_answers;
mod sync;
mod timestamps;
mod two_worlds;
mod urls;
mod watch;
