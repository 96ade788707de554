//! zoogate: a registry gateway in front of an existing ZooKeeper ensemble.

pub mod background;
pub mod catalog;
pub mod config;
pub mod dubbo;
pub mod model;
pub mod registry;
pub mod telemetry;
pub mod zookeeper;
