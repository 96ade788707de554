//! Whether this replica should get traffic: one named check per part of it, set by the part and read by the probes.

use std::collections::BTreeMap;

use parking_lot::Mutex;

/// What a part of the replica says of itself: ready, or the reason why not.
pub type Check = Result<(), String>;

/// The checks of one replica. Every part sets its own; the replica is ready when all of them are.
#[derive(Debug)]
pub struct Readiness {
    // Held for a few instructions and never across an await, hence a plain lock.
    checks: Mutex<BTreeMap<&'static str, Check>>,
    notes: Mutex<BTreeMap<&'static str, String>>,
}

impl Readiness {
    /// A usable ZooKeeper session.
    pub const ZOOKEEPER: &'static str = "zookeeper";
    /// A catalog that has been read and follows ZooKeeper.
    pub const CATALOG: &'static str = "catalog";
    /// Not being asked to stop. The only check that starts out well.
    pub const SHUTDOWN: &'static str = "shutdown";

    /// That registrations which fell silent are held.
    pub const MASS_SILENCE: &'static str = "mass silence";

    /// A replica that has just started: not ready, because nothing has been connected or read.
    #[must_use]
    pub fn new() -> Self {
        Self {
            checks: Mutex::new(BTreeMap::from([
                (Self::ZOOKEEPER, Err("zk not connected yet".to_owned())),
                (Self::CATALOG, Err("the catalog has not been read yet".to_owned())),
                (Self::SHUTDOWN, Ok(())),
            ])),
            notes: Mutex::default(),
        }
    }

    /// Sets one check; the reason, if any, is a single line that makes sense to an operator. A check that is not one of
    /// the constants is added. Every change is logged, so a reason must not hold what changes by itself, such as an age.
    pub fn set(&self, check: &'static str, state: Check) {
        let previous = self.checks.lock().insert(check, state.clone());
        if previous.as_ref() != Some(&state) {
            match state {
                Ok(()) => log::info!("check {check} is ready"),
                Err(reason) => log::warn!("check {check} is not ready: {reason}"),
            }
        }
    }

    /// Sets, or takes away, something that an operator should know and that is no reason to send traffic elsewhere: a
    /// single line.
    pub fn note(&self, subject: &'static str, note: Option<String>) {
        let mut notes = self.notes.lock();
        match note {
            Some(note) => drop(notes.insert(subject, note)),
            None => drop(notes.remove(subject)),
        }
    }

    /// Every note with its subject, sorted by that.
    #[must_use]
    pub fn notes(&self) -> BTreeMap<&'static str, String> {
        self.notes.lock().clone()
    }

    /// Whether every check is ready.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.checks.lock().values().all(Result::is_ok)
    }

    /// Every check with its state, sorted by name.
    #[must_use]
    pub fn report(&self) -> Vec<(&'static str, Check)> {
        self.checks.lock().iter().map(|(check, state)| (*check, state.clone())).collect()
    }
}

impl Default for Readiness {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ready() -> Readiness {
        let readiness = Readiness::new();
        readiness.set(Readiness::ZOOKEEPER, Ok(()));
        readiness.set(Readiness::CATALOG, Ok(()));
        readiness
    }

    #[test]
    fn a_replica_that_has_just_started_is_not_ready() {
        let readiness = Readiness::new();
        readiness.set(Readiness::ZOOKEEPER, Ok(()));
        assert!(!readiness.is_ready());
        readiness.set(Readiness::CATALOG, Ok(()));
        assert!(readiness.is_ready());
    }

    #[test]
    fn one_failing_check_makes_the_replica_not_ready_until_it_recovers() {
        let readiness = ready();
        readiness.set(Readiness::ZOOKEEPER, Err("chroot /x does not exist".to_owned()));
        assert!(!readiness.is_ready());
        assert!(
            readiness.report().contains(&(Readiness::ZOOKEEPER, Err("chroot /x does not exist".to_owned())))
        );
        readiness.set(Readiness::ZOOKEEPER, Ok(()));
        assert!(readiness.is_ready());
    }

    #[test]
    fn a_check_of_ones_own_counts_like_the_others() {
        let readiness = ready();
        readiness.set("disk", Err("full".to_owned()));
        assert!(!readiness.is_ready());
        assert_eq!(readiness.report().len(), 4);
    }
}
