//! Which znode stands where: the paths of the gateway's own tree, and what any path of either tree means.
//!
//! ZooKeeper has no paging and Java tools refuse listings over 1 MiB, so what grows with the number of sidecars is
//! spread over 256 shards: 100,000 sidecars make folders of about 400 names.

use std::borrow::Cow;
use std::sync::Arc;

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

use super::application::{ApplicationPlace, Foreign, beside_interfaces};
use super::parts::Parts;
use crate::model::{
    DependencyKey, InstanceKey, Registrant, ReplicaId, ServiceKey, SidecarId, Tenant, short_digest,
};

/// What may not stand in a path segment as it is. Everything beyond ASCII is escaped as well.
const ESCAPED: &AsciiSet = &CONTROLS.add(b'/').add(b'%');
/// Likewise in a part of a name that `|` separates.
const ESCAPED_PART: &AsciiSet = &ESCAPED.add(b'|');

/// The roots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Root of Dubbo's tree.
    pub dubbo_root: String,
    /// Root of Dubbo 3's applications: empty when they are not read, and possibly [`Self::dubbo_root`].
    pub services_root: String,
    /// Root of the gateway's own tree.
    pub registry_root: String,
}

/// What a path means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A folder on the way to something below; itself without meaning.
    Folder,
    /// The folder of an interface's providers; its `pzxid` tells when they last changed.
    ProviderFolder {
        /// The interface as the path spells it.
        interface: String,
    },
    /// A provider URL.
    Provider {
        /// The interface as the path spells it.
        interface: String,
        /// The URL as the path spells it.
        name: String,
    },
    /// A consumer URL.
    Consumer,
    /// The document of a sidecar.
    Snapshot(SidecarId),
    /// A part of the document of a sidecar with many entries.
    SnapshotPart(SidecarId, String),
    /// A microservice.
    Microservice(Tenant, String),
    /// The tags of a microservice.
    Tags(Tenant, String),
    /// The summaries of a microservice's schemas, whose texts stand below.
    Schemas(Tenant, String),
    /// That a consumer uses a service.
    Dependency(Arc<DependencyKey>),
    /// The folder of a microservice's instances; its `pzxid` tells when they last changed.
    InstanceFolder(Tenant, String),
    /// An instance.
    Instance(Arc<InstanceKey>),
    /// The lease of a registrant.
    Lease(Registrant),
    /// The mark of a replica that hears a registrant.
    Mark(Registrant, ReplicaId),
    /// A live replica.
    Replica(ReplicaId),
    /// Of the application level of Dubbo 3.
    Application(ApplicationPlace),
    /// Not ours, and counted.
    Foreign(Foreign),
    /// Not ours and of no interest.
    Other,
}

impl Place {
    /// Whether there can be something of interest below.
    pub fn has_children(&self) -> bool {
        match self {
            Self::Application(place) => place.has_children(),
            Self::Folder
            | Self::ProviderFolder { .. }
            | Self::Snapshot(_)
            | Self::Microservice(..)
            | Self::InstanceFolder(..)
            | Self::Lease(_)
            | Self::Foreign(Foreign::ConfigGroup) => true,
            _ => false,
        }
    }

    /// Whether it may be created whenever it is missing.
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::Application(place) => place.is_permanent(),
            _ => matches!(self, Self::Folder | Self::ProviderFolder { .. } | Self::InstanceFolder(..)),
        }
    }

    /// Whether that it exists is all that a full reading asks for.
    pub fn is_listed(&self) -> bool {
        match self {
            Self::Application(place) => place.is_listed(),
            _ => matches!(self, Self::Mark(..) | Self::Foreign(_)),
        }
    }

    /// Whether its coming and going is told by its folder's stat, which is part of revisions.
    pub fn counts_in_folder(&self) -> bool {
        match self {
            Self::Application(place) => place.counts_in_folder(),
            _ => matches!(self, Self::Provider { .. } | Self::Instance(_)),
        }
    }

    /// Whose document it is.
    pub fn registrant(&self) -> Option<Registrant> {
        match self {
            Self::Snapshot(sidecar) => Some(Registrant::Sidecar(sidecar.clone())),
            Self::Instance(key) => Some(Registrant::Instance(key.clone())),
            Self::Dependency(key) => Some(Registrant::Dependency(key.clone())),
            _ => None,
        }
    }

    /// Whether nothing of the gateway's ever stands below it.
    pub fn is_leaf(&self) -> bool {
        matches!(
            self,
            Self::Provider { .. }
                | Self::Consumer
                | Self::SnapshotPart(..)
                | Self::Instance(_)
                | Self::Mark(..)
                | Self::Application(ApplicationPlace::Instance { .. })
        )
    }

    /// Whether consumers see it: something that another one can take the place of.
    pub fn is_offered(&self) -> bool {
        matches!(
            self,
            Self::Provider { .. } | Self::Consumer | Self::Application(ApplicationPlace::Instance { .. })
        )
    }

    /// Whether its data or stat is of interest.
    pub fn is_read(&self) -> bool {
        !matches!(self, Self::Folder | Self::Other)
    }
}

impl Layout {
    /// The document of a registrant.
    pub fn document(&self, registrant: &Registrant) -> String {
        format!("{}/{}", self.registry_root, tail(registrant))
    }

    /// A part of the document of a sidecar.
    pub fn part(&self, sidecar: &SidecarId, part: &str) -> String {
        format!("{}/{part}", self.document(&Registrant::Sidecar(sidecar.clone())))
    }

    /// The lease of a registrant.
    pub fn lease(&self, registrant: &Registrant) -> String {
        format!("{}/leases/{}", self.registry_root, tail(registrant))
    }

    /// The mark of `replica` below the lease of `registrant`.
    pub fn mark(&self, registrant: &Registrant, replica: &ReplicaId) -> String {
        format!("{}/{replica}", self.lease(registrant))
    }

    /// The ephemeral znode of a replica.
    pub fn replica(&self, replica: &ReplicaId) -> String {
        format!("{}/replicas/{replica}", self.registry_root)
    }

    /// A microservice.
    pub fn microservice(&self, tenant: &Tenant, service_id: &str) -> String {
        format!("{}/microservices/{}/{}", self.registry_root, tenant_tail(tenant), segment(service_id))
    }

    /// The tags of a microservice.
    pub fn tags(&self, tenant: &Tenant, service_id: &str) -> String {
        format!("{}/tags", self.microservice(tenant, service_id))
    }

    /// The summaries of a microservice's schemas.
    pub fn schemas(&self, tenant: &Tenant, service_id: &str) -> String {
        format!("{}/schemas", self.microservice(tenant, service_id))
    }

    /// A schema of a microservice, with its text.
    pub fn schema(&self, tenant: &Tenant, service_id: &str, schema_id: &str) -> String {
        format!("{}/{}", self.schemas(tenant, service_id), segment(schema_id))
    }

    /// That a consumer uses a service.
    pub fn dependency(&self, key: &DependencyKey) -> String {
        self.document(&Registrant::from(key.clone()))
    }

    /// The folder of a microservice's instances.
    pub fn instance_folder(&self, tenant: &Tenant, service_id: &str) -> String {
        format!("{}/instances/{}/{}", self.registry_root, tenant_tail(tenant), segment(service_id))
    }

    /// What every transaction writes last: its stat tells when all that was written with it was.
    pub fn last_change(&self) -> String {
        format!("{}/last-change", self.registry_root)
    }

    /// The folders that must exist before anything is written or listed.
    pub fn foundations(&self) -> Vec<String> {
        let own = [
            "snapshots",
            "microservices",
            "instances",
            "dependencies",
            "leases/snapshots",
            "leases/instances",
            "replicas",
            "last-change",
        ];
        let own = own.iter().map(|name| format!("{}/{name}", self.registry_root));
        std::iter::once(self.dubbo_root.clone()).chain(own).collect()
    }

    /// What `path` means.
    pub fn place(&self, path: &str) -> Place {
        if let Some(rest) = below(path, &self.registry_root) {
            return Parts::of(rest).and_then(|parts| own_place(parts.as_slice())).unwrap_or(Place::Other);
        }
        self.place_of_others(path)
    }

    /// How a registrant is written in the data of the provider and consumer znodes that it owns: the path of its
    /// document below the registry root, so that an operator can follow it.
    pub fn owner_text(registrant: &Registrant) -> String {
        tail(registrant)
    }
}

/// Reads what [`Layout::owner_text`] wrote.
pub fn parse_owner(text: &str) -> Option<Registrant> {
    let parts = Parts::of(text).filter(|_| !text.split('/').any(str::is_empty))?;
    match own_place(parts.as_slice())? {
        Place::Snapshot(id) => Some(Registrant::Sidecar(id)),
        Place::Instance(key) => Some(Registrant::Instance(key)),
        Place::Dependency(key) => Some(Registrant::Dependency(key)),
        _ => None,
    }
}

/// The folder that a path stands in.
pub fn parent(path: &str) -> &str {
    path.rfind('/').map_or("", |at| &path[..at])
}

pub(super) fn below<'p>(path: &'p str, root: &str) -> Option<&'p str> {
    let rest = path.strip_prefix(root)?;
    (rest.is_empty() || rest.starts_with('/')).then_some(rest)
}

pub(super) fn dubbo_place(parts: &[&str]) -> Place {
    match parts {
        // Siblings of the interfaces.
        ["config" | "metadata" | "mapping", ..] => beside_interfaces(parts),
        [] | [_] | [_, "consumers"] => Place::Folder,
        [interface, "providers"] => Place::ProviderFolder { interface: (*interface).to_owned() },
        [interface, "providers", name] => {
            Place::Provider { interface: (*interface).to_owned(), name: (*name).to_owned() }
        }
        [_, "consumers", _] => Place::Consumer,
        _ => beside_interfaces(parts),
    }
}

fn own_place(parts: &[&str]) -> Option<Place> {
    Some(match parts {
        [] | ["snapshots"] | ["snapshots", _] | ["replicas"] | ["leases"] => Place::Folder,
        ["snapshots", _, id] => Place::Snapshot(sidecar(id)?),
        ["snapshots", _, id, part] => Place::SnapshotPart(sidecar(id)?, (*part).to_owned()),
        ["microservices" | "instances" | "dependencies"]
        | ["microservices" | "instances" | "dependencies", _]
        | ["microservices" | "instances" | "dependencies", _, _]
        | ["dependencies", _, _, _] => Place::Folder,
        ["microservices", domain, project, id] => Place::Microservice(tenant(domain, project)?, plain(id)?),
        ["microservices", domain, project, id, "tags"] => Place::Tags(tenant(domain, project)?, plain(id)?),
        ["microservices", domain, project, id, "schemas"] => {
            Place::Schemas(tenant(domain, project)?, plain(id)?)
        }
        ["dependencies", domain, project, consumer, name] => {
            Place::Dependency(dependency(tenant(domain, project)?, consumer, name)?)
        }
        ["instances", domain, project, id] => Place::InstanceFolder(tenant(domain, project)?, plain(id)?),
        ["instances", domain, project, service, id] => {
            Place::Instance(instance(domain, project, service, id)?)
        }
        ["leases", "snapshots"] | ["leases", "snapshots", _] => Place::Folder,
        ["leases", "snapshots", _, id] => Place::Lease(Registrant::Sidecar(sidecar(id)?)),
        ["leases", "snapshots", _, id, replica] => {
            Place::Mark(Registrant::Sidecar(sidecar(id)?), ReplicaId::new(*replica))
        }
        ["leases", "instances"]
        | ["leases", "instances", _]
        | ["leases", "instances", _, _]
        | ["leases", "instances", _, _, _] => Place::Folder,
        ["leases", "instances", domain, project, service, id] => {
            Place::Lease(Registrant::Instance(instance(domain, project, service, id)?))
        }
        ["leases", "instances", domain, project, service, id, replica] => Place::Mark(
            Registrant::Instance(instance(domain, project, service, id)?),
            ReplicaId::new(*replica),
        ),
        ["replicas", replica] => Place::Replica(ReplicaId::new(*replica)),
        _ => return None,
    })
}

fn sidecar(text: &str) -> Option<SidecarId> {
    SidecarId::parse(&plain::<Cow<'_, str>>(text)?).ok()
}

pub(super) fn tenant(domain: &str, project: &str) -> Option<Tenant> {
    Some(Tenant { domain: plain(domain)?, project: plain(project)? })
}

fn instance(domain: &str, project: &str, service: &str, id: &str) -> Option<Arc<InstanceKey>> {
    Some(Arc::new(InstanceKey {
        tenant: tenant(domain, project)?,
        service_id: plain(service)?,
        instance_id: plain(id)?,
    }))
}

fn dependency(tenant: Tenant, consumer: &str, name: &str) -> Option<Arc<DependencyKey>> {
    let mut parts = name.split('|').map(plain);
    let mut next = || parts.next().flatten();
    let (environment, app_id, service_name) = (next()?, next()?, next()?);
    let provider = ServiceKey { tenant, environment, app_id, service_name };
    parts.next().is_none().then_some(())?;
    Some(Arc::new(DependencyKey { consumer_id: plain(consumer)?, provider }))
}

fn tail(registrant: &Registrant) -> String {
    match registrant {
        Registrant::Sidecar(id) => {
            let shard = short_digest(id.as_str().as_bytes()) >> 56;
            format!("snapshots/{shard:02x}/{}", segment(id.as_str()))
        }
        Registrant::Instance(key) => format!(
            "instances/{}/{}/{}",
            tenant_tail(&key.tenant),
            segment(&key.service_id),
            segment(&key.instance_id)
        ),
        Registrant::Dependency(key) => {
            let DependencyKey { consumer_id, provider } = &**key;
            let part = |text: &str| utf8_percent_encode(text, ESCAPED_PART).to_string();
            format!(
                "dependencies/{}/{}/{}|{}|{}",
                tenant_tail(&provider.tenant),
                segment(consumer_id),
                part(&provider.environment),
                part(&provider.app_id),
                part(&provider.service_name)
            )
        }
    }
}

fn tenant_tail(tenant: &Tenant) -> String {
    format!("{}/{}", segment(&tenant.domain), segment(&tenant.project))
}

/// Text as one path segment: readable, reversible, and never `.` or `..`, which ZooKeeper refuses.
fn segment(text: &str) -> String {
    match text {
        "." | ".." => text.replace('.', "%2E"),
        _ => utf8_percent_encode(text, ESCAPED).to_string(),
    }
}

pub(super) fn plain<'s, T: From<Cow<'s, str>>>(segment: &'s str) -> Option<T> {
    let decoded = || percent_decode_str(segment).decode_utf8().ok();
    let text = if segment.contains('%') { decoded() } else { Some(Cow::Borrowed(segment)) };
    text.map(T::from)
}

#[cfg(test)]
#[path = "layout_tests.rs"]
mod tests;
