//! From what stands registered for a sidecar to what it wants: the whole of a snapshot, or one entry more or less.

use std::collections::{BTreeMap, BTreeSet};

use super::RegistryError;
use crate::dubbo::{EntryKey, EntryPattern, ServiceUrl, Side, consumer_url, provider_url};
use crate::model::{Consumer, Provider, Snapshot, SnapshotPart};

/// A change of one entry of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// The sidecar provides this. It replaces what stands at the same address under the same group and version.
    Provide(Provider),
    /// The sidecar consumes this, likewise.
    Consume(Consumer),
    /// The sidecar has no entry like that any more.
    Remove(EntryPattern),
}

impl Edit {
    /// What `before` becomes; `most` entries may be in it if it grows.
    pub(super) fn apply(
        &self,
        before: &SnapshotPart,
        now: i64,
        most: usize,
    ) -> Result<SnapshotPart, RegistryError> {
        let mut after = before.clone();
        match self {
            Self::Provide(provider) => put(&mut after.providers, &|at| provider_url(provider, at), now),
            Self::Consume(consumer) => put(&mut after.consumers, &|at| consumer_url(consumer, at), now),
            Self::Remove(pattern) => {
                let urls = match pattern.side {
                    Side::Provider => &mut after.providers,
                    Side::Consumer => &mut after.consumers,
                };
                urls.retain(|url| {
                    !ServiceUrl::parse(url).is_ok_and(|parsed| pattern.matches(&parsed.entry_key()))
                });
            }
        }
        let count = |part: &SnapshotPart| part.providers.len() + part.consumers.len();
        if count(&after) > most && count(&after) > count(before) {
            return Err(RegistryError::QuotaExceeded { what: "entries of a sidecar", most });
        }
        Ok(after)
    }
}

/// Puts the URL that `write` makes into `urls`, in the place of those of the same entry.
fn put(urls: &mut BTreeSet<String>, write: &dyn Fn(i64) -> String, now: i64) {
    let fresh = write(now);
    let Ok(key) = ServiceUrl::parse(&fresh).map(|url| url.entry_key()) else { return };
    let of_entry = |url: &&String| ServiceUrl::parse(url).is_ok_and(|parsed| parsed.entry_key() == key);
    let replaced: Vec<String> = urls.iter().filter(of_entry).cloned().collect();
    let url = keep_timestamp(&timestamps(&replaced), fresh, write);
    urls.retain(|url| !replaced.contains(url));
    urls.insert(url);
}

/// The URLs that `snapshot` stands as. What was registered before under the same key keeps its timestamp: a new one
/// would make Java consumers warm the provider up again.
pub(super) fn wanted_entries(before: &SnapshotPart, snapshot: &Snapshot, now: i64) -> SnapshotPart {
    let timestamps = timestamps(before.providers.iter().chain(&before.consumers));
    let keep = |write: &dyn Fn(i64) -> String| keep_timestamp(&timestamps, write(now), write);
    SnapshotPart {
        providers: snapshot.providers.iter().map(|provider| keep(&|at| provider_url(provider, at))).collect(),
        consumers: snapshot.consumers.iter().map(|consumer| keep(&|at| consumer_url(consumer, at))).collect(),
    }
}

fn timestamps<'u>(urls: impl IntoIterator<Item = &'u String>) -> BTreeMap<EntryKey, i64> {
    let parsed = urls.into_iter().filter_map(|url| ServiceUrl::parse(url).ok());
    parsed.filter_map(|url| Some((url.entry_key(), url.timestamp()?))).collect()
}

fn keep_timestamp(
    timestamps: &BTreeMap<EntryKey, i64>,
    fresh: String,
    write: &dyn Fn(i64) -> String,
) -> String {
    let key = ServiceUrl::parse(&fresh).map(|url| url.entry_key());
    match key.ok().and_then(|key| timestamps.get(&key)) {
        Some(timestamp) => write(*timestamp),
        None => fresh,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn provider(method: &str, port: u16) -> Provider {
        Provider {
            interface: "a.B".into(),
            protocol: "dubbo".into(),
            host: "10.0.0.1".into(),
            port,
            methods: vec![method.into()],
            params: BTreeMap::new(),
        }
    }

    fn snapshot(method: &str, port: u16) -> Snapshot {
        Snapshot { providers: vec![provider(method, port)], consumers: Vec::new() }
    }

    fn applied(before: &SnapshotPart, edit: &Edit, now: i64) -> SnapshotPart {
        edit.apply(before, now, 2).unwrap()
    }

    #[test]
    fn a_provider_keeps_its_timestamp_when_its_methods_change_but_not_its_address() {
        let first = wanted_entries(&SnapshotPart::default(), &snapshot("x", 1), 1_000_000_000_001);
        assert_eq!(wanted_entries(&first, &snapshot("x", 1), 1_000_000_000_002), first);
        let changed = wanted_entries(&first, &snapshot("y", 1), 1_000_000_000_002);
        assert_ne!(changed, first);
        assert!(changed.providers.iter().all(|url| url.contains("timestamp=1000000000001")));
        let moved = wanted_entries(&first, &snapshot("x", 2), 1_000_000_000_002);
        assert!(moved.providers.iter().all(|url| url.contains("timestamp=1000000000002")));
    }

    #[test]
    fn an_entry_that_is_provided_again_replaces_itself_and_keeps_its_timestamp() {
        let provide = |method, port| Edit::Provide(provider(method, port));
        let first = applied(&SnapshotPart::default(), &provide("x", 1), 1_000_000_000_001);
        assert_eq!(applied(&first, &provide("x", 1), 1_000_000_000_002), first);
        let changed = applied(&first, &provide("y", 1), 1_000_000_000_002);
        assert_eq!(changed.providers.len(), 1);
        let url = changed.providers.first().unwrap();
        assert!(url.contains("methods=y") && url.contains("timestamp=1000000000001"), "{url}");
        assert_eq!(applied(&changed, &provide("y", 2), 1).providers.len(), 2);
    }

    #[test]
    fn only_growing_past_the_limit_is_refused() {
        let before = SnapshotPart {
            providers: ["dubbo://h:1/a.A", "dubbo://h:2/a.A", "dubbo://h:3/a.A"].map(String::from).into(),
            consumers: BTreeSet::new(),
        };
        let refused = Edit::Provide(provider("x", 1)).apply(&before, 0, 2);
        assert!(matches!(refused, Err(RegistryError::QuotaExceeded { most: 2, .. })), "{refused:?}");
        let pattern = EntryPattern {
            side: Side::Provider,
            interface: "a.A".into(),
            group: None,
            version: None,
            protocol: None,
            host: None,
            port: Some(1),
        };
        assert_eq!(Edit::Remove(pattern).apply(&before, 0, 1).unwrap().providers.len(), 2);
    }
}
