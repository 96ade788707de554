//! Which timestamp an entry carries. Java consumers warm a provider up again when it changes, so it stays for as long as
//! anything is known of the entry: over every other change, and over a silence.

use std::collections::{BTreeMap, HashMap};

use crate::dubbo::{EntryKey, ServiceUrl, consumer_url, provider_url};
use crate::model::{Snapshot, SnapshotPart, Timestamps};

/// What one entry takes in a document: sixteen digits, quotes and a comma.
const ENTRY_BYTES: usize = 19;
/// What one timestamp takes, likewise.
const TIMESTAMP_BYTES: usize = 19;

/// The URLs that `snapshot` stands as, without the instances that follow from them. What is registered under the same key, or was when its sidecar fell silent, keeps
/// its timestamp; everything else gets `now`, in Unix milliseconds.
pub(super) fn wanted_entries(
    before: &SnapshotPart,
    remembered: Option<&Timestamps>,
    snapshot: &Snapshot,
    now: i64,
) -> SnapshotPart {
    let standing: BTreeMap<EntryKey, i64> = stamped(before).collect();
    let silenced: HashMap<&str, i64> = remembered
        .into_iter()
        .flatten()
        .flat_map(|(timestamp, keys)| keys.iter().map(|key| (key.as_str(), *timestamp)))
        .collect();
    let known = |key: &EntryKey| {
        let silenced = || silenced.get(key.digest().as_str()).copied();
        standing.get(key).copied().or_else(silenced)
    };
    let keep = |write: &dyn Fn(i64) -> String| {
        let fresh = write(now);
        let key = ServiceUrl::parse(&fresh).map(|url| url.entry_key());
        match key.ok().as_ref().and_then(known) {
            Some(timestamp) => write(timestamp),
            None => fresh,
        }
    };
    SnapshotPart {
        providers: snapshot.providers.iter().map(|provider| keep(&|at| provider_url(provider, at))).collect(),
        consumers: snapshot.consumers.iter().map(|consumer| keep(&|at| consumer_url(consumer, at))).collect(),
        ..SnapshotPart::default()
    }
}

/// What is to be remembered of entries that are taken down; nothing at all when that would take more than `limit` bytes.
pub(super) fn remember(entries: &SnapshotPart, limit: usize) -> Timestamps {
    let mut timestamps = Timestamps::new();
    for (key, timestamp) in stamped(entries) {
        timestamps.entry(timestamp).or_default().insert(key.digest());
    }
    let keys: usize = timestamps.values().map(|keys| keys.len()).sum();
    if keys * ENTRY_BYTES + timestamps.len() * TIMESTAMP_BYTES > limit {
        return Timestamps::new();
    }
    timestamps
}

/// The entries that carry a timestamp.
fn stamped(entries: &SnapshotPart) -> impl Iterator<Item = (EntryKey, i64)> {
    let urls = entries.providers.iter().chain(&entries.consumers);
    let urls = urls.filter_map(|url| ServiceUrl::parse(url).ok());
    urls.filter_map(|url| Some((url.entry_key(), url.timestamp()?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Consumer, Provider};

    fn provider(port: u16, method: &str) -> Provider {
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
        Snapshot { providers: vec![provider(port, method)], consumers: Vec::new() }
    }

    #[test]
    fn a_provider_keeps_its_timestamp_when_its_methods_change_but_not_its_address() {
        let first = wanted_entries(&SnapshotPart::default(), None, &snapshot("x", 1), 1_000_000_000_001);
        assert_eq!(wanted_entries(&first, None, &snapshot("x", 1), 1_000_000_000_002), first);
        let changed = wanted_entries(&first, None, &snapshot("y", 1), 1_000_000_000_002);
        assert_ne!(changed, first);
        assert!(changed.providers.iter().all(|url| url.contains("timestamp=1000000000001")));
        let moved = wanted_entries(&first, None, &snapshot("x", 2), 1_000_000_000_002);
        assert!(moved.providers.iter().all(|url| url.contains("timestamp=1000000000002")));
    }

    #[test]
    fn what_was_silenced_gets_its_timestamp_back_and_what_is_new_does_not() {
        let consumer = Consumer {
            interface: "c.D".into(),
            protocol: None,
            host: "10.0.0.1".into(),
            port: None,
            methods: Vec::new(),
            params: BTreeMap::new(),
        };
        let mut all = Snapshot { providers: vec![provider(1, "x")], consumers: vec![consumer] };
        let before = wanted_entries(&SnapshotPart::default(), None, &all, 7);
        let remembered = remember(&before, 1_000);
        assert_eq!(remembered.keys().collect::<Vec<_>>(), [&7]);
        assert_eq!(remembered[&7].len(), 2);
        assert_eq!(wanted_entries(&SnapshotPart::default(), Some(&remembered), &all, 8), before);
        all.providers.push(provider(2, "x"));
        let returned = wanted_entries(&SnapshotPart::default(), Some(&remembered), &all, 8);
        assert_eq!(returned.providers.iter().filter(|url| url.contains("timestamp=8")).count(), 1);
    }

    #[test]
    fn no_more_is_remembered_than_fits() {
        let entries = wanted_entries(&SnapshotPart::default(), None, &snapshot("x", 1), 1_000_000_000_001);
        let text = serde_json::to_string(&remember(&entries, 1_000)).unwrap();
        assert_eq!(text.len(), "{}".len() + ENTRY_BYTES + TIMESTAMP_BYTES - 2, "{text}");
        assert!(remember(&entries, ENTRY_BYTES + TIMESTAMP_BYTES - 1).is_empty());
    }
}
