//! Who is still there: marks for those that are heard, and the end of those that fell silent.
//!
//! Only silence removes, and only while somebody listened. A registrant's time to live counts from the last sign of
//! life, but never from before this replica began to listen: after a start, after every break of the connection, and
//! after every pause of the process, everybody gets a full time to live anew.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use futures::stream::{self, StreamExt};
use tokio::time::sleep;

use super::brake::{Turn, Verdict};
use super::plan::{Plan, SnapshotChange, plan_entries, plan_lease, plan_no_lease, plan_snapshot};
use super::timestamps::remember;
use super::{Registry, RegistryError};
use crate::model::{Instance, Registrant, ReplicaId, SnapshotPart};
use crate::telemetry::Readiness;
use crate::zookeeper::Transaction;

/// How often silence is looked for.
const TICK: Duration = Duration::from_millis(250);
/// A tick that is late by more than this means that the process stood still and nobody was listening.
const PAUSE: Duration = Duration::from_millis(1_500);
/// Registrations that are taken down or marked at once.
const CHANGES_IN_FLIGHT: usize = 32;
/// Marks in one transaction, and how many such are under way at once: after a session has expired everybody must be
/// marked anew before the other replicas take them for orphans.
const MARKS: usize = 200;
const MARK_BATCHES_IN_FLIGHT: usize = 8;
/// What is remembered of somebody without a lease: a refused sync, for example.
const MEMORY: Duration = Duration::from_secs(120);

/// What there is to do about the leases.
#[derive(Default)]
struct Work {
    to_mark: Vec<Registrant>,
    /// With the last sign of life that was known when the silence was found long enough.
    to_lapse: Vec<(Registrant, Option<Instant>)>,
    /// Likewise, but another replica hears them: only the mark goes.
    to_leave: Vec<(Registrant, Option<Instant>)>,
    /// How many registrations would have to be taken down here if they fell silent.
    kept: usize,
    to_sweep: Vec<(Registrant, Vec<ReplicaId>)>,
}

/// What there is to do about one lease.
enum Todo {
    Mark,
    Lapse(Option<Instant>),
    Leave(Option<Instant>),
    Sweep(Vec<ReplicaId>),
}

impl Registry {
    /// Notices when the process stood still, for whatever reason: nobody was listening then. A task of its own, since
    /// work on the leases takes time as well.
    pub(super) async fn watch_pauses(&self) {
        loop {
            let before = Instant::now();
            sleep(TICK).await;
            let stood_still = before.elapsed();
            if stood_still > TICK + PAUSE {
                log::warn!("the process stood still for {stood_still:?}: every lease starts anew");
                *self.listening.lock() = Instant::now();
            }
        }
    }

    /// Looks for silence until the process ends.
    pub(super) async fn watch_leases(&self) {
        let mut orphans = HashMap::new();
        loop {
            sleep(TICK).await;
            // Also while ZooKeeper is away: what was heard from strangers must not pile up.
            self.hearing.forget(|registrant, last| {
                self.catalog.marks(registrant).is_some() || last.is_some_and(|last| last.elapsed() < MEMORY)
            });
            let (Some(replica), Some(following)) =
                (self.replica_in_touch().ok(), self.catalog.following_since())
            else {
                orphans.clear();
                continue;
            };
            let listening = following.max(*self.listening.lock());
            let mut work = self.look(&replica, Instant::now(), listening, &mut orphans);
            if self.judge_silence(work.to_lapse.len(), work.kept) == Verdict::Hold {
                work.to_lapse.clear();
            }
            self.mark_all(&replica, work.to_mark).await;
            stream::iter(work.to_lapse.into_iter().chain(work.to_leave))
                .for_each_concurrent(CHANGES_IN_FLIGHT, |(registrant, heard)| async move {
                    self.lapse(&registrant, heard).await;
                })
                .await;
            stream::iter(work.to_sweep)
                .for_each_concurrent(CHANGES_IN_FLIGHT, |(registrant, stale)| self.sweep(registrant, stale))
                .await;
        }
    }

    fn look(
        &self,
        replica: &ReplicaId,
        now: Instant,
        listening: Instant,
        orphans: &mut HashMap<Registrant, Instant>,
    ) -> Work {
        let mut still_orphans = HashMap::new();
        let mut kept = 0;
        let todo = self.catalog.look_at_leases(|lease| {
            let heard = self.hearing.last(lease.registrant);
            let silent_for = |since: Instant| now.saturating_duration_since(since);
            let time_to_live = lease.time_to_live.unwrap_or_else(|| match lease.registrant {
                Registrant::Sidecar(_) => self.options.sidecar_time_to_live,
                // Its document makes no sense at the moment: as long as one that does not say.
                Registrant::Instance(_) | Registrant::Dependency(_) => Instance::default().time_to_live(),
            });
            let mine = lease.marks.contains(replica);
            let elsewhere = lease.marks.iter().any(|mark| mark != replica && lease.replicas.contains(mark));
            kept += usize::from(!elsewhere);
            if heard.is_some_and(|heard| silent_for(heard) < time_to_live) {
                let is_stale = |mark: &&ReplicaId| !lease.replicas.contains(*mark);
                let stale: Vec<ReplicaId> = lease.marks.iter().filter(is_stale).cloned().collect();
                return match (mine, stale.is_empty()) {
                    (false, _) => Some((lease.registrant.clone(), Todo::Mark)),
                    (true, false) => Some((lease.registrant.clone(), Todo::Sweep(stale))),
                    (true, true) => None,
                };
            }
            let since = if mine {
                heard.map_or(listening, |heard| heard.max(listening))
            } else if elsewhere {
                return None;
            } else {
                // Nobody hears it. Whoever has watched that for a time to live takes it down; if several do, the
                // transaction decides.
                let since = *orphans.get(lease.registrant).unwrap_or(&now).max(&listening);
                still_orphans.insert(lease.registrant.clone(), since);
                since
            };
            let todo = if elsewhere { Todo::Leave(heard) } else { Todo::Lapse(heard) };
            (silent_for(since) >= time_to_live).then(|| (lease.registrant.clone(), todo))
        });
        *orphans = still_orphans;
        let mut work = Work { kept, ..Work::default() };
        for (registrant, todo) in todo {
            match todo {
                Todo::Mark => work.to_mark.push(registrant),
                Todo::Lapse(heard) => work.to_lapse.push((registrant, heard)),
                Todo::Leave(heard) => work.to_leave.push((registrant, heard)),
                Todo::Sweep(stale) => work.to_sweep.push((registrant, stale)),
            }
        }
        work
    }

    /// Whether those who are silent may be taken down; says so loudly when they may not.
    fn judge_silence(&self, silent: usize, kept: usize) -> Verdict {
        let (verdict, turn) = self.brake.judge(Instant::now(), silent, kept);
        let held = if verdict == Verdict::Hold { silent } else { 0 };
        self.metrics.held.set(i64::try_from(held).unwrap_or(i64::MAX));
        match turn {
            Some(Turn::On) => {
                let end = self.brake.longest().map_or_else(
                    || "until an operator releases them".to_owned(),
                    |longest| format!("for at most {}", humantime::format_duration(longest)),
                );
                let reason = format!(
                    "mass silence: {silent} of {kept} registrations fell silent at once and are held {end}, or until \
                     most are heard again; POST /release on this listener takes them down now"
                );
                log::error!("{reason}");
                self.metrics.holds.inc();
                self.readiness.note(Readiness::MASS_SILENCE, Some(reason));
            }
            Some(turn) => {
                let why = match turn {
                    Turn::Passed => "most are heard again",
                    Turn::Expired => "they were held for as long as they may be",
                    Turn::On | Turn::Released => "an operator released them",
                };
                log::warn!(
                    "mass silence has ended: {why}; {silent} of {kept} registrations are silent still"
                );
                self.readiness.note(Readiness::MASS_SILENCE, None);
            }
            None => {}
        }
        verdict
    }

    /// Marks many at once. One that cannot be marked would take the others with it, so on failure each is tried alone.
    async fn mark_all(&self, replica: &ReplicaId, registrants: Vec<Registrant>) {
        let batches = stream::iter(registrants.chunks(MARKS));
        batches
            .for_each_concurrent(MARK_BATCHES_IN_FLIGHT, |batch| async move {
                let Some(connection) = self.zookeeper.connection() else { return };
                let mut marks = Transaction::default();
                for registrant in batch {
                    marks.create(self.zookeeper.layout.mark(registrant, replica), "");
                }
                if batch.len() > 1 && connection.commit(&marks).await.is_ok() {
                    self.zookeeper.refresh(marks.changed_paths(), false).await;
                    return;
                }
                for registrant in batch {
                    self.mark(registrant, replica).await;
                }
            })
            .await;
    }

    async fn mark(&self, registrant: &Registrant, replica: &ReplicaId) {
        let marked = self.settle(registrant, || {
            let mut plan = Plan::default();
            if self.catalog.marks(registrant).is_some() {
                plan_lease(&self.catalog, &self.zookeeper.layout, registrant, replica, &mut plan);
            }
            Ok(Some(plan))
        });
        if let Err(error) = marked.await {
            log::debug!("cannot mark {registrant}: {error}");
        }
    }

    /// Takes this replica's mark away, and the registration with it when nobody else hears the registrant; not if it
    /// was heard after `heard`.
    async fn lapse(&self, registrant: &Registrant, heard: Option<Instant>) {
        let ear = self.hearing.ear(registrant);
        // Somebody is changing the registration: nothing that waits for a client may hold up all leases. The next look
        // finds it again if it is still silent.
        let Ok(_change) = ear.change.try_lock() else { return };
        ear.set_lapsing(true);
        let mut taken_down = false;
        let outcome = self
            .settle(registrant, || {
                taken_down = false;
                // A sign of life meanwhile: it either was acknowledged already, or it sees us and waits for the end.
                if self.hearing.last(registrant) != heard {
                    return Ok(None);
                }
                let Some((plan, whole)) = self.plan_lapse(registrant)? else { return Ok(None) };
                taken_down = whole;
                Ok(Some(plan))
            })
            .await;
        // With an unknown outcome it may still be carried out: whoever is heard next waits until that is decided.
        ear.set_lapsing(outcome == Err(RegistryError::OutcomeUnknown));
        match outcome {
            Ok(()) if taken_down => {
                self.metrics.lease_expirations.inc();
                self.brake.note_taken_down(Instant::now());
                log::info!("{registrant} fell silent and was taken down");
            }
            Ok(()) => {}
            Err(error) => log::warn!("cannot take down {registrant}, which fell silent: {error}"),
        }
    }

    /// What a lapse changes, and whether it takes the registration down.
    fn plan_lapse(&self, registrant: &Registrant) -> Result<Option<(Plan, bool)>, RegistryError> {
        let Some(marks) = self.catalog.marks(registrant) else { return Ok(None) };
        let Some(replica) = self.zookeeper.replica() else { return Err(RegistryError::NotConnected) };
        let replicas = self.catalog.replicas();
        let layout = &self.zookeeper.layout;
        if marks.iter().any(|mark| *mark != replica && replicas.contains(mark)) {
            let mut plan = Plan::default();
            if marks.contains(&replica) {
                plan.document.delete(layout.mark(registrant, &replica), -1);
            }
            return Ok(Some((plan, false)));
        }
        let plan = match registrant {
            // It has no lease that could lapse.
            Registrant::Dependency(_) => return Ok(None),
            Registrant::Instance(key) => match self.catalog.instance_record(key) {
                Some(record) => self.plan_unregister(registrant, &record)?,
                None => self.plan_lease_only(registrant),
            },
            Registrant::Sidecar(sidecar) => match self.catalog.snapshot(sidecar) {
                Some(record) if !record.is_empty() || record.damaged => {
                    let mut plan = Plan::default();
                    let nothing = SnapshotPart::default();
                    let entries = record.entries();
                    let limit = self.zookeeper.max_transaction_bytes();
                    // The document stays, empty, so that its version goes on growing when the sidecar returns.
                    let change = SnapshotChange {
                        sidecar,
                        peer: &record.document.peer,
                        record: Some(&record),
                        after: &nothing,
                        timestamps: remember(&entries, limit / 2),
                    };
                    plan_snapshot(&self.catalog, layout, limit, change, &mut plan);
                    plan_no_lease(&self.catalog, layout, registrant, &mut plan);
                    plan_entries(&self.catalog, layout, registrant, &entries, &nothing, &mut plan)?;
                    self.plan_instances(registrant, &entries, &nothing, &mut plan)?;
                    plan
                }
                _ => self.plan_lease_only(registrant),
            },
        };
        Ok(Some((plan, true)))
    }

    /// A lease without a document: only the lease is left to remove.
    fn plan_lease_only(&self, registrant: &Registrant) -> Plan {
        let mut plan = Plan::default();
        plan_no_lease(&self.catalog, &self.zookeeper.layout, registrant, &mut plan);
        plan
    }

    /// Removes the marks of replicas that are gone.
    async fn sweep(&self, registrant: Registrant, stale: Vec<ReplicaId>) {
        let Some(connection) = self.zookeeper.connection() else { return };
        let mut sweep = Transaction::default();
        for mark in &stale {
            sweep.delete(self.zookeeper.layout.mark(&registrant, mark), -1);
        }
        if let Err(error) = connection.commit(&sweep).await {
            // Another replica sweeps as well; what is left is met again at the next look.
            log::debug!("cannot sweep the marks of {registrant}: {error}");
        }
    }
}
