//! What there is: ZooKeeper, two replicas, and registrants.

use crate::znodes::{Document, LeaseStep, Names, Registration, Transaction, Urls};

/// Replicas.
pub const REPLICAS: usize = 2;
/// The most registrants.
pub const REGISTRANTS: usize = 2;

/// A count that is not counted.
pub const FREELY: u8 = u8::MAX;

/// What a registrant is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Syncs snapshots. Its document stays when it is taken down, empty, and its version goes on growing.
    Sidecar,
    /// A `ServiceComb` instance. Its document is deleted when it is taken down.
    Instance,
}

/// Everything, at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct World {
    /// What ZooKeeper holds of each registrant.
    pub registrations: [Registration; REGISTRANTS],
    /// The sessions that live, by the name of their replica: the ephemeral znodes.
    pub live: Names,
    /// The replicas.
    pub replicas: [Replica; REPLICAS],
    /// What each registrant last asked to be registered; 0: nothing.
    pub wants: [Urls; REGISTRANTS],
    /// For the proof only: a time to live has passed since the last sign of life that a replica acknowledged while its
    /// session lived, and some replica that was in touch has listened in vain all the time.
    pub silent: [bool; REGISTRANTS],
    /// What may still go wrong.
    pub left: Left,
    /// The invariant that was broken on the way here.
    pub broken: Option<Invariant>,
}

/// How much may still happen of what would otherwise happen without end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Left {
    /// Changes that registrants make of what they want.
    pub changes: u8,
    /// Faults: sessions that end, connections that break, answers and readings that are lost.
    pub faults: u8,
    /// Leases that somebody deletes by hand.
    pub deletions: u8,
    /// Times that a registrant repeats itself; `FREELY`: without end.
    pub repeats: u8,
    /// Times that a time to live begins or ends to pass; `FREELY`: without end.
    pub passes: u8,
}

/// An invariant that is not a matter of what ZooKeeper holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Invariant {
    /// Acknowledged is committed.
    Committed,
    /// Any replica serves any request.
    Served,
    /// Only silence removes.
    Silence,
    /// Versions come from ZooKeeper.
    Version,
}

/// How a replica stands to ZooKeeper.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Link {
    /// The process does not run.
    Down,
    /// It knows that it has no connection.
    Away,
    /// It believes to be connected; its session may be over all the same.
    Connected,
}

/// One replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Replica {
    /// How it stands to ZooKeeper.
    pub link: Link,
    /// Its name in its last session: one bit.
    pub name: Names,
    /// Its catalog. Each part may be as old as it likes, but never steps back.
    pub catalog: Catalog,
    /// What it knows of each registrant beside the catalog.
    pub ears: [Ear; REGISTRANTS],
    /// The request that ZooKeeper has not carried out yet.
    pub sent: Option<Sent>,
}

/// What a replica believes that ZooKeeper holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Catalog {
    /// The replicas that live.
    pub live: Names,
    /// The documents.
    pub documents: [Option<Document>; REGISTRANTS],
    /// The leases.
    pub leases: [Option<Names>; REGISTRANTS],
}

/// How long a registrant has been silent towards one replica.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Silence {
    /// Less than its time to live.
    Heard,
    /// Longer, but a time to live has not passed since the replica began to count.
    #[default]
    Counting,
    /// A time to live has passed since both.
    Passed,
}

/// What a replica knows of a registrant beside the catalog.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ear {
    /// How long it has been silent.
    pub silence: Silence,
    /// Whether it was ever heard.
    pub ever: bool,
    /// The lease was an orphan, or had dead marks and no living ones but this replica's, at the last look.
    pub watched: bool,
    /// The dead marks of that look.
    pub noticed: Names,
    /// Nobody else who lives had marked at the last look.
    pub alone: bool,
    /// Its silence is being acted on, or was with an unknown outcome.
    pub lapsing: bool,
    /// How far that has come.
    pub lapse: Lapse,
    /// It was heard since that was decided.
    pub touched: bool,
    /// The request of the registrant that the replica works on.
    pub request: Option<Request>,
    /// The replica has been without a connection for too long to take heartbeats.
    pub late: bool,
    /// The URLs of a document that vanished from the catalog; 0: none did.
    pub lost: Urls,
    /// For the proof only: the version of the last change of a sidecar that this replica answered.
    pub answered: u8,
}

/// How far acting on silence has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lapse {
    /// Nothing is to be done.
    #[default]
    None,
    /// It was decided.
    Chosen,
    /// The replica has begun with the first of its two precautions.
    Begun,
    /// A condition failed: it is planned anew.
    Again,
    /// The transaction is under way.
    Sent,
}

/// What a registrant can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ask {
    /// A sidecar: this is all I provide.
    Sync(Urls),
    /// An instance: this is me.
    Register(Urls),
    /// An instance: I go.
    Unregister,
    /// An instance: I am still there.
    Heartbeat,
}

/// A request that a replica works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Request {
    /// What is asked for.
    pub ask: Ask,
    /// How far it has come.
    pub phase: Phase,
    /// The name that the replica had when it began.
    pub name: Names,
    /// For the proof only: what is asked for was so in ZooKeeper at some moment since it was asked for; of a
    /// heartbeat, that the instance does not exist.
    pub held: bool,
}

/// How far a request has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// The first of its two precautions is taken.
    Noted,
    /// It waits for its turn to change the registration.
    Waiting,
    /// It needs to see everything that was committed before it goes on.
    Again,
    /// What makes its transaction possible is under way.
    Preparing,
    /// Its transaction is under way.
    Sent,
}

/// On whose behalf a transaction is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Behalf {
    /// A registrant's request.
    Request,
    /// Silence.
    Lapse,
    /// The replica's own: a mark, a repair.
    Own,
    /// Nobody waits for it any more.
    Nobody,
}

/// A transaction under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sent {
    /// On whose behalf.
    pub behalf: Behalf,
    /// About whom.
    pub registrant: u8,
    /// What it is to do.
    pub transaction: Transaction,
    /// For the proof only: it acts on silence.
    pub silence: bool,
}

impl Replica {
    /// A replica that has just opened its session.
    pub fn new(name: Names) -> Self {
        Self {
            link: Link::Connected,
            name,
            catalog: Catalog::default(),
            ears: [Ear::default(); REGISTRANTS],
            sent: None,
        }
    }

    /// The marks on a lease that are neither its own nor those of replicas that it believes to live.
    pub fn dead_marks(&self, marks: Names) -> Names {
        marks & !self.catalog.live & !self.name
    }
}

impl World {
    /// Whether the replica can reach ZooKeeper and believes so.
    pub fn in_touch(&self, replica: usize) -> bool {
        let replica = &self.replicas[replica];
        replica.link == Link::Connected && self.live & replica.name != 0
    }

    /// Whether what the replica believes of a registrant is so.
    pub fn is_up_to_date(&self, replica: usize, who: usize) -> bool {
        let catalog = &self.replicas[replica].catalog;
        catalog.documents[who] == self.registrations[who].document
            && catalog.leases[who] == self.registrations[who].lease
    }

    /// Every name that something mentions.
    pub fn names(&self) -> Names {
        let registered = self.registrations.iter().filter_map(|registration| registration.lease);
        let mut names = registered.fold(self.live, |names, marks| names | marks);
        for replica in &self.replicas {
            names |= replica.name | replica.catalog.live;
            names |= replica.catalog.leases.iter().flatten().fold(0, |names, marks| names | marks);
            if let Some(Sent { transaction, .. }) = replica.sent {
                names |= transaction.unmark | transaction.mark;
                if let LeaseStep::CheckMark(mark) = transaction.lease {
                    names |= mark;
                }
            }
            for ear in &replica.ears {
                names |= ear.noticed | ear.request.map_or(0, |request| request.name);
            }
        }
        names
    }

    /// The catalog as it would be if it were up to date.
    pub fn truth(&self) -> Catalog {
        Catalog {
            live: self.live,
            documents: self.registrations.map(|registration| registration.document),
            leases: self.registrations.map(|registration| registration.lease),
        }
    }

    /// Notes the first invariant that is broken.
    pub fn breaks(&mut self, invariant: Invariant) {
        self.broken.get_or_insert(invariant);
    }
}
