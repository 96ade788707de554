//! Whether the checker of chaos runs can be trusted: histories written by hand, good ones that it must pass and bad ones
//! in which it must find the fault.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test ends at the first surprise")]
#![allow(dead_code, reason = "the modules serve a whole program, of which this is the judge alone")]

#[path = "../chaos/checker/mod.rs"]
mod checker;
#[path = "../chaos/history.rs"]
mod history;

mod ends;
mod lapses;
mod order_and_honesty;
mod reads;
mod script;
mod tree;
