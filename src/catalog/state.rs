//! Everything the catalog holds, and how each znode changes it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::applications::Applications;
use super::attributes::Attribute;
use super::instances::{InstanceRecord, KeptInstance};
use super::leases::Leases;
use super::listeners::{Listeners, News};
use super::nodes::ServiceNodes;
use super::offers::Offers;
use super::registrants::Registrants;
use super::services::{MicroserviceRecord, Services};
use super::snapshots::{SnapshotRecord, Snapshots};
use super::taken_apart::{Content, TakenApart};
use super::watch::{Change, Watchers};
use crate::model::{InstanceKey, Microservice, Registrant, ReplicaId, SidecarId, Tenant};
use crate::telemetry::Metrics;
use crate::zookeeper::{Layout, Place, Stat};

/// Something of a live registration that vanished or was damaged, as it was before.
#[derive(Clone, Debug)]
pub enum Loss {
    /// Provider or consumer znodes, or the lease.
    Registration(Registrant),
    /// The document of a sidecar.
    Snapshot(SidecarId, Box<SnapshotRecord>),
    /// The document of an instance.
    Instance(InstanceKey, Box<InstanceRecord>),
    /// A microservice that still has instances.
    Microservice(Tenant, String, MicroserviceRecord),
    /// The znode of a replica.
    Replica(ReplicaId),
}

/// Everything the catalog holds.
#[derive(Default)]
pub(super) struct State {
    pub services: Services,
    pub snapshots: Snapshots,
    pub nodes: ServiceNodes,
    pub leases: Leases,
    /// Those that own znodes or have leases.
    pub registrants: Registrants,
    pub applications: Applications,
    pub offers: Offers,
    /// The paths of what is others' by its place.
    pub foreign: HashSet<String>,
    pub losses: Vec<Loss>,
    /// What watchers are to be told.
    pub changes: Vec<Change>,
    /// Consumers with dependencies whose instances have changed.
    pub changed_consumers: HashSet<(Tenant, String)>,
    pub watchers: Arc<Watchers>,
    /// What listeners may want to know.
    pub news: Vec<News>,
    pub listeners: Arc<Listeners>,
    /// Documents that make no sense and of which nothing better is known, by path, with their `dataVersion`: writing
    /// them anew is a replacement, not a creation.
    pub unreadable: HashMap<String, i32>,
    /// The highest zxid that was seen.
    pub zxid: i64,
    /// Whether no znode has been taken yet.
    pub is_new: bool,
}

impl State {
    /// Takes a znode as it was read.
    pub fn apply(&mut self, layout: &Layout, metrics: &Metrics, node: TakenApart) {
        let TakenApart { path, place, content } = node;
        let stat = content.stat().copied();
        if let Some(stat) = &stat {
            self.zxid = self.zxid.max(stat.mzxid).max(stat.pzxid);
        }
        if !self.unreadable.is_empty() {
            self.unreadable.remove(&path);
        }
        let (data, read, instance) = match content {
            Content::Nothing => (None, None, None),
            Content::Data(data, _) => (Some(data), None, None),
            Content::Node(read) => (None, Some(read), None),
            Content::Instance(instance, _) => (None, None, Some(instance)),
        };
        let state = data.as_deref().zip(stat.as_ref());
        match place {
            Place::ProviderFolder { interface } => {
                self.nodes.folder(&mut self.services, &interface, stat.map_or(0, |stat| stat.pzxid));
            }
            Place::Provider { interface, name } => {
                let before = self.shown(&interface, &name);
                let change = self.nodes.provider(
                    &mut self.services,
                    &mut self.registrants,
                    metrics,
                    (&interface, &name),
                    read,
                );
                let after = self.shown(&interface, &name);
                if change.is_news {
                    self.note_news(|| News::Interface(interface));
                }
                let (address, now) = change.addresses;
                // What takes its place is shown before it goes, and hidden after it came.
                if stat.is_none() {
                    address.into_iter().for_each(|address| self.reconsider(address));
                    self.note_provider(before, after);
                } else {
                    self.note_provider(before, after);
                    let now = now.filter(|_| address.is_none());
                    now.into_iter().for_each(|address| self.reconsider(address));
                }
                self.losses.extend(change.lost.into_iter().map(Loss::Registration));
            }
            Place::Consumer => {
                let lost = self.nodes.consumer(&mut self.registrants, &path, read);
                self.losses.extend(lost.into_iter().map(Loss::Registration));
            }
            Place::Snapshot(id) => {
                let before = self.snapshots.version(&id);
                self.losses.extend(self.snapshots.document(metrics, id.clone(), state));
                let after = self.snapshots.version(&id);
                self.note_unreadable(&path, stat.as_ref(), after.is_some());
                if before != after {
                    self.note_news(|| News::Sidecar(id));
                }
            }
            Place::SnapshotPart(id, part) => {
                self.losses.extend(self.snapshots.part(metrics, &id, part, state));
                self.note_news(|| News::Sidecar(id));
            }
            Place::Microservice(tenant, id) => {
                let before =
                    self.services.get(&tenant, &id).and_then(|service| service.microservice().cloned());
                self.microservice(metrics, &tenant, &id, state);
                self.note_microservice(&tenant, &id, before);
                let service = self.services.get(&tenant, &id);
                let known = service.is_some_and(|service| service.record.is_some());
                self.note_unreadable(&path, stat.as_ref(), known);
            }
            Place::Tags(tenant, id) => self.attribute(metrics, &tenant, &id, Attribute::Tags, state),
            Place::Schemas(tenant, id) => self.attribute(metrics, &tenant, &id, Attribute::Schemas, state),
            Place::Dependency(key) => self.dependency(metrics, &key, state),
            Place::InstanceFolder(tenant, id) => {
                // Its data is touched when another version of the service is deleted.
                let zxid = stat.map_or(0, |stat| stat.pzxid.max(stat.mzxid));
                self.services.change(&tenant, &id, |service| service.folder_zxid = zxid);
            }
            Place::Instance(key) => {
                if let Registrant::Instance(key) = self.registrants.shared(Registrant::Instance(key)) {
                    let known = self.instance(metrics, &key, instance.zip(stat.as_ref()));
                    self.note_unreadable(&path, stat.as_ref(), known);
                }
            }
            Place::Lease(registrant) => {
                let registrant = self.registrants.shared(registrant);
                let time_to_live = self.services.time_to_live_of(&registrant);
                if self.leases.lease(registrant.clone(), stat.map(|stat| stat.czxid), time_to_live) {
                    self.losses.push(Loss::Registration(registrant));
                }
            }
            Place::Mark(registrant, replica) => {
                let new = |registrant| {
                    let registrant = self.registrants.shared(registrant);
                    let time_to_live = self.services.time_to_live_of(&registrant);
                    (registrant, time_to_live)
                };
                self.leases.mark(registrant, replica, stat.is_some(), new);
            }
            Place::Replica(replica) => {
                if self.leases.replica(&replica, state.map(|(data, _)| data)) {
                    self.losses.push(Loss::Replica(replica));
                }
            }
            Place::Application(place) => self.application(layout, metrics, place, state),
            Place::Foreign(_) => {
                match stat {
                    Some(_) => self.foreign.insert(path),
                    None => self.foreign.remove(&path),
                };
            }
            Place::Folder | Place::Other => {}
        }
    }

    /// Takes that a child of a folder was created or deleted by the transaction `zxid`.
    pub fn touch(&mut self, layout: &Layout, folder: &str, zxid: i64) {
        self.zxid = self.zxid.max(zxid);
        match layout.place(folder) {
            Place::ProviderFolder { interface } => {
                let known = self.nodes.folder_zxid(&interface);
                self.nodes.folder(&mut self.services, &interface, known.max(zxid));
            }
            Place::InstanceFolder(tenant, id) => {
                self.services.change(&tenant, &id, |service| {
                    service.folder_zxid = service.folder_zxid.max(zxid);
                });
            }
            _ => {}
        }
    }

    fn note_unreadable(&mut self, path: &str, stat: Option<&Stat>, known: bool) {
        if let Some(stat) = stat.filter(|_| !known) {
            self.unreadable.insert(path.to_owned(), stat.version);
        }
    }

    /// A number that grows whenever an interface gets its first provider or loses its last one.
    pub fn availability(&self) -> u64 {
        self.nodes.availability + self.offers.availability
    }

    /// Every path that is believed to exist.
    pub fn paths(&self, layout: &Layout) -> Vec<String> {
        let mut paths = Vec::new();
        self.nodes.paths(layout, &mut paths);
        self.snapshots.paths(layout, &mut paths);
        self.services.paths(layout, &mut paths);
        self.dependency_paths(layout, &mut paths);
        self.leases.paths(layout, &mut paths);
        self.applications.paths(layout, &mut paths);
        paths.extend(self.foreign.iter().cloned());
        paths.extend(self.unreadable.keys().cloned());
        paths
    }

    fn microservice(&mut self, metrics: &Metrics, tenant: &Tenant, id: &str, state: Option<(&[u8], &Stat)>) {
        let read = |data: &[u8]| {
            let microservice: Microservice =
                serde_json::from_slice(data).map_err(|error| error.to_string())?;
            let same = microservice.service_id == id;
            if same { Ok(microservice) } else { Err("it is the document of another microservice".to_owned()) }
        };
        let parsed = state.map(|(data, stat)| (read(data), stat));
        let record = match parsed {
            None => None,
            Some((Ok(microservice), stat)) => Some(MicroserviceRecord {
                microservice: Arc::new(microservice),
                version: stat.version,
                zxid: stat.mzxid,
            }),
            Some((Err(error), stat)) => {
                unreadable(metrics, false, "microservice", "", id, &error);
                // Its last readable state goes on standing; the version lets a repair overwrite the damage.
                let known = self.services.get(tenant, id).and_then(|service| service.record.clone());
                let known = known.map(|known| MicroserviceRecord { version: stat.version, ..known });
                let loss =
                    known.clone().map(|known| Loss::Microservice(tenant.clone(), id.to_owned(), known));
                self.losses.extend(loss);
                known
            }
        };
        let gone = record.is_none();
        let before = self.services.change(tenant, id, |service| {
            let before = std::mem::replace(&mut service.record, record);
            before.filter(|_| gone && !service.instances.is_empty())
        });
        self.losses.extend(before.map(|before| Loss::Microservice(tenant.clone(), id.to_owned(), before)));
    }

    /// Takes an instance as it was read, and answers whether it is known.
    fn instance(
        &mut self,
        metrics: &Metrics,
        key: &Arc<InstanceKey>,
        read: Option<(Result<KeptInstance, String>, &Stat)>,
    ) -> bool {
        let (before, after) = self.services.change(&key.tenant, &key.service_id, |service| {
            let before = service.remove_instance(&key.instance_id);
            let after = match (read, &before) {
                (None, _) => None,
                (Some((Ok(stored), _)), _) => Some(stored),
                (Some((Err(error), stat)), before) => {
                    unreadable(metrics, false, "instance", &key.service_id, &key.instance_id, &error);
                    before.clone().map(|before| before.damaged(stat.version))
                }
            };
            if let Some(after) = &after {
                service.insert_instance(key.instance_id.clone(), after.clone());
            }
            (before, after)
        });
        let json = KeptInstance::json;
        self.note_instance(key, before.as_ref().map(json), after.as_ref().map(json));
        let time_to_live =
            |instance: &Option<KeptInstance>| instance.as_ref().map(KeptInstance::time_to_live);
        if time_to_live(&before) != time_to_live(&after) {
            self.leases.set_time_to_live(&Registrant::Instance(key.clone()), time_to_live(&after));
        }
        let is_known = after.is_some();
        let lost = match after {
            Some(after) => Some(after).filter(KeptInstance::is_damaged),
            None => before,
        };
        let loss = lost.map(|lost| Loss::Instance(InstanceKey::clone(key), Box::new(lost.record())));
        self.losses.extend(loss);
        is_known
    }
}

/// Counts and reports a znode that makes no sense, unless that was done before.
pub(super) fn unreadable(
    metrics: &Metrics,
    reported: bool,
    layout: &str,
    folder: &str,
    name: &str,
    error: &dyn std::fmt::Display,
) {
    if !reported {
        metrics.mirror_decode_errors.with_label_values(&[layout]).inc();
        log::warn!("{layout} znode {folder}/{name} is skipped: {error}");
    }
}
