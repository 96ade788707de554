//! Why a use case did not happen, in the registry's own words; each dialect maps these to its codes in one place.

/// Why a use case did not happen.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RegistryError {
    /// There is no ZooKeeper session: nothing was sent, nothing was changed.
    #[error("zk not connected.")]
    NotConnected,
    /// Too many changes wait for ZooKeeper already: nothing was sent, nothing was changed.
    #[error("too many changes wait for zk, repeat the request later")]
    Busy,
    /// The request was sent and no answer came: it may or may not have been carried out. Repeating it is safe.
    #[error("zk did not answer in time: the outcome is unknown, repeat the request")]
    OutcomeUnknown,
    /// Others kept changing the same registration; nothing was changed. Repeating it is safe.
    #[error("too many concurrent changes of {0}, repeat the request")]
    Contended(String),
    /// ZooKeeper refused the change for a reason that repeating does not mend.
    #[error("zk refused the change: {0}")]
    Refused(String),
    /// The registration is larger than a znode can hold.
    #[error("{what} has {bytes} bytes, more than the {limit} that are accepted")]
    TooLarge {
        /// What is too large.
        what: String,
        /// Its size.
        bytes: usize,
        /// The most that is accepted.
        limit: usize,
    },
    /// The microservice does not exist.
    #[error("microservice {0} does not exist")]
    NoSuchMicroservice(String),
    /// The instance does not exist.
    #[error("instance {0} does not exist")]
    NoSuchInstance(String),
    /// The microservice has no such tag.
    #[error("tag {0} does not exist")]
    NoSuchTag(String),
    /// The microservice has no such schema.
    #[error("schema {0} does not exist")]
    NoSuchSchema(String),
    /// Other microservices use it.
    #[error("microservice {0} is used by {1}")]
    InUse(String, String),
    /// The tenant, or the microservice, has as many of something as it may.
    #[error("{what}: the max num is {most}")]
    QuotaExceeded {
        /// What there are too many of.
        what: &'static str,
        /// The most that is accepted.
        most: usize,
    },
    /// Its id or its key belongs to another microservice.
    #[error("{0}")]
    MicroserviceConflict(String),
    /// The microservice still has instances.
    #[error("microservice {0} has instances")]
    HasInstances(String),
    /// It was registered by a sidecar or by Dubbo itself and cannot be changed through this API.
    #[error("{0} is registered outside this API and is read-only here")]
    ReadOnly(String),
}

impl RegistryError {
    /// Whether it says that something does not exist.
    pub fn is_absence(&self) -> bool {
        matches!(
            self,
            Self::NoSuchMicroservice(_)
                | Self::NoSuchInstance(_)
                | Self::NoSuchTag(_)
                | Self::NoSuchSchema(_)
        )
    }
}
