//! One entry more or less in what stands registered for a sidecar.

use std::collections::BTreeSet;

use super::RegistryError;
use super::timestamps::Stamps;
use crate::dubbo::{EntryPattern, Side, UrlView};
use crate::model::{Consumer, Provider, SnapshotPart};

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
        stamps: &Stamps<'_>,
        most: usize,
    ) -> Result<SnapshotPart, RegistryError> {
        let mut after = before.clone();
        match self {
            Self::Provide(provider) => put(&mut after.providers, stamps.provider(provider)),
            Self::Consume(consumer) => put(&mut after.consumers, stamps.consumer(consumer)),
            Self::Remove(pattern) => {
                let urls = match pattern.side {
                    Side::Provider => &mut after.providers,
                    Side::Consumer => &mut after.consumers,
                };
                urls.retain(|url| !UrlView::parse(url).is_ok_and(|parsed| pattern.matches(&parsed.entry())));
            }
        }
        let count = |part: &SnapshotPart| part.providers.len() + part.consumers.len();
        if count(&after) > most && count(&after) > count(before) {
            return Err(RegistryError::QuotaExceeded { what: "entries of a sidecar", most });
        }
        Ok(after)
    }
}

/// Puts `url` into `urls`, in the place of those of the same entry.
fn put(urls: &mut BTreeSet<String>, url: String) {
    let Ok(key) = UrlView::parse(&url).map(|url| url.entry()) else { return };
    urls.retain(|url| !UrlView::parse(url).is_ok_and(|parsed| parsed.entry() == key));
    urls.insert(url);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

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

    fn applied(before: &SnapshotPart, edit: &Edit, now: i64) -> SnapshotPart {
        edit.apply(before, &Stamps::new(before, None, now, false), 2).unwrap()
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
            ..SnapshotPart::default()
        };
        let stamps = Stamps::new(&before, None, 0, false);
        let refused = Edit::Provide(provider("x", 1)).apply(&before, &stamps, 2);
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
        assert_eq!(Edit::Remove(pattern).apply(&before, &stamps, 1).unwrap().providers.len(), 2);
    }
}
