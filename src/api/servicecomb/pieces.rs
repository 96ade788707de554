//! What is measured of this dialect by itself.

use bytes::Bytes;

use super::batch::Round;
use super::batch_answer;
use super::batch_body::Wanted;
use super::limits::Limits;
use crate::catalog::Catalog;
use crate::model::Tenant;

/// The answer to the body of a batch find; `None` when it is refused, or not written as it usually is.
pub async fn batch_find(catalog: &Catalog, tenant: &Tenant, body: &[u8]) -> Option<Bytes> {
    let limits = Limits::default();
    let wanted = Wanted::read_quickly(tenant, body, limits.batch_elements)?;
    let mut round = Round::default();
    round.find(catalog, tenant, None, &wanted, true).await;
    batch_answer::document(&round.services, &round.instances, limits.batch_answer).ok()
}
