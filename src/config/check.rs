//! Bounds of every value, and the rules between values.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::{Acl, Config, ConfigError, MassSilence, ZooKeeper};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const TENTH: Duration = Duration::from_millis(100);

const KIB: usize = 1024;
const MIB: usize = 1024 * 1024;

/// More addresses to listen on are a mistake.
const MAX_LISTENERS: usize = 16;
/// Every request may have to be compared with all of them.
const MAX_PROXIES: usize = 1000;

type Checked = Result<(), ConfigError>;

/// Checks bounds and rules; the first that is broken is told.
pub(super) fn check(config: &Config) -> Checked {
    check_http(config)?;
    check_zookeeper(&config.zookeeper)?;
    check_dialects(config)?;
    check_mass_silence(&config.mass_silence)?;
    check_roots(config)?;
    check_filter(&config.log.filter)
}

fn check_http(config: &Config) -> Checked {
    let http = &config.http;
    within("http.listen", http.listen.len(), 1..=MAX_LISTENERS, "addresses")?;
    for (position, address) in http.listen.iter().enumerate() {
        let fixed = address.port() != 0;
        if fixed && http.listen[..position].contains(address) {
            return Err(ConfigError::invalid("http.listen", format!("{address} is named twice")));
        }
        if fixed && *address == config.ops.listen {
            return Err(ConfigError::invalid(
                "ops.listen",
                format!("{address} is an address of http.listen too"),
            ));
        }
    }
    within("http.workers", http.workers, 0..=256, "threads")?;
    within("http.max_connections", http.max_connections, 1..=1_000_000, "connections")?;
    lasts("http.keep_alive", http.keep_alive, SECOND..=HOUR)?;
    lasts("http.request_head_timeout", http.request_head_timeout, TENTH..=5 * MINUTE)?;
    lasts("http.request_body_timeout", http.request_body_timeout, TENTH..=5 * MINUTE)?;
    lasts("http.request_timeout", http.request_timeout, SECOND..=10 * MINUTE)?;
    lasts("http.send_timeout", http.send_timeout, SECOND..=10 * MINUTE)?;
    lasts("http.shutdown_delay", http.shutdown_delay, Duration::ZERO..=5 * MINUTE)?;
    lasts("http.shutdown_timeout", http.shutdown_timeout, SECOND..=10 * MINUTE)?;
    within("http.trusted_proxies", http.trusted_proxies.len(), 0..=MAX_PROXIES, "networks")?;
    within("http.max_sync_body", http.max_sync_body, KIB..=64 * MIB, "bytes")?;
    within("http.max_body_memory", http.max_body_memory, MIB..=16 * 1024 * MIB, "bytes")?;
    let longest_body = http.max_sync_body.max(config.servicecomb.max_body);
    if http.max_body_memory < longest_body {
        return Err(ConfigError::invalid(
            "http.max_body_memory",
            format!("{} does not hold one body of {longest_body} bytes", http.max_body_memory),
        ));
    }
    within("http.max_requests", http.max_requests, 1..=1_000_000, "requests")?;
    within("http.max_changes", http.max_changes, 1..=http.max_requests, "requests")?;
    within("http.peer_rate", http.peer_rate, 0..=1_000_000, "requests")?;
    within("http.peer_burst", http.peer_burst, 1..=1_000_000, "requests")
}

fn check_zookeeper(zookeeper: &ZooKeeper) -> Checked {
    check_connect(&zookeeper.connect)?;
    lasts("zookeeper.session_timeout", zookeeper.session_timeout, SECOND..=5 * MINUTE)?;
    lasts("zookeeper.operation_timeout", zookeeper.operation_timeout, TENTH..=MINUTE)?;
    if zookeeper.operation_timeout > zookeeper.session_timeout {
        return Err(ConfigError::invalid(
            "zookeeper.operation_timeout",
            "must not be longer than zookeeper.session_timeout",
        ));
    }
    if !zookeeper.auth.is_empty() {
        let key =
            if zookeeper.auth_file.as_os_str().is_empty() { "zookeeper.auth" } else { "zookeeper.auth_file" };
        let whole = match zookeeper.credentials() {
            Some(("digest", credentials)) => credentials
                .split_once(':')
                .is_some_and(|(user, password)| !user.is_empty() && !password.is_empty()),
            _ => false,
        };
        if !whole {
            // Without the value: it may be a password in the wrong place.
            return Err(ConfigError::invalid(key, "must have the form digest:<user>:<password>"));
        }
    } else if zookeeper.acl == Acl::Creator {
        return Err(ConfigError::invalid("zookeeper.acl", "\"creator\" needs zookeeper.auth or auth_file"));
    }
    within("zookeeper.max_transaction_bytes", zookeeper.max_transaction_bytes, 16 * KIB..=64 * MIB, "bytes")?;
    within("zookeeper.max_in_flight", zookeeper.max_in_flight, 1..=100_000, "transactions")?;
    lasts("zookeeper.max_queue_time", zookeeper.max_queue_time, TENTH / 10..=MINUTE)
}

fn check_connect(connect: &str) -> Checked {
    const KEY: &str = "zookeeper.connect";
    let (servers, chroot) = match connect.find('/') {
        Some(start) => connect.split_at(start),
        None => (connect, ""),
    };
    for server in servers.split(',') {
        // A colon within brackets, or several without, belong to an IPv6 address.
        let (host, port) = match server.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            _ => (server, None),
        };
        let host_is_whole = match host.strip_prefix('[') {
            Some(rest) => rest.strip_suffix(']').is_some_and(|ip| ip.parse::<std::net::Ipv6Addr>().is_ok()),
            None => !host.is_empty() && !host.contains([':', '[', ']']),
        };
        let port_is_whole = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port != 0));
        if !host_is_whole || !port_is_whole || server.contains(char::is_whitespace) {
            return Err(ConfigError::invalid(
                KEY,
                format!("{server:?} is not host:port; the form is host:port,host:port/chroot"),
            ));
        }
    }
    if chroot.is_empty() { Ok(()) } else { check_path(KEY, chroot) }
}

fn check_dialects(config: &Config) -> Checked {
    lasts("mosn.ttl", config.mosn.ttl, SECOND..=HOUR)?;
    lasts("mosn.snapshot_retention", config.mosn.snapshot_retention, config.mosn.ttl..=365 * DAY)?;
    within("mosn.max_entries", config.mosn.max_entries, 1..=100_000, "entries")?;
    within("dubbo.list_warning", config.dubbo.list_warning, KIB..=64 * MIB, "bytes")?;
    within("mosn.export_port", config.mosn.export_port, 1..=u16::MAX, "as a port")?;
    lasts("mosn.max_wait", config.mosn.max_wait, SECOND..=10 * MINUTE)?;
    within("mosn.max_waiting", config.mosn.max_waiting, 0..=1_000_000, "requests")?;
    within("mosn.max_repeat_memory", config.mosn.max_repeat_memory, 0..=16 * 1024 * MIB, "bytes")?;
    let servicecomb = &config.servicecomb;
    within("servicecomb.max_body", servicecomb.max_body, KIB..=64 * MIB, "bytes")?;
    within("servicecomb.max_instance_body", servicecomb.max_instance_body, 256..=MIB, "bytes")?;
    within("servicecomb.max_properties_body", servicecomb.max_properties_body, 256..=MIB, "bytes")?;
    lasts("servicecomb.min_interval", servicecomb.min_interval, SECOND..=HOUR)?;
    within("servicecomb.min_times", servicecomb.min_times, 1..=100, "heartbeats")?;
    within("servicecomb.quota_services", servicecomb.quota_services, 1..=10_000_000, "microservices")?;
    within("servicecomb.quota_instances", servicecomb.quota_instances, 1..=10_000_000, "instances")?;
    within("servicecomb.quota_schemas", servicecomb.quota_schemas, 1..=1_000, "schemas")?;
    within("servicecomb.quota_tags", servicecomb.quota_tags, 1..=1_000, "tags")?;
    within("servicecomb.max_watchers", servicecomb.max_watchers, 0..=1_000_000, "watchers")?;
    within("servicecomb.max_repeat_memory", servicecomb.max_repeat_memory, 0..=16 * 1024 * MIB, "bytes")
}

fn check_mass_silence(brake: &MassSilence) -> Checked {
    within("mass_silence.percent", brake.percent, 1..=100, "percent")?;
    within("mass_silence.at_least", brake.at_least, 1..=1_000_000, "registrations")?;
    lasts("mass_silence.window", brake.window, SECOND..=HOUR)?;
    lasts("mass_silence.longest_hold", brake.longest_hold, Duration::ZERO..=DAY)
}

fn check_roots(config: &Config) -> Checked {
    let (dubbo, own) = (config.dubbo.root.as_str(), config.registry.root.as_str());
    let services = config.dubbo.services_root.as_str();
    check_path("dubbo.root", dubbo)?;
    check_path("registry.root", own)?;
    let meet = |one: &str, other: &str| is_within(one, other) || is_within(other, one);
    if meet(dubbo, own) {
        return Err(ConfigError::invalid(
            "registry.root",
            format!("{own} and dubbo.root {dubbo} must not stand within each other"),
        ));
    }
    lasts("dubbo.replacement_overlap", config.dubbo.replacement_overlap, Duration::ZERO..=MINUTE)?;
    lasts("dubbo.metadata_retention", config.dubbo.metadata_retention, SECOND..=365 * DAY)?;
    if services.is_empty() {
        return match config.dubbo.application_level {
            true => Err(ConfigError::invalid("dubbo.application_level", "needs dubbo.services_root")),
            false => Ok(()),
        };
    }
    check_path("dubbo.services_root", services)?;
    for (key, root) in [("dubbo.root", dubbo), ("registry.root", own)] {
        // Dubbo puts both levels into one folder when its registry has a group.
        if meet(services, root) && !(services == root && root == dubbo) {
            return Err(ConfigError::invalid(
                "dubbo.services_root",
                format!("{services} and {key} {root} must not stand within each other"),
            ));
        }
    }
    Ok(())
}

/// Whether `path` is `folder` or below it.
fn is_within(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn check_path(key: &'static str, path: &str) -> Checked {
    let refuse = |reason: &str| Err(ConfigError::invalid(key, format!("{path:?} {reason}")));
    let Some(segments) = path.strip_prefix('/') else {
        return refuse("must begin with /");
    };
    if segments.is_empty() {
        return refuse("must name a znode below /");
    }
    if segments.ends_with('/') {
        return refuse("must not end with /");
    }
    if segments.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
        return refuse("must not have empty segments, . or ..");
    }
    if segments.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return refuse("must not hold white space or control characters");
    }
    if is_within(path, "/zookeeper") {
        return refuse("is ZooKeeper's own");
    }
    Ok(())
}

fn check_filter(filter: &str) -> Checked {
    match env_filter::Builder::new().try_parse(filter) {
        Ok(_) => Ok(()),
        Err(error) => Err(ConfigError::invalid("log.filter", format!("{filter:?}: {error}"))),
    }
}

fn within<N: PartialOrd + Display>(
    key: &'static str,
    value: N,
    bounds: RangeInclusive<N>,
    unit: &str,
) -> Checked {
    if bounds.contains(&value) {
        return Ok(());
    }
    let (least, most) = bounds.into_inner();
    Err(ConfigError::invalid(key, format!("{value} is out of bounds: {least} to {most} {unit}")))
}

fn lasts(key: &'static str, value: Duration, bounds: RangeInclusive<Duration>) -> Checked {
    if bounds.contains(&value) {
        return Ok(());
    }
    let [value, least, most] = [value, *bounds.start(), *bounds.end()].map(humantime::format_duration);
    Err(ConfigError::invalid(key, format!("{value} is out of bounds: {least} to {most}")))
}
