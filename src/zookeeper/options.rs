//! How to reach the ensemble and where in it the registry lives.

use std::time::Duration;

use super::layout::Layout;

/// How to reach the ensemble and where in it the registry lives.
#[derive(Clone, Debug)]
pub struct Options {
    /// `host:port,host:port/chroot`.
    pub connect: String,
    /// Asked for; the ensemble may clamp it (2 to 20 of its ticks).
    pub session_timeout: Duration,
    /// The longest that one operation may take before its outcome counts as unknown.
    pub operation_timeout: Duration,
    /// Scheme and credential, for example `digest` and `user:password`.
    pub auth: Option<(String, String)>,
    /// Who may touch what the gateway writes.
    pub acl: AccessControl,
    /// The largest transaction that is sent, in bytes; the ensemble's `jute.maxbuffer` must be larger.
    pub max_transaction_bytes: usize,
    /// The most transactions that are sent and not answered.
    pub max_in_flight: usize,
    /// The longest that one may wait until it is sent.
    pub max_queue_time: Duration,
    /// Root of Dubbo's tree, for example `/dubbo`.
    pub dubbo_root: String,
    /// Root of Dubbo 3's applications, for example `/services`; empty when they are not to be read.
    pub services_root: String,
    /// Root of the gateway's own tree, for example `/zoogate`.
    pub registry_root: String,
    /// What the znode of this replica says about it, as JSON.
    pub replica_data: String,
}

impl Options {
    /// Which znode stands where.
    pub fn layout(&self) -> Layout {
        Layout {
            dubbo_root: self.dubbo_root.clone(),
            services_root: self.services_root.clone(),
            registry_root: self.registry_root.clone(),
        }
    }
}

/// Who may touch what the gateway writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessControl {
    /// Everybody, as Dubbo 2.7 does.
    Open,
    /// Only who authenticates as the gateway does, as Dubbo 3 does when it has a user name.
    Creator,
}
