//! What a replica learns from ZooKeeper, and what it puts back because it seems to be missing.

use crate::guards::Guard;
use crate::plan;
use crate::protocol::Protocol;
use crate::world::{Kind, Lapse, Link, Silence, World};
use crate::znodes::{DocumentStep, LeaseStep, Transaction};

/// A part of a catalog that is read on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Which replicas live.
    Live,
    /// The document of a registrant.
    Document(usize),
    /// The lease of a registrant, with its marks.
    Lease(usize),
    /// Both.
    Whole(usize),
}

impl Protocol {
    /// A change reaches a catalog. False when there is none.
    pub(crate) fn read(&self, world: &mut World, replica: usize, part: Part) -> bool {
        if !world.in_touch(replica) {
            return false;
        }
        let before = world.replicas[replica];
        match part {
            Part::Live => world.replicas[replica].catalog.live = world.live,
            Part::Document(who) => self.see_document(world, replica, who),
            Part::Lease(who) => self.see_lease(world, replica, who),
            Part::Whole(who) => self.see(world, replica, who),
        }
        world.replicas[replica] != before
    }

    /// Everything that was committed before reaches a catalog.
    pub(crate) fn catch_up(&self, world: &mut World, replica: usize) {
        world.replicas[replica].catalog.live = world.live;
        for who in 0..self.registrants.len() {
            self.see(world, replica, who);
        }
    }

    /// Everything of one registrant reaches a catalog.
    pub(crate) fn see(&self, world: &mut World, replica: usize, who: usize) {
        self.see_document(world, replica, who);
        self.see_lease(world, replica, who);
    }

    fn see_document(&self, world: &mut World, replica: usize, who: usize) {
        let now = &mut world.replicas[replica];
        let seen = world.registrations[who].document;
        let before = std::mem::replace(&mut now.catalog.documents[who], seen);
        let lost = &mut now.ears[who].lost;
        match (before, seen) {
            (_, Some(_)) => *lost = 0,
            (Some(before), None) if self.registrants[who] == Kind::Instance => *lost = before.urls,
            _ => {}
        }
    }

    fn see_lease(&self, world: &mut World, replica: usize, who: usize) {
        let seen = world.registrations[who].lease;
        let now = &mut world.replicas[replica];
        let is_lost = now.catalog.leases[who].is_some() && seen.is_none();
        now.catalog.leases[who] = seen;
        if is_lost && self.guards.has(Guard::NewLeaseCountsAnew) {
            let ear = &mut now.ears[who];
            (ear.watched, ear.noticed) = (false, 0);
            if ear.lapse == Lapse::Chosen {
                ear.lapse = Lapse::None;
            }
        }
    }

    /// Puts back a lease that a document speaks for.
    pub(crate) fn restore_lease(&self, world: &mut World, replica: usize, who: usize) -> bool {
        let now = &world.replicas[replica];
        let Some(document) = now.catalog.documents[who].filter(|document| document.urls != 0) else {
            return false;
        };
        if now.link != Link::Connected
            || now.catalog.leases[who].is_some()
            || !self.is_free(world, replica, who)
        {
            return false;
        }
        let mut transaction = Transaction::default();
        if self.guards.has(Guard::RepairChecksDocument) {
            transaction.document = DocumentStep::Check(document);
        }
        let ear = &now.ears[who];
        if ear.silence == Silence::Heard || ear.ever {
            plan::mark(None, now.name, &mut transaction);
        } else {
            transaction.lease = LeaseStep::Create;
        }
        self.send_own(world, replica, who, transaction)
    }

    /// Puts back the document of an instance that a lease speaks for.
    pub(crate) fn restore_document(&self, world: &mut World, replica: usize, who: usize) -> bool {
        let now = &world.replicas[replica];
        let lost = now.ears[who].lost;
        if lost == 0 || now.link != Link::Connected || !self.is_free(world, replica, who) {
            return false;
        }
        if now.catalog.leases[who].is_none() {
            world.replicas[replica].ears[who].lost = 0;
            return true;
        }
        let mut transaction = Transaction { document: DocumentStep::Create(lost), ..Transaction::default() };
        if self.guards.has(Guard::RestoreChecksLease) {
            transaction.lease = LeaseStep::Check;
        }
        let sent = self.send_own(world, replica, who, transaction);
        if sent {
            world.replicas[replica].ears[who].lost = 0;
        }
        sent
    }
}
