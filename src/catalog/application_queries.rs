//! What the registry asks of the application level, to write beside everybody else.

use std::collections::HashSet;

use super::Catalog;
use super::applications::{ApplicationNode, MappingRecord, StoredMetadata};
use crate::dubbo::InstanceAddress;
use crate::model::{Registrant, ReplicaId};
use crate::zookeeper::MetadataKey;

/// What stands at a document of the application level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetadataStanding {
    /// Nothing.
    Absent,
    /// Something that has not been read.
    Unread,
    /// What zoogate wrote, with its `dataVersion`, and whether an instance names it.
    Own(i32, bool),
    /// Something else, with its `dataVersion`.
    Damaged(i32),
}

impl Catalog {
    /// The znode of an instance of an application.
    pub fn application_node(&self, address: &InstanceAddress) -> Option<ApplicationNode> {
        let state = self.state.read();
        state.applications.instance(&address.application, &address.id()).map(|stored| stored.node.clone())
    }

    /// What stands at a document of the application level.
    pub fn metadata_standing(&self, key: &MetadataKey) -> MetadataStanding {
        let state = self.state.read();
        match state.applications.metadata.get(key) {
            None => MetadataStanding::Absent,
            Some(StoredMetadata { read: false, .. }) => MetadataStanding::Unread,
            Some(StoredMetadata { own: true, version, .. }) => {
                let is_named = state.applications.is_named(&key.application, &key.revision);
                MetadataStanding::Own(*version, is_named)
            }
            Some(StoredMetadata { version, .. }) => MetadataStanding::Damaged(*version),
        }
    }

    /// Every document that zoogate wrote and no instance names.
    pub fn idle_metadata(&self) -> HashSet<MetadataKey> {
        let state = self.state.read();
        let applications = &state.applications;
        let own = applications.metadata.iter().filter(|(_, known)| known.own && known.read);
        let idle = own.filter(|(key, _)| !applications.is_named(&key.application, &key.revision));
        idle.map(|(key, _)| key.clone()).collect()
    }

    /// The applications that an interface is offered by, as their znode holds them.
    pub fn mapping(&self, interface: &str) -> Option<MappingRecord> {
        self.state.read().applications.mappings.get(interface).cloned()
    }

    /// Every instance of an application that zoogate wrote, once for each of its owners, as `<application>/<znode>`.
    pub fn owned_instances(&self) -> Vec<(String, Registrant)> {
        let state = self.state.read();
        let instances = state.applications.known.iter().flat_map(|(application, known)| {
            known.instances.iter().map(move |(name, stored)| (format!("{application}/{name}"), stored))
        });
        let owned = instances.flat_map(|(address, stored)| {
            stored.node.owners.iter().map(move |owner| (address.clone(), owner.clone()))
        });
        owned.collect()
    }

    /// Whether this replica's way of treating the application level is that of all replicas that live.
    pub fn replicas_agree(&self, writes_applications: bool) -> bool {
        let state = self.state.read();
        let writers = &state.leases.application_writers;
        state
            .leases
            .replicas
            .iter()
            .all(|replica: &ReplicaId| writers.contains(replica) == writes_applications)
    }
}
