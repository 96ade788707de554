//! Who is still there: marks for those that are heard, and the end of those that fell silent.
//!
//! Only silence removes, and only while somebody listened. A registrant's time to live counts from the last sign of
//! life, but never from before this replica began to listen: after a start, after every break of the connection, and
//! after every pause of the process, everybody gets a full time to live anew.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use ahash::HashMap;
use futures::stream::{self, StreamExt};
use tokio::time::sleep;

use super::brake::{Turn, Verdict};
use super::clock::lease_now;
use super::plan::{Plan, SnapshotChange, plan_entries, plan_no_lease, plan_snapshot};
use super::settle::is_in_doubt;
use super::timestamps::remember;
use super::{Registry, RegistryError};
use crate::model::{Instance, Registrant, ReplicaId, SnapshotPart};
use crate::telemetry::Readiness;

/// How often silence is looked for.
const TICK: Duration = Duration::from_millis(250);
/// A look may take one part in so many of the time: with very many leases it comes less often.
const SHARE: u32 = 20;
/// How often it is looked whom to forget.
const FORGETTING: Duration = Duration::from_secs(15);
/// Registrations that are taken down or marked at once.
const CHANGES_IN_FLIGHT: usize = 32;
/// What is remembered of somebody without a lease: a refused sync, for example.
const MEMORY: Duration = Duration::from_secs(120);

/// What a replica has seen of those who heard a registrant and are gone.
struct Noticed {
    /// Their marks.
    dead: Vec<ReplicaId>,
    /// Whether nobody hears the registrant.
    is_orphan: bool,
    /// Since when this replica has known of the last of them, or that nobody hears the registrant.
    since: Instant,
}

/// What is kept from one look at all leases to the next.
struct Looks {
    /// What the seconds are counted from until which leases are quiet.
    start: Instant,
    /// The name under which this replica looked last.
    replica: Option<ReplicaId>,
    noticed: HashMap<Registrant, Noticed>,
}

/// What a silence was found long enough from.
struct Silence {
    /// The last sign of life that was known.
    heard: Option<Instant>,
    /// Since when somebody had listened without a break.
    listening: Instant,
    /// The marks of replicas that were gone; `None` when another one lived, so that only the own mark may go.
    dead: Option<Vec<ReplicaId>>,
    /// The zxid of the creation of the lease: another one may have been heard by somebody since.
    lease: i64,
}

/// What there is to do about the leases.
#[derive(Default)]
struct Work {
    to_mark: Vec<Registrant>,
    to_lapse: Vec<(Registrant, Silence)>,
    /// Another replica hears them: only the mark goes.
    to_leave: Vec<(Registrant, Silence)>,
    /// How many registrations would have to be taken down here if they fell silent.
    kept: usize,
    to_sweep: Vec<(Registrant, Vec<ReplicaId>)>,
}

impl Work {
    /// Whether nothing is left to do.
    fn is_done(&self) -> bool {
        self.to_mark.is_empty()
            && self.to_lapse.is_empty()
            && self.to_leave.is_empty()
            && self.to_sweep.is_empty()
    }
}

/// What there is to do about one lease.
enum Todo {
    Mark,
    Lapse(Silence),
    Sweep(Vec<ReplicaId>),
}

impl Registry {
    /// Looks for silence until the process ends.
    pub(super) async fn watch_leases(&self) {
        let mut looks = Looks { start: lease_now(), replica: None, noticed: HashMap::default() };
        let mut pause = TICK;
        let mut forgot = Instant::now();
        loop {
            sleep(pause).await;
            pause = TICK;
            if forgot.elapsed() >= FORGETTING {
                forgot = Instant::now();
                // Also while ZooKeeper is away: what was heard from strangers must not pile up.
                self.hearing.forget(|registrant, last| {
                    last.is_some_and(|last| last.elapsed() < MEMORY) || self.catalog.has_lease(registrant)
                });
            }
            let (Some(replica), Some(following)) =
                (self.replica_in_touch().ok(), self.catalog.following_since())
            else {
                looks.noticed.clear();
                looks.replica = None;
                continue;
            };
            let listening = following.max(*self.listening.lock());
            let began = Instant::now();
            let mut work = self.look(&replica, lease_now(), listening, &mut looks);
            pause = pause.max(began.elapsed() * SHARE);
            if self.judge_silence(work.to_lapse.len(), work.kept) == Verdict::Hold {
                work.to_lapse.clear();
            }
            self.mark_all(&replica, std::mem::take(&mut work.to_mark)).await;
            // A mark may have been read before the replica that it is named after: whoever seems to be dead now has
            // been so when everything that was committed is known.
            if !work.is_done() && !self.catalog.catch_up().await {
                continue;
            }
            stream::iter(work.to_lapse.into_iter().chain(work.to_leave))
                .for_each_concurrent(CHANGES_IN_FLIGHT, |(registrant, silence)| async move {
                    self.lapse(&registrant, &silence).await;
                })
                .await;
            stream::iter(work.to_sweep)
                .for_each_concurrent(CHANGES_IN_FLIGHT, |(registrant, stale)| self.sweep(registrant, stale))
                .await;
        }
    }

    fn look(&self, replica: &ReplicaId, now: Instant, listening: Instant, looks: &mut Looks) -> Work {
        // Under another name everything is another thing.
        let is_known = looks.replica.as_ref() == Some(replica);
        looks.replica = Some(replica.clone());
        let noticed = &mut looks.noticed;
        let second_of = |instant: Instant| instant.saturating_duration_since(looks.start).as_secs();
        let this_second = second_of(now);
        let mut still_noticed = HashMap::default();
        let mut kept = 0;
        let todo = self.catalog.look_at_leases(|lease| {
            if let Some(is_heard_elsewhere) = lease.quiet.at(this_second).filter(|_| is_known) {
                kept += usize::from(!is_heard_elsewhere);
                return None;
            }
            let heard = self.hearing.last(lease.registrant);
            let silent_for = |since: Instant| now.saturating_duration_since(since);
            let time_to_live =
                lease.time_to_live.unwrap_or_else(|| self.usual_time_to_live(lease.registrant));
            let mine = lease.marks.contains(replica);
            let elsewhere = lease.marks.iter().any(|mark| mark != replica && lease.replicas.contains(mark));
            kept += usize::from(!elsewhere);
            let is_dead = |mark: &&ReplicaId| !lease.replicas.contains(*mark);
            let dead: Vec<ReplicaId> = lease.marks.iter().filter(is_dead).cloned().collect();
            let is_orphan = !mine && !elsewhere;
            // Whoever is gone may have heard it a moment before: a time to live begins anew, also once the mark is swept.
            let known = noticed.get(lease.registrant);
            let is_news = dead.iter().any(|mark| known.is_none_or(|known| !known.dead.contains(mark)))
                || (is_orphan && known.is_some_and(|known| !known.is_orphan));
            let gone_since = match known {
                Some(known) if !is_news => Some(known.since),
                None if !is_news && !is_orphan => None,
                _ => Some(now),
            };
            let gone_since =
                gone_since.filter(|since| is_orphan || silent_for(*since) < time_to_live || !dead.is_empty());
            if let Some(since) = gone_since {
                still_noticed
                    .insert(lease.registrant.clone(), Noticed { dead: dead.clone(), is_orphan, since });
            }
            if let Some(heard) = heard.filter(|heard| silent_for(*heard) < time_to_live) {
                if mine && dead.is_empty() && gone_since.is_none() {
                    // Whoever is heard again before that is due only later.
                    lease.quiet.last_until(second_of(heard + time_to_live), elsewhere);
                }
                return match (mine, dead.is_empty()) {
                    (false, _) if does_wrong!("skip-remark") => None,
                    (false, _) => Some((lease.registrant.clone(), Todo::Mark)),
                    (true, false) => Some((lease.registrant.clone(), Todo::Sweep(dead))),
                    (true, true) => None,
                };
            }
            if is_orphan || mine {
                // Nobody else hears an orphan. Whoever has watched that for a time to live takes it down; if several do,
                // the transaction decides.
                let since =
                    gone_since.max(heard.filter(|_| mine)).map_or(listening, |since| since.max(listening));
                let silence =
                    Silence { heard, listening, dead: (!elsewhere).then_some(dead), lease: lease.created };
                (silent_for(since) >= time_to_live).then(|| (lease.registrant.clone(), Todo::Lapse(silence)))
            } else {
                None
            }
        });
        *noticed = still_noticed;
        let mut work = Work { kept, ..Work::default() };
        for (registrant, todo) in todo {
            match todo {
                Todo::Mark => work.to_mark.push(registrant),
                Todo::Lapse(silence) if silence.dead.is_none() => work.to_leave.push((registrant, silence)),
                Todo::Lapse(silence) => work.to_lapse.push((registrant, silence)),
                Todo::Sweep(stale) => work.to_sweep.push((registrant, stale)),
            }
        }
        work
    }

    /// Whether a registrant was heard here within its time to live.
    pub(super) fn hears(&self, registrant: &Registrant) -> bool {
        let own = match registrant {
            Registrant::Instance(key) => self.catalog.time_to_live(key),
            Registrant::Sidecar(_) | Registrant::Dependency(_) => None,
        };
        let time_to_live = own.unwrap_or_else(|| self.usual_time_to_live(registrant));
        self.hearing.last(registrant).is_some_and(|heard| heard.elapsed() < time_to_live)
    }

    /// How long a registrant may be silent whose document does not say.
    fn usual_time_to_live(&self, registrant: &Registrant) -> Duration {
        match registrant {
            Registrant::Sidecar(_) => self.options.sidecar_time_to_live,
            // Its document makes no sense at the moment: as long as one that does not say.
            Registrant::Instance(_) | Registrant::Dependency(_) => Instance::default().time_to_live(),
        }
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

    /// Takes this replica's mark away, and the registration with it when nobody else hears the registrant; not if
    /// anything has become known meanwhile that `silence` was not found from.
    async fn lapse(&self, registrant: &Registrant, silence: &Silence) {
        let ear = self.hearing.ear(registrant);
        // Somebody is changing the registration: nothing that waits for a client may hold up all leases. The next look
        // finds it again if it is still silent.
        let Ok(_change) = ear.change.try_write() else { return };
        // What an earlier attempt has sent may still be carried out: this one must not give the all-clear for it.
        if self.finish_lapse(&ear).await.is_err() {
            return;
        }
        ear.set_lapsing(true);
        let mut taken_down = false;
        let outcome = self
            .carry_out(registrant, || {
                taken_down = false;
                // A sign of life meanwhile: it either was acknowledged already, or it sees us and waits for the end.
                if self.hearing.last(registrant) != silence.heard || !self.still_listens(silence.listening) {
                    return Ok(None);
                }
                let Some((plan, whole)) = self.plan_lapse(registrant)? else { return Ok(None) };
                let is_another = self.catalog.lease_created(registrant) != Some(silence.lease);
                if is_another
                    || (whole && !does_wrong!("old-epoch") && !self.knows_the_dead(registrant, silence))
                {
                    return Ok(None);
                }
                taken_down = whole;
                Ok(Some(plan))
            })
            .await;
        // With an unknown outcome it may still be carried out, and what has not been read back is not known here:
        // whoever is heard next waits until that is decided.
        ear.set_lapsing(is_in_doubt(&outcome));
        match outcome {
            Ok(_) if taken_down => {
                self.metrics.lease_expirations.inc();
                self.brake.note_taken_down(Instant::now());
                log::info!("{registrant} fell silent and was taken down");
            }
            Ok(_) => {}
            Err(error) => log::warn!("cannot take down {registrant}, which fell silent: {error}"),
        }
    }

    /// Whether nobody was kept from listening since `listening`.
    fn still_listens(&self, listening: Instant) -> bool {
        let following = self.catalog.following_since();
        following.is_some_and(|following| following.max(*self.listening.lock()) <= listening)
    }

    /// Whether everybody who heard the registrant and is gone was known to be gone when the silence was found. Anybody
    /// else may have heard it a moment ago.
    fn knows_the_dead(&self, registrant: &Registrant, silence: &Silence) -> bool {
        let own = self.zookeeper.replica();
        let marks = self.catalog.marks(registrant).unwrap_or_default();
        let is_known = |mark: &ReplicaId| {
            own.as_ref() == Some(mark) || silence.dead.as_ref().is_some_and(|dead| dead.contains(mark))
        };
        silence.dead.is_some() && marks.iter().all(is_known)
    }

    /// What a lapse changes, and whether it takes the registration down.
    fn plan_lapse(&self, registrant: &Registrant) -> Result<Option<(Plan, bool)>, RegistryError> {
        let Some(marks) = self.catalog.marks(registrant) else { return Ok(None) };
        let Some(replica) = self.zookeeper.replica() else { return Err(RegistryError::NotConnected) };
        let replicas = self.catalog.replicas();
        let layout = &self.zookeeper.layout;
        let elsewhere = marks.iter().any(|mark| *mark != replica && replicas.contains(mark));
        if elsewhere && !does_wrong!("old-epoch") {
            let mut plan = Plan::default();
            if marks.contains(&replica) {
                plan.document.delete(layout.mark(registrant, &replica), -1);
            }
            plan.replica = Some(replica);
            return Ok(Some((plan, false)));
        }
        let mut plan = match registrant {
            // It has no lease that could lapse.
            Registrant::Dependency(_) => return Ok(None),
            Registrant::Instance(key) => match self.catalog.instance_record(key) {
                Some(record) => self.plan_unregister(registrant, &record)?,
                None => self.plan_lease_only(registrant, None),
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
                        superseded: BTreeSet::new(),
                    };
                    plan_snapshot(&self.catalog, layout, limit, change, &mut plan);
                    plan_no_lease(&self.catalog, layout, registrant, &mut plan);
                    let standing = record.standing();
                    plan_entries(&self.catalog, layout, registrant, &standing, &nothing, &mut plan)?;
                    self.plan_instances(registrant, &entries, &nothing, &mut plan)?;
                    plan
                }
                record => self.plan_lease_only(registrant, record.map(|record| record.version)),
            },
        };
        plan.replica = Some(replica);
        Ok(Some((plan, true)))
    }

    /// A lease without a document, or with one that is empty and has this version: only the lease is left to remove.
    fn plan_lease_only(&self, registrant: &Registrant, version: Option<i32>) -> Plan {
        let mut plan = Plan::default();
        let document = self.zookeeper.layout.document(registrant);
        match version {
            Some(version) => plan.document.check(document, version),
            // It may only not have arrived.
            None => plan.uncertain.push(document),
        }
        plan_no_lease(&self.catalog, &self.zookeeper.layout, registrant, &mut plan);
        plan
    }
}
