//! The URL form of a provider and a consumer: build, encode, decode, check.
//!
//! What Dubbo consumers read is the *name* of a znode: a whole URL, encoded once with Java's table. One malformed
//! name costs a Java consumer the whole interface, so everything that zoogate writes goes through the checks here,
//! and everything that others wrote is read with tolerance and without panics.

mod application;
mod build;
mod check;
mod encoding;
mod endpoint;
mod path;
mod pattern;
mod url;
mod view;

pub use application::{
    ApplicationInstance, InstanceAddress, InstanceError, Mark, ServiceInfo, append_applications,
    applications_in, instance_document, is_own_metadata, metadata_document, parse_metadata,
};
pub use build::{
    DEFAULT_APPLICATION, DEFAULT_PROTOCOL, check_consumer, check_provider, consumer_url, methods_text,
    provider_url,
};
pub use check::{
    MAX_INTERFACE_BYTES, MAX_NAME_BYTES, check_host, check_interface, check_method, check_param_key,
    check_param_value, check_protocol, check_url,
};
pub use encoding::{DecodeError, decode, encode, encoded};
pub use endpoint::{Endpoint, dependency_url, instance_urls};
pub use path::{Side, folder, parse_path, znode_path};
pub use pattern::EntryPattern;
pub use url::{DEFAULT_PREFIX, EntryKey, ServiceUrl, UrlError, authority};
pub use view::{EntryKeyView, UrlView};
