//! Writes what sidecars provide to the application level of Dubbo 3 as well: instances of applications, what they
//! offer, and that their interfaces are offered by them.
//!
//! The content of an instance follows from the documents of all who own it, so each change of one is guarded by the
//! versions of the other owners' documents.

use std::collections::{BTreeMap, BTreeSet};

use super::plan::Plan;
use super::{Registry, RegistryError};
use crate::catalog::{ApplicationNode, MetadataStanding, Standing};
use crate::dubbo::{
    InstanceAddress, ServiceInfo, ServiceUrl, append_applications, instance_document, metadata_document,
};
use crate::model::{Ownership, Registrant, SnapshotPart, short_digest};
use crate::zookeeper::{Layout, MetadataHome, MetadataKey, Transaction};

/// Longest list of applications that a name is appended to, in bytes: it is rewritten whole, and read by every consumer
/// of the interface.
const MAX_MAPPING_BYTES: usize = 256 * 1024;

/// What an instance is to hold.
struct Content {
    document: String,
    metadata: MetadataKey,
    /// The document of `metadata`.
    offers: String,
    interfaces: BTreeSet<String>,
}

/// What becomes of the instances of one owner: the steps of one plan, each kind apart until their order is known.
#[derive(Default)]
struct Steps {
    /// The versions of other owners' documents, by path.
    guards: BTreeMap<String, i32>,
    metadata: BTreeMap<String, Transaction>,
    instances: Transaction,
    /// The applications that are to be named, by interface.
    mapping: BTreeMap<String, BTreeSet<String>>,
    removal_guards: BTreeMap<String, i32>,
    removals: Transaction,
}

impl Registry {
    /// The instances that `providers` stand as on the application level, as `<application>/<host>:<port>`: none unless
    /// zoogate is to write it, and without those that a Dubbo application has registered itself. `before` is what stood
    /// in the sidecar's name.
    pub(super) fn wanted_instances(
        &self,
        before: &SnapshotPart,
        providers: &BTreeSet<String>,
    ) -> BTreeSet<String> {
        if !self.zookeeper.layout.reads_applications() {
            // What stands there cannot be seen, so it cannot be taken away either.
            return before.instances.clone();
        }
        if !self.writes_applications(before) {
            return BTreeSet::new();
        }
        let addresses: BTreeSet<InstanceAddress> =
            providers.iter().filter_map(|url| InstanceAddress::of(&ServiceUrl::parse(url).ok()?)).collect();
        let is_free = |address: &InstanceAddress| {
            let node = self.catalog.application_node(address);
            node.is_none_or(|node| is_ours(&node, before.instances.contains(&address.to_string())))
        };
        addresses.iter().filter(|address| is_free(address)).map(InstanceAddress::to_string).collect()
    }

    /// Whether what a sidecar provides is to be written. While replicas differ, as during a restart one by one, whoever
    /// is registered stays as he is: else every sync would undo the one before.
    fn writes_applications(&self, before: &SnapshotPart) -> bool {
        let wanted = self.options.application_level;
        if self.catalog.replicas_agree(wanted) || before.providers.is_empty() {
            return wanted;
        }
        !before.instances.is_empty()
    }

    /// Makes the instances of `owner` go from `before` to `after`, and puts right what is not as it should be.
    pub(super) fn plan_instances(
        &self,
        owner: &Registrant,
        before: &SnapshotPart,
        after: &SnapshotPart,
        plan: &mut Plan,
    ) -> Result<(), RegistryError> {
        let listed = before.instances.union(&after.instances);
        if !self.zookeeper.layout.reads_applications() || listed.clone().next().is_none() {
            return Ok(());
        }
        let mut offered = by_address(&after.providers);
        let mut steps = Steps::default();
        for text in listed {
            let Some(address) = InstanceAddress::parse(text) else { continue };
            let urls = match after.instances.contains(text) {
                true => offered.remove(&address).unwrap_or_default(),
                false => Vec::new(),
            };
            self.plan_instance(owner, &address, before.instances.contains(text), urls, &mut steps, plan);
        }
        let Steps { guards, metadata, instances, mapping, removal_guards, removals } = steps;
        guards.into_iter().for_each(|(path, version)| plan.additions.check(path, version));
        plan.additions.operations.extend(metadata.into_values().flat_map(|steps| steps.operations));
        plan.additions.operations.extend(instances.operations);
        for (interface, applications) in mapping {
            self.plan_mapping(&interface, &applications, plan);
        }
        removal_guards.into_iter().for_each(|(path, version)| plan.removals.check(path, version));
        plan.removals.operations.extend(removals.operations);
        Ok(())
    }

    /// Makes the instance at `address` hold `urls` of `owner`, none when he leaves it, beside what others offer there.
    fn plan_instance(
        &self,
        owner: &Registrant,
        address: &InstanceAddress,
        listed: bool,
        mut urls: Vec<ServiceUrl>,
        steps: &mut Steps,
        plan: &mut Plan,
    ) {
        let stays = !urls.is_empty();
        let path = self.zookeeper.layout.application_instance(&address.to_string());
        let node = self.catalog.application_node(address);
        match &node {
            None if !stays => return plan.uncertain.push(path),
            Some(node) if !is_ours(node, listed) => return,
            Some(node) if !stays && node.standing == Standing::Own && !node.owners.contains(owner) => return,
            _ => {}
        }
        let mut owners: BTreeSet<Registrant> =
            node.iter().flat_map(|node| node.owners.iter().cloned()).collect();
        owners.remove(owner);
        let mut guards = BTreeMap::new();
        for other in &owners {
            let Registrant::Sidecar(sidecar) = other else { continue };
            let document = self.zookeeper.layout.document(other);
            let Some(record) = self.catalog.snapshot(sidecar) else {
                plan.uncertain.push(document);
                continue;
            };
            guards.insert(document, record.version);
            urls.extend(by_address(&record.entries().providers).remove(address).unwrap_or_default());
        }
        if stays {
            owners.insert(owner.clone());
        }
        if urls.is_empty() {
            // Also of others, whose documents no longer list anything here.
            if let Some(node) = &node {
                steps.removals.delete(path, node.version);
                steps.removal_guards.append(&mut guards);
            }
            return;
        }
        let Some(content) = self.content(address, &owners, &urls) else { return };
        let changes =
            node.as_ref().is_none_or(|node| node.content != short_digest(content.document.as_bytes()));
        self.plan_metadata(&content, changes, steps, plan);
        for interface in content.interfaces {
            steps.mapping.entry(interface).or_default().insert(address.application.clone());
        }
        if !changes {
            return;
        }
        let (instances, known) = match stays {
            true => (&mut steps.instances, &mut steps.guards),
            false => (&mut steps.removals, &mut steps.removal_guards),
        };
        known.append(&mut guards);
        match node {
            None => instances.create(path, content.document),
            Some(node) => instances.set(path, content.document, node.version),
        }
    }

    /// Makes sure that what an instance offers is to be found; `changes` when it begins to name it.
    fn plan_metadata(&self, content: &Content, changes: bool, steps: &mut Steps, plan: &mut Plan) {
        let path = self.zookeeper.layout.metadata(&content.metadata);
        if steps.metadata.contains_key(&path) {
            return;
        }
        let mut step = Transaction::default();
        match self.catalog.metadata_standing(&content.metadata) {
            MetadataStanding::Absent => step.create(&path, content.offers.as_str()),
            MetadataStanding::Unread => plan.uncertain.push(path.clone()),
            MetadataStanding::Damaged(version) => step.set(&path, content.offers.as_str(), version),
            MetadataStanding::Own(..) if !changes => {}
            MetadataStanding::Own(_, true) => step.check(&path, -1),
            // Somebody may be about to clear it away: the new version makes that fail.
            MetadataStanding::Own(version, false) => step.set(&path, content.offers.as_str(), version),
        }
        if !step.is_empty() {
            steps.metadata.insert(path, step);
        }
    }

    /// Makes sure that an interface names the applications that offer it.
    fn plan_mapping(&self, interface: &str, applications: &BTreeSet<String>, plan: &mut Plan) {
        let path = self.zookeeper.layout.mapping(interface);
        let names = applications.iter().map(String::as_str);
        match self.catalog.mapping(interface) {
            None => plan.additions.create(path, append_applications("", names).unwrap_or_default()),
            Some(mapping) => {
                let Some(appended) = mapping.text.and_then(|text| append_applications(&text, names)) else {
                    return;
                };
                if appended.len() <= MAX_MAPPING_BYTES {
                    plan.additions.set(path, appended, mapping.version);
                } else {
                    log::warn!(
                        "{path} is too long to name another application: consumers do not find {names:?}",
                        names = applications
                    );
                }
            }
        }
    }

    /// What an instance holds that stands for `urls`; `None` when that is more than fits.
    fn content(
        &self,
        address: &InstanceAddress,
        owners: &BTreeSet<Registrant>,
        urls: &[ServiceUrl],
    ) -> Option<Content> {
        let mut services: BTreeMap<String, ServiceInfo> = BTreeMap::new();
        for service in urls.iter().map(ServiceInfo::of) {
            let key = service.match_key();
            // Two owners may differ about the same service: whatever their order, the same one counts.
            if services.get(&key).is_none_or(|known| service < *known) {
                services.insert(key, service);
            }
        }
        let (revision, offers) = metadata_document(&address.application, &services);
        let registered = urls.iter().filter_map(ServiceUrl::registered_at).min().unwrap_or(0);
        let owners = Ownership::of(owners.iter().map(Layout::owner_text).collect());
        let protocols = services.values().map(|service| service.protocol.as_str()).collect();
        let document = instance_document(address, &protocols, &revision, registered, &owners);
        let most = self.zookeeper.max_transaction_bytes() / 2;
        if offers.len().max(document.len()) > most {
            log::warn!(
                "{address} offers too much for the application level of Dubbo and stands at the interface level alone"
            );
            return None;
        }
        let metadata =
            MetadataKey { application: address.application.clone(), revision, home: MetadataHome::Report };
        let interfaces = services.into_values().map(|service| service.name).collect();
        Some(Content { document, metadata, offers, interfaces })
    }
}

/// Whether an instance is zoogate's to write; `listed` when the document of its owner says so.
fn is_ours(node: &ApplicationNode, listed: bool) -> bool {
    match node.standing {
        Standing::Own | Standing::Damaged => true,
        Standing::Senseless => listed,
        Standing::Foreign => false,
    }
}

/// The providers of each instance.
fn by_address(providers: &BTreeSet<String>) -> BTreeMap<InstanceAddress, Vec<ServiceUrl>> {
    let mut known: BTreeMap<InstanceAddress, Vec<ServiceUrl>> = BTreeMap::new();
    for url in providers.iter().filter_map(|url| ServiceUrl::parse(url).ok()) {
        if let Some(address) = InstanceAddress::of(&url) {
            known.entry(address).or_default().push(url);
        }
    }
    known
}
