//! A body becomes a snapshot, whole or not at all: one bad entry refuses everything, because a snapshot without it
//! would take a registration down that the sidecar still means.

use std::collections::hash_map::Entry as Slot;

use ahash::HashMap;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::Limits;
use super::entry::{EmptyMethod, Entry};
use super::identity::Claim;
use super::json::{self, Place};
use super::refusal::Refusal;
use crate::dubbo::{EntryKey, EntryKeyView, Side};
use crate::model::Snapshot;

#[derive(Deserialize)]
struct BodyFields<'a> {
    #[serde(default, borrow, deserialize_with = "json::present")]
    provider_list: Option<&'a RawValue>,
    #[serde(default, borrow, deserialize_with = "json::present")]
    consumer_list: Option<&'a RawValue>,
}

/// Reads a body, and what its entries say about whose snapshot it is. Entries without a host stand at `peer`.
pub(super) fn read(body: &[u8], peer: &str, limits: &Limits) -> Result<(Snapshot, Claim), Refusal> {
    let fields: BodyFields<'_> = json::object(json::whole(body)?, &Place::Body)?;
    if fields.provider_list.is_none() && fields.consumer_list.is_none() {
        return Err(Refusal::at(Place::Body, "has neither provider_list nor consumer_list"));
    }
    let at_providers = Place::Body.field("provider_list");
    let at_consumers = Place::Body.field("consumer_list");
    let list = |raw: Option<_>, place| {
        raw.map(|raw| json::list(raw, place)).transpose().map(Option::unwrap_or_default)
    };
    let raw_providers = list(fields.provider_list, &at_providers)?;
    let raw_consumers = list(fields.consumer_list, &at_consumers)?;
    let entries = raw_providers.len() + raw_consumers.len();
    if entries > limits.entries {
        let reason = format!("has {entries} entries, more than the {} accepted", limits.entries);
        return Err(Refusal::at(Place::Body, reason));
    }

    let mut claim = Claim::default();
    let mut providers = Collected::default();
    for (index, raw) in raw_providers.into_iter().enumerate() {
        let place = at_providers.index(index);
        let entry = Entry::read(raw, Side::Provider, EmptyMethod::Refused, &place)?;
        claim.hear(&place, &entry);
        let provider = entry.into_provider(peer, &place)?;
        let key = EntryKeyView::of_provider(&provider).into();
        providers.add(key, provider, index, &at_providers)?;
    }
    let mut consumers = Collected::default();
    for (index, raw) in raw_consumers.into_iter().enumerate() {
        let place = at_consumers.index(index);
        let entry = Entry::read(raw, Side::Consumer, EmptyMethod::Refused, &place)?;
        claim.hear(&place, &entry);
        let consumer = entry.into_consumer(peer, &place)?;
        let key = EntryKeyView::of_consumer(&consumer).into();
        consumers.add(key, consumer, index, &at_consumers)?;
    }
    Ok((Snapshot { providers: providers.entries, consumers: consumers.entries }, claim))
}

/// Entries of one list, each once.
struct Collected<T> {
    entries: Vec<T>,
    /// Where each stands: in `entries`, and in the caller's list.
    known: HashMap<EntryKey, (usize, usize)>,
}

impl<T> Default for Collected<T> {
    fn default() -> Self {
        Self { entries: Vec::new(), known: HashMap::default() }
    }
}

impl<T: PartialEq> Collected<T> {
    fn add(&mut self, key: EntryKey, entry: T, index: usize, list: &Place<'_>) -> Result<(), Refusal> {
        match self.known.entry(key) {
            Slot::Vacant(slot) => {
                slot.insert((self.entries.len(), index));
                self.entries.push(entry);
                Ok(())
            }
            Slot::Occupied(slot) => {
                let (position, first) = *slot.get();
                if self.entries.get(position) == Some(&entry) {
                    return Ok(());
                }
                let reason =
                    format!("says something else than {} of the same {}", list.index(first), slot.key());
                Err(Refusal::at(list.index(index), reason))
            }
        }
    }
}

#[cfg(test)]
#[path = "snapshot_tests.rs"]
mod tests;
