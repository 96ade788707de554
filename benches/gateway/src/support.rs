//! What the tests have already: processes that never outlive this one, free ports, waiting for a condition, the questions
//! that a ZooKeeper server answers, and a WebSocket that only listens.
#![allow(dead_code, reason = "the tests use all of it, this program only a part")]

#[path = "../../../tests/support/eventually.rs"]
pub mod eventually;
#[path = "../../../tests/support/four_letters.rs"]
pub mod four_letters;
#[path = "../../../tests/support/listener.rs"]
pub mod listener;
#[path = "../../../tests/support/ports.rs"]
pub mod ports;
#[path = "../../../tests/support/process.rs"]
pub mod process;
