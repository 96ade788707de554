//! Changes that come at the same time share a transaction: each costs ZooKeeper its own steps then, and not a round of
//! log, vote and reply as well. A few transactions are under way at a time; what comes meanwhile goes with the next, and
//! while many come they wait a little for one another ([`super::pace`]).
//!
//! None of them notices the others. When a step fails, nothing of the transaction was done: the change whose step it was is
//! told so, and the others are sent again, each alone.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::{join_all, ready};
use futures::stream::{FuturesUnordered, StreamExt};
use prometheus::IntCounter;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::{timeout, timeout_at};
use zookeeper_client::{CreateMode, Error};

use super::change::{Done, Shown, Stat};
use super::pace::{ENOUGH, Pace};
use super::sender::{Failure, Reply, Sender};
use super::transaction::{CommitError, Transaction};
use super::writing::{Change, Ended};
use crate::background::spawn_vital;

/// Transactions under way at a time. With fewer the servers idle between two, with more each is shared by fewer.
const UNDER_WAY: usize = 4;
/// Steps that one transaction is shared up to: past a few hundred the cost of a step falls no further, while whoever
/// comes next waits longer.
const STEPS: usize = 300;
/// Bytes likewise: the servers hold a transaction several times while they work on it.
const BYTES: usize = 128 * 1024;
/// Changes that wait to be sent; those of requests are bounded by the gate already.
const WAITING: usize = 1 << 17;

/// Where changes meet.
pub(super) struct Shared {
    members: mpsc::Sender<Member>,
    /// Told when so many have come that nobody need wait for more.
    enough: Arc<Notify>,
    patience: Duration,
    /// The longest that the reply may take, and then the catalog.
    deadline: Duration,
    /// Counts those who had to be refused.
    shed: IntCounter,
}

/// A change on its way into a transaction.
struct Member {
    transaction: Transaction,
    bytes: usize,
    came: Instant,
    stage: Arc<AtomicU8>,
    outcome: oneshot::Sender<Result<Shown, CommitError>>,
}

/// How far a change has come: it waits, somebody has taken it (the one who sends it, or its owner, who has waited for too
/// long), or it was carried out.
const WAITS: u8 = 0;
const TAKEN: u8 = 1;
const CARRIED_OUT: u8 = 2;

impl Shared {
    /// Starts sending, for as long as what is returned lives.
    pub fn start(sender: Arc<Sender>) -> Self {
        let (members, receiver) = mpsc::channel(WAITING);
        let (patience, shed) = (sender.patience, sender.metrics.shed.with_label_values(&["zookeeper"]));
        let (deadline, enough) = (sender.deadline, Arc::new(Notify::new()));
        spawn_vital("sends changes", send_all(sender, receiver, enough.clone()));
        Self { members, enough, patience, deadline, shed }
    }

    /// Carries `transaction` out, and answers how the catalog knows of it. Whoever drops this before it was sent has it
    /// not sent.
    ///
    /// # Errors
    /// See [`CommitError`]; it is busy when it could not be sent in time.
    pub async fn commit(&self, transaction: Transaction) -> Result<Shown, CommitError> {
        let bytes = transaction.wire_bytes(0);
        let stage = Arc::new(AtomicU8::new(WAITS));
        let (outcome, mut ended) = oneshot::channel();
        let member = Member { transaction, bytes, came: Instant::now(), stage: stage.clone(), outcome };
        self.members.try_send(member).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => CommitError::Busy,
            mpsc::error::TrySendError::Closed(_) => CommitError::NotConnected,
        })?;
        if WAITING - self.members.capacity() >= ENOUGH {
            self.enough.notify_one();
        }
        let mut outcome = timeout(self.patience, &mut ended).await;
        if outcome.is_err() {
            if take_it(&stage) {
                self.shed.inc();
                return Err(CommitError::Busy);
            }
            outcome = timeout(self.deadline * 2, ended).await;
        }
        match outcome {
            Ok(Ok(outcome)) => outcome,
            // It stands all the same.
            _ if stage.load(Ordering::Acquire) == CARRIED_OUT => Ok(Shown::NotYet),
            _ => Err(CommitError::Unknown("it was given up".into())),
        }
    }
}

/// Takes a change that waits; false when somebody else has.
fn take_it(stage: &AtomicU8) -> bool {
    stage.compare_exchange(WAITS, TAKEN, Ordering::AcqRel, Ordering::Acquire).is_ok()
}

async fn send_all(sender: Arc<Sender>, mut members: mpsc::Receiver<Member>, enough: Arc<Notify>) {
    let sender = &*sender;
    let mut waiting = VecDeque::new();
    let mut under_way = FuturesUnordered::new();
    let mut pace = Pace::new(sender.patience);
    let mut is_open = true;
    while is_open || !under_way.is_empty() {
        let mut held_until = None;
        while under_way.len() < UNDER_WAY && !waiting.is_empty() {
            let now = Instant::now();
            held_until = pace.holds(now, waiting.len());
            if held_until.is_some() {
                break;
            }
            pace.begins(now);
            let (together, reply) = sender.begin(|| take(&mut waiting));
            under_way.push(sender.finish(together, reply));
        }
        let mut came = None;
        tokio::select! {
            // While some are held nobody is woken by each of the others who come.
            member = members.recv(), if is_open && held_until.is_none() => {
                is_open = member.is_some();
                came = member;
            }
            () = company(held_until, &enough) => {}
            Some(()) = under_way.next(), if !under_way.is_empty() => {}
        }
        while let Some(member) = came.take().or_else(|| members.try_recv().ok()) {
            pace.came(member.came, !waiting.is_empty() || !under_way.is_empty());
            waiting.push_back(member);
        }
    }
}

/// When to look again at those who are held, if any are: at this time, or once enough have come.
async fn company(held_until: Option<Instant>, enough: &Notify) {
    match held_until {
        // Either will do.
        Some(until) => drop(timeout_at(until.into(), enough.notified()).await),
        None => std::future::pending().await,
    }
}

/// What goes into the next transaction, in the order in which it came.
fn take(waiting: &mut VecDeque<Member>) -> Vec<Member> {
    let mut together: Vec<Member> = Vec::new();
    let (mut steps, mut bytes) = (0, 0);
    while let Some(next) = waiting.front() {
        steps += next.transaction.operations.len();
        bytes += next.bytes;
        if !together.is_empty() && (steps > STEPS || bytes > BYTES) {
            break;
        }
        // Nobody waits for it any more, or its owner has just given it up.
        let is_over = |member: &Member| member.outcome.is_closed() || !take_it(&member.stage);
        together.extend(waiting.pop_front().filter(|member| !is_over(member)));
    }
    together
}

impl Sender {
    /// Sends what `choose` answers as one transaction. Whoever gives up and then asks the server to catch up
    /// ([`Sender::after_sending`]) knows that his change was sent before, or never will be: whether anybody still waits
    /// for a change is looked at, and the transaction sent, in one go.
    fn begin(&self, choose: impl FnOnce() -> Vec<Member>) -> (Vec<Member>, Reply<'_>) {
        let _sending = self.sending.lock();
        let members = choose();
        if members.is_empty() {
            return (members, ready(Ok(Vec::new())).boxed());
        }
        // Before it is sent: events come before the reply.
        members.iter().for_each(|member| self.writing.begin(&member.transaction));
        let transactions = members.iter().map(|member| &member.transaction);
        let reply = self.transact(transactions).unwrap_or_else(|failure| ready(Err(failure)).boxed());
        (members, reply)
    }

    /// Sends something else once what has been chosen is sent.
    pub fn after_sending<T>(&self, send: impl FnOnce() -> T) -> T {
        let _sending = self.sending.lock();
        send()
    }

    /// Tells each of `members` what came of their transaction.
    async fn finish(&self, mut members: Vec<Member>, reply: Reply<'_>) {
        let failure = match reply.await {
            Ok(results) => return self.hand_on(members, &results).await,
            Err(failure) => failure,
        };
        self.give_up(&members).await;
        match failure {
            Failure::Step(step, cause) => {
                if let Some((failed, path)) = whose(&members, step) {
                    let _ = members.remove(failed).outcome.send(Err(CommitError::Failed { path, cause }));
                } else {
                    self.restore_last_change().await;
                }
                join_all(members.into_iter().map(|member| self.send_alone(member))).await;
            }
            Failure::Whole(error) => {
                for member in members {
                    let _ = member.outcome.send(Err(error.clone()));
                }
            }
        }
    }

    async fn send_alone(&self, member: Member) {
        let choose = || if member.outcome.is_closed() { Vec::new() } else { vec![member] };
        let (mut members, reply) = self.begin(choose);
        let error = match reply.await {
            Ok(results) => return self.hand_on(members, &results).await,
            Err(Failure::Step(step, cause)) => {
                let path = whose(&members, step).map_or_else(|| self.layout.last_change(), |(_, path)| path);
                CommitError::Failed { path, cause }
            }
            Err(Failure::Whole(error)) => error,
        };
        self.give_up(&members).await;
        if let Some(member) = members.pop() {
            let _ = member.outcome.send(Err(error));
        }
    }

    /// Hands on what was carried out, to be shown before its owners are told.
    async fn hand_on(&self, members: Vec<Member>, results: &[Option<Stat>]) {
        members.iter().for_each(|member| member.stage.store(CARRIED_OUT, Ordering::Release));
        let Some(Some(at)) = results.last() else {
            // Nothing but conditions.
            members
                .into_iter()
                .for_each(|member| Done::Committed(member.outcome, Shown::AsWritten).tell(true));
            return;
        };
        let mut results = results;
        let changes = members.into_iter().map(|Member { transaction, outcome, .. }| {
            let (own, rest) = results.split_at(transaction.operations.len().min(results.len()));
            results = rest;
            Change::new(&self.layout, transaction, own, at, Done::Committed(outcome, Shown::AsWritten))
        });
        let ended = Ended::Written(at.mzxid, changes.collect());
        if let Err(mpsc::error::SendError(Ended::Written(_, changes))) = self.ended.send(ended).await {
            // The session is over.
            changes.into_iter().for_each(|change| change.done.tell(false));
        }
    }

    /// Notes that `members` are no longer under way.
    async fn give_up(&self, members: &[Member]) {
        let stirred: Vec<String> =
            members.iter().flat_map(|member| self.writing.give_up(&member.transaction)).collect();
        if !stirred.is_empty() {
            // Who does not listen any more will read everything anew.
            let _ = self.ended.send(Ended::Stirred(stirred)).await;
        }
    }

    /// Puts back what every transaction ends with, after somebody has deleted it.
    async fn restore_last_change(&self) {
        let options = CreateMode::Persistent.with_acls(self.acls());
        let path = self.layout.last_change();
        match timeout(self.deadline, self.client.create(&path, &[], &options)).await {
            Ok(Ok(_) | Err(Error::NodeExists)) => {}
            outcome => log::warn!("cannot put back {path}: {outcome:?}"),
        }
    }
}

/// Whose step this is in the transaction of `members`, and the path that it is about.
fn whose(members: &[Member], step: usize) -> Option<(usize, String)> {
    let steps = members.iter().enumerate().flat_map(|(index, member)| {
        member.transaction.operations.iter().map(move |operation| (index, operation.path()))
    });
    steps.map(|(index, path)| (index, path.to_owned())).nth(step)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(steps: usize, bytes: usize) -> (Member, oneshot::Receiver<Result<Shown, CommitError>>) {
        let mut transaction = Transaction::default();
        (0..steps).for_each(|step| transaction.check(format!("/{step}"), 0));
        let (outcome, ended) = oneshot::channel();
        let stage = Arc::new(AtomicU8::new(WAITS));
        (Member { transaction, bytes, came: Instant::now(), stage, outcome }, ended)
    }

    fn sizes(waiting: &mut VecDeque<Member>) -> Vec<usize> {
        take(waiting).iter().map(|member| member.transaction.operations.len()).collect()
    }

    #[test]
    fn a_transaction_is_shared_by_as_many_as_fit_in_the_order_in_which_they_came() {
        let (members, _ended): (VecDeque<_>, Vec<_>) =
            [STEPS - 9, 5, 4, 1, STEPS + 1, 2].map(|steps| member(steps, 10)).into_iter().unzip();
        let mut waiting = members;
        assert_eq!(sizes(&mut waiting), [STEPS - 9, 5, 4]);
        assert_eq!(sizes(&mut waiting), [1]);
        assert_eq!(sizes(&mut waiting), [STEPS + 1]);
        assert_eq!(sizes(&mut waiting), [2]);
        assert!(sizes(&mut waiting).is_empty());
        let (members, _ended): (VecDeque<_>, Vec<_>) =
            [BYTES - 1, 1, 1].map(|bytes| member(1, bytes)).into_iter().unzip();
        let mut waiting = members;
        assert_eq!((sizes(&mut waiting).len(), sizes(&mut waiting).len()), (2, 1));
    }

    #[test]
    fn the_step_that_failed_tells_whose_change_did() {
        let (members, _ended): (Vec<_>, Vec<_>) = [2, 1, 3].map(|steps| member(steps, 1)).into_iter().unzip();
        let whose = |step| whose(&members, step);
        assert_eq!(whose(1), Some((0, "/1".into())));
        assert_eq!(whose(2), Some((1, "/0".into())));
        assert_eq!(whose(5), Some((2, "/2".into())));
        assert_eq!(whose(6), None);
    }

    #[test]
    fn whoever_has_gone_or_given_up_is_left_out() {
        let ((gone, ended), (given_up, _ended)) = (member(1, 1), member(2, 1));
        drop(ended);
        assert!(take_it(&given_up.stage));
        let (stays, _stays_ended) = member(3, 1);
        let mut waiting = VecDeque::from([gone, given_up, stays]);
        assert_eq!(sizes(&mut waiting), [3]);
    }
}
