//! What one sidecar says it provides and consumes, whole.

use std::collections::BTreeMap;

use super::SidecarId;

/// One interface offered at one address. Checked by the dialect that made it: nothing in it can break the
/// provider URL that it becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provider {
    /// Name of the interface, the path segment.
    pub interface: String,
    /// Scheme of its URL, `dubbo` unless the sidecar says otherwise.
    pub protocol: String,
    /// IP literal (IPv6 without brackets) or host name.
    pub host: String,
    /// 1 to 65535.
    pub port: u16,
    /// Method names; may be empty.
    pub methods: Vec<String>,
    /// Every other URL parameter, `group` and `version` among them, without empty values.
    pub params: BTreeMap<String, String>,
}

/// One interface used from one address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consumer {
    /// Name of the interface, the path segment.
    pub interface: String,
    /// The protocol that it wants to call with, if it says.
    pub protocol: Option<String>,
    /// IP literal (IPv6 without brackets) or host name.
    pub host: String,
    /// The consumer's own port, if it says.
    pub port: Option<u16>,
    /// Method names; may be empty.
    pub methods: Vec<String>,
    /// Every other URL parameter, `group` and `version` among them, without empty values.
    pub params: BTreeMap<String, String>,
}

/// What one sidecar says it provides and consumes, whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Everything it provides.
    pub providers: Vec<Provider>,
    /// Everything it consumes.
    pub consumers: Vec<Consumer>,
}

impl Snapshot {
    /// Nothing provided and nothing consumed.
    pub fn is_empty(&self) -> bool {
        self.providers.is_empty() && self.consumers.is_empty()
    }
}

/// What the registry holds of one sidecar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotReport {
    /// Whose snapshot it is.
    pub registrant: SidecarId,
    /// Interfaces provided, sorted, each once.
    pub provided: Vec<String>,
    /// Interfaces consumed, sorted, each once.
    pub consumed: Vec<String>,
    /// Those of `consumed` that have a provider right now, whoever registered it.
    pub dispatched: Vec<String>,
    /// The snapshot's version: its document's `dataVersion` + 1.
    pub version: u64,
    /// Whether a change that takes several transactions is under way, or was cut short: the lists may be incomplete.
    pub torn: bool,
}
