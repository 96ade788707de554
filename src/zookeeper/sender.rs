//! Sends one transaction: what it is made of, what its reply tells, and how it can fail.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::time::timeout;
use zookeeper_client::{
    Acl, Acls, Client, CreateMode, CreateOptions, Error, MultiWriteError, MultiWriteResult, MultiWriter,
    Permission, SessionState,
};

use super::change::Stat;
use super::layout::Layout;
use super::options::AccessControl;
use super::transaction::{Cause, CommitError, Operation, Transaction};
use super::writing::{Ended, Writing};
use crate::telemetry::Metrics;

/// Who authenticates like the gateway may do everything; anybody may read, as consumers and operators must.
static CREATOR_WRITES: [Acl; 2] =
    [Acl::new_const(Permission::ALL, "auth", ""), Acl::new_const(Permission::READ, "world", "anyone")];

/// What a transaction is sent with.
pub(super) struct Sender {
    /// The session.
    pub client: Client,
    /// What is created is under this control.
    pub acl: AccessControl,
    /// The longest that one transaction may take before its outcome is unknown.
    pub deadline: Duration,
    /// The longest that a change may wait until it is sent.
    pub patience: Duration,
    /// Where operations are counted.
    pub metrics: Arc<Metrics>,
    /// Held while it is decided what goes into a transaction and that is sent.
    pub sending: Mutex<()>,
    /// Which znode stands where.
    pub layout: Layout,
    /// What is under way.
    pub writing: Arc<Writing>,
    /// Where it is told what became of it.
    pub ended: mpsc::Sender<Ended>,
}

/// How a transaction of several changes failed.
pub(super) enum Failure {
    /// This step could not be done.
    Step(usize, Cause),
    /// All of it.
    Whole(CommitError),
}

/// The reply to a transaction that was sent: what each step came to, as far as it tells.
pub(super) type Reply<'s> = BoxFuture<'s, Result<Vec<Option<Stat>>, Failure>>;

impl Sender {
    /// Sends; the reply is still to come.
    pub fn transact<'t>(
        &self,
        transactions: impl ExactSizeIterator<Item = &'t Transaction>,
    ) -> Result<Reply<'_>, Failure> {
        if self.client.state() != SessionState::SyncConnected {
            return Err(Failure::Whole(CommitError::NotConnected));
        }
        let options = CreateMode::Persistent.with_acls(self.acls());
        let mut writer = self.client.new_multi_writer();
        let changes = transactions.len() as u64;
        let operations = transactions.flat_map(|transaction| &transaction.operations);
        let mut is_change = false;
        for (step, operation) in operations.enumerate() {
            add(&mut writer, operation, &options).map_err(|error| Failure::Step(step, cause_of(error)))?;
            is_change |= operation.changes();
        }
        if is_change {
            // Not every version of the server answers a creation in a transaction with a stat, but all do this.
            let last = self.layout.last_change();
            writer.add_set_data(&last, &[], None).map_err(|error| Failure::Whole(unknown(error)))?;
        }
        let started = Instant::now();
        self.metrics.zk_changes.inc_by(changes);
        // Sent by the call, not when it is waited for.
        let outcome = timeout(self.deadline, writer.commit());
        Ok(Box::pin(async move {
            let outcome = outcome.await;
            self.count("multi", started, outcome_name(&outcome));
            match outcome {
                Err(_) => {
                    let reason = format!("no reply within {:?}", self.deadline);
                    Err(Failure::Whole(CommitError::Unknown(reason)))
                }
                Ok(Ok(results)) => Ok(results.iter().map(stat_of).collect()),
                Ok(Err(MultiWriteError::OperationFailed { index, source })) => {
                    Err(Failure::Step(index, cause_of(source)))
                }
                Ok(Err(MultiWriteError::RequestFailed { source })) => Err(Failure::Whole(unknown(source))),
            }
        }))
    }

    /// The access control list of what is created.
    pub fn acls(&self) -> Acls<'static> {
        match self.acl {
            AccessControl::Open => Acls::anyone_all(),
            AccessControl::Creator => Acls::new(&CREATOR_WRITES),
        }
    }

    /// Counts an operation.
    pub fn count(&self, operation: &str, started: Instant, outcome: &str) {
        self.metrics.zk_operations.with_label_values(&[operation, outcome]).inc();
        self.metrics.zk_duration.with_label_values(&[operation]).observe(started.elapsed().as_secs_f64());
    }
}

/// Adds a step to what `writer` sends; what is created is so with `options`.
pub(super) fn add(
    writer: &mut MultiWriter<'_>,
    operation: &Operation,
    options: &CreateOptions<'_>,
) -> Result<(), Error> {
    match operation {
        Operation::Create { path, data } => writer.add_create(path, data.as_bytes(), options),
        Operation::Set { path, data, version } => {
            writer.add_set_data(path, data.as_bytes(), (*version >= 0).then_some(*version))
        }
        Operation::Delete { path, version } => writer.add_delete(path, (*version >= 0).then_some(*version)),
        Operation::Check { path, version } => writer.add_check_version(path, *version),
    }
}

/// What a step has told of what it wrote.
fn stat_of(result: &MultiWriteResult) -> Option<Stat> {
    match result {
        MultiWriteResult::SetData { stat } => Some(Stat::from(stat)),
        _ => None,
    }
}

/// The `outcome` label of an operation with a deadline.
pub(super) fn outcome_name<T, E, D>(outcome: &Result<Result<T, E>, D>) -> &'static str {
    match outcome {
        Ok(Ok(_)) => "ok",
        Ok(Err(_)) => "error",
        Err(_) => "timeout",
    }
}

/// Why a step could not be done.
pub(super) fn cause_of(error: Error) -> Cause {
    match error {
        Error::NoNode => Cause::NoNode,
        Error::NodeExists => Cause::NodeExists,
        Error::BadVersion => Cause::BadVersion,
        Error::NotEmpty => Cause::NotEmpty,
        other => Cause::Other(other.to_string()),
    }
}

/// What to say of a request that got no answer.
pub(super) fn unknown(error: Error) -> CommitError {
    match error {
        Error::SessionExpired | Error::ClientClosed | Error::NoHosts => CommitError::NotConnected,
        error => CommitError::Unknown(error.to_string()),
    }
}
