//! Which leases need not be looked at for a while.

use std::sync::atomic::{AtomicU32, Ordering};

/// Until when nothing can be due about a lease, as whoever looked at it last has found out: with very many leases, looking for
/// each who was heard when costs far more than asking this. Ends by itself when anything changes that the catalog knows of:
/// the lease, its marks, its time to live, the replicas that live. 0 when nothing is known, else twice the second, and one
/// more when another replica hears the registrant.
#[derive(Debug, Default)]
pub struct Quiet(AtomicU32);

impl Quiet {
    /// Notes that nothing is due before `second`, counted from a moment that is always the same, and whether another replica
    /// hears the registrant.
    pub fn last_until(&self, second: u64, is_heard_elsewhere: bool) {
        let second = u32::try_from(second).unwrap_or(u32::MAX).min(u32::MAX / 2);
        let until = if second == 0 { 0 } else { second * 2 + u32::from(is_heard_elsewhere) };
        self.0.store(until, Ordering::Relaxed);
    }

    /// Whether another replica hears the registrant, if nothing can be due at `second`.
    pub fn at(&self, second: u64) -> Option<bool> {
        let until = self.0.load(Ordering::Relaxed);
        (second < u64::from(until / 2)).then_some(until % 2 == 1)
    }

    /// Ends it.
    pub(super) fn end(&mut self) {
        *self.0.get_mut() = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_lasts_until_the_second_that_was_said_and_tells_who_hears() {
        let mut quiet = Quiet::default();
        assert_eq!(quiet.at(0), None);
        for is_heard_elsewhere in [false, true] {
            quiet.last_until(7, is_heard_elsewhere);
            assert_eq!([0, 6, 7, 8].map(|second| quiet.at(second)), {
                let known = Some(is_heard_elsewhere);
                [known, known, None, None]
            });
            quiet.end();
            assert_eq!(quiet.at(0), None);
        }
        quiet.last_until(0, true);
        assert_eq!(quiet.at(0), None);
        quiet.last_until(u64::MAX, true);
        assert_eq!(quiet.at(u64::from(u32::MAX / 2) - 1), Some(true), "after 68 years it is looked at again");
    }
}
