//! The use cases of sidecars: a snapshot comes in whole, or is edited entry by entry, and ZooKeeper is made to match it.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::sleep;

use super::clock::unix_millis;
use super::edits::Edit;
use super::plan::{Plan, SnapshotChange, plan_entries, plan_lease, plan_no_lease, plan_snapshot};
use super::timestamps::{Stamps, forget, superseded};
use super::{Registry, RegistryError, Standing};
use crate::catalog::SnapshotRecord;
use crate::dubbo::UrlView;
use crate::model::{Registrant, SidecarId, Snapshot, SnapshotPart, SnapshotReport, Timestamps};

/// How often, and after which pause, an edit looks for a document that was lost before it does without it.
const SECOND_LOOKS: u32 = 60;
const SECOND_LOOK: Duration = Duration::from_millis(50);
/// Old forms of providers with more bytes than this do not stay for a moment: the document has to hold them.
const MAX_SUPERSEDED_BYTES: usize = 64 * 1024;

/// What became of a snapshot.
#[derive(Clone, Debug)]
pub struct Synced {
    /// What the registry holds now.
    pub report: SnapshotReport,
    /// Whether that is something else than before.
    pub changed: bool,
    /// What to repeat it by, if it was a repetition already.
    pub standing: Option<Standing>,
}

/// What a snapshot is to be.
#[derive(Clone, Copy)]
enum Wish<'w> {
    /// This and nothing else.
    Whole(&'w Snapshot),
    /// What it was, but for this.
    Edited(&'w Edit),
    /// What it was.
    Kept,
}

/// Whose snapshot is changed, and who asked for it.
#[derive(Clone, Copy)]
struct Change<'c> {
    sidecar: &'c SidecarId,
    registrant: &'c Registrant,
    peer: &'c str,
    wish: Wish<'c>,
    /// Unix milliseconds.
    now: i64,
    /// How often to look again before doing without a document that was lost.
    second_looks: u32,
}

/// How a snapshot gets to what it is to be.
#[derive(Default)]
struct Planned {
    /// `None` when it is so already.
    plan: Option<Plan>,
    after: SnapshotPart,
    version: u64,
    changed: bool,
    /// Whether old forms of providers stay for a moment.
    supersedes: bool,
    /// The zxid of the document, if the same snapshot comes to the same again as long as that does not change.
    stands_since: Option<i64>,
    /// Nothing can be said: the document is gone by somebody else's hand, and is about to be put back.
    is_lost: bool,
}

impl Registry {
    /// Makes ZooKeeper match `snapshot`, the whole of what `sidecar` provides and consumes, in one transaction.
    /// An unchanged snapshot writes nothing and only renews the lease. `peer` is the address that asked.
    ///
    /// # Errors
    /// [`RegistryError`]; nothing was changed, unless it says that the outcome is unknown.
    pub async fn sync(
        &self,
        sidecar: &SidecarId,
        peer: &str,
        snapshot: Snapshot,
    ) -> Result<Synced, RegistryError> {
        self.change(sidecar, peer, Wish::Whole(&snapshot)).await
    }

    /// Adds an entry to the snapshot of `sidecar`, or takes some away, and renews the lease of the whole. An edit that
    /// changes nothing writes nothing. `peer` is the address that asked.
    ///
    /// # Errors
    /// As [`Registry::sync`], and [`RegistryError::QuotaExceeded`] when there would be too many entries.
    pub async fn edit(&self, sidecar: &SidecarId, peer: &str, edit: &Edit) -> Result<Synced, RegistryError> {
        self.change(sidecar, peer, Wish::Edited(edit)).await
    }

    /// Takes a sign of life of a sidecar, which keeps alive what it has registered and changes nothing of it. `None`
    /// when it never registered anything.
    ///
    /// # Errors
    /// As [`Registry::sync`].
    pub async fn hear(&self, sidecar: &SidecarId) -> Result<Option<SnapshotReport>, RegistryError> {
        let is_known = || self.catalog.snapshot(sidecar).is_some();
        self.still_there(sidecar);
        self.replica_in_touch()?;
        if !is_known() {
            // Another replica may just have heard it for the first time.
            self.catch_up().await?;
            if !is_known() {
                return Ok(None);
            }
        }
        // The peer is written by changes only.
        self.change(sidecar, "", Wish::Kept).await.map(|kept| Some(kept.report))
    }

    /// Notes that a sidecar whose snapshot stands is still there, without a look at ZooKeeper.
    pub fn still_there(&self, sidecar: &SidecarId) {
        let registrant = Registrant::Sidecar(sidecar.clone());
        if self.catalog.marks(&registrant).is_some() {
            self.hearing.touch(&registrant);
        }
    }

    /// Whether ZooKeeper can be reached now.
    pub fn is_connected(&self) -> bool {
        self.zookeeper.connection().is_some()
    }

    /// How long a sidecar may be silent.
    pub fn sidecar_time_to_live(&self) -> Duration {
        self.options.sidecar_time_to_live
    }

    /// What is registered for `sidecar`; `None` when it never synced.
    pub fn report(&self, sidecar: &SidecarId) -> Option<SnapshotReport> {
        let record = self.catalog.snapshot(sidecar)?;
        let report = self.snapshot_report(sidecar, &record.entries(), version_of(record.version));
        Some(SnapshotReport { torn: record.is_torn(), ..report })
    }

    /// The sidecars that `peer` synced for, as far as they ever had an entry.
    pub fn registrants_of_peer(&self, peer: &str) -> Vec<SidecarId> {
        let known = self.catalog.sidecars_of_peer(peer);
        let meant = known.into_iter().filter(|sidecar| {
            // A document that is empty and was never changed only says that somebody has nothing to say.
            self.catalog.snapshot(sidecar).is_some_and(|record| !record.is_empty() || record.version > 0)
        });
        meant.collect()
    }

    async fn change(&self, sidecar: &SidecarId, peer: &str, wish: Wish<'_>) -> Result<Synced, RegistryError> {
        let registrant = Registrant::Sidecar(sidecar.clone());
        // Also a change that has to be refused is a sign of life, of somebody who is registered.
        let known = self.catalog.marks(&registrant).map(|_| self.hearing.touch(&registrant));
        self.replica_in_touch()?;
        let ear = known.unwrap_or_else(|| self.hearing.touch(&registrant));
        let mut change = Change {
            sidecar,
            registrant: &registrant,
            peer,
            wish,
            now: unix_millis(),
            second_looks: SECOND_LOOKS,
        };
        let mut settled = Planned::default();
        let plan = |change, settled: &mut Planned| -> Result<Option<Plan>, RegistryError> {
            *settled = self.plan_change(change)?;
            Ok(settled.plan.take())
        };
        // The common case first: nothing has changed and this replica has said so already. An edit is not repeated as
        // a sync is, and must not be lost to a catalog that is behind what another replica has just committed.
        // After a reconnect the catalog is behind until everything has been read again.
        let is_edit = matches!(wish, Wish::Edited(_));
        let looks_first = is_edit || self.catalog.stale_for().is_some() || self.has_stood_still();
        // Only what is planned with the lock is planned for what will stand there.
        let mut lock = ear.change.try_write().ok();
        let first = match looks_first || ear.is_lapsing() {
            true => None,
            false => plan(change, &mut settled).ok(),
        };
        let mut is_done = matches!(first, Some(None));
        let mut planned: Option<Plan> = first.flatten().filter(|_| lock.is_some());
        while !is_done {
            let held = match lock.take() {
                Some(held) => held,
                None => ear.change.write().await,
            };
            if ear.is_lapsing() || self.has_stood_still() {
                planned = None;
            }
            self.finish_lapse(&ear).await?;
            self.wake_up().await?;
            if looks_first && matches!(plan(change, &mut settled), Ok(None)) {
                self.catch_up().await?;
            }
            let next = || match planned.take() {
                Some(planned) => Ok(Some(planned)),
                None => plan(change, &mut settled),
            };
            self.settle_heard(&ear, &registrant, next).await?;
            // A large change takes its time, and its time to live begins when it is acknowledged.
            self.hearing.touch(&registrant);
            is_done = !settled.is_lost;
            if !is_done {
                // Whoever puts it back needs the lock.
                drop(held);
                change.second_looks -= 1;
                sleep(SECOND_LOOK).await;
            }
        }
        drop(lock);
        if settled.supersedes {
            self.clear_superseded_later(sidecar, settled.version);
        }
        // Before the report, which may know more.
        let availability = self.catalog.availability();
        let report = self.snapshot_report(sidecar, &settled.after, settled.version);
        let standing = settled.stands_since.map(|zxid| Standing { registrant, zxid, availability });
        Ok(Synced { report, changed: settled.changed, standing })
    }

    fn plan_change(&self, change: Change<'_>) -> Result<Planned, RegistryError> {
        let Change { sidecar, registrant, peer, wish, now, second_looks } = change;
        // Not earlier: with a new session this replica gets a new name.
        let replica = self.replica_in_touch()?;
        let (catalog, layout) = (&self.catalog, &self.zookeeper.layout);
        let record = catalog.snapshot(sidecar);
        let mut before = record.as_ref().map(SnapshotRecord::entries).unwrap_or_default();
        let unreadable = catalog.unreadable_version(&layout.document(registrant));
        let torn = record.as_ref().is_some_and(|record| record.damaged || record.is_torn());
        let is_edit = matches!(wish, Wish::Edited(_));
        // A sync says what there is to be, whatever was lost; an edit has to start from what there was.
        let lost = is_edit && record.is_none() && unreadable.is_none() && catalog.marks(registrant).is_some();
        if lost && second_looks > 0 {
            // An edit that came first would make it anew, with a version that has been seen before.
            return Ok(Planned { is_lost: true, ..Planned::default() });
        }
        if torn || unreadable.is_some() || lost {
            let standing = catalog.entries_of(registrant);
            before.providers.extend(standing.providers);
            before.consumers.extend(standing.consumers);
            before.instances.extend(standing.instances);
        }
        let overlap = !self.options.replacement_overlap.is_zero();
        let stamps =
            Stamps::new(&before, record.as_ref().map(|record| &record.document.timestamps), now, overlap);
        let mut after = match wish {
            Wish::Whole(snapshot) => stamps.entries(snapshot),
            Wish::Edited(edit) => edit.apply(&before, &stamps, self.options.sidecar_entries)?,
            Wish::Kept => before.clone(),
        };
        if !matches!(wish, Wish::Kept) {
            after.instances = self.wanted_instances(&before, &after.providers);
        }
        let version = record.as_ref().map(|record| record.version).or(unreadable).map_or(0, version_of);
        let changed = match wish {
            Wish::Whole(_) => record.is_none() || torn || before != after,
            Wish::Edited(_) => torn || unreadable.is_some() || lost || before != after,
            Wish::Kept => false,
        };
        let mut plan = Plan::default();
        let mut supersedes = false;
        if changed {
            let limit = self.zookeeper.max_transaction_bytes();
            let (record, after) = (record.as_ref(), &after);
            let nothing = BTreeSet::new();
            let standing =
                before.with_providers(record.map_or(&nothing, |record| &record.document.superseded));
            let superseded = self.superseded_by(&before, after);
            supersedes = !superseded.is_empty();
            let staying = after.with_providers(&superseded);
            plan_entries(catalog, layout, registrant, &standing, &staying, &mut plan)?;
            // A sync says all there is; after an edit the rest may still return.
            let timestamps = match (wish, record) {
                (Wish::Edited(_), Some(record)) => forget(&record.document.timestamps, after),
                _ => Timestamps::new(),
            };
            let change = SnapshotChange { sidecar, peer, record, after, timestamps, superseded };
            plan_snapshot(catalog, layout, limit, change, &mut plan);
            self.plan_instances(registrant, &before, after, &mut plan)?;
        } else if let Some(record) = &record {
            // Guards the mark below against a document that was changed meanwhile.
            plan.document.check(layout.document(registrant), record.version);
        }
        let has_lease = catalog.marks(registrant).is_some();
        let lease_changes = if after.is_empty() {
            // Nothing is registered, so nothing keeps it alive.
            let goes = has_lease && !matches!(wish, Wish::Kept);
            if goes || !before.is_empty() {
                plan_no_lease(catalog, layout, registrant, &mut plan);
            }
            goes
        } else {
            plan_lease(catalog, layout, registrant, &replica, &mut plan)
        };
        let plan = (changed || lease_changes).then_some(plan);
        let version = if changed { version + 1 } else { version };
        // What stands on the application level also depends on what others write there.
        let depends_on_others = self.options.application_level || !after.instances.is_empty();
        let stands_since = record
            .filter(|_| matches!(wish, Wish::Whole(_)) && !changed && !after.is_empty() && !depends_on_others)
            .map(|record| record.zxid);
        Ok(Planned { plan, after, version, changed, supersedes, stands_since, is_lost: false })
    }

    /// The old forms of providers that are to stay for a moment beside the new ones: none where that is switched off, or
    /// where the document would get too large for it.
    fn superseded_by(&self, before: &SnapshotPart, after: &SnapshotPart) -> BTreeSet<String> {
        if self.options.replacement_overlap.is_zero() {
            return BTreeSet::new();
        }
        let urls = superseded(before, after);
        let bytes: usize = urls.iter().map(|url| url.len() + 3).sum();
        if bytes > MAX_SUPERSEDED_BYTES { BTreeSet::new() } else { urls }
    }

    fn snapshot_report(&self, sidecar: &SidecarId, entries: &SnapshotPart, version: u64) -> SnapshotReport {
        let interfaces = |urls: &BTreeSet<String>| -> Vec<String> {
            let parsed = urls.iter().filter_map(|url| UrlView::parse(url).ok());
            let names: BTreeSet<&str> = parsed.map(|url| url.interface()).collect();
            names.into_iter().map(str::to_owned).collect()
        };
        let consumed = interfaces(&entries.consumers);
        let dispatched = consumed.iter().filter(|interface| self.catalog.has_provider(interface));
        SnapshotReport {
            registrant: sidecar.clone(),
            provided: interfaces(&entries.providers),
            dispatched: dispatched.cloned().collect(),
            consumed,
            version,
            torn: false,
        }
    }
}

/// The version that clients see of a document with this `dataVersion`: the first is 1, and 0 stands for failures.
pub(super) fn version_of(data_version: i32) -> u64 {
    u64::try_from(data_version).unwrap_or(0) + 1
}
