//! What a replica does with a request, one step at a time.

use crate::guards::Guard;
use crate::plan::{self, Plan};
use crate::protocol::{Protocol, Steps};
use crate::world::{
    Ask, Behalf, FREELY, Invariant, Kind, Lapse, Link, Phase, REPLICAS, Replica, Request, Sent, Silence,
    World,
};
use crate::znodes::{DocumentStep, Registration};

impl Protocol {
    /// A registrant asks a replica for something. False when that cannot happen now.
    pub(crate) fn ask(&self, world: &mut World, replica: usize, who: usize, ask: Ask) -> bool {
        let ear = &world.replicas[replica].ears[who];
        if world.replicas[replica].link == Link::Down || ear.request.is_some() {
            return false;
        }
        if world.replicas[replica].link == Link::Away {
            return self.ask_away(world, replica, who, ask);
        }
        // A registrant asks one thing at a time, unless it has given up waiting.
        let asked = |replica: &Replica| replica.ears[who].request.is_some();
        if world.replicas.iter().any(asked) && !take_fault(world) || !take_change(world, who, ask) {
            return false;
        }
        let name = world.replicas[replica].name;
        let known = world.replicas[replica].catalog.documents[who].is_some();
        let quick = matches!(ask, Ask::Sync(_)) || ask == Ask::Heartbeat && known;
        let mut phase = if quick { Phase::Noted } else { Phase::Waiting };
        if quick && !self.guards.has(Guard::StoreTimeFirst) {
            if world.replicas[replica].ears[who].lapsing {
                phase = Phase::Waiting;
            }
        } else if quick || matches!(ask, Ask::Register(_)) {
            touch(world, replica, who);
        }
        world.replicas[replica].ears[who].ever = !self.guards.has(Guard::RepairMarksTheHeard);
        let held = holds(&world.registrations[who], ask);
        world.replicas[replica].ears[who].request = Some(Request { ask, phase, name, held });
        if phase == Phase::Noted && self.steps != Steps::Small {
            self.answer(world, replica, who);
        }
        true
    }

    /// Without a connection: every change is refused, and a heartbeat is taken while the session can still be alive.
    fn ask_away(&self, world: &mut World, replica: usize, who: usize, ask: Ask) -> bool {
        let catalog = &world.replicas[replica].catalog;
        let name = world.replicas[replica].name;
        let is_marked = catalog.leases[who].is_some_and(|marks| marks & name != 0);
        match ask {
            Ask::Sync(urls) if urls == world.wants[who] && urls != 0 => {
                if catalog.leases[who].is_some() {
                    touch(world, replica, who);
                }
            }
            Ask::Heartbeat if world.wants[who] != 0 && catalog.documents[who].is_some() => {
                touch(world, replica, who);
                let ear = &world.replicas[replica].ears[who];
                let refuses = ear.lapsing && self.guards.has(Guard::LookWhileAway)
                    || ear.late && self.guards.has(Guard::AwayBriefly);
                if is_marked && !refuses {
                    hear(world, replica, who);
                }
            }
            _ => return false,
        }
        // While nobody can reach ZooKeeper a request that is refused is a sign of life as well.
        if (0..REPLICAS).all(|replica| !world.in_touch(replica))
            && world.replicas[replica].ears[who].silence == Silence::Heard
        {
            world.silent[who] = false;
        }
        true
    }

    /// The quick way: nothing has changed, the replica has marked, and nobody is acting on silence.
    pub(crate) fn answer(&self, world: &mut World, replica: usize, who: usize) -> bool {
        let now = &world.replicas[replica];
        let Some(request) = now.ears[who].request.filter(|request| request.phase == Phase::Noted) else {
            return false;
        };
        let planned = plan::request(&now.catalog, who, request.ask, request.name, true, self.guards);
        let lapsing = now.ears[who].lapsing && self.guards.has(Guard::LookForLapse);
        let late = !self.guards.has(Guard::StoreTimeFirst);
        if late {
            touch(world, replica, who);
        }
        if matches!(planned, Plan::Nothing) && (late || !lapsing) {
            world.replicas[replica].ears[who].request = None;
            self.answer_unchanged(world, replica, who, request);
        } else if let Some(request) = &mut world.replicas[replica].ears[who].request {
            request.phase = Phase::Waiting;
        }
        true
    }

    /// The long way: plan, with the registration to itself, and send.
    pub(crate) fn work(&self, world: &mut World, replica: usize, who: usize) -> bool {
        let now = &world.replicas[replica];
        let ear = now.ears[who];
        let Some(mut request) = ear.request.filter(|request| request.phase != Phase::Noted) else {
            return false;
        };
        if matches!(request.phase, Phase::Sent | Phase::Preparing)
            || now.sent.is_some()
            || is_acted_on(ear.lapse)
        {
            return false;
        }
        if now.link == Link::Away {
            world.replicas[replica].ears[who].request = None;
            return true;
        }
        if !world.in_touch(replica) {
            return false;
        }
        let certain = request.phase == Phase::Again || ear.lapsing && self.guards.has(Guard::WaitForOutcome);
        if certain {
            self.catch_up(world, replica);
        }
        world.replicas[replica].ears[who].lapsing = false;
        let now = &world.replicas[replica];
        let name = if self.guards.has(Guard::SameSession) { now.name } else { request.name };
        let planned = plan::request(&now.catalog, who, request.ask, name, certain, self.guards);
        match planned {
            Plan::Nothing => {
                world.replicas[replica].ears[who].request = None;
                self.answer_unchanged(world, replica, who, request);
            }
            Plan::Absent if certain || !self.guards.has(Guard::CatchUpBeforeAbsent) => {
                world.replicas[replica].ears[who].request = None;
                if !request.held {
                    world.breaks(Invariant::Served);
                }
            }
            Plan::Absent | Plan::Uncertain => {
                request.phase = Phase::Again;
                world.replicas[replica].ears[who].request = Some(request);
            }
            Plan::Prepare(transaction) => {
                request.phase = Phase::Preparing;
                // Whoever marks without having heard would take the registrant for silent at once.
                touch(world, replica, who);
                world.replicas[replica].ears[who].request = Some(request);
                let behalf = Behalf::Request;
                world.replicas[replica].sent =
                    Some(Sent { behalf, registrant: who as u8, transaction, silence: false });
            }
            Plan::Send(transaction) => {
                request.phase = Phase::Sent;
                let early = !self.guards.has(Guard::AnswerAfterCommit);
                let behalf = if early { Behalf::Nobody } else { Behalf::Request };
                world.replicas[replica].ears[who].request = (!early).then_some(request);
                world.replicas[replica].sent =
                    Some(Sent { behalf, registrant: who as u8, transaction, silence: false });
                if early {
                    self.acknowledge(world, replica, who, request);
                }
            }
        }
        true
    }

    /// The registrant is told that nothing has changed. A sync learns that from the catalog, which may lag behind what
    /// the same sidecar has changed at another replica, but never behind what it has changed at this one.
    fn answer_unchanged(&self, world: &mut World, replica: usize, who: usize, mut request: Request) {
        if let Ask::Sync(_) = request.ask {
            let now = &world.replicas[replica];
            let version = now.catalog.documents[who].map_or(0, |document| document.version);
            if version < now.ears[who].answered {
                world.breaks(Invariant::Version);
            }
            request.held = true;
        }
        self.acknowledge(world, replica, who, request);
    }

    /// The registrant is told that what it asked for is so.
    fn acknowledge(&self, world: &mut World, replica: usize, who: usize, request: Request) {
        if !request.held && request.ask != Ask::Heartbeat {
            world.breaks(Invariant::Committed);
        }
        if request.ask != Ask::Unregister {
            touch(world, replica, who);
        }
        if !matches!(request.ask, Ask::Unregister | Ask::Sync(0)) {
            hear(world, replica, who);
        }
    }

    /// ZooKeeper carries out what the replica sent. `read_back` says whether the replica reads what it changed
    /// before it goes on.
    pub(crate) fn serve(&self, world: &mut World, replica: usize, read_back: bool) -> bool {
        let Some(sent) = world.replicas[replica].sent else { return false };
        let who = usize::from(sent.registrant);
        let matters = matches!(sent.behalf, Behalf::Lapse | Behalf::Request);
        if world.live & world.replicas[replica].name == 0 {
            return false;
        }
        if !read_back && (!matters || !take_fault(world)) {
            return false;
        }
        world.replicas[replica].sent = None;
        let after = sent.transaction.apply(&world.registrations[who], self.guards);
        if let Some(after) = after {
            self.commit(world, who, sent, after);
        }
        let ear = &mut world.replicas[replica].ears[who];
        match (sent.behalf, after.is_some()) {
            (Behalf::Nobody, _) | (Behalf::Own, false) => return true,
            (Behalf::Own, true) => {}
            (Behalf::Request, true)
                if ear.request.is_some_and(|request| request.phase == Phase::Preparing) =>
            {
                if let Some(request) = &mut ear.request {
                    request.phase = Phase::Waiting;
                }
                if !read_back {
                    return false;
                }
            }
            (Behalf::Request, true) => {
                let request = ear.request.take();
                if read_back {
                    self.see(world, replica, who);
                } else {
                    ear.lapsing |= self.guards.has(Guard::ReadBack);
                }
                if self.registrants[who] == Kind::Sidecar {
                    let document = world.registrations[who].document;
                    world.replicas[replica].ears[who].answered =
                        document.map_or(0, |document| document.version);
                }
                if let Some(request) = request {
                    self.acknowledge(world, replica, who, request);
                }
                return true;
            }
            (Behalf::Request, false) => {
                if let Some(request) = &mut ear.request {
                    request.phase = Phase::Again;
                }
                return read_back;
            }
            (Behalf::Lapse, true) => {
                ear.lapse = Lapse::None;
                ear.lapsing = !read_back && self.guards.has(Guard::ReadBack);
            }
            (Behalf::Lapse, false) => {
                ear.lapse = Lapse::Again;
                return read_back;
            }
        }
        if read_back {
            self.see(world, replica, who);
        }
        true
    }

    fn commit(&self, world: &mut World, who: usize, sent: Sent, after: Registration) {
        let before = world.registrations[who];
        world.registrations[who] = after;
        // Whoever has asked to be removed may be, whatever a late change has brought back.
        if sent.silence && sent.transaction.takes_down() && !world.silent[who] && world.wants[who] != 0 {
            world.breaks(Invariant::Silence);
        }
        if self.registrants[who] == Kind::Sidecar {
            let version = after.document.map(|document| document.version);
            let answered = match sent.transaction.document {
                DocumentStep::None => before.document.map(|document| document.version),
                DocumentStep::Check(document) => Some(document.version),
                DocumentStep::Create(_) => Some(0),
                DocumentStep::Set(document, _) => Some(document.version + 1),
                DocumentStep::Delete(_) => None,
            };
            let grown =
                before.urls() == after.urls() || before.document.map(|document| document.version) < version;
            if version != answered || !grown || before.document.is_some() && after.document.is_none() {
                world.breaks(Invariant::Version);
            }
        }
        for replica in &mut world.replicas {
            if let Some(request) = &mut replica.ears[who].request {
                request.held |= holds(&after, request.ask);
            }
        }
    }
}

/// Whether silence is being acted on, so that nobody else may change the registration.
pub(crate) fn is_acted_on(lapse: Lapse) -> bool {
    matches!(lapse, Lapse::Begun | Lapse::Again | Lapse::Sent)
}

/// Whether what is asked for is so.
fn holds(registration: &Registration, ask: Ask) -> bool {
    match ask {
        Ask::Sync(urls) | Ask::Register(urls) => {
            registration.document.is_some()
                && registration.urls() == urls
                && registration.providers == urls
                && registration.lease.is_some() == (urls != 0)
        }
        Ask::Unregister | Ask::Heartbeat => registration.document.is_none(),
    }
}

/// Notes a sign of life.
fn touch(world: &mut World, replica: usize, who: usize) {
    let ear = &mut world.replicas[replica].ears[who];
    ear.silence = Silence::Heard;
    (ear.watched, ear.noticed) = (false, 0);
    ear.touched = ear.lapse != Lapse::None;
}

/// A sign of life is acknowledged. It binds everybody when the replica's session lives.
fn hear(world: &mut World, replica: usize, who: usize) {
    touch(world, replica, who);
    if world.live & world.replicas[replica].name != 0 {
        world.silent[who] = false;
    }
}

/// Counts what the registrant wants now; false when it has changed its mind often enough.
fn take_change(world: &mut World, who: usize, ask: Ask) -> bool {
    let wanted = match ask {
        Ask::Sync(urls) | Ask::Register(urls) => urls,
        Ask::Unregister => 0,
        Ask::Heartbeat => world.wants[who],
    };
    // All registrants begin with the same: another choice would be the same story.
    if world.wants[who] == 0 && !matches!(wanted, 0 | 1) {
        return false;
    }
    let repeats = matches!(ask, Ask::Sync(_) | Ask::Heartbeat) && wanted == world.wants[who];
    if repeats {
        return wanted != 0 && take(&mut world.left.repeats);
    }
    world.wants[who] = wanted;
    take(&mut world.left.changes)
}

/// Counts a fault; false when there were enough.
pub(crate) fn take_fault(world: &mut World) -> bool {
    take(&mut world.left.faults)
}

/// Takes one of what is left; false when nothing is.
pub(crate) fn take(left: &mut u8) -> bool {
    match *left {
        0 => return false,
        FREELY => {}
        _ => *left -= 1,
    }
    true
}
