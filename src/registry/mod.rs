//! The use cases: register, renew, remove, lapse, repair.
//!
//! Each change is planned from the catalog, guarded by the versions that the plan was made from, and committed as one
//! transaction (`settle`). What keeps a registration alive is its lease (`leases`).

mod applications;
mod brake;
mod clock;
mod dependencies;
mod edits;
mod error;
mod hearing;
mod instances;
mod leases;
mod left_overs;
mod locks;
mod marks;
mod microservices;
mod pauses;
#[cfg(feature = "pieces")]
pub mod pieces;
mod plan;
mod recorder;
mod register;
mod repair;
mod repeats;
mod restore;
mod schemas;
mod settle;
mod sidecars;
mod superseded;
mod tags;
mod timestamps;

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::task::JoinHandle;

use crate::background::spawn_vital;
use crate::catalog::Catalog;
use crate::model::ReplicaId;
use crate::telemetry::{Metrics, Readiness};
use crate::zookeeper::{self, ZooKeeper};
use brake::Brake;
use hearing::Hearing;
use locks::Locks;
use pauses::Pauses;
use recorder::Recorder;
use superseded::Superseded;

pub use brake::BrakeOptions;
pub use edits::Edit;
pub use error::RegistryError;
pub use repeats::Standing;
pub use sidecars::Synced;

/// Locks for registrations that must not be made twice at the same time.
const LOCKS: usize = 256;

/// How the registry behaves.
#[derive(Clone, Debug)]
pub struct Options {
    /// How long a sidecar may be silent.
    pub sidecar_time_to_live: Duration,
    /// How long the empty document of a sidecar that is gone is kept, so that its version goes on growing.
    pub snapshot_retention: Duration,
    /// When silence is not believed.
    pub brake: BrakeOptions,
    /// Bytes of the names of an interface's providers, or consumers, past which they are reported.
    pub list_warning: usize,
    /// Whether what sidecars provide is written to the application level of Dubbo 3 as well.
    pub application_level: bool,
    /// How long a document of that level is kept that no instance names any more.
    pub metadata_retention: Duration,
    /// How long the old form of a provider stays beside the new one; zero: not at all.
    pub replacement_overlap: Duration,
    /// Entries that the snapshot of a sidecar may grow to by edits.
    pub sidecar_entries: usize,
    /// How much there may be.
    pub quotas: Quotas,
}

/// How much may be registered through the v4 API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quotas {
    /// Microservices of one tenant.
    pub microservices: usize,
    /// Instances of one tenant.
    pub instances: usize,
    /// Schemas of one microservice.
    pub schemas: usize,
}

/// Everything that changes the registry.
pub struct Registry {
    /// What every read is answered from.
    pub catalog: Arc<Catalog>,
    zookeeper: Arc<ZooKeeper>,
    metrics: Arc<Metrics>,
    options: Options,
    hearing: Hearing,
    brake: Brake,
    readiness: Arc<Readiness>,
    /// Since when the process has run without standing still.
    listening: Mutex<Instant>,
    pauses: Pauses,
    endpoint_locks: Locks,
    service_locks: Locks,
    recorder: Recorder,
    superseded: Superseded,
}

/// A registry at work.
pub struct Running {
    /// Everything that changes the registry.
    pub registry: Arc<Registry>,
    /// Everything that reads it.
    pub catalog: Arc<Catalog>,
    zookeeper: Arc<ZooKeeper>,
    tasks: Vec<JoinHandle<()>>,
}

/// Starts the registry: it connects, and keeps connecting, in the background. Must be called on a runtime that lives
/// as long as the gateway.
pub fn start(
    zookeeper: zookeeper::Options,
    options: Options,
    metrics: Arc<Metrics>,
    readiness: Arc<Readiness>,
) -> Running {
    let catalog = Arc::new(Catalog::new(zookeeper.layout(), options.list_warning, metrics.clone()));
    let zookeeper = ZooKeeper::start(zookeeper, metrics.clone(), readiness.clone(), catalog.clone());
    catalog.set_source(&zookeeper);
    let (recorder, noted) = Recorder::new();
    let registry = Arc::new(Registry {
        catalog: catalog.clone(),
        zookeeper: zookeeper.clone(),
        metrics,
        brake: Brake::new(options.brake),
        readiness,
        options,
        hearing: Hearing::new(),
        listening: Mutex::new(Instant::now()),
        pauses: Pauses::new(),
        endpoint_locks: Locks::new(LOCKS),
        service_locks: Locks::new(LOCKS),
        recorder,
        superseded: Superseded::default(),
    });
    let (pauses, leases) = (registry.clone(), registry.clone());
    let (repair, left_overs) = (registry.clone(), registry.clone());
    let (dependencies, superseded) = (registry.clone(), registry.clone());
    let tasks = vec![
        spawn_vital("watches for pauses", async move { pauses.watch_pauses().await }),
        spawn_vital("clears left-overs away", async move { left_overs.watch_left_overs().await }),
        spawn_vital("clears superseded providers away", async move { superseded.watch_superseded().await }),
        spawn_vital("watches the leases", async move { leases.watch_leases().await }),
        spawn_vital("repairs", async move { repair.watch_losses().await }),
        spawn_vital("records dependencies", async move { dependencies.record_dependencies(noted).await }),
    ];
    Running { registry, catalog, zookeeper, tasks }
}

impl Running {
    /// Stops looking after the registrations, which stay, and closes the session, so that the other replicas learn at
    /// once that this one is gone.
    pub async fn stop(self) {
        for task in self.tasks {
            task.abort();
            // It holds the connection until it has really ended.
            let _ = task.await;
        }
        self.zookeeper.stop().await;
    }
}

impl Registry {
    /// Takes down those that are held because too many fell silent at once; false when nobody is held.
    pub fn release_silent(&self) -> bool {
        self.brake.release()
    }

    /// The name of this replica, if ZooKeeper can be reached now.
    fn replica_in_touch(&self) -> Result<ReplicaId, RegistryError> {
        let connection = self.zookeeper.connection().ok_or(RegistryError::NotConnected)?;
        Ok(connection.replica.clone())
    }
}
