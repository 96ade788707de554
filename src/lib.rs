//! zoogate: a registry gateway in front of an existing ZooKeeper ensemble.

pub mod dubbo;
pub mod model;
