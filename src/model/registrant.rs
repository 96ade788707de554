//! Who keeps a registration alive: the identities of sidecars, instances, tenants and replicas.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::ServiceKey;

/// A ServiceComb tenant. Data of different tenants is fully separate. Copies share their texts.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tenant {
    /// Value of the `X-Domain-Name` header, `default` without one.
    pub domain: Arc<str>,
    /// The `{project}` segment of the request path.
    pub project: Arc<str>,
}

impl Tenant {
    /// The tenant `domain`/`project`.
    pub fn new(domain: impl Into<Arc<str>>, project: impl Into<Arc<str>>) -> Self {
        Self { domain: domain.into(), project: project.into() }
    }

    /// Whether it is the tenant that applications outside ServiceComb belong to.
    pub fn is_default(&self) -> bool {
        &*self.domain == DEFAULT && &*self.project == DEFAULT
    }
}

const DEFAULT: &str = "default";

/// The tenant that applications outside ServiceComb belong to.
impl Default for Tenant {
    fn default() -> Self {
        Self::new(DEFAULT, DEFAULT)
    }
}

impl fmt::Display for Tenant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.domain, self.project)
    }
}

/// The identity of a sidecar: header `X-Registrant-Id`, or `<application>@<host>`. Copies share their text.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SidecarId(Arc<str>);

impl SidecarId {
    /// Longest accepted identity, in bytes: it is a znode name, and part of every provider's data.
    pub const MAX_BYTES: usize = 200;

    /// Checks and takes an identity.
    ///
    /// # Errors
    /// The reason, ready to stand behind the field's name, when `id` is empty, too long, or holds a control
    /// character or white space at its ends.
    pub fn parse(id: &str) -> Result<Self, String> {
        if id.is_empty() {
            return Err("must not be empty".into());
        }
        if id.len() > Self::MAX_BYTES {
            return Err(format!("is longer than {} bytes", Self::MAX_BYTES));
        }
        if id.chars().any(char::is_control) || id.trim() != id {
            return Err("must not hold control characters or white space at its ends".into());
        }
        Ok(Self(id.into()))
    }

    /// The identity as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SidecarId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The full identity of one ServiceComb instance. Copies share their texts, and so can those of one microservice.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct InstanceKey {
    /// Whose instance it is.
    pub tenant: Tenant,
    /// The microservice it runs.
    pub service_id: Arc<str>,
    /// Its own id, unique within the microservice.
    pub instance_id: Arc<str>,
}

/// Not of the tenant, which hardly sets one apart from others: every request and every znode asks tables for a key.
impl Hash for InstanceKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.service_id.hash(state);
        self.instance_id.hash(state);
    }
}

impl fmt::Display for InstanceKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}/{}", self.tenant, self.service_id, self.instance_id)
    }
}

/// The name of one running gateway for the length of one ZooKeeper session; never used again after it. Copies share
/// their text.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ReplicaId(Arc<str>);

impl ReplicaId {
    /// Takes the name as it stands in a znode path.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self(name.into())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether there is another copy of it.
    pub fn is_shared(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }
}

impl fmt::Display for ReplicaId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// That a consumer uses a service, whatever its version.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DependencyKey {
    /// The id of the consumer's microservice.
    pub consumer_id: String,
    /// What it uses; its tenant is the consumer's as well.
    pub provider: ServiceKey,
}

impl fmt::Display for DependencyKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ServiceKey { tenant, environment, app_id, service_name } = &self.provider;
        write!(formatter, "{tenant}/{} on {environment}/{app_id}/{service_name}", self.consumer_id)
    }
}

/// Whoever owns znodes in Dubbo's tree. All but dependencies keep their registration alive by repeating themselves.
///
/// Copies share what they name: there is one at each of their znodes, and in every table of those who are heard.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Registrant {
    /// A sidecar, by its snapshots.
    Sidecar(SidecarId),
    /// A ServiceComb instance, by its heartbeats.
    Instance(Arc<InstanceKey>),
    /// The dependency of a ServiceComb consumer. It has no lease: it lasts as long as the consumer's microservice.
    Dependency(Arc<DependencyKey>),
}

impl Registrant {
    /// Whether there is another copy of it.
    pub fn is_shared(&self) -> bool {
        let copies = match self {
            Self::Sidecar(id) => Arc::strong_count(&id.0),
            Self::Instance(key) => Arc::strong_count(key),
            Self::Dependency(key) => Arc::strong_count(key),
        };
        copies > 1
    }
}

impl From<InstanceKey> for Registrant {
    fn from(key: InstanceKey) -> Self {
        Self::Instance(Arc::new(key))
    }
}

impl From<DependencyKey> for Registrant {
    fn from(key: DependencyKey) -> Self {
        Self::Dependency(Arc::new(key))
    }
}

impl fmt::Display for Registrant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sidecar(id) => write!(formatter, "sidecar {id}"),
            Self::Instance(key) => write!(formatter, "instance {key}"),
            Self::Dependency(key) => write!(formatter, "dependency {key}"),
        }
    }
}
