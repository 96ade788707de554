//! What must hold in every state, and what must be possible.

use stateright::{Expectation, Property};

use crate::protocol::Protocol;
use crate::world::{
    Behalf, Ear, Invariant, Kind, Lapse, Link, Phase, REGISTRANTS, Replica, Sent, Silence, World,
};
use crate::znodes::{DocumentStep, LeaseStep};

type Condition = fn(&Protocol, &World) -> bool;

/// What must hold, by name.
const ALWAYS: [(&str, Condition); 5] = [
    ("I1 acknowledged is committed", |_, world| world.broken != Some(Invariant::Committed)),
    ("I2 whole or not at all", is_whole),
    ("I3 any replica serves any request", |_, world| world.broken != Some(Invariant::Served)),
    ("I4 only silence removes", |_, world| world.broken != Some(Invariant::Silence)),
    ("I5 versions come from ZooKeeper", |_, world| world.broken != Some(Invariant::Version)),
];

/// What must be possible whatever the bounds, by name: that the model shows something at all.
const SOMETIMES: [(&str, Condition); 6] = [
    ("two replicas hear one registrant", |_, world| {
        let leases = world.registrations.iter().filter_map(|registration| registration.lease);
        leases.map(|marks| marks & world.live).any(|marks| marks.count_ones() == 2)
    }),
    ("who falls silent is taken down", |_, world| {
        (0..REGISTRANTS)
            .any(|who| world.silent[who] && world.wants[who] != 0 && world.registrations[who].urls() == 0)
    }),
    ("who falls silent at one replica is kept by the other", |_, world| {
        any_sent(world, |sent, _| sent.silence && !sent.transaction.takes_down())
    }),
    ("taking down meets a condition that fails", |_, world| {
        any_ear(world, |ear, _| ear.lapse == Lapse::Again)
    }),
    ("a change meets a condition that fails", |_, world| {
        any_ear(world, |ear, _| ear.request.is_some_and(|request| request.phase == Phase::Again))
    }),
    ("a mark comes after the registration", |_, world| {
        any_sent(world, |sent, _| sent.transaction.mark != 0 && sent.transaction.lease == LeaseStep::None)
    }),
];

/// What must be possible when something may go wrong.
const WITH_FAULTS: [(&str, Condition); 6] = [
    ("what the dead had heard is taken down", |_, world| {
        any_sent(world, |sent, replica| {
            let dead = sent.transaction.unmark & !world.live & !replica.name;
            sent.silence && sent.transaction.takes_down() && dead != 0
        })
    }),
    ("the marks of the dead are swept", |_, world| {
        any_sent(world, |sent, _| sent.behalf == Behalf::Own && sent.transaction.unmark != 0)
    }),
    ("the outcome of taking down is unknown", |_, world| {
        any_ear(world, |ear, _| ear.lapsing && ear.lapse == Lapse::None)
    }),
    ("somebody is heard without a connection", |_, world| {
        any_ear(world, |ear, replica| replica.link == Link::Away && ear.silence == Silence::Heard)
    }),
    ("a session is over and its replica does not know", |_, world| {
        let is_over = |replica: &Replica| replica.link == Link::Connected && world.live & replica.name == 0;
        world.replicas.iter().any(is_over)
    }),
    ("nobody reaches ZooKeeper", |_, world| {
        (0..world.replicas.len()).all(|replica| !world.in_touch(replica))
    }),
];

/// What must be possible when a lease may be deleted by hand.
const BY_HAND: [(&str, Condition); 2] = [
    ("a lease that was deleted is restored by who hears the registrant", |_, world| {
        any_sent(world, |sent, _| is_restored(sent) && sent.transaction.mark != 0)
    }),
    ("a lease that was deleted is restored by who does not", |_, world| {
        any_sent(world, |sent, _| is_restored(sent) && sent.transaction.mark == 0)
    }),
];

/// What must be possible when an instance registers and goes.
const OF_INSTANCES: [(&str, Condition); 1] = [("a document that went seems to be lost", |_, world| {
    any_sent(world, |sent, _| {
        sent.behalf == Behalf::Own && matches!(sent.transaction.document, DocumentStep::Create(_))
    })
})];

pub(crate) fn all(protocol: &Protocol) -> Vec<Property<Protocol>> {
    let property = |expectation: Expectation| {
        move |&(name, condition): &(&'static str, Condition)| Property {
            expectation: expectation.clone(),
            name,
            condition,
        }
    };
    let bounds = protocol.bounds;
    let mut sometimes = SOMETIMES.to_vec();
    if bounds.faults > 0 {
        sometimes.extend(WITH_FAULTS);
    }
    if bounds.deletions > 0 {
        sometimes.extend(BY_HAND);
    }
    if protocol.registrants == [Kind::Instance] && bounds.changes > 1 {
        sometimes.extend(OF_INSTANCES);
    }
    let always = ALWAYS.iter().map(property(Expectation::Always));
    always.chain(sometimes.iter().map(property(Expectation::Sometimes))).collect()
}

/// The document, the provider znodes and the lease say the same. A lease that was deleted by hand is another matter
/// until it is back.
fn is_whole(protocol: &Protocol, world: &World) -> bool {
    let by_hand = world.left.deletions < protocol.bounds.deletions;
    world.registrations.iter().all(|registration| {
        registration.providers == registration.urls()
            && (registration.lease.is_some() == (registration.urls() != 0)
                || by_hand && registration.lease.is_none())
    })
}

fn is_restored(sent: &Sent) -> bool {
    sent.behalf == Behalf::Own && sent.transaction.lease == LeaseStep::Create
}

fn any_sent(world: &World, is_meant: impl Fn(&Sent, &Replica) -> bool) -> bool {
    world.replicas.iter().any(|replica| replica.sent.as_ref().is_some_and(|sent| is_meant(sent, replica)))
}

fn any_ear(world: &World, is_meant: impl Fn(&Ear, &Replica) -> bool) -> bool {
    world.replicas.iter().any(|replica| replica.ears.iter().any(|ear| is_meant(ear, replica)))
}
