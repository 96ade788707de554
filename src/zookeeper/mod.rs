//! The only place that talks to ZooKeeper: the session, transactions, and the feed of everything that changes.

mod application;
mod change;
mod children;
mod connection;
mod dirty;
mod feed;
mod gate;
mod held;
mod interface_folders;
mod layout;
mod load;
mod options;
mod pace;
mod parts;
mod sender;
mod session;
mod shared;
mod transaction;
mod watches;
mod writing;
#[cfg(feature = "failpoints")]
mod wrong;

pub use application::{ApplicationPlace, Foreign, MetadataHome, MetadataKey};
pub use change::{Batch, Node, Shown, Sink, Stat};
pub use connection::Connection;
pub use layout::{Layout, Place, parse_owner};
pub use options::{AccessControl, Options};
pub use session::ZooKeeper;
pub use transaction::{Cause, CommitError, Operation, Transaction};
