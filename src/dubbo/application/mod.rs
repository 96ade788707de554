//! The application level of Dubbo 3: the documents that stand for an instance of an application, for what it offers,
//! and for which applications offer an interface.
//!
//! Those of others are read with tolerance and without panics. Those that zoogate writes carry a seal, so that a
//! change by hand is noticed and nothing of anybody else is ever taken for its own.

mod address;
mod instance;
mod mapping;
mod metadata;
mod seal;

pub use address::InstanceAddress;
pub use instance::{ApplicationInstance, InstanceError, Mark, instance_document};
pub use mapping::{append_applications, applications_in};
pub use metadata::{ServiceInfo, is_own_metadata, metadata_document, parse_metadata};
