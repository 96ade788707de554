//! What is measured of the registry by itself.

use super::RegistryError;
use super::plan::{Plan, SnapshotChange, plan_entries, plan_snapshot as plan_document};
use super::timestamps::{Stamps, superseded};
use crate::catalog::{Catalog, SnapshotRecord};
use crate::model::{Registrant, SidecarId, Snapshot, Timestamps};
use crate::zookeeper::{Layout, Operation};

/// As in the defaults.
const MAX_TRANSACTION_BYTES: usize = 900 * 1024;

/// The steps that make the znodes of `sidecar` match `snapshot`, without lease and mark; none when they do. `now` is in
/// Unix milliseconds.
///
/// # Errors
/// [`RegistryError`], when it cannot be done.
pub fn plan_snapshot(
    catalog: &Catalog,
    layout: &Layout,
    sidecar: &SidecarId,
    snapshot: &Snapshot,
    now: i64,
) -> Result<Vec<Operation>, RegistryError> {
    let registrant = Registrant::Sidecar(sidecar.clone());
    let record = catalog.snapshot(sidecar);
    let before = record.as_ref().map(SnapshotRecord::entries).unwrap_or_default();
    let remembered = record.as_ref().map(|record| &record.document.timestamps);
    let after = Stamps::new(&before, remembered, now, true).entries(snapshot);
    if record.is_some() && before == after {
        return Ok(Vec::new());
    }
    let superseded = superseded(&before, &after);
    let mut plan = Plan::default();
    plan_entries(catalog, layout, &registrant, &before, &after.with_providers(&superseded), &mut plan)?;
    let change = SnapshotChange {
        sidecar,
        peer: "-",
        record: record.as_ref(),
        after: &after,
        timestamps: Timestamps::new(),
        superseded,
    };
    plan_document(catalog, layout, MAX_TRANSACTION_BYTES, change, &mut plan);
    let transactions = plan.transactions(MAX_TRANSACTION_BYTES, 0);
    Ok(transactions.into_iter().flat_map(|transaction| transaction.operations).collect())
}
