//! Which timestamp an entry carries. Java consumers warm a provider up again when it moves forward, so it stays for as long
//! as anything is known of the entry: over every change, but for a millisecond where that is needed, and over a silence.

use std::collections::{BTreeSet, HashSet};

use ahash::HashMap;

use crate::dubbo::{EntryKeyView, Side, UrlView, consumer_url, provider_url};
use crate::model::{Consumer, Provider, Snapshot, SnapshotPart, Timestamps};

/// What one entry takes in a document: sixteen digits, quotes and a comma.
const ENTRY_BYTES: usize = 19;
/// What one timestamp takes, likewise.
const TIMESTAMP_BYTES: usize = 19;
/// By how much the timestamp of a provider moves when its old form stays for a moment, in milliseconds. Consumers on dubbo-go
/// tell providers of one address apart by it; to Java's warm-up, which takes minutes, it is nothing.
const STEP: i64 = 1;

/// The timestamps that the entries of one sidecar have had.
pub(super) struct Stamps<'d> {
    standing: HashMap<EntryKeyView<'d>, (i64, &'d str)>,
    /// Of entries that were taken down, by digest.
    silenced: HashMap<&'d str, i64>,
    now: i64,
    step: i64,
}

impl<'d> Stamps<'d> {
    /// Those of `before`, which stands registered, and those that are `remembered` of what a silence has taken down.
    /// Everything else gets `now`, in Unix milliseconds. `overlap` says whether what a change replaces stays for a moment.
    pub fn new(
        before: &'d SnapshotPart,
        remembered: Option<&'d Timestamps>,
        now: i64,
        overlap: bool,
    ) -> Self {
        let step = if overlap { STEP } else { 0 };
        let remembered = remembered.into_iter().flatten();
        let silenced = remembered
            .flat_map(|(timestamp, keys)| keys.iter().map(|key| (key.as_str(), *timestamp)))
            .collect();
        Self {
            standing: stamped(urls_of(before)).map(|(key, at, url)| (key, (at, url))).collect(),
            silenced,
            now,
            step,
        }
    }

    /// The URLs that `snapshot` stands as, without the instances that follow from them.
    pub fn entries(&self, snapshot: &Snapshot) -> SnapshotPart {
        let providers = snapshot.providers.iter();
        let consumers = snapshot.consumers.iter();
        SnapshotPart {
            providers: providers.map(|provider| self.provider(provider)).collect(),
            consumers: consumers.map(|consumer| self.consumer(consumer)).collect(),
            ..SnapshotPart::default()
        }
    }

    /// The URL of a provider: the very one that stands, or one that tells its entry from before.
    pub fn provider(&self, provider: &Provider) -> String {
        self.keep(&EntryKeyView::of_provider(provider), |at| provider_url(provider, at))
    }

    /// Likewise of a consumer.
    pub fn consumer(&self, consumer: &Consumer) -> String {
        self.keep(&EntryKeyView::of_consumer(consumer), |at| consumer_url(consumer, at))
    }

    fn keep(&self, key: &EntryKeyView<'_>, write: impl Fn(i64) -> String) -> String {
        if let Some((timestamp, standing)) = self.standing.get(key) {
            let kept = write(*timestamp);
            let is_replaced = key.side == Side::Provider && kept != *standing;
            return if is_replaced { write(timestamp + self.step) } else { kept };
        }
        if self.silenced.is_empty() {
            return write(self.now);
        }
        write(self.silenced.get(key.digest().as_str()).copied().unwrap_or(self.now))
    }
}

/// The providers of `before` in whose place `after` has another URL that consumers on dubbo-go tell from it. Those must find the
/// new one before they lose the old one: they drop what has gone before they read what has come.
pub(super) fn superseded(before: &SnapshotPart, after: &SnapshotPart) -> BTreeSet<String> {
    let come: HashMap<EntryKeyView<'_>, i64> = stamped(after.providers.difference(&before.providers))
        .map(|(key, timestamp, _)| (key, timestamp))
        .collect();
    let gone = stamped(before.providers.difference(&after.providers));
    let replaced = gone.filter(|(key, timestamp, _)| come.get(key).is_some_and(|new| new != timestamp));
    replaced.map(|(_, _, url)| url.to_owned()).collect()
}

/// What is still to be remembered once `entries` stand.
pub(super) fn forget(remembered: &Timestamps, entries: &SnapshotPart) -> Timestamps {
    if remembered.is_empty() {
        return Timestamps::new();
    }
    let standing: HashSet<String> = stamped(urls_of(entries)).map(|(key, ..)| key.digest()).collect();
    let mut left = remembered.clone();
    left.values_mut().for_each(|keys| keys.retain(|key| !standing.contains(key)));
    left.retain(|_, keys| !keys.is_empty());
    left
}

/// What is to be remembered of entries that are taken down; nothing at all when that would take more than `limit` bytes.
pub(super) fn remember(entries: &SnapshotPart, limit: usize) -> Timestamps {
    let mut timestamps = Timestamps::new();
    for (key, timestamp, _) in stamped(urls_of(entries)) {
        timestamps.entry(timestamp).or_default().insert(key.digest());
    }
    let keys: usize = timestamps.values().map(|keys| keys.len()).sum();
    if keys * ENTRY_BYTES + timestamps.len() * TIMESTAMP_BYTES > limit {
        return Timestamps::new();
    }
    timestamps
}

fn urls_of(entries: &SnapshotPart) -> impl Iterator<Item = &String> {
    entries.providers.iter().chain(&entries.consumers)
}

/// The entries that carry a timestamp, with that and their URL.
fn stamped<'p>(
    urls: impl Iterator<Item = &'p String>,
) -> impl Iterator<Item = (EntryKeyView<'p>, i64, &'p str)> {
    urls.filter_map(|text| {
        let (key, timestamp) = UrlView::parse(text).ok()?.entry_and_timestamp();
        Some((key, timestamp?, text.as_str()))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

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
        Stamps::new(before, remembered, now, false).entries(snapshot)
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
        assert!(superseded(&first, &changed).is_empty(), "they would be taken for one");
        let moved = wanted_entries(&first, None, &snapshot("x", 2), 1_000_000_000_002);
        assert!(moved.providers.iter().all(|url| url.contains("timestamp=1000000000002")));
        assert!(superseded(&first, &moved).is_empty());
    }

    #[test]
    fn a_provider_whose_old_form_stays_for_a_moment_moves_its_timestamp_by_a_millisecond() {
        let entries = |before: &SnapshotPart, method| {
            Stamps::new(before, None, 1_000_000_000_001, true).entries(&snapshot(method, 1))
        };
        let first = entries(&SnapshotPart::default(), "x");
        let changed = entries(&first, "y");
        assert!(changed.providers.iter().all(|url| url.contains("timestamp=1000000000002")));
        assert_eq!(entries(&changed, "y"), changed);
        assert_eq!(superseded(&first, &changed), first.providers);
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
