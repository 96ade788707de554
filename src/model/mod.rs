//! What a registration is: pure types and rules, without I/O, HTTP or ZooKeeper types.
//!
//! Every other layer speaks in these words, so a rule that both dialects share has one home here.

mod digest;
mod documents;
mod instance;
mod microservice;
mod registrant;
mod revision;
mod snapshot;

pub use digest::{hex_digest, short_digest};
pub use documents::{
    DependencyDocument, InstanceDocument, Ownership, Parts, SchemaDocument, SnapshotDocument, SnapshotPart,
    Timestamps, part_name,
};
pub use instance::{DataCenter, HealthCheck, Instance, InstanceStatus};
pub use microservice::{Framework, Microservice, MicroserviceKey, ServiceKey, ServiceKeyView, ServicePath};
pub use registrant::{DependencyKey, InstanceKey, Registrant, ReplicaId, SidecarId, Tenant};
pub use revision::Revision;
pub use snapshot::{Consumer, Provider, Snapshot, SnapshotReport};

/// Free-form key and value pairs in a stable (sorted) order.
pub type Properties = std::collections::BTreeMap<String, String>;

/// True when a map that is omitted from JSON when empty has nothing in it.
pub(crate) fn is_empty_map(map: &Properties) -> bool {
    map.is_empty()
}
