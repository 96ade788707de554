//! What must hold in every state, and what must be possible.

use stateright::{Expectation, Property};

use crate::protocol::Protocol;
use crate::world::{Invariant, World};

type Condition = fn(&Protocol, &World) -> bool;

/// What must hold, by name.
const ALWAYS: [(&str, Condition); 5] = [
    ("I1 acknowledged is committed", |_, world| world.broken != Some(Invariant::Committed)),
    ("I2 whole or not at all", is_whole),
    ("I3 any replica serves any request", |_, world| world.broken != Some(Invariant::Served)),
    ("I4 only silence removes", |_, world| world.broken != Some(Invariant::Silence)),
    ("I5 versions come from ZooKeeper", |_, world| world.broken != Some(Invariant::Version)),
];

/// What must be possible, by name: that the model shows something at all.
const SOMETIMES: [(&str, Condition); 0] = [];

pub(crate) fn all() -> Vec<Property<Protocol>> {
    let property = |expectation: Expectation| {
        move |&(name, condition): &(&'static str, Condition)| Property {
            expectation: expectation.clone(),
            name,
            condition,
        }
    };
    let always = ALWAYS.iter().map(property(Expectation::Always));
    always.chain(SOMETIMES.iter().map(property(Expectation::Sometimes))).collect()
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
