//! Which timestamp an entry carries. Java consumers warm a provider up again when it changes, so it stays for as long as
//! anything is known of the entry: over every other change, and over a silence.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::dubbo::{EntryKey, ServiceUrl, consumer_url, provider_url};
use crate::model::{Snapshot, SnapshotPart, Timestamps};

/// What one entry takes in a document: sixteen digits, quotes and a comma.
const ENTRY_BYTES: usize = 19;
/// What one timestamp takes, likewise.
const TIMESTAMP_BYTES: usize = 19;

/// The timestamps that the entries of one sidecar have had.
pub(super) struct Stamps<'d> {
    standing: BTreeMap<EntryKey, i64>,
    /// Of entries that were taken down, by digest.
    silenced: HashMap<&'d str, i64>,
    now: i64,
}

impl<'d> Stamps<'d> {
    /// Those of `before`, which stands registered, and those that are `remembered` of what a silence has taken down.
    /// Everything else gets `now`, in Unix milliseconds.
    pub fn new(before: &SnapshotPart, remembered: Option<&'d Timestamps>, now: i64) -> Self {
        let remembered = remembered.into_iter().flatten();
        let silenced = remembered
            .flat_map(|(timestamp, keys)| keys.iter().map(|key| (key.as_str(), *timestamp)))
            .collect();
        Self { standing: stamped(before).collect(), silenced, now }
    }

    /// The URLs that `snapshot` stands as, without the instances that follow from them.
    pub fn entries(&self, snapshot: &Snapshot) -> SnapshotPart {
        let providers = snapshot.providers.iter();
        let consumers = snapshot.consumers.iter();
        SnapshotPart {
            providers: providers.map(|provider| self.keep(&|at| provider_url(provider, at))).collect(),
            consumers: consumers.map(|consumer| self.keep(&|at| consumer_url(consumer, at))).collect(),
            ..SnapshotPart::default()
        }
    }

    /// The URL that `write` makes for a timestamp, with the one that its entry has had.
    pub fn keep(&self, write: &dyn Fn(i64) -> String) -> String {
        let fresh = write(self.now);
        let key = ServiceUrl::parse(&fresh).map(|url| url.entry_key());
        match key.ok().and_then(|key| self.known(&key)) {
            Some(timestamp) => write(timestamp),
            None => fresh,
        }
    }

    fn known(&self, key: &EntryKey) -> Option<i64> {
        let silenced = || self.silenced.get(key.digest().as_str()).copied();
        self.standing.get(key).copied().or_else(silenced)
    }
}

/// What is still to be remembered once `entries` stand.
pub(super) fn forget(remembered: &Timestamps, entries: &SnapshotPart) -> Timestamps {
    if remembered.is_empty() {
        return Timestamps::new();
    }
    let standing: HashSet<String> = stamped(entries).map(|(key, _)| key.digest()).collect();
    let mut left = remembered.clone();
    left.values_mut().for_each(|keys| keys.retain(|key| !standing.contains(key)));
    left.retain(|_, keys| !keys.is_empty());
    left
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

    fn wanted_entries(
        before: &SnapshotPart,
        remembered: Option<&Timestamps>,
        snapshot: &Snapshot,
        now: i64,
    ) -> SnapshotPart {
        Stamps::new(before, remembered, now).entries(snapshot)
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
        let first = Snapshot { providers: vec![provider(1, "x")], consumers: Vec::new() };
        let part = wanted_entries(&SnapshotPart::default(), Some(&remembered), &first, 8);
        assert_eq!(forget(&remembered, &part)[&7].len(), 1);
        assert!(forget(&remembered, &before).is_empty());
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
