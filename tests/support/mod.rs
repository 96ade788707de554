//! What every test of the running gateway needs: real ZooKeeper servers, the real binary, and eyes of their own.
//!
//! Nothing here stands in for ZooKeeper or for the gateway. A test that wants to know what ZooKeeper holds asks
//! ZooKeeper, through a session that the gateway knows nothing of.

pub mod beat;
pub mod client;
pub mod eventually;
pub mod four_letters;
pub mod gateway;
pub mod listener;
pub mod ports;
pub mod process;
pub mod proxy;
pub mod scratch;
pub mod socket;
pub mod watcher;
pub mod wire;
pub mod znodes;
pub mod zookeeper;
