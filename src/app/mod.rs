//! The composition root: what is started in which order, and stopped in which. `main` and tests share it.

#[cfg(test)]
mod tests;

use std::future::Future;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::{Server, ServerHandle};
use actix_web::middleware::from_fn;
use actix_web::{App as Service, HttpServer, web};
use anyhow::Context;
use tokio::task::JoinHandle;

use crate::api::middleware::{self, Admission, Bounds, Observer};
use crate::config::Config;
use crate::files::{self, Room};
use crate::listeners::Listener;
use crate::ops::{self, Ops};
use crate::telemetry::{Metrics, Readiness};
use crate::wiring::{Core, Dialects};

/// Probes and scrapers are few; whoever opens more connections than this to the ops listener is none.
const OPS_CONNECTIONS: usize = 256;

/// A probe that takes longer has failed anyhow.
const OPS_TIMEOUT: Duration = Duration::from_secs(10);

/// A gateway whose addresses are bound and that has not started yet.
pub struct App {
    config: Config,
    metrics: Arc<Metrics>,
    readiness: Arc<Readiness>,
    http: Vec<Listener>,
    ops: Listener,
}

/// Where a gateway listens; ports are never 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// Both dialects, in the order of `http.listen`.
    pub http: Vec<SocketAddr>,
    /// Probes and metrics.
    pub ops: SocketAddr,
}

impl App {
    /// Binds every address. Connections wait until [`App::run`] accepts them.
    ///
    /// # Errors
    /// When an address cannot be bound; the message names its key.
    pub fn build(config: Config) -> anyhow::Result<Self> {
        let http = config
            .http
            .listen
            .iter()
            .map(|address| Listener::bind("http.listen", *address, config.http.send_timeout))
            .collect::<anyhow::Result<_>>()?;
        let ops = Listener::bind("ops.listen", config.ops.listen, OPS_TIMEOUT)?;
        let metrics = Arc::new(Metrics::new().context("metrics cannot be registered")?);
        Ok(Self { config, metrics, readiness: Arc::new(Readiness::new()), http, ops })
    }

    /// Where it listens.
    #[must_use]
    pub fn addresses(&self) -> Addresses {
        Addresses { http: self.http.iter().map(|listener| listener.address).collect(), ops: self.ops.address }
    }

    /// Serves until `shutdown` is ready, then withdraws readiness, goes on for `http.shutdown_delay`, refuses new
    /// connections, lets requests that have begun end within `http.shutdown_timeout`, and closes the ZooKeeper session.
    /// Needs a multi-threaded tokio runtime, which the ZooKeeper session lives on.
    ///
    /// # Errors
    /// When a part cannot be started, or ends without having been asked to.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> anyhow::Result<()> {
        let Self { config, metrics, readiness, http, ops } = self;
        let mut shutdown = pin!(shutdown);

        // First, so that the probes can tell what the rest is waiting for.
        let state = web::Data::new(Ops::new(Arc::clone(&readiness), Arc::clone(&metrics)));
        let workers = match config.http.workers {
            0 => std::thread::available_parallelism().map_or(1, NonZeroUsize::get),
            workers => workers,
        };
        let room = connections(config.http.max_connections, workers);
        let mut probes = Running::start(ops_server(ops, room.ops, state.clone(), Arc::clone(&metrics))?);

        let core = Core::start(&config, Arc::clone(&metrics), &readiness);
        state.refresh_with(core.refresh());
        state.release_with(core.release());
        let dialects = core.dialects(&config)?;
        let bounds = Bounds {
            requests: config.http.max_requests,
            changes: config.http.max_changes,
            peer_rate: config.http.peer_rate,
            peer_burst: config.http.peer_burst,
        };
        let admission = Arc::new(Admission::new(bounds, dialects.peers()));
        let forgetting = tokio::spawn(Arc::clone(&admission).forget_peers());
        let mut server =
            Running::start(http_server(&config, http, (workers, room.http), dialects, admission, metrics)?);

        let outcome = tokio::select! {
            () = &mut shutdown => Ok(()),
            ended = &mut server.task => Err(unasked("http", ended)),
            ended = &mut probes.task => Err(unasked("ops", ended)),
        };
        readiness.set(Readiness::SHUTDOWN, Err("shutting down".to_owned()));
        if outcome.is_ok() {
            tokio::time::sleep(config.http.shutdown_delay).await;
        }
        core.release_watchers();
        server.stop(true).await;
        forgetting.abort();
        core.stop().await;
        probes.stop(false).await;
        log::info!("stopped");
        outcome
    }
}

/// How many connections there may be, within the limit of open files.
fn connections(wanted: usize, workers: usize) -> Room {
    let limit = files::raise_limit();
    let room = files::room(limit, workers, Room { http: wanted, ops: OPS_CONNECTIONS });
    if room.http < wanted {
        log::warn!(
            "only {} connections are taken at one time, not the {wanted} of http.max_connections: the limit of open \
             files is {}",
            room.http,
            limit.unwrap_or_default(),
        );
    }
    room
}

fn unasked(listener: &str, ended: Result<std::io::Result<()>, tokio::task::JoinError>) -> anyhow::Error {
    match ended {
        Ok(Ok(())) => anyhow::anyhow!("the {listener} server ended without having been asked to"),
        Ok(Err(error)) => anyhow::Error::new(error).context(format!("the {listener} server failed")),
        Err(error) => anyhow::Error::new(error).context(format!("the {listener} server failed")),
    }
}

/// A server that is being driven.
struct Running {
    handle: ServerHandle,
    task: JoinHandle<std::io::Result<()>>,
}

impl Running {
    fn start(server: Server) -> Self {
        Self { handle: server.handle(), task: tokio::spawn(server) }
    }

    /// Stops accepting and waits until it has ended; `graceful` lets requests that have begun end.
    async fn stop(&self, graceful: bool) {
        if !self.task.is_finished() {
            self.handle.stop(graceful).await;
        }
    }
}

/// The server of both dialects, on every address of `http.listen`.
fn http_server(
    config: &Config,
    listeners: Vec<Listener>,
    (workers, connections): (usize, usize),
    dialects: Dialects,
    admission: Arc<Admission>,
    metrics: Arc<Metrics>,
) -> anyhow::Result<Server> {
    let http = &config.http;
    let observer = web::Data::new(Observer {
        listener: middleware::ListenerKind::Http,
        metrics,
        timeout: http.request_timeout,
        longest_wait: config.mosn.max_wait,
        admission: Some(admission),
        tallies: middleware::Tallies::default(),
    });
    let mut server = HttpServer::new(move || {
        Service::new()
            .app_data(observer.clone())
            .wrap(from_fn(middleware::observe))
            .configure(|service| dialects.configure(service))
            .default_service(web::to(middleware::not_found))
    })
    .workers(workers)
    .max_connections(connections.div_ceil(workers))
    .keep_alive(http.keep_alive)
    .client_request_timeout(http.request_head_timeout)
    // Whole seconds, rounded up.
    .shutdown_timeout((http.shutdown_timeout + Duration::from_millis(999)).as_secs())
    .tcp_nodelay(true)
    // Who closes its side has gone away: nobody must be kept waiting for whom nobody listens any more.
    .h1_allow_half_closed(false)
    .disable_signals();
    for Listener { address, socket } in listeners {
        server = server.listen(socket).with_context(|| format!("http.listen: cannot serve {address}"))?;
        log::info!("listening on {address} for http");
    }
    Ok(server.run())
}

/// The server of probes and metrics.
fn ops_server(
    listener: Listener,
    connections: usize,
    state: web::Data<Ops>,
    metrics: Arc<Metrics>,
) -> anyhow::Result<Server> {
    let Listener { address, socket } = listener;
    let observer = web::Data::new(Observer {
        listener: middleware::ListenerKind::Ops,
        metrics,
        timeout: OPS_TIMEOUT,
        longest_wait: Duration::ZERO,
        admission: None,
        tallies: middleware::Tallies::default(),
    });
    let server = HttpServer::new(move || {
        Service::new()
            .app_data(observer.clone())
            .app_data(state.clone())
            .wrap(from_fn(middleware::observe))
            .configure(ops::configure)
            .default_service(web::to(middleware::not_found))
    })
    .workers(1)
    .max_connections(connections)
    .disable_signals()
    .listen(socket)
    .with_context(|| format!("ops.listen: cannot serve {address}"))?;
    log::info!("listening on {address} for ops");
    Ok(server.run())
}
