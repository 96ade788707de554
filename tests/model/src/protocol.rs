//! The protocol as the model checker sees it: where it begins and what can happen next.

use stateright::{Model, Property};

use crate::guards::Guards;
use crate::properties;
use crate::repair::Part;
use crate::world::{Ask, Catalog, Kind, Left, REGISTRANTS, REPLICAS, Replica, World};
use crate::znodes::{Names, Registration, Urls};

/// The snapshots and instances that there are, as sets of URLs.
const REGISTERED: [Urls; 2] = [0b01, 0b11];

/// How much there is to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Changes that registrants make of what they want.
    pub changes: u8,
    /// Faults.
    pub faults: u8,
    /// Leases that are deleted by hand.
    pub deletions: u8,
    /// How often registrants repeat themselves.
    pub repeats: u8,
    /// How often times to live begin or end to pass.
    pub passes: u8,
    /// The highest `dataVersion` of a document.
    pub version: u8,
}

/// How small the steps are: what can come between what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Steps {
    /// A catalog reads everything of a registrant at once; otherwise as `Usual`.
    Large,
    /// The parts of a catalog are read one by one. Nothing comes between the two precautions of a heartbeat, or of
    /// acting on silence.
    Usual,
    /// Something can come between everything.
    Small,
}

/// The protocol with some registrants, guards and bounds.
#[derive(Clone, Debug)]
pub struct Protocol {
    /// Who registers.
    pub registrants: Vec<Kind>,
    /// The guards that are in force.
    pub guards: Guards,
    /// How much there is to look at.
    pub bounds: Bounds,
    /// What can come between what.
    pub steps: Steps,
    /// Whether worlds that are alike count as one. What is found is easier to read when they do not.
    pub canonical: bool,
}

/// Something that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Registrant asks a replica.
    Ask(usize, usize, Ask),
    /// A replica answers without asking ZooKeeper, or decides that it has to.
    Answer(usize, usize),
    /// A replica plans what was asked for, and sends it.
    Work(usize, usize),
    /// ZooKeeper carries out what a replica sent; the replica reads it back, or fails to.
    Serve(usize, bool),
    /// A change reaches a catalog.
    Read(usize, Part),
    /// A time to live passes.
    Elapse(usize, usize),
    /// A replica looks at a lease.
    Look(usize, usize),
    /// A replica begins to act on silence.
    Begin(usize, usize),
    /// A replica acts on silence.
    Act(usize, usize),
    /// A replica restores a lease.
    RestoreLease(usize, usize),
    /// A replica restores a document.
    RestoreDocument(usize, usize),
    /// An answer is lost.
    LoseAnswer(usize),
    /// A connection breaks.
    Disconnect(usize),
    /// All connections break.
    Outage,
    /// A connection is back.
    Reconnect(usize),
    /// ZooKeeper ends a session.
    Expire(Names),
    /// A replica begins a new session.
    Renew(usize),
    /// A process dies.
    Crash(usize),
    /// Somebody deletes a lease.
    DeleteLease(usize),
}

impl Model for Protocol {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        let replicas = std::array::from_fn(|replica| {
            let mut replica = Replica::new(1 << replica);
            replica.catalog = Catalog { live: 0b11, ..Catalog::default() };
            replica
        });
        vec![World {
            registrations: [Registration::default(); REGISTRANTS],
            live: 0b11,
            replicas,
            wants: [0; REGISTRANTS],
            silent: [false; REGISTRANTS],
            left: Left {
                changes: self.bounds.changes,
                faults: self.bounds.faults,
                deletions: self.bounds.deletions,
                repeats: self.bounds.repeats,
                passes: self.bounds.passes,
            },
            broken: None,
        }]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        if world.broken.is_some() {
            return;
        }
        actions.push(Action::Outage);
        for replica in 0..REPLICAS {
            actions.extend([true, false].map(|read_back| Action::Serve(replica, read_back)));
            actions.push(Action::Read(replica, Part::Live));
            actions.extend([
                Action::LoseAnswer(replica),
                Action::Disconnect(replica),
                Action::Reconnect(replica),
                Action::Renew(replica),
                Action::Crash(replica),
            ]);
            for (who, kind) in self.registrants.iter().enumerate() {
                match kind {
                    Kind::Sidecar => {
                        actions.push(Action::Ask(replica, who, Ask::Sync(0)));
                        actions.extend(REGISTERED.map(|urls| Action::Ask(replica, who, Ask::Sync(urls))));
                    }
                    Kind::Instance => {
                        actions.push(Action::Ask(replica, who, Ask::Unregister));
                        actions.push(Action::Ask(replica, who, Ask::Heartbeat));
                        actions.extend(REGISTERED.map(|urls| Action::Ask(replica, who, Ask::Register(urls))));
                    }
                }
                if self.steps == Steps::Large {
                    actions.push(Action::Read(replica, Part::Whole(who)));
                } else {
                    let parts = [Part::Document(who), Part::Lease(who)];
                    actions.extend(parts.map(|part| Action::Read(replica, part)));
                }
                actions.extend([
                    Action::Answer(replica, who),
                    Action::Work(replica, who),
                    Action::Elapse(replica, who),
                    Action::Look(replica, who),
                    Action::Begin(replica, who),
                    Action::Act(replica, who),
                    Action::RestoreLease(replica, who),
                    Action::RestoreDocument(replica, who),
                ]);
            }
        }
        actions.extend((0..Names::BITS).map(|name| Action::Expire(1 << name)));
        actions.extend((0..self.registrants.len()).map(Action::DeleteLease));
    }

    fn next_state(&self, before: &World, action: Action) -> Option<World> {
        let mut world = *before;
        let happens = match action {
            Action::Ask(replica, who, ask) => self.ask(&mut world, replica, who, ask),
            Action::Answer(replica, who) => self.answer(&mut world, replica, who),
            Action::Work(replica, who) => self.work(&mut world, replica, who),
            Action::Serve(replica, read_back) => self.serve(&mut world, replica, read_back),
            Action::Read(replica, part) => self.read(&mut world, replica, part),
            Action::Elapse(replica, who) => self.elapse(&mut world, replica, who),
            Action::Look(replica, who) => self.look(&mut world, replica, who),
            Action::Begin(replica, who) => self.begin(&mut world, replica, who),
            Action::Act(replica, who) => self.act(&mut world, replica, who),
            Action::RestoreLease(replica, who) => self.restore_lease(&mut world, replica, who),
            Action::RestoreDocument(replica, who) => self.restore_document(&mut world, replica, who),
            Action::LoseAnswer(replica) => self.lose_answer(&mut world, replica),
            Action::Disconnect(replica) => self.disconnect(&mut world, replica),
            Action::Outage => self.outage(&mut world),
            Action::Reconnect(replica) => self.reconnect(&mut world, replica),
            Action::Expire(name) => self.expire(&mut world, name),
            Action::Renew(replica) => self.renew(&mut world, replica),
            Action::Crash(replica) => self.crash(&mut world, replica),
            Action::DeleteLease(who) => self.delete_lease(&mut world, who),
        };
        if !happens || world == *before {
            return None;
        }
        Some(if self.canonical { world.canonical() } else { world })
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all(self)
    }

    fn within_boundary(&self, world: &World) -> bool {
        let documents = world.registrations.iter().filter_map(|registration| registration.document);
        documents.map(|document| document.version).all(|version| version <= self.bounds.version)
    }
}
