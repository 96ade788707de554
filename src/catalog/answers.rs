//! What the catalog answers with.

use std::collections::HashSet;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;

use super::MicroserviceRecord;
use super::quiet::Quiet;
use crate::model::{Registrant, ReplicaId, Revision};

/// An answer to a discovery, ready to be sent. Copies share their bytes.
#[derive(Clone, Debug)]
pub struct Found {
    /// Changes if and only if the answer would.
    pub revision: Revision,
    answer: Arc<Answer>,
}

/// What all copies of an answer share.
#[derive(Debug)]
struct Answer {
    document: Bytes,
    json: Bytes,
    count: usize,
    revision: Revision,
    rev: OnceLock<Bytes>,
    /// The last other revision that a copy was raised to, as clients carry it.
    raised: Mutex<Option<(Revision, Bytes)>>,
    compressed: OnceLock<Option<Bytes>>,
}

/// What the document of an answer holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// A list of instances, as `instances`; nothing at all when it is empty.
    List,
    /// One instance, as `instance`.
    One,
}

impl Holds {
    /// What its document begins with.
    pub const fn opening(self) -> &'static [u8] {
        match self {
            Self::List => br#"{"instances":"#,
            Self::One => br#"{"instance":"#,
        }
    }
}

impl Found {
    /// An answer with this document: the opening of what it `holds`, the JSON, and a closing brace. `count` instances are
    /// in it.
    pub fn new(revision: Revision, holds: Holds, document: Bytes, count: usize) -> Self {
        let opening = holds.opening().len();
        let json = document.slice(opening.min(document.len())..document.len().saturating_sub(1).max(opening));
        let document = if count == 0 { Bytes::from_static(b"{}") } else { document };
        let (rev, raised, compressed) = (OnceLock::new(), Mutex::new(None), OnceLock::new());
        Self {
            revision,
            answer: Arc::new(Answer { document, json, count, revision, rev, raised, compressed }),
        }
    }

    /// How many instances it holds.
    pub fn count(&self) -> usize {
        self.answer.count
    }

    /// The instances as a JSON array in the v4 form; of a single instance, its object.
    pub fn json(&self) -> &[u8] {
        &self.answer.json
    }

    /// The whole answer as a JSON object.
    pub fn document(&self) -> Bytes {
        self.answer.document.clone()
    }

    /// The revision as clients carry it, in ASCII.
    pub fn rev(&self) -> Bytes {
        let text = || Bytes::from(self.revision.to_string());
        if self.revision == self.answer.revision {
            return self.answer.rev.get_or_init(text).clone();
        }
        let mut raised = self.answer.raised.lock();
        match &*raised {
            Some((revision, text)) if *revision == self.revision => text.clone(),
            _ => raised.insert((self.revision, text())).1.clone(),
        }
    }

    /// The document as `compress` makes it shorter, which is done once for all copies; `None` when it failed.
    pub fn compressed(&self, compress: impl FnOnce(&[u8]) -> Option<Bytes>) -> Option<Bytes> {
        self.answer.compressed.get_or_init(|| compress(&self.answer.document)).clone()
    }

    /// Whether that has been done.
    pub fn is_compressed(&self) -> bool {
        self.answer.compressed.get().is_some()
    }
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
    /// Until when nothing can be due about it.
    pub quiet: &'v Quiet,
}
