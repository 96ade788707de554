//! Worlds that differ only in what nobody can tell apart are one: which replica is which, the names of the dead, and
//! what is remembered without being looked at again.

use crate::world::{Ear, Lapse, Link, Silence, World};
use crate::znodes::{LeaseStep, Names};

impl World {
    /// The world that stands for this one and all that are like it.
    pub(crate) fn canonical(mut self) -> Self {
        self.forget();
        let mut mirrored = self;
        mirrored.replicas.swap(0, 1);
        self.rename().min(mirrored.rename())
    }

    /// Forgets what nobody looks at any more.
    fn forget(&mut self) {
        let live = self.live;
        for replica in &mut self.replicas {
            if replica.link == Link::Down && live & replica.name == 0 {
                replica.name = 0;
            }
            for (ear, document) in replica.ears.iter_mut().zip(replica.catalog.documents) {
                if ear.lapse == Lapse::None {
                    (ear.touched, ear.alone) = (false, false);
                }
                if document.is_some_and(|document| document.version >= ear.answered) {
                    ear.answered = 0;
                }
                if ear.silence == Silence::Heard {
                    (ear.watched, ear.noticed) = (false, 0);
                }
            }
        }
    }

    /// Gives the first names to the replicas, and the next to those who are only mentioned.
    fn rename(mut self) -> Self {
        let used = self.names();
        let mut order = [0; Names::BITS as usize];
        let mut count = 0;
        let own = self.replicas.map(|replica| replica.name);
        let all = (0..Names::BITS).map(|bit| 1 << bit).filter(|name| used & name != 0);
        for name in own.into_iter().chain(all.filter(|name| !own.contains(name))).filter(|&name| name != 0) {
            order[count] = name;
            count += 1;
        }
        let order = &order[..count];
        if order.iter().enumerate().all(|(bit, &name)| name == 1 << bit) {
            return self;
        }
        let rename = |names: &mut Names| {
            let before = *names;
            let renamed = order.iter().enumerate().filter(|(_, name)| before & **name != 0);
            *names = renamed.fold(0, |after, (bit, _)| after | 1 << bit);
        };
        self.each_name(rename);
        self
    }

    /// Shows every set of names to `change`.
    fn each_name(&mut self, change: impl Fn(&mut Names)) {
        change(&mut self.live);
        self.registrations
            .iter_mut()
            .filter_map(|registration| registration.lease.as_mut())
            .for_each(&change);
        for replica in &mut self.replicas {
            change(&mut replica.name);
            change(&mut replica.catalog.live);
            replica.catalog.leases.iter_mut().flatten().for_each(&change);
            if let Some(sent) = &mut replica.sent {
                change(&mut sent.transaction.unmark);
                change(&mut sent.transaction.mark);
                if let LeaseStep::CheckMark(mark) = &mut sent.transaction.lease {
                    change(mark);
                }
            }
            for Ear { noticed, request, .. } in &mut replica.ears {
                change(noticed);
                if let Some(request) = request {
                    change(&mut request.name);
                }
            }
        }
    }
}
