//! The application level of Dubbo 3 as ZooKeeper holds it: instances of applications, what they offer, and which
//! applications an interface is offered by.
//!
//! There is a document for every revision that ever was, and each can be large: only those that an instance names are
//! read and kept.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ahash::HashMap;

use crate::dubbo::{ApplicationInstance, InstanceError, Mark, ServiceInfo};
use crate::model::{Registrant, short_digest};
use crate::zookeeper::{Layout, MetadataHome, MetadataKey, Stat, parse_owner};

/// An instance of an application as its znode holds it.
#[derive(Clone, Debug)]
pub struct ApplicationNode {
    /// `dataVersion` of the znode.
    pub version: i32,
    /// Whose it is.
    pub standing: Standing,
    /// In whose name zoogate wrote it; empty unless it is [`Standing::Own`].
    pub owners: Vec<Registrant>,
    /// Digest of its data.
    pub content: u64,
}

/// Whose a znode of an instance is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Written by zoogate and as it was written.
    Own,
    /// Written by zoogate and changed since.
    Damaged,
    /// It makes no sense, and only a document that lists it can say that it is zoogate's.
    Senseless,
    /// Somebody else's.
    Foreign,
}

/// One application.
#[derive(Default)]
pub(super) struct Application {
    /// `pzxid` of the folder of its instances; `None` while there is none.
    pub folder: Option<i64>,
    /// `pzxid` of the folder of its documents, 0 without one.
    pub metadata_folder: i64,
    /// The highest zxid of anything that was read of it since its folder came. What goes is told by its folder, so this
    /// is the same on every replica.
    pub zxid: i64,
    /// Its instances by the name of their znode.
    pub instances: BTreeMap<String, StoredInstance>,
}

/// The znode of an instance.
pub(super) struct StoredInstance {
    pub node: ApplicationNode,
    /// What it says, unless it is not Dubbo's.
    pub instance: Result<ApplicationInstance, InstanceError>,
    pub stat: Stat,
    /// What of it is shown, see `offers`.
    pub offers: Vec<super::offers::Offer>,
    /// The microservice and instance that it appears as itself.
    pub appears: Option<(String, String)>,
}

/// A document of what instances offer.
#[derive(Default)]
pub(super) struct StoredMetadata {
    pub version: i32,
    pub zxid: i64,
    /// Whether zoogate wrote it; known once it was read.
    pub own: bool,
    /// Whether it was read since it was last known to have changed.
    pub read: bool,
    /// What it says, as long as an instance names it.
    pub services: Option<Arc<Vec<ServiceInfo>>>,
    pub malformed: bool,
}

/// The applications that an interface is offered by.
#[derive(Clone, Debug)]
pub struct MappingRecord {
    /// The names; `None` when they are no text.
    pub text: Option<String>,
    /// `dataVersion` of the znode.
    pub version: i32,
}

/// Everything of the application level.
#[derive(Default)]
pub(super) struct Applications {
    /// `pzxid` of the root.
    pub root: i64,
    pub known: HashMap<String, Application>,
    pub metadata: HashMap<MetadataKey, StoredMetadata>,
    pub mappings: HashMap<String, MappingRecord>,
    /// The instances that name a document, by application and revision.
    named: HashMap<String, HashMap<String, BTreeSet<String>>>,
    /// The paths of documents that are to be read.
    pub wanted: Vec<String>,
}

impl StoredInstance {
    /// Reads the znode `name` of an instance of `application`.
    pub fn read(application: &str, name: &str, data: &[u8], stat: &Stat) -> Self {
        let instance = ApplicationInstance::parse(data).and_then(|instance| {
            let same = instance.application == application;
            let other =
                || InstanceError::Malformed(format!("it is of application {:?}", instance.application));
            if same { Ok(instance) } else { Err(other()) }
        });
        let mark = instance.as_ref().map(|instance| match instance.mark(data) {
            // Somebody's copy of one that zoogate wrote.
            Mark::Own(_) if instance.id().as_deref() != Some(name) => Mark::Foreign,
            mark => mark,
        });
        let (standing, ownership) = match mark {
            // Dubbo's own are ephemeral and zoogate's are not, whatever they say.
            _ if stat.ephemeral_owner != 0 => (Standing::Foreign, None),
            Ok(Mark::Own(ownership)) => (Standing::Own, Some(ownership)),
            Ok(Mark::Broken) => (Standing::Damaged, None),
            Ok(Mark::Foreign) | Err(InstanceError::Payload(_)) => (Standing::Foreign, None),
            Err(InstanceError::Malformed(_)) => (Standing::Senseless, None),
        };
        let registrants = ownership.map(|ownership| ownership.registrants).unwrap_or_default();
        let owners = registrants.iter().filter_map(|owner| parse_owner(owner)).collect();
        let node = ApplicationNode { version: stat.version, standing, owners, content: short_digest(data) };
        Self { node, instance, stat: *stat, offers: Vec::new(), appears: None }
    }

    /// The revision of what it offers, when that is to be found in ZooKeeper.
    fn revision(&self) -> Option<&str> {
        self.instance.as_ref().ok()?.stored_revision()
    }
}

impl Applications {
    /// An instance by its application and znode.
    pub fn instance(&self, application: &str, name: &str) -> Option<&StoredInstance> {
        self.known.get(application)?.instances.get(name)
    }

    /// Takes an instance as it was read; answers the one before.
    pub fn replace(
        &mut self,
        layout: &Layout,
        application: &str,
        name: &str,
        instance: Option<StoredInstance>,
    ) -> Option<StoredInstance> {
        let known = self.known.entry(application.to_owned()).or_default();
        let before = known.instances.remove(name);
        let (old, new) = (
            before.as_ref().and_then(StoredInstance::revision).map(str::to_owned),
            instance.as_ref().and_then(StoredInstance::revision).map(str::to_owned),
        );
        if let Some(instance) = instance {
            known.zxid = known.zxid.max(instance.stat.mzxid);
            known.instances.insert(name.to_owned(), instance);
        }
        if let Some(revision) = new {
            let revisions = self.named.entry(application.to_owned()).or_default();
            let names = revisions.entry(revision.clone()).or_default();
            if names.insert(name.to_owned()) && names.len() == 1 {
                self.want(layout, application, &revision);
            }
        }
        if let Some(revision) = old {
            self.unname(application, &revision, name);
        }
        self.tidy(application);
        before
    }

    /// The instance at `name` no longer names `revision`, unless it still does.
    fn unname(&mut self, application: &str, revision: &str, name: &str) {
        if self.instance(application, name).and_then(StoredInstance::revision) == Some(revision) {
            return;
        }
        let Some(revisions) = self.named.get_mut(application) else { return };
        let Some(names) = revisions.get_mut(revision) else { return };
        names.remove(name);
        if !names.is_empty() {
            return;
        }
        revisions.remove(revision);
        if revisions.is_empty() {
            self.named.remove(application);
        }
        for key in keys(application, revision) {
            if let Some(metadata) = self.metadata.get_mut(&key) {
                metadata.services = None;
            }
        }
    }

    /// Asks for the documents of a revision as far as they exist and are not known.
    fn want(&mut self, layout: &Layout, application: &str, revision: &str) {
        for key in keys(application, revision) {
            let unknown =
                |known: &StoredMetadata| !known.read || (known.services.is_none() && !known.malformed);
            if self.metadata.get(&key).is_some_and(unknown) {
                self.wanted.push(layout.metadata(&key));
            }
        }
    }

    /// Takes a document as it was read. True when what the instances that name it offer may have changed.
    pub fn document(&mut self, layout: &Layout, key: &MetadataKey, state: Option<(&[u8], &Stat)>) -> bool {
        let is_named = self.is_named(&key.application, &key.revision);
        let Some((data, stat)) = state else { return self.metadata.remove(key).is_some() && is_named };
        let known = self.metadata.entry(key.clone()).or_default();
        if stat.is_listed_only() {
            known.read = false;
            if is_named || looks_own(key) {
                self.wanted.push(layout.metadata(key));
            }
            return false;
        }
        if known.zxid == stat.mzxid && (known.services.is_some() || !is_named) {
            known.read = true;
            return false;
        }
        let own = key.home == MetadataHome::Report && crate::dubbo::is_own_metadata(&key.revision, data);
        let services = is_named.then(|| crate::dubbo::parse_metadata(data));
        let malformed = matches!(services, Some(Err(_)));
        *known = StoredMetadata {
            version: stat.version,
            zxid: stat.mzxid,
            own,
            read: true,
            services: services.and_then(Result::ok).map(Arc::new),
            malformed,
        };
        if is_named {
            let application = self.known.entry(key.application.clone()).or_default();
            application.zxid = application.zxid.max(stat.mzxid);
        }
        is_named
    }

    /// What the instances with a revision offer, and the zxid of the document that says so.
    pub fn offered(&self, application: &str, revision: &str) -> Option<(Arc<Vec<ServiceInfo>>, i64)> {
        keys(application, revision).iter().find_map(|key| {
            let metadata = self.metadata.get(key)?;
            Some((metadata.services.clone()?, metadata.zxid))
        })
    }

    /// Whether an instance names a revision.
    pub fn is_named(&self, application: &str, revision: &str) -> bool {
        self.named.get(application).is_some_and(|revisions| revisions.contains_key(revision))
    }

    /// The instances that name a revision, by the names of their znodes.
    pub fn naming(&self, application: &str, revision: &str) -> Vec<String> {
        let names = self.named.get(application).and_then(|revisions| revisions.get(revision));
        names.map(|names| names.iter().cloned().collect()).unwrap_or_default()
    }

    /// In whose name zoogate wrote instances of an application.
    pub fn owners(&self, application: &str) -> BTreeSet<Registrant> {
        let instances = self.known.get(application).into_iter().flat_map(|known| known.instances.values());
        instances.flat_map(|instance| instance.node.owners.iter().cloned()).collect()
    }

    /// The instances that stand in the name of one registrant, as `<application>/<znode>`.
    pub fn instances_of(&self, registrant: &Registrant) -> BTreeSet<String> {
        let instances = self.known.iter().flat_map(|(application, known)| {
            let theirs = |stored: &StoredInstance| stored.node.owners.contains(registrant);
            let owned = known.instances.iter().filter(move |(_, stored)| theirs(stored));
            owned.map(move |(name, _)| format!("{application}/{name}"))
        });
        instances.collect()
    }

    /// The zxid of the last change of an application, also when it is gone by now.
    pub fn zxid(&self, application: &str) -> i64 {
        let Some(known) = self.known.get(application) else { return self.root };
        known.zxid.max(known.folder.unwrap_or(self.root)).max(known.metadata_folder)
    }

    /// Whether an application has a folder of instances.
    pub fn has_folder(&self, application: &str) -> bool {
        self.known.get(application).is_some_and(|known| known.folder.is_some())
    }

    /// Takes the folder of an application's instances as it was read.
    pub fn folder(&mut self, application: &str, zxid: Option<i64>) {
        let known = self.known.entry(application.to_owned()).or_default();
        known.folder = zxid;
        if zxid.is_none() {
            known.zxid = 0;
        }
        self.tidy(application);
    }

    /// Takes the folder of an application's documents as it was read.
    pub fn metadata_folder(&mut self, application: &str, zxid: i64) {
        self.known.entry(application.to_owned()).or_default().metadata_folder = zxid;
        self.tidy(application);
    }

    fn tidy(&mut self, application: &str) {
        let is_gone = |known: &Application| {
            known.folder.is_none() && known.metadata_folder == 0 && known.instances.is_empty()
        };
        if self.known.get(application).is_some_and(is_gone) {
            self.known.remove(application);
        }
    }

    /// Every path that is believed to exist.
    pub fn paths(&self, layout: &Layout, paths: &mut Vec<String>) {
        if self.root != 0 {
            paths.push(layout.services_root.clone());
        }
        for (application, known) in &self.known {
            if known.folder.is_some() {
                paths.push(layout.application_instance(application));
            }
            if known.metadata_folder != 0 {
                paths.push(layout.metadata_folder(application));
            }
            let names = known.instances.keys();
            paths.extend(names.map(|name| layout.application_instance(&format!("{application}/{name}"))));
        }
        paths.extend(self.metadata.keys().map(|key| layout.metadata(key)));
        paths.extend(self.mappings.keys().map(|interface| layout.mapping(interface)));
    }
}

/// Both places where a document can stand, the one that counts more first.
fn keys(application: &str, revision: &str) -> [MetadataKey; 2] {
    [MetadataHome::Report, MetadataHome::Application].map(|home| MetadataKey {
        application: application.to_owned(),
        revision: revision.to_owned(),
        home,
    })
}

/// Whether a document may be one that zoogate wrote: its revision is as long as a SHA-1.
pub(super) fn looks_own(key: &MetadataKey) -> bool {
    key.home == MetadataHome::Report && key.revision.len() == 40 && is_revision(&key.revision)
}

/// Whether a name can be that of a revision, as against the version or side of a service definition.
pub(super) fn is_revision(name: &str) -> bool {
    name.len() >= 8 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}
