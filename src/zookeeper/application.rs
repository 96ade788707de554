//! Where the application level of Dubbo 3 stands, and what else others put beside the interfaces.

use super::layout::{Layout, Place, below, dubbo_place};
use super::parts::Parts;

/// What a path of the application level means. Names stand as the path spells them, which is as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApplicationPlace {
    /// The root of all applications; its `pzxid` tells when one last came or went.
    Root,
    /// The folder of an application's instances; its `pzxid` tells when they last changed.
    Folder(String),
    /// An instance.
    Instance {
        /// Its application.
        application: String,
        /// Its znode.
        name: String,
    },
    /// The folder of what an application's instances offer; its `pzxid` tells when a document last came or went.
    MetadataFolder(String),
    /// What the instances with one revision offer.
    Metadata(MetadataKey),
    /// The applications that offer an interface.
    Mapping(String),
}

/// A document of what instances offer.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MetadataKey {
    /// The application.
    pub application: String,
    /// The revision that instances name.
    pub revision: String,
    /// Where it stands.
    pub home: MetadataHome,
}

/// Where a document of what instances offer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MetadataHome {
    /// Below `metadata`, where Dubbo for Java and zoogate put it.
    Report,
    /// Directly below the application, where Dubbo for Go puts it.
    Application,
}

/// What others put into the tree that zoogate knows to be theirs by its place alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Foreign {
    /// A group of Dubbo's configuration centre.
    ConfigGroup,
    /// A rule or property file there.
    Config,
}

impl ApplicationPlace {
    /// Whether there can be something of interest below.
    pub(super) fn has_children(&self) -> bool {
        matches!(self, Self::Root | Self::Folder(_) | Self::MetadataFolder(_))
    }

    /// Whether it is created when it is missing. Curator deletes folders of applications that are empty.
    pub(super) fn is_permanent(&self) -> bool {
        self.has_children()
    }

    /// Whether a full reading only notes that it exists: documents can be large, there is one for every revision that
    /// ever was, and few of them are named by an instance.
    pub(super) fn is_listed(&self) -> bool {
        matches!(self, Self::Metadata(_))
    }

    /// Whether its coming and going is told by its folder's stat.
    pub(super) fn counts_in_folder(&self) -> bool {
        match self {
            Self::Folder(_) | Self::Instance { .. } => true,
            Self::Metadata(key) => key.home == MetadataHome::Report,
            Self::Root | Self::MetadataFolder(_) | Self::Mapping(_) => false,
        }
    }
}

impl Layout {
    /// Whether the application level is read at all.
    pub fn reads_applications(&self) -> bool {
        !self.services_root.is_empty()
    }

    /// An instance; `address` is `<application>/<host>:<port>`.
    pub fn application_instance(&self, address: &str) -> String {
        format!("{}/{address}", self.services_root)
    }

    /// What the instances with one revision offer.
    pub fn metadata(&self, key: &MetadataKey) -> String {
        let MetadataKey { application, revision, home } = key;
        match home {
            MetadataHome::Report => format!("{}/{revision}", self.metadata_folder(application)),
            MetadataHome::Application => format!("{}/{application}/{revision}", self.dubbo_root),
        }
    }

    /// The folder of what an application's instances offer.
    pub fn metadata_folder(&self, application: &str) -> String {
        format!("{}/metadata/{application}", self.dubbo_root)
    }

    /// The applications that offer an interface.
    pub fn mapping(&self, interface: &str) -> String {
        format!("{}/mapping/{interface}", self.dubbo_root)
    }

    /// What a path means that is not of the gateway's own tree.
    pub(super) fn place_of_others(&self, path: &str) -> Place {
        if let Some(rest) = below(path, &self.dubbo_root) {
            let Some(parts) = Parts::of(rest) else { return Place::Other };
            let parts = parts.as_slice();
            let is_shared = self.services_root == self.dubbo_root;
            return match dubbo_place(parts) {
                // Applications stand among the interfaces when Dubbo's registry has a group of its own.
                Place::Folder if is_shared && parts.len() < 2 => match parts {
                    ["config" | "metadata" | "mapping"] => Place::Folder,
                    _ => services_place(parts),
                },
                Place::Application(ApplicationPlace::Metadata(key))
                    if is_shared && key.home == MetadataHome::Application && key.revision.contains(':') =>
                {
                    services_place(parts)
                }
                place => place,
            };
        }
        match below(path, &self.services_root).filter(|_| self.reads_applications()) {
            Some(rest) => Parts::of(rest).map_or(Place::Other, |parts| services_place(parts.as_slice())),
            None => Place::Other,
        }
    }
}

/// What a path below the root of applications means.
fn services_place(parts: &[&str]) -> Place {
    let place = match parts {
        [] => ApplicationPlace::Root,
        [application] => ApplicationPlace::Folder((*application).to_owned()),
        [application, name] => {
            ApplicationPlace::Instance { application: (*application).to_owned(), name: (*name).to_owned() }
        }
        _ => return Place::Other,
    };
    Place::Application(place)
}

/// What a path in Dubbo's tree means that is of no interface.
pub(super) fn beside_interfaces(parts: &[&str]) -> Place {
    let metadata = |application: &str, revision: &str, home| {
        let (application, revision) = (application.to_owned(), revision.to_owned());
        Place::Application(ApplicationPlace::Metadata(MetadataKey { application, revision, home }))
    };
    match parts {
        ["config" | "metadata" | "mapping"] => Place::Folder,
        ["config", _] => Place::Foreign(Foreign::ConfigGroup),
        ["config", _, _] => Place::Foreign(Foreign::Config),
        ["metadata", application] => {
            Place::Application(ApplicationPlace::MetadataFolder((*application).to_owned()))
        }
        ["metadata", application, revision] => metadata(application, revision, MetadataHome::Report),
        ["mapping", interface] => Place::Application(ApplicationPlace::Mapping((*interface).to_owned())),
        // The rules of an interface, which every consumer makes room for.
        ["config" | "metadata" | "mapping", ..] | [_, "configurators" | "routers", ..] => Place::Other,
        [application, revision] => metadata(application, revision, MetadataHome::Application),
        _ => Place::Other,
    }
}
