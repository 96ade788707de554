//! zoogate: a registry gateway in front of an existing ZooKeeper ensemble.

// Before all others: they use its macro.
#[macro_use]
pub mod failpoints;

pub mod api;
pub mod app;
pub mod background;
pub mod catalog;
pub mod cli;
pub mod config;
pub mod dubbo;
mod files;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod listeners;
pub mod model;
pub mod ops;
#[cfg(feature = "pieces")]
pub mod pieces;
pub mod registry;
pub mod shutdown;
pub mod telemetry;
mod wiring;
pub mod zookeeper;
