//! The sections of the configuration as types. Defaults and their reasons stand in `config/default.toml`, and only there.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::values::{self, Secret};

/// `[http]`: the listeners of both dialects.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// Where both dialects are served, 1 to 16 addresses; port 0 takes any free port.
    #[serde(deserialize_with = "values::list")]
    pub listen: Vec<SocketAddr>,
    /// Threads that answer requests, 0 to 256; 0 means as many as there are cores.
    #[serde(deserialize_with = "values::whole")]
    pub workers: usize,
    /// Connections at one time over all threads, 1 to 1,000,000.
    #[serde(deserialize_with = "values::whole")]
    pub max_connections: usize,
    /// How long an idle connection is kept, 1 s to 1 h.
    #[serde(with = "values::duration")]
    pub keep_alive: Duration,
    /// How long a client may take to send the head of a request, 100 ms to 5 min.
    #[serde(with = "values::duration")]
    pub request_head_timeout: Duration,
    /// How long a client may take to send the body of a request, 100 ms to 5 min.
    #[serde(with = "values::duration")]
    pub request_body_timeout: Duration,
    /// How long a whole request may take, 1 s to 10 min.
    #[serde(with = "values::duration")]
    pub request_timeout: Duration,
    /// How long a client may take nothing of what it is sent, 1 s to 10 min.
    #[serde(with = "values::duration")]
    pub send_timeout: Duration,
    /// How long to go on as usual after readiness was withdrawn, 0 s to 5 min.
    #[serde(with = "values::duration")]
    pub shutdown_delay: Duration,
    /// How long requests that have begun may take to end while shutting down, 1 s to 10 min.
    #[serde(with = "values::duration")]
    pub shutdown_timeout: Duration,
    /// Proxies whose `X-Forwarded-For` is believed, at most 1000.
    #[serde(deserialize_with = "values::list")]
    pub trusted_proxies: Vec<Network>,
    /// Largest body of a sync, or of an edit, in bytes, 1 KiB to 64 MiB.
    #[serde(deserialize_with = "values::whole")]
    pub max_sync_body: usize,
    /// Bodies that are being received or read together, in bytes, 1 MiB to 16 GiB.
    #[serde(deserialize_with = "values::whole")]
    pub max_body_memory: usize,
    /// Requests being worked on at one time, 1 to 1,000,000.
    #[serde(deserialize_with = "values::whole")]
    pub max_requests: usize,
    /// Those of them that may change something, 1 to `max_requests`.
    #[serde(deserialize_with = "values::whole")]
    pub max_changes: usize,
    /// Requests that one address may send in a second, 0 to 1,000,000; 0: any number.
    #[serde(deserialize_with = "values::whole")]
    pub peer_rate: u32,
    /// How many of them may come at once, 1 to 1,000,000.
    #[serde(deserialize_with = "values::whole")]
    pub peer_burst: u32,
}

/// `[ops]`: the listener of probes and metrics.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Ops {
    /// Where it is served; port 0 takes any free port.
    #[serde(deserialize_with = "values::text")]
    pub listen: SocketAddr,
}

/// `[zookeeper]`: the ensemble and the session with it.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ZooKeeper {
    /// `host:port[,host:port...][/chroot]`.
    pub connect: String,
    /// The session timeout to ask for, 1 s to 5 min.
    #[serde(with = "values::duration")]
    pub session_timeout: Duration,
    /// How long one operation may take, 100 ms to 1 min, at most `session_timeout`.
    #[serde(with = "values::duration")]
    pub operation_timeout: Duration,
    /// `digest:<user>:<password>` or empty. Holds the content of `auth_file` once loaded.
    pub auth: Secret,
    /// A file that holds what else stood in `auth`; empty for none.
    pub auth_file: PathBuf,
    /// Who may change what zoogate writes.
    #[serde(deserialize_with = "values::text")]
    pub acl: Acl,
    /// Largest transaction in bytes, 16 KiB to 64 MiB.
    #[serde(deserialize_with = "values::whole")]
    pub max_transaction_bytes: usize,
    /// Transactions that are sent and not answered, 1 to 100,000.
    #[serde(deserialize_with = "values::whole")]
    pub max_in_flight: usize,
    /// How long a change may wait until it is sent, 10 ms to 1 min.
    #[serde(with = "values::duration")]
    pub max_queue_time: Duration,
}

impl ZooKeeper {
    /// Scheme and credentials, such as `("digest", "user:password")`; `None` without any.
    #[must_use]
    pub fn credentials(&self) -> Option<(&str, &str)> {
        self.auth.expose().split_once(':')
    }
}

/// Who may change the znodes that zoogate writes; everybody may read them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Acl {
    /// Anybody, as with Dubbo's own znodes.
    Open,
    /// Only who has the same credentials.
    Creator,
}

impl FromStr for Acl {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "open" => Ok(Self::Open),
            "creator" => Ok(Self::Creator),
            _ => Err("must be \"open\" or \"creator\""),
        }
    }
}

/// `[mosn]`: rules for sidecars.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Mosn {
    /// How long a sidecar may be silent, 1 s to 1 h.
    #[serde(with = "values::duration")]
    pub ttl: Duration,
    /// How long the snapshot of a silent sidecar is kept, `ttl` to 365 d.
    #[serde(with = "values::duration")]
    pub snapshot_retention: Duration,
    /// Providers and consumers of one snapshot together, 1 to 100,000.
    #[serde(deserialize_with = "values::whole")]
    pub max_entries: usize,
    /// Port of a provider that is published without one, 1 to 65,535.
    #[serde(deserialize_with = "values::whole")]
    pub export_port: u16,
    /// How long a sidecar may ask to be kept waiting, 1 s to 10 min.
    #[serde(with = "values::duration")]
    pub max_wait: Duration,
    /// Requests that are kept waiting at one time, 0 to 1,000,000.
    #[serde(deserialize_with = "values::whole")]
    pub max_waiting: usize,
    /// Memory for what unchanged snapshots are known by, 0 to 16 GiB, in bytes.
    #[serde(deserialize_with = "values::whole")]
    pub max_repeat_memory: usize,
}

/// `[servicecomb]`: rules for the v4 API.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceComb {
    /// Largest body in bytes where no other limit applies, 1 KiB to 64 MiB.
    #[serde(deserialize_with = "values::whole")]
    pub max_body: usize,
    /// Largest body of an instance's registration in bytes, 256 B to 1 MiB.
    #[serde(deserialize_with = "values::whole")]
    pub max_instance_body: usize,
    /// Largest body of a change of properties in bytes, 256 B to 1 MiB.
    #[serde(deserialize_with = "values::whole")]
    pub max_properties_body: usize,
    /// Shortest heartbeat interval that an instance may promise, 1 s to 1 h.
    #[serde(with = "values::duration")]
    pub min_interval: Duration,
    /// Fewest heartbeats that an instance may miss, 1 to 100.
    #[serde(deserialize_with = "values::whole")]
    pub min_times: u32,
    /// Microservices of one tenant, 1 to 10,000,000.
    #[serde(deserialize_with = "values::whole")]
    pub quota_services: usize,
    /// Instances of one tenant, 1 to 10,000,000.
    #[serde(deserialize_with = "values::whole")]
    pub quota_instances: usize,
    /// Schemas of one microservice, 1 to 1000.
    #[serde(deserialize_with = "values::whole")]
    pub quota_schemas: usize,
    /// Tags of one microservice, 1 to 1000.
    #[serde(deserialize_with = "values::whole")]
    pub quota_tags: usize,
    /// Consumers that are told of changes over a WebSocket at one time, 0 to 1,000,000.
    #[serde(deserialize_with = "values::whole")]
    pub max_watchers: usize,
    /// Memory for the answers to unchanged batch finds, 0 to 16 GiB, in bytes.
    #[serde(deserialize_with = "values::whole")]
    pub max_repeat_memory: usize,
}

/// `[mass_silence]`: when silence is not believed.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct MassSilence {
    /// The most that may be taken down within `window`, in percent, 1 to 100; with 100 nothing is ever held.
    #[serde(deserialize_with = "values::whole")]
    pub percent: u32,
    /// As many may always be taken down within `window`, 1 to 1,000,000.
    #[serde(deserialize_with = "values::whole")]
    pub at_least: usize,
    /// Over which span those taken down are counted, 1 s to 1 h.
    #[serde(with = "values::duration")]
    pub window: Duration,
    /// How long they are held at most, up to 24 h; zero: until an operator releases them.
    #[serde(with = "values::duration")]
    pub longest_hold: Duration,
}

/// `[dubbo]`: where Dubbo looks.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Dubbo {
    /// The folder of interfaces, an absolute path under the chroot.
    pub root: String,
    /// Bytes of the names of an interface's providers, or consumers, past which they are reported, 1 KiB to 64 MiB.
    #[serde(deserialize_with = "values::whole")]
    pub list_warning: usize,
    /// The folder of applications, an absolute path under the chroot; empty when they are not read.
    pub services_root: String,
    /// How long the old form of a provider stays beside the new one, at most 1 min.
    #[serde(with = "values::duration")]
    pub replacement_overlap: Duration,
    /// Whether what sidecars provide is written to the application level as well.
    #[serde(deserialize_with = "values::switch")]
    pub application_level: bool,
    /// How long a document of that level is kept that nobody names any more, 1 s to 365 d.
    #[serde(with = "values::duration")]
    pub metadata_retention: Duration,
}

/// `[registry]`: where zoogate keeps its own.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Registry {
    /// The folder of snapshots, microservices, leases and replicas, an absolute path under the chroot.
    pub root: String,
}

/// `[log]`: what is logged.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// Levels by module, as in `RUST_LOG`, which wins.
    pub filter: String,
}

/// An address or a block of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(into = "String")]
pub struct Network(pub IpNet);

impl FromStr for Network {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse::<IpNet>()
            .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
            .map(Self)
            .map_err(|_| "must be an IP address or a CIDR block")
    }
}

impl fmt::Display for Network {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl From<Network> for String {
    fn from(network: Network) -> Self {
        network.to_string()
    }
}
