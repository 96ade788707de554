//! A change that happens whole or not at all, and how it can fail.

/// One step of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Creates a persistent znode; fails if it exists.
    Create {
        /// Where.
        path: String,
        /// Its data.
        data: String,
    },
    /// Replaces the data of a znode that has this `dataVersion`.
    Set {
        /// Where.
        path: String,
        /// Its new data.
        data: String,
        /// The `dataVersion` that it must have.
        version: i32,
    },
    /// Deletes a znode that has this `dataVersion` (-1: any) and no children.
    Delete {
        /// Where.
        path: String,
        /// The `dataVersion` that it must have, or -1.
        version: i32,
    },
    /// Fails unless the znode exists and has this `dataVersion` (-1: any).
    Check {
        /// Where.
        path: String,
        /// The `dataVersion` that it must have, or -1.
        version: i32,
    },
}

impl Operation {
    /// The path that it is about.
    pub fn path(&self) -> &str {
        match self {
            Self::Create { path, .. }
            | Self::Set { path, .. }
            | Self::Delete { path, .. }
            | Self::Check { path, .. } => path,
        }
    }

    /// Whether anything is different after it.
    pub fn changes(&self) -> bool {
        !matches!(self, Self::Check { .. })
    }

    /// Bytes on the wire, without chroot: a header of 9, then the fields with their lengths; a creation also
    /// carries its access control list (at most about 60) and flags.
    fn wire_bytes(&self) -> usize {
        let data = match self {
            Self::Create { data, .. } => data.len() + 72,
            Self::Set { data, .. } => data.len() + 8,
            Self::Delete { .. } | Self::Check { .. } => 4,
        };
        9 + 4 + self.path().len() + data
    }
}

/// A change that happens whole or not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transaction {
    /// The steps, carried out in this order.
    pub operations: Vec<Operation>,
}

impl Transaction {
    /// Adds the creation of a persistent znode.
    pub fn create(&mut self, path: impl Into<String>, data: impl Into<String>) {
        self.operations.push(Operation::Create { path: path.into(), data: data.into() });
    }

    /// Adds the replacement of a znode's data.
    pub fn set(&mut self, path: impl Into<String>, data: impl Into<String>, version: i32) {
        self.operations.push(Operation::Set { path: path.into(), data: data.into(), version });
    }

    /// Adds a deletion.
    pub fn delete(&mut self, path: impl Into<String>, version: i32) {
        self.operations.push(Operation::Delete { path: path.into(), version });
    }

    /// Adds a condition.
    pub fn check(&mut self, path: impl Into<String>, version: i32) {
        self.operations.push(Operation::Check { path: path.into(), version });
    }

    /// True when there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// Bytes on the wire, where every path is longer by `chroot_bytes`.
    pub fn wire_bytes(&self, chroot_bytes: usize) -> usize {
        let operations: usize = self.operations.iter().map(Operation::wire_bytes).sum();
        16 + operations + self.operations.len() * chroot_bytes
    }

    /// The paths that it changes.
    pub fn changed_paths(&self) -> Vec<String> {
        let changes = self.operations.iter().filter(|operation| operation.changes());
        changes.map(|operation| operation.path().to_owned()).collect()
    }

    /// Cuts it into pieces of at most `limit` bytes each; a single larger step makes a piece of its own.
    pub fn split(self, limit: usize, chroot_bytes: usize) -> Vec<Self> {
        let mut pieces = Vec::new();
        let mut piece = Self::default();
        let mut bytes = 16;
        for operation in self.operations {
            let size = operation.wire_bytes() + chroot_bytes;
            if bytes + size > limit && !piece.is_empty() {
                pieces.push(std::mem::take(&mut piece));
                bytes = 16;
            }
            bytes += size;
            piece.operations.push(operation);
        }
        if !piece.is_empty() {
            pieces.push(piece);
        }
        pieces
    }
}

/// Why a transaction was not carried out.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum CommitError {
    /// There is no session: nothing was sent.
    #[error("zookeeper is not connected")]
    NotConnected,
    /// Too many wait already: nothing was sent.
    #[error("too many changes wait for zookeeper")]
    Busy,
    /// It was sent and no answer came: it may or may not have been carried out.
    #[error("zookeeper did not answer: {0}")]
    Unknown(String),
    /// A step is larger than may be sent: nothing was.
    #[error("{path}: {bytes} bytes are more than the {limit} of one transaction")]
    TooLarge {
        /// The path of that step.
        path: String,
        /// Its size on the wire.
        bytes: usize,
        /// The most that is sent.
        limit: usize,
    },
    /// A step could not be done, so none was.
    #[error("{path}: {cause}")]
    Failed {
        /// The path of that step.
        path: String,
        /// Why.
        cause: Cause,
    },
}

/// Why a step of a transaction could not be done.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum Cause {
    /// The znode, or the parent of one to create, does not exist.
    #[error("does not exist")]
    NoNode,
    /// The znode to create exists.
    #[error("exists already")]
    NodeExists,
    /// The znode was changed meanwhile.
    #[error("was changed meanwhile")]
    BadVersion,
    /// The znode to delete has children.
    #[error("has children")]
    NotEmpty,
    /// Anything that trying again does not mend.
    #[error("{0}")]
    Other(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_split_transaction_keeps_every_step_in_order_and_every_piece_within_the_limit() {
        let mut transaction = Transaction::default();
        for number in 0..100 {
            transaction.create(format!("/a/{number}"), "x".repeat(number * 3));
        }
        let whole = transaction.operations.clone();
        let pieces = transaction.split(1_000, 7);
        assert!(pieces.len() > 1);
        assert!(pieces.iter().all(|piece| piece.wire_bytes(7) <= 1_000));
        let together: Vec<_> = pieces.into_iter().flat_map(|piece| piece.operations).collect();
        assert_eq!(together, whole);
    }
}
