//! How a replica notices silence and acts on it, one step at a time.

use crate::guards::Guard;
use crate::plan::{self, Plan};
use crate::protocol::{Protocol, Steps};
use crate::requests::{is_acted_on, take};
use crate::world::{Behalf, Kind, Lapse, Link, Phase, REPLICAS, Sent, Silence, World};
use crate::znodes::Transaction;

impl Protocol {
    /// A time to live passes for one replica without a word of the registrant.
    pub(crate) fn elapse(&self, world: &mut World, replica: usize, who: usize) -> bool {
        let now = &world.replicas[replica];
        let ear = now.ears[who];
        let listens = now.link == Link::Connected || !self.guards.has(Guard::ListenAnew);
        let is_due = match ear.silence {
            Silence::Heard => now.link != Link::Down,
            Silence::Counting => listens && now.link != Link::Down && now.catalog.leases[who].is_some(),
            Silence::Passed => false,
        };
        if !is_due || !self.keeps_up(world, who) || !take(&mut world.left.passes) {
            return false;
        }
        if ear.silence == Silence::Heard {
            world.replicas[replica].ears[who].silence = Silence::Counting;
            return true;
        }
        world.replicas[replica].ears[who].silence = Silence::Passed;
        world.silent[who] |= world.in_touch(replica);
        // Whoever does not know by now what came before the count has been away for most of a time to live.
        for other in 0..REPLICAS {
            if world.replicas[other].link == Link::Away && !world.is_up_to_date(other, who) {
                world.replicas[other].ears[who].late = true;
            }
        }
        true
    }

    /// What is assumed of time: within a time to live, whoever is connected learns of every change, looks at every
    /// lease and is done with what it has decided, and ZooKeeper carries out what nobody waits for any more.
    fn keeps_up(&self, world: &World, who: usize) -> bool {
        (0..REPLICAS).filter(|&replica| world.in_touch(replica)).all(|replica| {
            let now = &world.replicas[replica];
            let mut looked = *world;
            self.notice(&mut looked, replica, who);
            looked == *world
                && now.catalog.live == world.live
                && world.is_up_to_date(replica, who)
                && now.ears[who].lapse == Lapse::None
                && !now
                    .sent
                    .is_some_and(|sent| usize::from(sent.registrant) == who && self.is_soon_done(&sent))
        })
    }

    /// Whether that is assumed to be carried out before a time to live has passed. What has only just been sent need not
    /// be; but that somebody deletes a lease by hand while it is marked or restored at the very end of a time to live
    /// is left out.
    fn is_soon_done(&self, sent: &Sent) -> bool {
        sent.behalf == Behalf::Nobody || self.bounds.deletions > 0 && sent.behalf == Behalf::Own
    }

    /// A look at one lease: whom to mark, and whose silence to act on.
    pub(crate) fn look(&self, world: &mut World, replica: usize, who: usize) -> bool {
        let before = world.replicas[replica];
        let Some(marks) = before.catalog.leases[who] else { return false };
        if before.link != Link::Connected || before.ears[who].lapse != Lapse::None {
            return false;
        }
        let mine = marks & before.name != 0;
        let dead = plan::dead_marks(&before, marks, self.guards);
        let elsewhere = marks & !dead & !before.name != 0;
        if before.ears[who].silence == Silence::Heard {
            return self.look_after(world, replica, who, if mine { dead } else { 0 });
        }
        self.notice(world, replica, who);
        let ear = &mut world.replicas[replica].ears[who];
        if (mine || !elsewhere) && ear.silence == Silence::Passed {
            (ear.lapse, ear.touched, ear.alone) = (Lapse::Chosen, false, !elsewhere);
        }
        world.replicas[replica] != before
    }

    /// What a look at the lease of somebody silent tells of those who heard him and are gone.
    fn notice(&self, world: &mut World, replica: usize, who: usize) {
        let now = &mut world.replicas[replica];
        let Some(marks) = now.catalog.leases[who].filter(|_| now.ears[who].silence != Silence::Heard) else {
            return;
        };
        let dead = plan::dead_marks(now, marks, self.guards);
        let elsewhere = marks & !dead & !now.name != 0;
        let orphan = marks & !dead == 0;
        let ear = &mut now.ears[who];
        let new_orphan = orphan && !ear.watched && self.guards.has(Guard::WatchOrphans);
        let new_dead = !elsewhere && dead & !ear.noticed != 0 && self.guards.has(Guard::WatchDeadMarks);
        if (new_orphan || new_dead) && ear.silence == Silence::Passed {
            ear.silence = Silence::Counting;
        }
        ear.watched = orphan || !elsewhere && dead != 0;
        ear.noticed = if ear.watched { dead } else { 0 };
    }

    /// Whoever is heard is marked, and the marks of the dead are swept.
    fn look_after(&self, world: &mut World, replica: usize, who: usize, dead: u8) -> bool {
        let mut transaction = Transaction::default();
        let marks = world.replicas[replica].catalog.leases[who].unwrap_or(0);
        if marks & world.replicas[replica].name == 0 {
            transaction.mark = world.replicas[replica].name;
            return self.send_own(world, replica, who, transaction);
        }
        if dead == 0 || !world.in_touch(replica) || world.replicas[replica].sent.is_some() {
            return false;
        }
        if self.guards.has(Guard::SweepCatchesUp) {
            self.catch_up(world, replica);
        }
        transaction.unmark = dead & !world.replicas[replica].catalog.live;
        if !self.guards.has(Guard::SweepCatchesUp) {
            transaction.unmark = dead;
        }
        transaction.unmark == 0 || self.send_own(world, replica, who, transaction)
    }

    /// The first precaution before silence is acted on: to announce it.
    pub(crate) fn begin(&self, world: &mut World, replica: usize, who: usize) -> bool {
        let ear = &mut world.replicas[replica].ears[who];
        if ear.lapse != Lapse::Chosen {
            return false;
        }
        let is_changed = ear
            .request
            .is_some_and(|request| matches!(request.phase, Phase::Again | Phase::Preparing | Phase::Sent));
        let heard = ear.touched && !self.guards.has(Guard::AnnounceFirst);
        if is_changed || heard {
            ear.lapse = Lapse::None;
            return true;
        }
        if ear.lapsing && self.guards.has(Guard::DecideFirst) {
            // What was sent before is decided once it has caught up.
            if world.replicas[replica].sent.is_some() || !world.in_touch(replica) {
                return false;
            }
            self.catch_up(world, replica);
        }
        let ear = &mut world.replicas[replica].ears[who];
        ear.lapse = Lapse::Begun;
        ear.lapsing = self.guards.has(Guard::AnnounceFirst);
        if self.steps != Steps::Small {
            self.act(world, replica, who);
        }
        true
    }

    /// The second precaution, to compare the times; then the plan, and the transaction.
    pub(crate) fn act(&self, world: &mut World, replica: usize, who: usize) -> bool {
        let now = &world.replicas[replica];
        let ear = now.ears[who];
        if !matches!(ear.lapse, Lapse::Begun | Lapse::Again) || now.sent.is_some() {
            return false;
        }
        if !world.in_touch(replica) {
            return false;
        }
        let again = ear.lapse == Lapse::Again;
        if again {
            self.catch_up(world, replica);
        }
        let compares = self.guards.has(Guard::TimeAgain) && (again || self.guards.has(Guard::AnnounceFirst));
        let keep = self.registrants[who] == Kind::Sidecar;
        let planned = if ear.touched && compares {
            Plan::Nothing
        } else {
            plan::lapse(&world.replicas[replica], who, keep, again, self.guards)
        };
        let now = &mut world.replicas[replica];
        let ear = &mut now.ears[who];
        let transaction = match planned {
            Plan::Send(transaction) => transaction,
            Plan::Uncertain => {
                ear.lapse = Lapse::Again;
                return true;
            }
            Plan::Nothing | Plan::Absent | Plan::Prepare(_) => {
                (ear.lapse, ear.lapsing) = (Lapse::None, false);
                return true;
            }
        };
        (ear.lapse, ear.lapsing) = (Lapse::Sent, true);
        now.sent = Some(Sent { behalf: Behalf::Lapse, registrant: who as u8, transaction, silence: true });
        true
    }

    /// Sends what no registrant asked for; false when that cannot happen now.
    pub(crate) fn send_own(
        &self,
        world: &mut World,
        replica: usize,
        who: usize,
        transaction: Transaction,
    ) -> bool {
        if world.replicas[replica].sent.is_some() || !world.in_touch(replica) {
            return false;
        }
        let behalf = Behalf::Own;
        world.replicas[replica].sent =
            Some(Sent { behalf, registrant: who as u8, transaction, silence: false });
        true
    }

    /// Whether the registration can be changed now: nobody else is at it.
    pub(crate) fn is_free(&self, world: &World, replica: usize, who: usize) -> bool {
        let ear = &world.replicas[replica].ears[who];
        let busy = ear
            .request
            .is_some_and(|request| matches!(request.phase, Phase::Again | Phase::Preparing | Phase::Sent));
        !busy && !is_acted_on(ear.lapse)
    }
}
