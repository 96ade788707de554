//! The documents of sidecars, and the parts that large ones are kept in.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::Catalog;
use super::state::{Loss, unreadable};
use crate::dubbo::Side;
use crate::model::{Registrant, ReplicaId, SidecarId, SnapshotDocument, SnapshotPart};
use crate::telemetry::Metrics;
use crate::zookeeper::{Layout, Stat};

/// The snapshot of a sidecar as its znodes hold it.
#[derive(Clone, Debug)]
pub struct SnapshotRecord {
    /// The document itself.
    pub document: SnapshotDocument,
    /// `dataVersion` of its znode; the snapshot's version is one more.
    pub version: i32,
    /// The parts, with their `dataVersion`s, by name.
    pub parts: BTreeMap<String, (SnapshotPart, i32)>,
    /// Set when the znodes no longer hold the snapshot.
    pub damaged: bool,
    /// When it was changed last, Unix milliseconds.
    pub modified: i64,
    /// The zxid of the last change of the document itself.
    pub zxid: i64,
}

impl SnapshotRecord {
    /// All entries, wherever they stand.
    pub fn entries(&self) -> SnapshotPart {
        let mut all = SnapshotPart {
            providers: self.document.providers.clone(),
            consumers: self.document.consumers.clone(),
            instances: self.document.instances.clone(),
        };
        for (part, _) in self.parts.values() {
            all.providers.extend(part.providers.iter().cloned());
            all.consumers.extend(part.consumers.iter().cloned());
            all.instances.extend(part.instances.iter().cloned());
        }
        all
    }

    /// All entries, and what they have superseded: whatever may stand in the name of the sidecar.
    pub fn standing(&self) -> SnapshotPart {
        let mut all = self.entries();
        all.providers.extend(self.document.superseded.iter().cloned());
        all
    }

    /// Whether a large change was cut short, so that the parts are not those of the document.
    pub fn is_torn(&self) -> bool {
        match &self.document.parts {
            Some(parts) => parts.digest != self.entries().digest(),
            None => !self.parts.is_empty(),
        }
    }

    /// True when it holds no entries.
    pub fn is_empty(&self) -> bool {
        is_empty(&self.document, &self.parts)
    }
}

fn is_empty(document: &SnapshotDocument, parts: &BTreeMap<String, (SnapshotPart, i32)>) -> bool {
    document.providers.is_empty()
        && document.consumers.is_empty()
        && document.instances.is_empty()
        && parts.values().all(|(part, _)| part.is_empty())
}

/// A document apart from its parts, which come and go on their own.
struct StoredDocument {
    document: SnapshotDocument,
    version: i32,
    damaged: bool,
    modified: i64,
    zxid: i64,
}

/// The snapshots of all sidecars.
#[derive(Default)]
pub(super) struct Snapshots {
    documents: HashMap<SidecarId, StoredDocument>,
    parts: HashMap<SidecarId, BTreeMap<String, (SnapshotPart, i32)>>,
    peers: HashMap<String, BTreeSet<SidecarId>>,
}

impl Snapshots {
    /// The snapshot of a sidecar.
    pub fn get(&self, id: &SidecarId) -> Option<SnapshotRecord> {
        let stored = self.documents.get(id)?;
        Some(SnapshotRecord {
            document: stored.document.clone(),
            version: stored.version,
            parts: self.parts.get(id).cloned().unwrap_or_default(),
            damaged: stored.damaged,
            modified: stored.modified,
            zxid: stored.zxid,
        })
    }

    /// The `dataVersion` of the document of a sidecar, if it has one that makes sense.
    pub fn version(&self, id: &SidecarId) -> Option<i32> {
        self.documents.get(id).map(|stored| stored.version)
    }

    /// Whether the document of a sidecar is the one of this zxid, undamaged, and all there is of its snapshot.
    pub fn is_whole_since(&self, id: &SidecarId, zxid: i64) -> bool {
        let is_it = |stored: &StoredDocument| {
            stored.zxid == zxid && !stored.damaged && stored.document.parts.is_none()
        };
        self.documents.get(id).is_some_and(is_it) && !self.parts.contains_key(id)
    }

    /// Every sidecar that has a document.
    pub fn sidecars(&self) -> impl Iterator<Item = &SidecarId> {
        self.documents.keys()
    }

    /// Every sidecar whose snapshot holds no entries.
    pub fn empty(&self) -> impl Iterator<Item = &SidecarId> {
        static NO_PARTS: BTreeMap<String, (SnapshotPart, i32)> = BTreeMap::new();
        let is_empty = |(id, stored): &(&SidecarId, &StoredDocument)| {
            is_empty(&stored.document, self.parts.get(*id).unwrap_or(&NO_PARTS))
        };
        self.documents.iter().filter(is_empty).map(|(id, _)| id)
    }

    /// Whether the document of a sidecar, or one of its parts, lists `url`.
    pub fn lists(&self, id: &SidecarId, side: Side, url: &str) -> bool {
        let is_in = |providers: &BTreeSet<String>, consumers: &BTreeSet<String>| match side {
            Side::Provider => providers.contains(url),
            Side::Consumer => consumers.contains(url),
        };
        let document = self.documents.get(id).map(|stored| &stored.document);
        let mut parts = self.parts.get(id).into_iter().flat_map(BTreeMap::values);
        document.is_some_and(|document| is_in(&document.providers, &document.consumers))
            || parts.any(|(part, _)| is_in(&part.providers, &part.consumers))
    }

    /// The sidecars whose last change came from `peer`.
    pub fn of_peer(&self, peer: &str) -> Vec<SidecarId> {
        self.peers.get(peer).map(|ids| ids.iter().cloned().collect()).unwrap_or_default()
    }

    /// Every path that is believed to exist.
    pub fn paths(&self, layout: &Layout, paths: &mut Vec<String>) {
        let documents = self.documents.keys();
        paths.extend(documents.map(|id| layout.document(&Registrant::Sidecar(id.clone()))));
        for (id, parts) in &self.parts {
            paths.extend(parts.keys().map(|part| layout.part(id, part)));
        }
    }

    /// Takes the document of a sidecar as it was read; answers what was lost.
    pub fn document(
        &mut self,
        metrics: &Metrics,
        id: SidecarId,
        state: Option<(&[u8], &Stat)>,
    ) -> Option<Loss> {
        let read = |data: &[u8]| {
            let document: SnapshotDocument =
                serde_json::from_slice(data).map_err(|error| error.to_string())?;
            let same = document.registrant == id;
            if same { Ok(document) } else { Err("it is the document of another sidecar".to_owned()) }
        };
        let parsed = state.map(|(data, stat)| (read(data), stat));
        let stored = match parsed {
            Some((Ok(document), stat)) => {
                let (modified, zxid) = (stat.mtime, stat.mzxid);
                StoredDocument { document, version: stat.version, damaged: false, modified, zxid }
            }
            Some((Err(error), stat)) => {
                let known = self.documents.get_mut(&id);
                let reported = known.as_ref().is_some_and(|known| known.damaged);
                unreadable(metrics, reported, "snapshot", "", id.as_str(), &error);
                // What it held goes on standing; the version lets a repair overwrite the damage.
                let known = known?;
                known.version = stat.version;
                known.damaged = true;
                return self.loss(&id);
            }
            None => {
                let loss = self.loss(&id);
                self.forget_peer(&id);
                self.documents.remove(&id);
                return loss;
            }
        };
        self.forget_peer(&id);
        self.peers.entry(stored.document.peer.clone()).or_default().insert(id.clone());
        self.documents.insert(id, stored);
        None
    }

    /// Takes a part as it was read; answers what was lost. Parts may be read before their document.
    pub fn part(
        &mut self,
        metrics: &Metrics,
        id: &SidecarId,
        part: String,
        state: Option<(&[u8], &Stat)>,
    ) -> Option<Loss> {
        match state.map(|(data, stat)| (serde_json::from_slice::<SnapshotPart>(data), stat.version)) {
            Some((Ok(entries), version)) => {
                self.parts.entry(id.clone()).or_default().insert(part, (entries, version));
                None
            }
            Some((Err(error), version)) => {
                unreadable(metrics, false, "snapshot", id.as_str(), &part, &error);
                self.parts.get_mut(id)?.get_mut(&part)?.1 = version;
                if let Some(stored) = self.documents.get_mut(id) {
                    stored.damaged = true;
                }
                self.loss(id)
            }
            None => {
                let whole = self.loss(id);
                let parts = self.parts.get_mut(id)?;
                let known = parts.remove(&part).is_some();
                if parts.is_empty() {
                    self.parts.remove(id);
                }
                whole.filter(|_| known)
            }
        }
    }

    fn forget_peer(&mut self, id: &SidecarId) {
        let Some(stored) = self.documents.get(id) else { return };
        if let Some(sidecars) = self.peers.get_mut(&stored.document.peer) {
            sidecars.remove(id);
            if sidecars.is_empty() {
                self.peers.remove(&stored.document.peer);
            }
        }
    }

    fn loss(&self, id: &SidecarId) -> Option<Loss> {
        self.get(id).map(|record| Loss::Snapshot(id.clone(), Box::new(record)))
    }
}

impl Catalog {
    /// Whether the registration of a sidecar is marked by `replica` and its document still is the one of this zxid, with
    /// no parts beside it; and whether nothing has changed since `availability` in which interfaces have providers.
    pub fn stands_as(
        &self,
        registrant: &Registrant,
        replica: &ReplicaId,
        zxid: i64,
        availability: u64,
    ) -> bool {
        let Registrant::Sidecar(sidecar) = registrant else { return false };
        let state = self.state.read();
        state.availability() == availability
            && state.snapshots.is_whole_since(sidecar, zxid)
            && state.leases.marks(registrant).is_some_and(|marks| marks.contains(replica))
    }

    /// A number that grows whenever an interface gets its first provider or loses its last one.
    pub fn availability(&self) -> u64 {
        self.state.read().availability()
    }

    /// Whether the document of a sidecar was lost since the last call of [`Catalog::take_losses`].
    pub fn is_lost_again(&self, sidecar: &SidecarId) -> bool {
        let is_its = |loss: &Loss| matches!(loss, Loss::Snapshot(id, _) if id == sidecar);
        self.state.read().losses.iter().any(is_its)
    }
}
