//! What is measured of this dialect by itself.

use bytes::Bytes;

use super::Repeats;
use super::batch::Asked;
use super::limits::Limits;
use crate::catalog::Catalog;
use crate::model::Tenant;

/// The answer to the body of a batch find; `None` when it is refused.
pub async fn batch_find(
    catalog: &Catalog,
    repeats: Option<&Repeats>,
    tenant: &Tenant,
    body: &[u8],
) -> Option<Bytes> {
    let asked = Asked { tenant, consumer_id: None, ignores_rev: false, body };
    asked.answer(catalog, repeats, &Limits::default(), drop).await.ok()
}
