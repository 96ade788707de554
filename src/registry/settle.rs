//! Carries a plan out: commit, and when somebody else was faster, look again and plan anew.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::hearing::Ear;
use super::plan::Plan;
use super::{Registry, RegistryError};
use crate::model::Registrant;
use crate::zookeeper::{Cause, CommitError, Connection, Operation, Shown, Transaction};

/// How often a change is planned anew before it is given up.
const ATTEMPTS: u64 = 16;
/// Longest pause after the first conflict, in milliseconds; it grows with each that follows. Those who met have to part
/// ways, so the pause is left to chance.
const PAUSE: u64 = 4;

/// What became of a plan.
struct Committed {
    /// Whose documents were changed, unless the catalog was told what stands there now.
    documents: Vec<Registrant>,
    /// How the catalog knows of it.
    shown: Shown,
}

/// Puts a registration in doubt when it goes without having been told of an outcome.
struct Abandoned<'e>(Option<&'e Ear>);

impl Abandoned<'_> {
    /// Ends it, with the doubt or without.
    fn keep_if(mut self, is_in_doubt: bool) {
        if !is_in_doubt {
            self.0 = None;
        }
    }
}

impl Drop for Abandoned<'_> {
    fn drop(&mut self) {
        if let Some(ear) = self.0 {
            ear.set_lapsing(true);
        }
    }
}

/// Whether the catalog may not show what became of a change.
pub(super) fn is_in_doubt(outcome: &Result<bool, RegistryError>) -> bool {
    matches!(outcome, Ok(false) | Err(RegistryError::OutcomeUnknown))
}

impl Registry {
    /// Plans and commits until ZooKeeper is as it should be. `plan` looks at the catalog and answers what is left to
    /// do, `None` for nothing; it is asked again after every conflict. When it says that something does not exist, it
    /// is asked once more with everything that other replicas have committed by then.
    ///
    /// # Errors
    /// What `plan` answers, or why ZooKeeper could not be changed.
    pub(super) async fn settle(
        &self,
        what: &(dyn std::fmt::Display + Sync),
        plan: impl FnMut() -> Result<Option<Plan>, RegistryError>,
    ) -> Result<(), RegistryError> {
        self.carry_out(what, plan).await.map(drop)
    }

    /// Like [`Registry::settle`], for the registration of whoever `ear` belongs to. While the catalog may not show what
    /// became of it, nobody is answered from the catalog: whoever is heard next waits until it does.
    pub(super) async fn settle_heard(
        &self,
        ear: &Ear,
        registrant: &Registrant,
        plan: impl FnMut() -> Result<Option<Plan>, RegistryError>,
    ) -> Result<(), RegistryError> {
        // A client that hangs up ends this here and now, whatever has been sent.
        let abandoned = Abandoned(Some(ear));
        let outcome = self.carry_out(registrant, plan).await;
        abandoned.keep_if(is_in_doubt(&outcome));
        outcome.map(drop)
    }

    /// Does what [`Registry::settle`] does, and answers whether the catalog shows it.
    pub(super) async fn carry_out(
        &self,
        what: &(dyn std::fmt::Display + Sync),
        mut plan: impl FnMut() -> Result<Option<Plan>, RegistryError>,
    ) -> Result<bool, RegistryError> {
        let mut caught_up = false;
        // What was looked at and does not exist.
        let mut absent = HashSet::new();
        for attempt in 1..=ATTEMPTS {
            let steps = match plan() {
                Ok(None) => return Ok(true),
                Ok(Some(steps)) => steps,
                Err(error) if error.is_absence() && !caught_up => {
                    caught_up = true;
                    self.catch_up().await?;
                    continue;
                }
                Err(error) => return Err(error),
            };
            let uncertain: Vec<String> =
                steps.uncertain.iter().filter(|path| !absent.contains(*path)).cloned().collect();
            if !uncertain.is_empty() {
                absent.extend(uncertain.iter().cloned());
                if !self.zookeeper.refresh(uncertain, true).await {
                    return Err(self.out_of_touch());
                }
                continue;
            }
            if steps.is_empty() {
                return Ok(true);
            }
            let is_preparation = steps.is_preparation;
            match self.commit(steps).await {
                Ok(Committed { shown, .. }) if is_preparation => {
                    if shown == Shown::NotYet {
                        self.catch_up().await?;
                    }
                }
                Ok(Committed { documents, shown }) => {
                    if shown != Shown::AsWritten {
                        documents.into_iter().for_each(|registrant| self.look_again(registrant));
                    }
                    return Ok(shown != Shown::NotYet);
                }
                Err(CommitError::NotConnected) => return Err(RegistryError::NotConnected),
                Err(CommitError::Busy) => return Err(RegistryError::Busy),
                Err(CommitError::Unknown(reason)) => {
                    log::warn!("the outcome of changing {what} is unknown: {reason}");
                    return Err(RegistryError::OutcomeUnknown);
                }
                Err(CommitError::TooLarge { path, bytes, limit }) => {
                    return Err(RegistryError::TooLarge { what: path, bytes, limit });
                }
                Err(CommitError::Failed { path, cause: Cause::Other(reason) }) => {
                    return Err(RegistryError::Refused(format!("{path}: {reason}")));
                }
                Err(CommitError::Failed { path, cause }) => {
                    log::debug!("changing {what} met a conflict: {path} {cause}");
                    if cause == Cause::NotEmpty {
                        self.clear_below(&path).await;
                    }
                    if attempt > 1 {
                        let chance = uuid::Uuid::new_v4().as_u64_pair().0;
                        sleep(Duration::from_millis(chance % (PAUSE * attempt) + 1)).await;
                    }
                    caught_up = true;
                    absent.clear();
                    self.catch_up().await?;
                }
            }
        }
        Err(RegistryError::Contended(what.to_string()))
    }

    async fn commit(&self, plan: Plan) -> Result<Committed, CommitError> {
        let connection = self.zookeeper.connection().ok_or(CommitError::NotConnected)?;
        if let Some(gone) = plan.replica.as_ref().filter(|_| !plan.fits(&connection.replica)) {
            // Planned under an earlier session: its mark would be one of the dead.
            let path = self.zookeeper.layout.replica(gone);
            return Err(CommitError::Failed { path, cause: Cause::NoNode });
        }
        let limit = self.zookeeper.max_transaction_bytes();
        let transactions = plan.transactions(limit, connection.chroot_bytes);
        // A single step that is too large: ZooKeeper would drop the connection over it.
        let too_large = |transaction: &&Transaction| transaction.wire_bytes(connection.chroot_bytes) > limit;
        if let Some(transaction) = transactions.iter().find(too_large) {
            let path = transaction.operations.first().map_or("", Operation::path);
            return Err(CommitError::TooLarge {
                path: path.to_owned(),
                bytes: transaction.wire_bytes(connection.chroot_bytes),
                limit,
            });
        }
        // Whoever is answered sees it in the catalog.
        let (documents, shown) = match transactions.as_slice() {
            [_] => {
                let shown = connection.commit_in_turn(&transactions).await?;
                // What was taken from the reply has been seen whole.
                let is_known = shown == Shown::AsWritten;
                (if is_known { Vec::new() } else { self.changed_by(&transactions) }, shown)
            }
            _ => (self.changed_by(&transactions), commit_all(connection, transactions).await?),
        };
        if shown == Shown::NotYet {
            log::debug!("the catalog has not caught up with a change in time");
        }
        Ok(Committed { documents, shown })
    }

    /// Whose documents `transactions` change.
    fn changed_by(&self, transactions: &[Transaction]) -> Vec<Registrant> {
        let changes = transactions.iter().flat_map(|transaction| &transaction.operations);
        let changes = changes.filter(|operation| operation.changes());
        changes.filter_map(|change| self.zookeeper.layout.place(change.path()).registrant()).collect()
    }

    /// Makes sure that a lapse, or another change, is decided whose outcome was unknown or has not been seen: what was
    /// sent before can no longer be carried out once the server has caught up, and the catalog shows the rest. The
    /// caller holds the lock of `ear`.
    pub(super) async fn finish_lapse(&self, ear: &Ear) -> Result<(), RegistryError> {
        if ear.is_lapsing() {
            self.catch_up().await?;
            ear.set_lapsing(false);
        }
        Ok(())
    }

    /// Waits until the catalog shows everything that was committed before.
    pub(super) async fn catch_up(&self) -> Result<(), RegistryError> {
        if self.catalog.catch_up().await { Ok(()) } else { Err(self.out_of_touch()) }
    }

    fn out_of_touch(&self) -> RegistryError {
        match self.zookeeper.connection() {
            None => RegistryError::NotConnected,
            Some(_) => RegistryError::OutcomeUnknown,
        }
    }

    /// Removes what somebody put below a znode that has no children of its own kind, so that it can be deleted. Below
    /// leases and documents it is the marks and parts that are in the way, and those are looked at anew instead.
    async fn clear_below(&self, path: &str) {
        let Some(connection) = self.zookeeper.connection() else { return };
        if !self.zookeeper.layout.place(path).is_leaf() {
            return;
        }
        match connection.delete_below(path).await {
            Ok(deleted) => {
                log::warn!("{deleted} foreign znodes below {path} were in its way and are deleted")
            }
            Err(error) => log::warn!("foreign znodes below {path} are in its way and stay: {error}"),
        }
    }
}

/// Commits one after the other, to the end also when nobody waits for it any more: whoever gives up on a large change
/// must not leave it half done, or a client with little patience would never get it done.
async fn commit_all(
    connection: Arc<Connection>,
    transactions: Vec<Transaction>,
) -> Result<Shown, CommitError> {
    let steps = tokio::spawn(async move { connection.commit_in_turn(&transactions).await });
    steps.await.unwrap_or_else(|error| Err(CommitError::Unknown(error.to_string())))
}
