//! Repetitions of a snapshot that is known to stand. Sidecars send all they have as their heartbeat, so nearly every sync
//! is one: what it came to the last time is still true as long as neither its document nor anything that the answer
//! tells has changed, and that is quicker to see than to find out anew.

use super::Registry;
use crate::model::Registrant;

/// What a snapshot came to, and what must not have changed for that to be true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Whose it is.
    pub(super) registrant: Registrant,
    /// The zxid of its document.
    pub(super) zxid: i64,
    /// See [`crate::catalog::Catalog::availability`].
    pub(super) availability: u64,
}

impl Registry {
    /// Takes the snapshot that stands as `standing` as a sign of life, without a look at it. False when it has to be
    /// synced: something has changed, or this replica cannot answer from memory now.
    pub fn hear_again(&self, standing: &Standing) -> bool {
        let registrant = &standing.registrant;
        // In the order of every sign of life: it is noted, and then it is looked whether everything stands.
        let ear = self.hearing.touch(registrant);
        let Some(connection) = self.zookeeper.connection() else { return false };
        self.catalog.stale_for().is_none()
            && !self.has_stood_still()
            && !ear.is_lapsing()
            && self.catalog.stands_as(registrant, &connection.replica, standing.zxid, standing.availability)
    }
}
