//! Where the registry is started and handed to the dialects: the only place that knows all of them.

use std::sync::Arc;

use actix_web::web;
use tokio::runtime::Handle;

use crate::api::body::Bodies;
use crate::api::openapi::{self, Document};
use crate::api::peer::PeerPolicy;
use crate::api::{Gateway, mosn, servicecomb};
use crate::config::{Acl, Config};
use crate::ops::{self, Refresh, Release};
use crate::registry::{self, Running};
use crate::telemetry::{Metrics, Readiness};
use crate::zookeeper::{self, AccessControl};

/// The running registry.
pub struct Core {
    running: Running,
    gateway: web::Data<Gateway>,
}

impl Core {
    /// Starts the registry. It returns as soon as requests can be answered, be it with "zk not connected"; connecting
    /// goes on in the background.
    pub fn start(config: &Config, metrics: Arc<Metrics>, readiness: &Arc<Readiness>) -> Self {
        let options = registry::Options {
            sidecar_time_to_live: config.mosn.ttl,
            snapshot_retention: config.mosn.snapshot_retention,
            brake: registry::BrakeOptions {
                percent: config.mass_silence.percent,
                at_least: config.mass_silence.at_least,
                window: config.mass_silence.window,
                longest_hold: config.mass_silence.longest_hold,
            },
            list_warning: config.dubbo.list_warning,
            application_level: config.dubbo.application_level,
            metadata_retention: config.dubbo.metadata_retention,
            replacement_overlap: config.dubbo.replacement_overlap,
            sidecar_entries: config.mosn.max_entries,
            quotas: registry::Quotas {
                microservices: config.servicecomb.quota_services,
                instances: config.servicecomb.quota_instances,
                schemas: config.servicecomb.quota_schemas,
            },
        };
        let running =
            registry::start(zookeeper_options(config), options, Arc::clone(&metrics), Arc::clone(readiness));
        let gateway =
            Gateway { registry: running.registry.clone(), catalog: running.catalog.clone(), metrics };
        Self { running, gateway: web::Data::new(gateway) }
    }

    /// What brings the gauges of the registry up to date before a scrape. Called on the runtime that the registry lives
    /// on.
    pub fn refresh(&self) -> Refresh {
        let catalog = self.running.catalog.clone();
        let tasks = self.gateway.metrics.tasks.clone();
        let runtime = Handle::current().metrics();
        Box::new(move || {
            catalog.update_gauges();
            tasks.set(i64::try_from(runtime.num_alive_tasks()).unwrap_or(i64::MAX));
        })
    }

    /// What takes down those that are held because too many fell silent at once.
    pub fn release(&self) -> Release {
        let registry = self.running.registry.clone();
        Box::new(move || registry.release_silent())
    }

    /// What both dialects work with, built once and shared by all workers.
    ///
    /// # Errors
    /// When a trusted proxy is no network.
    pub fn dialects(&self, config: &Config) -> anyhow::Result<Dialects> {
        let proxies = config.http.trusted_proxies.iter().map(ToString::to_string);
        let rules = &config.servicecomb;
        Ok(Dialects {
            gateway: self.gateway.clone(),
            document: web::Data::new(Document(description()?.into())),
            peers: web::Data::new(PeerPolicy::parse(proxies)?),
            bodies: Bodies::new(
                config.http.request_body_timeout,
                config.http.max_body_memory,
                Some(self.gateway.metrics.clone()),
            ),
            mosn: web::Data::new(mosn::Limits {
                body_bytes: config.http.max_sync_body,
                entries: config.mosn.max_entries,
                export_port: config.mosn.export_port,
                longest_wait: config.mosn.max_wait,
                waiting: config.mosn.max_waiting,
            }),
            repeats: web::Data::new(mosn::Repeats::new(config.mosn.max_repeat_memory)),
            batch_repeats: web::Data::new(servicecomb::Repeats::new(rules.max_repeat_memory)),
            servicecomb: servicecomb::Limits {
                body: rules.max_body,
                instance_body: rules.max_instance_body,
                properties_body: rules.max_properties_body,
                // Bounded by the configuration to an hour.
                min_interval: u32::try_from(rules.min_interval.as_secs().max(1)).unwrap_or(u32::MAX),
                min_times: rules.min_times,
                tags: rules.quota_tags,
                schemas: rules.quota_schemas,
                watchers: rules.max_watchers,
                ..servicecomb::Limits::default()
            },
        })
    }

    /// Lets everybody go who is told of changes: their connections would hold up the shutdown.
    pub fn release_watchers(&self) {
        self.running.catalog.watchers.close();
        self.running.catalog.listeners.close();
    }

    /// Ends the registry: nothing is taken down, the session with ZooKeeper is closed.
    pub async fn stop(self) {
        self.running.stop().await;
    }
}

/// The description of everything that is served, as an `OpenAPI` document.
///
/// # Errors
/// When it cannot be written as JSON, which no part of it causes.
pub fn description() -> anyhow::Result<String> {
    Ok(openapi::render(ops::openapi())?)
}

/// The state of both dialects.
#[derive(Clone)]
pub struct Dialects {
    document: web::Data<Document>,
    gateway: web::Data<Gateway>,
    peers: web::Data<PeerPolicy>,
    bodies: Bodies,
    mosn: web::Data<mosn::Limits>,
    repeats: web::Data<mosn::Repeats>,
    batch_repeats: web::Data<servicecomb::Repeats>,
    servicecomb: servicecomb::Limits,
}

impl Dialects {
    /// From whom requests come.
    pub fn peers(&self) -> PeerPolicy {
        PeerPolicy::clone(&self.peers)
    }

    /// Adds the routes of both dialects and what they work with.
    pub fn configure(&self, service: &mut web::ServiceConfig) {
        service
            .app_data(self.gateway.clone())
            .app_data(self.peers.clone())
            .app_data(self.bodies.clone())
            .app_data(self.mosn.clone())
            .app_data(self.repeats.clone())
            .app_data(self.batch_repeats.clone())
            .app_data(self.servicecomb)
            .app_data(self.document.clone())
            .configure(openapi::configure)
            .configure(mosn::configure)
            .configure(servicecomb::configure);
    }
}

fn zookeeper_options(config: &Config) -> zookeeper::Options {
    let settings = &config.zookeeper;
    let replica = serde_json::json!({
        "version": env!("CARGO_PKG_VERSION"),
        "http": config.http.listen,
        "process": std::process::id(),
        "applicationLevel": config.dubbo.application_level,
    });
    zookeeper::Options {
        connect: settings.connect.clone(),
        session_timeout: settings.session_timeout,
        operation_timeout: settings.operation_timeout,
        auth: settings.credentials().map(|(scheme, secret)| (scheme.to_owned(), secret.to_owned())),
        acl: match settings.acl {
            Acl::Open => AccessControl::Open,
            Acl::Creator => AccessControl::Creator,
        },
        max_transaction_bytes: settings.max_transaction_bytes,
        max_in_flight: settings.max_in_flight,
        max_queue_time: settings.max_queue_time,
        dubbo_root: config.dubbo.root.clone(),
        services_root: config.dubbo.services_root.clone(),
        registry_root: config.registry.root.clone(),
        replica_data: replica.to_string(),
    }
}
