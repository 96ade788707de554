//! Every metric of the gateway, with its help text, in one struct.

use prometheus::{
    Gauge, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    core::Collector,
};

/// Buckets in seconds: from a catalog read (tens of microseconds) to a deadline (seconds).
const SECONDS: &[f64] = &[
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// Every metric of the gateway. Labels are bounded: never an instance, an interface or an address.
pub struct Metrics {
    /// Where they are gathered from.
    pub registry: Registry,
    /// `zoogate_http_requests_total{dialect,route,method,code}`
    pub http_requests: IntCounterVec,
    /// `zoogate_http_request_duration_seconds{dialect,route}`
    pub http_duration: HistogramVec,
    /// `zoogate_http_requests_in_flight`
    pub http_in_flight: IntGauge,
    /// `zoogate_shed_total{reason}`
    pub shed: IntCounterVec,
    /// `zoogate_zk_connected`
    pub zk_connected: IntGauge,
    /// `zoogate_zk_session_epoch`
    pub zk_session_epoch: IntGauge,
    /// `zoogate_zk_sessions_expired_total`
    pub zk_sessions_expired: IntCounter,
    /// `zoogate_zk_operations_total{op,outcome}`
    pub zk_operations: IntCounterVec,
    /// `zoogate_zk_changes_total`
    pub zk_changes: IntCounter,
    /// `zoogate_zk_operation_duration_seconds{op}`
    pub zk_duration: HistogramVec,
    /// `zoogate_mirror_instances`
    pub mirror_instances: IntGauge,
    /// `zoogate_mirror_services`
    pub mirror_services: IntGauge,
    /// `zoogate_mirror_revision`
    pub mirror_revision: IntGauge,
    /// `zoogate_mirror_staleness_seconds`
    pub mirror_staleness: Gauge,
    /// `zoogate_mirror_relists_total{reason}`
    pub mirror_relists: IntCounterVec,
    /// `zoogate_mirror_decode_errors_total{layout}`
    pub mirror_decode_errors: IntCounterVec,
    /// `zoogate_dubbo_longest_list_bytes`
    pub longest_list: IntGauge,
    /// `zoogate_dubbo_interfaces_over_list_warning`
    pub long_lists: IntGauge,
    /// `zoogate_foreign_znodes{kind}`
    pub foreign_znodes: IntGaugeVec,
    /// `zoogate_watch_subscribers`
    pub watch_subscribers: IntGauge,
    /// `zoogate_waiting_polls`
    pub waiting_polls: IntGauge,
    /// `zoogate_leases`
    pub leases: IntGauge,
    /// `zoogate_lease_expirations_total`
    pub lease_expirations: IntCounter,
    /// `zoogate_mass_silence_held`
    pub held: IntGauge,
    /// `zoogate_mass_silence_holds_total`
    pub holds: IntCounter,
    /// `zoogate_reconcile_repairs_total{kind}`
    pub repairs: IntCounterVec,
    /// `zoogate_tasks`
    pub tasks: IntGauge,
    /// `zoogate_panics_total`
    pub panics: IntCounter,
}

impl Metrics {
    /// Registers every metric in a registry of its own, so that tests can have several.
    ///
    /// # Errors
    /// When two metrics have one name: a mistake in this file.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let metrics = Self {
            http_requests: counters(
                &registry,
                "http_requests_total",
                "HTTP requests answered.",
                &["dialect", "route", "method", "code"],
            )?,
            http_duration: histograms(
                &registry,
                "http_request_duration_seconds",
                "Time from a request's head to its answer.",
                &["dialect", "route"],
            )?,
            http_in_flight: gauge(&registry, "http_requests_in_flight", "HTTP requests being answered.")?,
            shed: counters(
                &registry,
                "shed_total",
                "Requests that were refused because a limit was reached, by limit.",
                &["reason"],
            )?,
            zk_connected: gauge(
                &registry,
                "zk_connected",
                "1 while a ZooKeeper session is connected, else 0.",
            )?,
            zk_session_epoch: gauge(
                &registry,
                "zk_session_epoch",
                "How many ZooKeeper sessions this process has had.",
            )?,
            zk_sessions_expired: counter(
                &registry,
                "zk_sessions_expired_total",
                "ZooKeeper sessions lost to expiry.",
            )?,
            zk_changes: counter(
                &registry,
                "zk_changes_total",
                "Changes sent to ZooKeeper; those that share a transaction count each.",
            )?,
            zk_operations: counters(
                &registry,
                "zk_operations_total",
                "ZooKeeper operations by kind and outcome.",
                &["op", "outcome"],
            )?,
            zk_duration: histograms(
                &registry,
                "zk_operation_duration_seconds",
                "Time from sending a ZooKeeper operation to its reply.",
                &["op"],
            )?,
            mirror_instances: gauge(
                &registry,
                "mirror_instances",
                "Instances in the catalog, of every dialect.",
            )?,
            mirror_services: gauge(
                &registry,
                "mirror_services",
                "Microservices in the catalog, of every dialect.",
            )?,
            mirror_revision: gauge(&registry, "mirror_revision", "Highest zxid that the catalog has seen.")?,
            mirror_staleness: register(
                &registry,
                Gauge::with_opts(options(
                    "mirror_staleness_seconds",
                    "How long the catalog has not followed ZooKeeper.",
                ))?,
            )?,
            mirror_relists: counters(
                &registry,
                "mirror_relists_total",
                "Times that the catalog read everything again.",
                &["reason"],
            )?,
            mirror_decode_errors: counters(
                &registry,
                "mirror_decode_errors_total",
                "Znodes that could not be understood.",
                &["layout"],
            )?,
            longest_list: gauge(
                &registry,
                "dubbo_longest_list_bytes",
                "Bytes of the longest list of providers or consumers of an interface.",
            )?,
            long_lists: gauge(
                &registry,
                "dubbo_interfaces_over_list_warning",
                "Interfaces with a list that is longer than dubbo.list_warning.",
            )?,
            foreign_znodes: register(
                &registry,
                IntGaugeVec::new(
                    options("foreign_znodes", "Znodes of others that are left alone, by kind."),
                    &["kind"],
                )?,
            )?,
            watch_subscribers: gauge(
                &registry,
                "watch_subscribers",
                "Consumers that are told of changes over a WebSocket.",
            )?,
            waiting_polls: gauge(&registry, "waiting_polls", "Long polls of sidecars that wait for news.")?,
            leases: gauge(&registry, "leases", "Registrations that are kept alive by their registrants.")?,
            lease_expirations: counter(
                &registry,
                "lease_expirations_total",
                "Registrations that this replica took down because of silence.",
            )?,
            held: gauge(
                &registry,
                "mass_silence_held",
                "Silent registrations that are held because too many fell silent at once.",
            )?,
            holds: counter(
                &registry,
                "mass_silence_holds_total",
                "How often registrations were held because too many fell silent at once.",
            )?,
            repairs: counters(
                &registry,
                "reconcile_repairs_total",
                "Znodes put right because somebody else damaged them.",
                &["kind"],
            )?,
            tasks: gauge(&registry, "tasks", "Tasks that live beside those of the connections of clients.")?,
            panics: counter(
                &registry,
                "panics_total",
                "Requests that ended in a panic. Always 0, or report a bug.",
            )?,
            registry,
        };
        let build = IntGauge::with_opts(
            options("build_info", "Always 1; the label names the build.")
                .const_label("version", env!("CARGO_PKG_VERSION")),
        )?;
        build.set(1);
        register(&metrics.registry, build)?;
        #[cfg(target_os = "linux")]
        metrics.registry.register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))?;
        Ok(metrics)
    }
}

fn options(name: &str, help: &str) -> Opts {
    Opts::new(name, help).namespace("zoogate")
}

fn register<C: Collector + Clone + 'static>(
    registry: &Registry,
    collector: C,
) -> Result<C, prometheus::Error> {
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}

fn gauge(registry: &Registry, name: &str, help: &str) -> Result<IntGauge, prometheus::Error> {
    register(registry, IntGauge::with_opts(options(name, help))?)
}

fn counter(registry: &Registry, name: &str, help: &str) -> Result<IntCounter, prometheus::Error> {
    register(registry, IntCounter::with_opts(options(name, help))?)
}

fn counters(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> Result<IntCounterVec, prometheus::Error> {
    register(registry, IntCounterVec::new(options(name, help), labels)?)
}

fn histograms(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> Result<HistogramVec, prometheus::Error> {
    let options = HistogramOpts::new(name, help).namespace("zoogate").buckets(SECONDS.to_vec());
    register(registry, HistogramVec::new(options, labels)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_has_a_name_of_its_own() {
        let metrics = Metrics::new().unwrap();
        assert!(metrics.registry.gather().iter().any(|family| family.name() == "zoogate_build_info"));
    }
}
