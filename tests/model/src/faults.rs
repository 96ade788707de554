//! What goes wrong: answers that are lost, connections that break, sessions that end, processes that die.

use crate::guards::{Guard, Guards};
use crate::protocol::Protocol;
use crate::requests::take_fault;
use crate::world::{Behalf, Lapse, Link, REPLICAS, Replica, Silence, World};
use crate::znodes::Names;

impl Protocol {
    /// The replica waits no longer for what it sent, which may still be carried out.
    pub(crate) fn lose_answer(&self, world: &mut World, replica: usize) -> bool {
        let waits = world.replicas[replica].sent.is_some_and(|sent| sent.behalf != Behalf::Nobody);
        if !waits || !take_fault(world) {
            return false;
        }
        give_up(&mut world.replicas[replica], self.guards);
        true
    }

    /// The connection breaks; the session goes on.
    pub(crate) fn disconnect(&self, world: &mut World, replica: usize) -> bool {
        if !world.in_touch(replica) || !take_fault(world) {
            return false;
        }
        go_away(&mut world.replicas[replica], self.guards);
        judge_what_was_sent(world);
        true
    }

    /// ZooKeeper is away: every connection breaks, and no session ends.
    pub(crate) fn outage(&self, world: &mut World) -> bool {
        if !(0..REPLICAS).all(|replica| world.in_touch(replica)) || !take_fault(world) {
            return false;
        }
        world.replicas.iter_mut().for_each(|replica| go_away(replica, self.guards));
        judge_what_was_sent(world);
        true
    }

    /// The connection is back, with the old session. What was sent before can no longer be carried out.
    pub(crate) fn reconnect(&self, world: &mut World, replica: usize) -> bool {
        let now = &world.replicas[replica];
        if now.link != Link::Away || world.live & now.name == 0 {
            return false;
        }
        self.begin_to_follow(world, replica);
        true
    }

    /// ZooKeeper ends the session of a replica, which may not know it yet.
    pub(crate) fn expire(&self, world: &mut World, name: Names) -> bool {
        let owner = world.replicas.iter().position(|replica| replica.name == name);
        if world.live & name == 0 {
            return false;
        }
        // That of a process that has died ends sooner or later, as a part of the same fault.
        let is_dead = owner.is_none_or(|replica| world.replicas[replica].link == Link::Down);
        if !is_dead && !take_fault(world) {
            return false;
        }
        world.live &= !name;
        if let Some(replica) = owner {
            world.replicas[replica].ears.iter_mut().for_each(|ear| ear.late = false);
            give_up(&mut world.replicas[replica], self.guards);
            world.replicas[replica].sent = None;
        }
        judge_what_was_sent(world);
        true
    }

    /// The replica opens a new session, because its old one is over, or because it has just been started.
    pub(crate) fn renew(&self, world: &mut World, replica: usize) -> bool {
        let now = &world.replicas[replica];
        let starts = now.link == Link::Down;
        let is_over = world.live & now.name == 0;
        let same = !self.guards.has(Guard::NewName);
        if !is_over && (!starts || same) {
            return false;
        }
        let name = if same { now.name } else { free_name(world) };
        if name == 0 {
            return false;
        }
        world.live |= name;
        if starts {
            world.replicas[replica] = Replica::new(name);
        } else {
            go_away(&mut world.replicas[replica], self.guards);
            world.replicas[replica].name = name;
            if self.guards.has(Guard::SameSession) {
                for ear in &mut world.replicas[replica].ears {
                    if let Some(request) = &mut ear.request {
                        request.name = name;
                    }
                }
            }
        }
        self.begin_to_follow(world, replica);
        if starts && !self.guards.has(Guard::WatchOrphans) {
            world.replicas[replica].ears.iter_mut().for_each(|ear| ear.silence = Silence::Passed);
        }
        true
    }

    /// Everything is read, and whoever is silent gets a time to live anew.
    fn begin_to_follow(&self, world: &mut World, replica: usize) {
        let now = &mut world.replicas[replica];
        now.link = Link::Connected;
        now.sent = None;
        now.ears.iter_mut().for_each(|ear| ear.late = false);
        if self.guards.has(Guard::ListenAnew) {
            for ear in &mut now.ears {
                (ear.watched, ear.noticed) = (false, 0);
                if ear.silence == Silence::Passed {
                    ear.silence = Silence::Counting;
                }
            }
        }
        self.catch_up(world, replica);
    }

    /// The process dies. Its session lives on until ZooKeeper ends it.
    pub(crate) fn crash(&self, world: &mut World, replica: usize) -> bool {
        if world.replicas[replica].link == Link::Down || !take_fault(world) {
            return false;
        }
        let before = world.replicas[replica];
        let mut after = Replica { link: Link::Down, sent: before.sent, ..Replica::new(before.name) };
        give_up(&mut after, self.guards);
        world.replicas[replica] = after;
        judge_what_was_sent(world);
        true
    }

    /// Somebody deletes a lease by hand, with the marks below.
    pub(crate) fn delete_lease(&self, world: &mut World, who: usize) -> bool {
        if world.left.deletions == 0 || world.registrations[who].lease.is_none() {
            return false;
        }
        world.left.deletions -= 1;
        world.registrations[who].lease = None;
        true
    }
}

/// Whoever waits for ZooKeeper is told that it is away.
fn go_away(replica: &mut Replica, guards: Guards) {
    give_up(replica, guards);
    replica.link = Link::Away;
    for ear in &mut replica.ears {
        if matches!(ear.lapse, Lapse::Begun | Lapse::Again) {
            (ear.lapse, ear.lapsing) = (Lapse::None, false);
        }
        if guards.has(Guard::DecideAnew) && ear.lapse == Lapse::Chosen {
            ear.lapse = Lapse::None;
        }
    }
}

/// When nobody reaches ZooKeeper any more, what is still carried out had arrived before: that is when it must have been
/// right, whoever is heard and refused after.
fn judge_what_was_sent(world: &mut World) {
    if (0..REPLICAS).any(|replica| world.in_touch(replica)) {
        return;
    }
    for sent in world.replicas.iter_mut().filter_map(|replica| replica.sent.as_mut()) {
        sent.silence &= !world.silent[usize::from(sent.registrant)];
    }
}

/// Nobody waits any longer for what was sent.
fn give_up(replica: &mut Replica, guards: Guards) {
    let Some(sent) = &mut replica.sent else { return };
    let ear = &mut replica.ears[usize::from(sent.registrant)];
    match sent.behalf {
        Behalf::Request => {
            ear.request = None;
            ear.lapsing |= guards.has(Guard::ReadBack);
        }
        // Until it is known what became of it, the registrant counts as being taken down.
        Behalf::Lapse => ear.lapse = Lapse::None,
        // A mark that may have been made says nothing of the document that the catalog shows beside it.
        Behalf::Own => ear.lapsing |= guards.has(Guard::ReadBack),
        Behalf::Nobody => {}
    }
    sent.behalf = Behalf::Nobody;
}

fn free_name(world: &World) -> Names {
    let free = !world.names();
    free & free.wrapping_neg()
}
