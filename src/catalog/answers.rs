//! What the catalog answers with.

use std::collections::HashSet;
use std::time::Duration;

use bytes::Bytes;

use super::MicroserviceRecord;
use crate::model::{Registrant, ReplicaId, Revision};

/// An answer to a discovery, ready to be copied into a response.
#[derive(Clone, Debug)]
pub struct Found {
    /// Changes if and only if `json` would.
    pub revision: Revision,
    /// The instances as a JSON array in the v4 form; of a single instance, its object.
    pub json: Bytes,
    /// How many instances it holds.
    pub count: usize,
}

/// Why a discovery has no answer.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum FindError {
    /// The provider's microservice, or the consumer's, does not exist or is not to be seen.
    #[error("microservice {0} does not exist")]
    NoSuchMicroservice(String),
    /// The instance does not exist or is not to be seen.
    #[error("instance {0} does not exist")]
    NoSuchInstance(String),
}

/// The outcome of asking whether a microservice exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Existence {
    /// Its id.
    Here(String),
    /// The service exists, this version of it does not.
    OtherVersions,
    /// No version of the service exists.
    Nowhere,
}

/// What stands at a service id.
#[derive(Clone, Debug)]
pub enum Registered {
    /// A microservice that was registered through the v4 API.
    Record(MicroserviceRecord),
    /// One that provider URLs speak of; it cannot be changed through the API.
    Described,
    /// Nothing.
    Nothing,
}

/// The lease of one registrant as the catalog sees it.
#[derive(Clone, Copy, Debug)]
pub struct LeaseView<'v> {
    /// Whose lease it is.
    pub registrant: &'v Registrant,
    /// The zxid of its creation; 0 while only marks of it are known.
    pub created: i64,
    /// Which replicas have marked it.
    pub marks: &'v [ReplicaId],
    /// The replicas that live; marks of others are stale.
    pub replicas: &'v HashSet<ReplicaId>,
    /// How long the registrant may be silent, for an instance that is known.
    pub time_to_live: Option<Duration>,
}
