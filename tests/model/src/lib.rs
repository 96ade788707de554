//! A model of the protocol by which replicas share leases: small enough that every state it can reach is looked at.
//!
//! `world` says what there is, `znodes` what ZooKeeper does, and `requests`, `silence`, `repair` and `faults` what can
//! happen next, each step as small as another replica or a fault can come between. `protocol` puts it before the
//! model checker, and `properties` says what must hold. `guards` are the parts of the protocol that can be left out, to see what breaks without them.

mod faults;
mod guards;
mod plan;
mod properties;
mod protocol;
mod repair;
mod requests;
mod scenarios;
mod silence;
mod symmetry;
mod world;
mod znodes;

pub use guards::{Guard, Guards};
pub use protocol::{Action, Bounds, Protocol, Steps};
pub use scenarios::Scenario;
pub use world::{Kind, World};
