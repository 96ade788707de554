//! The marks of this replica, written for many at once, and the sweeping of those that others left.

use futures::stream::{self, StreamExt};

use super::Registry;
use super::hearing::Ear;
use super::plan::{Plan, plan_lease};
use crate::model::{Registrant, ReplicaId};
use crate::zookeeper::{Shown, Transaction};

/// Marks in one transaction, and how many such are under way at once: after a session has expired everybody must be
/// marked anew before the other replicas take them for orphans.
const MARKS: usize = 200;
const MARK_BATCHES_IN_FLIGHT: usize = 8;

impl Registry {
    /// Marks many at once. One that cannot be marked would take the others with it, so on failure each is tried alone.
    pub(super) async fn mark_all(&self, replica: &ReplicaId, registrants: Vec<Registrant>) {
        let batches = stream::iter(registrants.chunks(MARKS));
        batches
            .for_each_concurrent(MARK_BATCHES_IN_FLIGHT, |batch| async move {
                // With a new session this replica has a new name, and the next look begins from that.
                let connection = self.zookeeper.connection();
                let Some(connection) = connection.filter(|connection| connection.replica == *replica) else {
                    return;
                };
                // A change under way relies on nobody else putting the mark of this replica back: it sees to the mark
                // itself, or the next look does.
                let ears: Vec<_> =
                    batch.iter().map(|registrant| (registrant, self.hearing.ear(registrant))).collect();
                let idle =
                    ears.iter().filter_map(|(who, ear)| Some((*who, ear, ear.change.try_write().ok()?)));
                let idle: Vec<_> = idle.collect();
                let mut marks = Transaction::default();
                for (registrant, ..) in &idle {
                    marks.create(self.zookeeper.layout.mark(registrant, replica), "");
                }
                let marked = if idle.len() > 1 { connection.commit(&marks).await.ok() } else { None };
                if let Some(shown) = marked {
                    if shown == Shown::NotYet {
                        // What stands beside the mark may be another registration than the one that the catalog shows.
                        idle.iter().for_each(|(_, ear, _)| ear.set_lapsing(true));
                    }
                    return;
                }
                for (registrant, ear, _) in &idle {
                    self.mark(registrant, ear).await;
                }
            })
            .await;
    }

    async fn mark(&self, registrant: &Registrant, ear: &Ear) {
        let marked = self.settle_heard(ear, registrant, || {
            let replica = self.replica_in_touch()?;
            let mut plan = Plan::default();
            let is_marked_anew = self.catalog.marks(registrant).is_some()
                && plan_lease(&self.catalog, &self.zookeeper.layout, registrant, &replica, &mut plan);
            Ok(is_marked_anew.then_some(plan))
        });
        if let Err(error) = marked.await {
            log::debug!("cannot mark {registrant}: {error}");
        }
    }

    /// Removes those of the marks that seemed `stale` whose replicas are gone as far as the catalog knows now.
    pub(super) async fn sweep(&self, registrant: Registrant, mut stale: Vec<ReplicaId>) {
        let Some(connection) = self.zookeeper.connection() else { return };
        let marks = self.catalog.marks(&registrant).unwrap_or_default();
        let replicas = self.catalog.replicas();
        // The own one is there although its znode may have been deleted by hand.
        stale.retain(|mark| marks.contains(mark) && !replicas.contains(mark) && *mark != connection.replica);
        if stale.is_empty() {
            return;
        }
        let mut sweep = Transaction::default();
        for mark in &stale {
            sweep.delete(self.zookeeper.layout.mark(&registrant, mark), -1);
        }
        if let Err(error) = connection.commit(&sweep).await {
            // Another replica sweeps as well; what is left is met again at the next look.
            log::debug!("cannot sweep the marks of {registrant}: {error}");
        }
    }
}
