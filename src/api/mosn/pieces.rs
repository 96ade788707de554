//! What is measured of this dialect by itself.

use super::{Limits, snapshot};
use crate::model::Snapshot;

/// Reads the body of a sync that came from `peer`; `None` when it is refused.
pub fn read_snapshot(body: &[u8], peer: &str) -> Option<Snapshot> {
    snapshot::read(body, peer, &Limits::default()).ok().map(|(snapshot, _)| snapshot)
}
