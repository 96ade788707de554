//! What `scripts/bench --pieces` measures of the inside: steps of a request by themselves, without HTTP and ZooKeeper. Only
//! with the feature `pieces`.

pub use crate::api::mosn::pieces::read_snapshot;
pub use crate::api::servicecomb::pieces::batch_find;
pub use crate::registry::pieces::plan_snapshot;
