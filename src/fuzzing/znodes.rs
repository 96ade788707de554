//! Paths and data of znodes, whoever wrote them.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::tree;
use crate::dubbo::{self, ApplicationInstance};
use crate::model::{
    DependencyDocument, InstanceDocument, Microservice, Ownership, SchemaDocument, SnapshotDocument,
    SnapshotPart,
};
use crate::zookeeper::{Layout, parse_owner};

/// Reads a path and data, with a line break between them.
pub fn read(input: &[u8]) {
    let end = input.iter().position(|byte| *byte == b'\n').unwrap_or(input.len());
    let (path, data) = input.split_at(end);
    let data = data.get(1..).unwrap_or_default();
    if let Ok(path) = std::str::from_utf8(path) {
        self::path(path);
    }
    document::<SnapshotDocument>(data);
    document::<SnapshotPart>(data);
    document::<InstanceDocument>(data);
    document::<Microservice>(data);
    document::<SchemaDocument>(data);
    document::<DependencyDocument>(data);
    document::<BTreeMap<String, String>>(data);
    if let Some(owners) = Ownership::parse(data) {
        owners.registrants.iter().for_each(|owner| drop(parse_owner(owner)));
    }
    application(data);
}

fn path(path: &str) {
    let layout = tree::layout();
    let place = layout.place(path);
    let _ = (place.has_children(), place.is_permanent(), place.is_listed(), place.counts_in_folder());
    let _ = (place.is_leaf(), place.is_read());
    if let Some(registrant) = place.registrant() {
        let owner = Layout::owner_text(&registrant);
        assert_eq!(parse_owner(&owner), Some(registrant.clone()), "{owner}");
        assert_eq!(layout.place(&layout.document(&registrant)).registrant(), Some(registrant), "{owner}");
    }
    if let Some((_, interface, name)) = dubbo::parse_path(&layout.dubbo_root, path) {
        let _ = (dubbo::check_interface(&interface), dubbo::decode(name));
    }
}

/// What is read as a document is written as one that reads the same.
fn document<T: DeserializeOwned + Serialize + PartialEq + std::fmt::Debug>(data: &[u8]) {
    let Ok(read) = serde_json::from_slice::<T>(data) else { return };
    let written = serde_json::to_vec(&read).expect("it is texts, numbers, lists and maps");
    assert_eq!(serde_json::from_slice::<T>(&written).expect("it was written here"), read);
}

fn application(data: &[u8]) {
    let services = dubbo::parse_metadata(data).unwrap_or_default();
    let _ = dubbo::is_own_metadata("0", data);
    if let Ok(instance) = ApplicationInstance::parse(data) {
        let _ = (instance.id(), instance.endpoints(), instance.stored_revision(), instance.version());
        let _ = (instance.timestamp(), instance.port_of("tri"), instance.mark(data));
        services.iter().filter_map(|service| service.url("shop", &instance)).for_each(|url| {
            let _ = url.to_string();
        });
    }
    if !services.is_empty() {
        let keyed = services.into_iter().map(|service| (service.match_key(), service)).collect();
        let (revision, written) = dubbo::metadata_document("shop", &keyed);
        assert!(dubbo::is_own_metadata(&revision, written.as_bytes()), "{written}");
        let again = dubbo::parse_metadata(written.as_bytes()).expect("it was written here");
        assert_eq!(again.len(), keyed.len(), "{written}");
    }
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = dubbo::applications_in(text).count();
    }
}
