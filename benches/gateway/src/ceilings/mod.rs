//! What the same machine can do at most: the bytes of an answer without a gateway behind them, and ZooKeeper without a
//! gateway in front of it.

pub mod http;
pub mod server;
pub mod zookeeper;
