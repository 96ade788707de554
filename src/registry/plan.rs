//! From what stands in ZooKeeper and what should stand there to the transaction between the two.

use std::collections::BTreeSet;

use super::RegistryError;
use crate::catalog::{Catalog, SnapshotRecord};
use crate::dubbo::{Side, UrlView, znode_path};
use crate::model::{
    Ownership, Parts, Registrant, ReplicaId, SidecarId, SnapshotDocument, SnapshotPart, Timestamps, part_name,
};
use crate::zookeeper::{Layout, Operation, Transaction};

/// Snapshots with more bytes of URLs than this are kept in parts: a document is rewritten whole at every change.
const MAX_INLINE_BYTES: usize = 32 * 1024;
/// What a part should hold. A part is rewritten whole, too, and every znode costs the servers about 1 KB.
const PART_BYTES: usize = 16 * 1024;

/// The steps of one change, in the order in which they go when they do not fit into one transaction: additions
/// first, the document next, removals last. Parts of a document stand below it, so they come after it when they are
/// written and before it when they are deleted.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// Provider and consumer znodes to create or to share.
    pub additions: Transaction,
    /// Parts of the document that are no longer needed.
    pub old_parts: Transaction,
    /// The document, the lease and its marks, with the conditions that guard the change.
    pub document: Transaction,
    /// Parts of the document to write.
    pub parts: Transaction,
    /// Provider and consumer znodes to delete or to leave to others.
    pub removals: Transaction,
    /// What the catalog lacks although documents speak of it. It may have been deleted by hand, or may not have arrived
    /// yet: to tell, it must be looked at before the plan can be carried out.
    pub uncertain: Vec<String>,
    /// The replica whose marks it is about. Its name ends with its session, and so does the plan.
    pub replica: Option<ReplicaId>,
    /// Only makes the change possible that is meant: once it is committed, it is planned anew.
    pub is_preparation: bool,
}

impl Plan {
    /// Whether it may be committed over a session under which this replica is called `replica`.
    pub fn fits(&self, replica: &ReplicaId) -> bool {
        self.replica.as_ref().is_none_or(|planned| planned == replica)
    }

    /// One transaction if `limit` bytes suffice for it, else several.
    pub fn transactions(self, limit: usize, chroot_bytes: usize) -> Vec<Transaction> {
        let steps = [self.additions, self.old_parts, self.document, self.parts, self.removals];
        let bytes: usize = steps.iter().map(|step| step.wire_bytes(chroot_bytes)).sum();
        if bytes <= limit {
            let operations = steps.into_iter().flat_map(|step| step.operations).collect();
            return vec![Transaction { operations }];
        }
        steps.into_iter().flat_map(|step| step.split(limit, chroot_bytes)).collect()
    }

    /// True when there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.parts().iter().all(|part| part.is_empty())
    }

    /// Whether anything is different after it; else it only asks.
    pub fn changes_anything(&self) -> bool {
        self.parts().iter().flat_map(|part| &part.operations).any(Operation::changes)
    }

    fn parts(&self) -> [&Transaction; 5] {
        [&self.additions, &self.old_parts, &self.document, &self.parts, &self.removals]
    }
}

/// The path of the provider or consumer znode of a URL that the gateway wrote.
pub(super) fn url_path(layout: &Layout, side: Side, url: &str) -> Result<String, RegistryError> {
    let parsed = UrlView::parse(url).map_err(|error| RegistryError::Refused(format!("{url}: {error}")))?;
    Ok(znode_path(&layout.dubbo_root, parsed.interface(), side, url))
}

/// Makes provider and consumer znodes of `owner` go from `before` to `after`.
pub(super) fn plan_entries(
    catalog: &Catalog,
    layout: &Layout,
    owner: &Registrant,
    before: &SnapshotPart,
    after: &SnapshotPart,
    plan: &mut Plan,
) -> Result<(), RegistryError> {
    for (side, before, after) in [
        (Side::Provider, &before.providers, &after.providers),
        (Side::Consumer, &before.consumers, &after.consumers),
    ] {
        for url in after.difference(before) {
            add_entry(catalog, url_path(layout, side, url)?, owner, plan)?;
        }
        for url in before.difference(after) {
            remove_entry(catalog, url_path(layout, side, url)?, owner, plan);
        }
    }
    Ok(())
}

fn add_entry(
    catalog: &Catalog,
    path: String,
    owner: &Registrant,
    plan: &mut Plan,
) -> Result<(), RegistryError> {
    match catalog.service_node(&path) {
        None => plan.additions.create(path, ownership(&[], Some(owner), None)),
        // Left over from a change that was cut short, and now wanted.
        Some(node) if node.owners.contains(owner) => plan.additions.check(path, node.version),
        Some(node) if node.owners.is_empty() => {
            return Err(RegistryError::Refused(format!("{path} exists and belongs to somebody else")));
        }
        Some(node) => plan.additions.set(path, ownership(&node.owners, Some(owner), None), node.version),
    }
    Ok(())
}

fn remove_entry(catalog: &Catalog, path: String, owner: &Registrant, plan: &mut Plan) {
    let Some(node) = catalog.service_node(&path) else {
        plan.uncertain.push(path);
        return;
    };
    if node.owners.iter().any(|other| other != owner) {
        if node.owners.contains(owner) {
            plan.removals.set(path, ownership(&node.owners, None, Some(owner)), node.version);
        }
    } else if node.owners.contains(owner) || !node.ephemeral {
        // Without an owner it is ours all the same, with its data damaged: the document says that we wrote it. An
        // ephemeral one has been replaced by a Dubbo application.
        plan.removals.delete(path, node.version);
    }
}

/// The data of a provider or consumer znode.
pub(super) fn ownership(
    owners: &[Registrant],
    with: Option<&Registrant>,
    without: Option<&Registrant>,
) -> String {
    let owners = owners.iter().filter(|owner| Some(*owner) != without).chain(with);
    let registrants: BTreeSet<String> = owners.map(Layout::owner_text).collect();
    to_json(&Ownership::of(registrants))
}

/// Writes a document: replaces the one that has `version`, or creates it where nothing, or nothing readable, stands.
pub(super) fn plan_document(
    catalog: &Catalog,
    path: String,
    data: String,
    version: Option<i32>,
    plan: &mut Plan,
) {
    match version.or_else(|| catalog.unreadable_version(&path)) {
        Some(version) => plan.document.set(path, data, version),
        None => plan.document.create(path, data),
    }
}

/// The compact JSON of a document.
pub(super) fn to_json<T: serde::Serialize>(document: &T) -> String {
    // invariant: documents are structs of texts, numbers, sets and maps with text keys, which all have a JSON form
    serde_json::to_string(document).unwrap_or_default()
}

/// What the document of a sidecar is to say.
pub(super) struct SnapshotChange<'a> {
    /// Whose document it is.
    pub sidecar: &'a SidecarId,
    /// The address that speaks for it.
    pub peer: &'a str,
    /// What stands there.
    pub record: Option<&'a SnapshotRecord>,
    /// The entries that it is to hold.
    pub after: &'a SnapshotPart,
    /// What it is to remember of entries that it no longer holds.
    pub timestamps: Timestamps,
    /// What it is to say of provider URLs that others replace and that stay for a moment.
    pub superseded: BTreeSet<String>,
}

/// Makes the document of a sidecar say what `change` says. `limit` is that of a transaction.
pub(super) fn plan_snapshot(
    catalog: &Catalog,
    layout: &Layout,
    limit: usize,
    change: SnapshotChange<'_>,
    plan: &mut Plan,
) {
    let SnapshotChange { sidecar, peer, record, after, timestamps, superseded } = change;
    let path = layout.document(&Registrant::Sidecar(sidecar.clone()));
    let count = part_count(record, after.bytes(), limit);
    let (document, parts) = snapshot_documents(sidecar, peer, after, count);
    let document = SnapshotDocument { timestamps, superseded, ..document };
    plan_document(catalog, path, to_json(&document), record.map(|record| record.version), plan);
    plan_parts(layout, sidecar, record, &parts, plan);
}

/// The document of a snapshot, and its parts by name.
pub(super) fn snapshot_documents(
    id: &SidecarId,
    peer: &str,
    entries: &SnapshotPart,
    count: u32,
) -> (SnapshotDocument, Vec<(String, SnapshotPart)>) {
    let mut document = SnapshotDocument {
        registrant: id.clone(),
        peer: peer.to_owned(),
        providers: BTreeSet::new(),
        consumers: BTreeSet::new(),
        instances: BTreeSet::new(),
        parts: None,
        timestamps: Timestamps::new(),
        superseded: BTreeSet::new(),
    };
    if count == 0 {
        document.providers.clone_from(&entries.providers);
        document.consumers.clone_from(&entries.consumers);
        document.instances.clone_from(&entries.instances);
        return (document, Vec::new());
    }
    document.parts = Some(Parts { count, digest: entries.digest() });
    let parts = entries.spread(count).into_iter().enumerate();
    let parts = parts.filter(|(_, part)| !part.is_empty()).map(|(index, part)| (part_name(index), part));
    (document, parts.collect())
}

/// Makes the parts of a document be `parts`.
pub(super) fn plan_parts(
    layout: &Layout,
    id: &SidecarId,
    record: Option<&SnapshotRecord>,
    parts: &[(String, SnapshotPart)],
    plan: &mut Plan,
) {
    let known = record.map(|record| &record.parts);
    for (name, part) in parts {
        let path = layout.part(id, name);
        match known.and_then(|known| known.get(name)) {
            None => plan.parts.create(path, to_json(part)),
            Some((old, version)) if old != part => plan.parts.set(path, to_json(part), *version),
            Some(_) => {}
        }
    }
    for (name, (_, version)) in known.into_iter().flatten() {
        if !parts.iter().any(|(wanted, _)| wanted == name) {
            plan.old_parts.delete(layout.part(id, name), *version);
        }
    }
}

/// In how many parts to keep a snapshot: as before while that is about right, since another number moves entries.
fn part_count(record: Option<&SnapshotRecord>, bytes: usize, limit: usize) -> u32 {
    // Entries are spread by chance: some parts are twice as large as others.
    let part_bytes = PART_BYTES.min(limit / 4);
    if bytes <= MAX_INLINE_BYTES.min(limit / 2) {
        return 0;
    }
    let parts = record.and_then(|record| record.document.parts.as_ref());
    if let Some(parts) = parts
        && (part_bytes / 4..=part_bytes * 2).contains(&(bytes / parts.count.max(1) as usize))
    {
        return parts.count;
    }
    u32::try_from(bytes.div_ceil(part_bytes.max(1))).unwrap_or(u32::MAX)
}

/// Makes sure that the lease of `registrant` exists and carries the mark of `replica`, and answers whether there is
/// anything to do for that. A mark that the catalog shows is checked: somebody may have taken the registration down
/// meanwhile, and what is written beside it must not stand without a lease.
pub(super) fn plan_lease(
    catalog: &Catalog,
    layout: &Layout,
    registrant: &Registrant,
    replica: &ReplicaId,
    plan: &mut Plan,
) -> bool {
    plan.replica = Some(replica.clone());
    let marks = catalog.marks(registrant);
    if marks.as_ref().is_some_and(|marks| marks.contains(replica)) {
        plan.document.check(layout.mark(registrant, replica), -1);
        return false;
    }
    if marks.is_some() && does_wrong!("skip-remark") {
        return false;
    }
    if marks.is_none() {
        plan.document.create(layout.lease(registrant), "");
    }
    plan.document.create(layout.mark(registrant, replica), "");
    true
}

/// Removes the lease of `registrant` with every mark that is known. If there is one that is not, nothing happens:
/// ZooKeeper does not delete what has children.
pub(super) fn plan_no_lease(catalog: &Catalog, layout: &Layout, registrant: &Registrant, plan: &mut Plan) {
    if let Some(marks) = catalog.marks(registrant) {
        for mark in marks {
            plan.document.delete(layout.mark(registrant, &mark), -1);
        }
        plan.document.delete(layout.lease(registrant), -1);
    } else {
        // Somebody may be putting back one that was deleted by hand: the change fails when it is there after all.
        let lease = layout.lease(registrant);
        plan.uncertain.push(lease.clone());
        plan.document.create(lease.clone(), "");
        plan.document.delete(lease, -1);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::telemetry::Metrics;

    #[test]
    fn a_plan_that_marks_fits_the_session_of_its_replica_and_no_other() {
        let layout = Layout {
            dubbo_root: "/dubbo".into(),
            services_root: String::new(),
            registry_root: "/zoogate".into(),
        };
        let catalog = Catalog::new(layout.clone(), usize::MAX, Arc::new(Metrics::new().unwrap()));
        let (old, new) = (ReplicaId::new("old"), ReplicaId::new("new"));
        let registrant = Registrant::Sidecar(SidecarId::parse("a@b").unwrap());
        let mut plan = Plan::default();
        assert!(plan.fits(&old) && plan.fits(&new), "it marks nobody");
        plan_lease(&catalog, &layout, &registrant, &old, &mut plan);
        assert!(plan.fits(&old) && !plan.fits(&new));
    }
}
