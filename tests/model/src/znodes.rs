//! What ZooKeeper holds of a registration, and what a transaction does to it: all of its steps or none.

use crate::guards::{Guard, Guards};

/// Names of replicas, one bit each. A name that nothing mentions any more can be given again: nobody can tell.
pub type Names = u8;

/// Provider URLs, one bit each.
pub type Urls = u8;

/// A document, and its `dataVersion`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Document {
    /// The URLs that it lists.
    pub urls: Urls,
    /// How often it was changed.
    pub version: u8,
}

/// Everything that belongs to one registrant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Registration {
    /// Its document.
    pub document: Option<Document>,
    /// Its provider znodes.
    pub providers: Urls,
    /// Its lease with the marks below.
    pub lease: Option<Names>,
}

impl Registration {
    /// The URLs that its document lists.
    pub fn urls(&self) -> Urls {
        self.document.map_or(0, |document| document.urls)
    }
}

/// What a transaction does to the document.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DocumentStep {
    /// Nothing.
    #[default]
    None,
    /// Fails unless it has this version.
    Check(Document),
    /// Creates it; fails if it exists.
    Create(Urls),
    /// Replaces it if it has this version.
    Set(Document, Urls),
    /// Deletes it if it has this version.
    Delete(Document),
}

/// What a transaction does to the lease.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LeaseStep {
    /// Nothing.
    #[default]
    None,
    /// Fails unless it exists.
    Check,
    /// Fails unless it exists with these marks.
    CheckMark(Names),
    /// Fails if it exists.
    CheckAbsent,
    /// Creates it; fails if it exists.
    Create,
    /// Deletes it; fails if it has children.
    Delete,
}

/// A change of one registration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Transaction {
    /// The step on the document.
    pub document: DocumentStep,
    /// Provider znodes to create.
    pub add: Urls,
    /// Provider znodes to delete.
    pub remove: Urls,
    /// The step on the lease.
    pub lease: LeaseStep,
    /// Marks to delete.
    pub unmark: Names,
    /// Marks to create: none or one.
    pub mark: Names,
}

impl Transaction {
    /// True when it changes nothing, whatever it checks.
    pub fn only_checks(&self) -> bool {
        matches!(self.document, DocumentStep::None | DocumentStep::Check(_))
            && matches!(
                self.lease,
                LeaseStep::None | LeaseStep::Check | LeaseStep::CheckMark(_) | LeaseStep::CheckAbsent
            )
            && self.add | self.remove == 0
            && self.unmark | self.mark == 0
    }

    /// True when it ends a registration.
    pub fn takes_down(&self) -> bool {
        self.lease == LeaseStep::Delete
    }

    /// What stands after it; `None` when one of its steps fails.
    pub fn apply(&self, before: &Registration, guards: Guards) -> Option<Registration> {
        let mut after = *before;
        let fits = |expected: Document| {
            let found = before.document?;
            (found.version == expected.version || !guards.has(Guard::DocumentVersion))
                .then_some(found.version)
        };
        after.document = match self.document {
            DocumentStep::None => before.document,
            DocumentStep::Check(expected) => fits(expected).and(before.document).or(None)?.into(),
            DocumentStep::Create(urls) if before.document.is_none() => Some(Document { urls, version: 0 }),
            DocumentStep::Create(_) => return None,
            DocumentStep::Set(expected, urls) => Some(Document { urls, version: fits(expected)? + 1 }),
            DocumentStep::Delete(expected) => {
                fits(expected)?;
                None
            }
        };
        if self.add & before.providers != 0 || self.remove & !before.providers != 0 {
            return None;
        }
        after.providers = (before.providers | self.add) & !self.remove;
        match self.lease {
            LeaseStep::None | LeaseStep::Delete => {}
            LeaseStep::Check => _ = before.lease?,
            LeaseStep::CheckMark(mark) => _ = before.lease.filter(|marks| marks & mark == mark)?,
            LeaseStep::CheckAbsent | LeaseStep::Create if before.lease.is_some() => return None,
            LeaseStep::CheckAbsent => {}
            LeaseStep::Create => after.lease = Some(0),
        }
        if self.unmark != 0 {
            let marks = after.lease.filter(|marks| self.unmark & !marks == 0)?;
            after.lease = Some(marks & !self.unmark);
        }
        if self.mark != 0 {
            let marks = match after.lease {
                None if !guards.has(Guard::MarkNeedsLease) => 0,
                lease => lease.filter(|marks| marks & self.mark == 0)?,
            };
            after.lease = Some(marks | self.mark);
        }
        if self.lease == LeaseStep::Delete {
            after.lease.filter(|&marks| marks == 0 || !guards.has(Guard::NotEmpty))?;
            after.lease = None;
        }
        Some(after)
    }
}
