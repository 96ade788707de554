//! Keeps a ZooKeeper session: connects, prepares the roots, announces the replica, follows the feed, and starts
//! again when the session is over, for as long as the process lives.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use futures::future::try_join_all;
use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::{sleep, timeout};
use zookeeper_client::{Client, Error, SessionInfo, SessionState};

use super::change::{Done, Refresh, Sink};
use super::connection::Connection;
use super::feed::{self, End};
use super::gate::Gate;
use super::layout::{Layout, parent};
use super::options::Options;
use super::sender::Sender;
use super::transaction::CommitError;
use super::writing::Ended;
use crate::background::spawn_vital;
use crate::model::ReplicaId;
use crate::telemetry::{Metrics, Readiness};

/// Wishes to read that may wait; past it a wish is refused at once.
const REFRESHES: usize = 4096;
/// Outcomes of transactions that may wait; past it the next transactions do.
const OUTCOMES: usize = 64;
/// Pause between two attempts to connect: doubled from the first to the last, then constant.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LAST_PAUSE: Duration = Duration::from_secs(1);
/// How long a graceful stop waits for the server to close the session.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// The gateway's link to ZooKeeper.
pub struct ZooKeeper {
    /// Which znode stands where.
    pub layout: Layout,
    options: Options,
    metrics: Arc<Metrics>,
    readiness: Arc<Readiness>,
    current: ArcSwapOption<Connection>,
    /// The name of this replica in its last session, which may still live at the server.
    replica: ArcSwapOption<ReplicaId>,
    /// Set once the trees have been read for the first time: before that nothing may be decided.
    loaded: AtomicBool,
    /// Since when there is no connection; `None` while there is one.
    lost: Mutex<Option<Instant>>,
    refreshes: mpsc::Sender<Refresh>,
    gate: Arc<Gate>,
    stop: Notify,
    stopped: Notify,
}

/// A session that ended here but may live on at the server, and the replica that it stood for.
struct Previous {
    session: SessionInfo,
    replica: ReplicaId,
}

impl ZooKeeper {
    /// Starts keeping a session; `sink` is told of everything that changes. Must be called on a runtime that lives
    /// as long as the gateway.
    pub fn start(
        options: Options,
        metrics: Arc<Metrics>,
        readiness: Arc<Readiness>,
        sink: Arc<dyn Sink>,
    ) -> Arc<Self> {
        let (refreshes, receiver) = mpsc::channel(REFRESHES);
        let layout = options.layout();
        let shed = metrics.shed.with_label_values(&["zookeeper"]);
        let gate = Arc::new(Gate::new(options.max_in_flight, options.max_queue_time, shed));
        let zookeeper = Arc::new(Self {
            layout,
            options,
            metrics,
            readiness,
            current: ArcSwapOption::empty(),
            replica: ArcSwapOption::empty(),
            loaded: AtomicBool::new(false),
            lost: Mutex::new(Some(Instant::now())),
            refreshes,
            gate,
            stop: Notify::new(),
            stopped: Notify::new(),
        });
        spawn_vital("keeps the zookeeper session", zookeeper.clone().run(receiver, sink));
        zookeeper
    }

    /// The connection, if something can be sent over it now.
    pub fn connection(&self) -> Option<Arc<Connection>> {
        let connection = self.current.load_full()?;
        (connection.is_usable() && self.loaded.load(Ordering::Acquire)).then_some(connection)
    }

    /// The name of this replica in its current session; it outlives a disconnect, not the session.
    pub fn replica(&self) -> Option<ReplicaId> {
        self.present_replica().map(|replica| replica.as_ref().clone())
    }

    /// The same without a copy of the name.
    pub fn present_replica(&self) -> Option<Arc<ReplicaId>> {
        self.replica.load_full()
    }

    /// For how long there has been no connection; `None` while there is one.
    pub fn disconnected_for(&self) -> Option<Duration> {
        self.lost.lock().map(|since| since.elapsed())
    }

    /// The session timeout that was agreed on, or the one that will be asked for.
    pub fn session_timeout(&self) -> Duration {
        let current = self.current.load();
        current
            .as_ref()
            .map_or(self.options.session_timeout, |connection| connection.client.session_timeout())
    }

    /// The largest transaction to send, in bytes.
    pub fn max_transaction_bytes(&self) -> usize {
        self.options.max_transaction_bytes
    }

    /// Reads `paths` again and hands them to the catalog; `sync` when others may have changed them. With no paths it
    /// waits until everything that was committed before has arrived. False when that could not be done in time.
    pub async fn refresh(&self, paths: Vec<String>, sync: bool) -> bool {
        let (done, finished) = oneshot::channel();
        if self.refreshes.try_send(Refresh { paths, sync, done: Done::Refreshed(done) }).is_err() {
            return false;
        }
        matches!(timeout(self.options.operation_timeout, finished).await, Ok(Ok(())))
    }

    /// Creates the ephemeral znode of this replica again, after somebody deleted it.
    ///
    /// # Errors
    /// Why it could not be created; the others take this replica for dead until it can.
    pub async fn announce_again(&self) -> Result<(), CommitError> {
        let connection = self.connection().ok_or(CommitError::NotConnected)?;
        let path = self.layout.replica(&connection.replica);
        let failed = |error: Error| CommitError::Unknown(format!("{path}: {error}"));
        connection.make_folder(parent(&path)).await.map_err(failed)?;
        self.announce(&connection).await.map_err(failed)?;
        self.refresh(vec![path], false).await;
        Ok(())
    }

    /// Closes the session, so that the others learn at once that this replica is gone.
    pub async fn stop(&self) {
        self.stop.notify_one();
        if timeout(CLOSE_TIMEOUT + Duration::from_secs(1), self.stopped.notified()).await.is_err() {
            log::warn!("the zookeeper session did not close in time and will expire by itself");
        }
    }

    async fn run(self: Arc<Self>, mut refreshes: mpsc::Receiver<Refresh>, sink: Arc<dyn Sink>) {
        let mut previous = None;
        let mut pause = FIRST_PAUSE;
        loop {
            let attempt = tokio::select! {
                attempt = self.connect(&mut previous) => attempt,
                () = self.stop.notified() => break,
            };
            let reason = match attempt {
                Ok((connection, mut outcomes)) => {
                    pause = FIRST_PAUSE;
                    tokio::select! {
                        end = self.follow(&connection, &mut refreshes, &mut outcomes, &sink) => self.on_end(end),
                        () = self.stop.notified() => {
                            self.close(connection).await;
                            break;
                        }
                    }
                }
                Err(reason) => reason,
            };
            self.on_lost(&reason);
            sink.following(false);
            tokio::select! {
                () = sleep(pause) => {}
                () = self.stop.notified() => break,
            }
            pause = (pause * 2).min(LAST_PAUSE);
            // Whoever asked while there was no connection must not wait for one.
            while refreshes.try_recv().is_ok() {}
        }
        self.stopped.notify_one();
    }

    /// Connects, re-attaching to the previous session if the server still holds it.
    async fn connect(
        &self,
        previous: &mut Option<Previous>,
    ) -> Result<(Arc<Connection>, mpsc::Receiver<Ended>), String> {
        let (client, replica) = match previous {
            Some(old) => match self.open(Some(old.session.clone())).await {
                Ok(client) => (client, old.replica.clone()),
                Err(Error::SessionExpired) => {
                    self.metrics.zk_sessions_expired.inc();
                    log::warn!("zookeeper session of replica {} expired", old.replica);
                    *previous = None;
                    return Err("zk not connected: session expired".into());
                }
                Err(error) => return Err(self.explain(&error, "")),
            },
            None => {
                let client = self.open(None).await.map_err(|error| self.explain(&error, ""))?;
                self.metrics.zk_session_epoch.inc();
                (client, new_replica())
            }
        };
        let held = Previous { session: client.session().clone(), replica: replica.clone() };
        let (ended, outcomes) = mpsc::channel(OUTCOMES);
        let sender = Sender {
            client,
            acl: self.options.acl,
            deadline: self.options.operation_timeout,
            patience: self.options.max_queue_time,
            metrics: self.metrics.clone(),
            sending: Mutex::default(),
            layout: self.layout.clone(),
            writing: Arc::default(),
            ended,
        };
        let connection = Connection::new(replica, self.gate.clone(), sender);
        let connection = Arc::new(connection);
        self.prepare(&connection).await?;
        *previous = Some(held);
        self.replica.store(Some(Arc::new(connection.replica.clone())));
        self.current.store(Some(connection.clone()));
        Ok((connection, outcomes))
    }

    async fn open(&self, session: Option<SessionInfo>) -> Result<Client, Error> {
        let mut connector =
            Client::connector().with_session_timeout(self.options.session_timeout).with_fail_eagerly();
        if let Some((scheme, credential)) = &self.options.auth {
            connector = connector.with_auth(scheme, credential.as_bytes());
        }
        if let Some(session) = session {
            connector = connector.with_session(session);
        }
        timeout(self.options.session_timeout, connector.connect(&self.options.connect))
            .await
            .unwrap_or(Err(Error::Timeout))
    }

    async fn prepare(&self, connection: &Arc<Connection>) -> Result<(), String> {
        let folders = self.layout.foundations();
        let made = folders.iter().map(|folder| async move {
            connection.make_folder(folder).await.map_err(|error| self.explain(&error, folder))
        });
        try_join_all(made).await?;
        self.announce(connection).await.map_err(|error| self.explain(&error, "the replica's own znode"))
    }

    async fn announce(&self, connection: &Connection) -> Result<(), Error> {
        connection.announce(&self.layout.replica(&connection.replica), &self.options.replica_data).await
    }

    async fn follow(
        &self,
        connection: &Arc<Connection>,
        refreshes: &mut mpsc::Receiver<Refresh>,
        outcomes: &mut mpsc::Receiver<Ended>,
        sink: &Arc<dyn Sink>,
    ) -> End {
        self.on_connected(connection);
        self.metrics.mirror_relists.with_label_values(&["session"]).inc();
        feed::follow(connection, &self.layout, sink, refreshes, outcomes, &|state, complete| {
            if complete {
                self.loaded.store(true, Ordering::Release);
                self.readiness.set(Readiness::CATALOG, Ok(()));
                log::info!("the catalog follows zookeeper");
            } else if state == SessionState::SyncConnected {
                self.metrics.mirror_relists.with_label_values(&["reconnect"]).inc();
                self.on_connected(connection);
            } else {
                self.on_lost(&format!("zk not connected: session is {state:?}"));
            }
        })
        .await
    }

    fn on_connected(&self, connection: &Connection) {
        *self.lost.lock() = None;
        self.metrics.zk_connected.set(1);
        self.readiness.set(Readiness::ZOOKEEPER, Ok(()));
        log::info!(
            "zookeeper connected as replica {}, session timeout {:?}",
            connection.replica,
            connection.client.session_timeout()
        );
    }

    fn on_lost(&self, reason: &str) {
        self.lost.lock().get_or_insert_with(Instant::now);
        self.metrics.zk_connected.set(0);
        self.readiness.set(Readiness::ZOOKEEPER, Err(reason.to_owned()));
        self.readiness.set(Readiness::CATALOG, Err("the catalog does not follow zookeeper".into()));
    }

    fn on_end(&self, end: End) -> String {
        self.current.store(None);
        match end {
            End::SessionOver(SessionState::AuthFailed) => self.explain(&Error::AuthFailed, ""),
            End::SessionOver(state) => format!("zk not connected: session is {state:?}"),
            End::Failed(error) => self.explain(&error, &self.layout.registry_root),
        }
    }

    /// Lets the server close the session: it does when the last handle of the client is gone.
    async fn close(&self, connection: Arc<Connection>) {
        self.current.store(None);
        let mut states = connection.client.state_watcher();
        drop(connection);
        let closed = async { while !states.changed().await.is_terminated() {} };
        if timeout(CLOSE_TIMEOUT, closed).await.is_ok() {
            log::info!("zookeeper session closed");
        }
    }

    /// What an operator should do about an error.
    fn explain(&self, error: &Error, path: &str) -> String {
        let connect = &self.options.connect;
        match error {
            Error::NoNode => match connect.find('/') {
                Some(at) => format!(
                    "the chroot {} of zookeeper.connect does not exist: create it or correct the key",
                    &connect[at..]
                ),
                None => format!("{path} does not exist and cannot be created"),
            },
            Error::NoAuth | Error::InvalidAcl => format!(
                "zookeeper refused access to {path} ({error}): check zookeeper.auth, zookeeper.acl and the ACLs there"
            ),
            Error::AuthFailed => {
                "zookeeper refused the authentication: check zookeeper.auth and the server's schemes".into()
            }
            Error::Unimplemented => {
                "this zookeeper is too old: 3.6 or newer is needed, for persistent recursive watches".into()
            }
            Error::NoHosts | Error::Timeout => format!("zk not connected: no server of {connect} answers"),
            error => format!("zk not connected: {error}"),
        }
    }
}

fn new_replica() -> ReplicaId {
    let id = uuid::Uuid::new_v4().simple().to_string();
    ReplicaId::new(&id[..12])
}
