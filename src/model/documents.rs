//! The JSON that stands in znodes: compact, with a stable order of keys, readable with `zkCli.sh get`.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Instance, SidecarId, hex_digest, short_digest};

/// The last snapshot of a sidecar. The URLs are kept exactly as they were written, so that what is removed later is
/// what was written, and nothing is recomputed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SnapshotDocument {
    /// Whose snapshot it is.
    pub registrant: SidecarId,
    /// The address that synced it last.
    pub peer: String,
    /// Provider URLs, sorted; empty here when they stand in parts.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub providers: BTreeSet<String>,
    /// Consumer URLs, sorted; empty here when they stand in parts.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub consumers: BTreeSet<String>,
    /// Instances of Dubbo's application level that stand in its name, `<application>/<host>:<port>`, sorted; empty here
    /// when they stand in parts.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub instances: BTreeSet<String>,
    /// How a snapshot with many entries is kept in parts, so that changing one entry rewrites little.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parts: Option<Parts>,
    /// The timestamps of the entries that were taken down because the sidecar fell silent: they get them back when it
    /// returns.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub timestamps: Timestamps,
    /// Provider URLs in whose place others stand now and which may still be there for a moment, sorted. They are not part
    /// of the snapshot.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub superseded: BTreeSet<String>,
}

/// Digests of the keys of entries, by the timestamp in their URLs in Unix milliseconds. Entries that were registered
/// together share one.
pub type Timestamps = BTreeMap<i64, BTreeSet<String>>;

/// How a snapshot is spread over the children of its document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parts {
    /// How many there may be. An entry's part follows from its URL.
    pub count: u32,
    /// Digest of all entries: when the parts do not add up to it, a change was cut short.
    pub digest: String,
}

/// One part of a snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotPart {
    /// Provider URLs, sorted.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub providers: BTreeSet<String>,
    /// Consumer URLs, sorted.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub consumers: BTreeSet<String>,
    /// Instances of Dubbo's application level, `<application>/<host>:<port>`, sorted.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub instances: BTreeSet<String>,
}

impl SnapshotPart {
    /// The same with these provider URLs besides; copied only if there are any.
    pub fn with_providers(&self, more: &BTreeSet<String>) -> Cow<'_, Self> {
        if more.is_empty() {
            return Cow::Borrowed(self);
        }
        let mut all = self.clone();
        all.providers.extend(more.iter().cloned());
        Cow::Owned(all)
    }

    /// True when nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.providers.is_empty() && self.consumers.is_empty() && self.instances.is_empty()
    }

    /// Bytes of all entries.
    pub fn bytes(&self) -> usize {
        let entries = self.providers.iter().chain(&self.consumers).chain(&self.instances);
        entries.map(|entry| entry.len() + 3).sum()
    }

    /// Digest of the entries.
    pub fn digest(&self) -> String {
        let mut content = Vec::with_capacity(self.bytes());
        for (kind, entries) in [(b'p', &self.providers), (b'c', &self.consumers), (b'i', &self.instances)] {
            for entry in entries {
                content.push(kind);
                content.extend_from_slice(entry.as_bytes());
                content.push(0);
            }
        }
        hex_digest(&content)
    }

    /// Spreads the entries over `count` parts, the empty ones among them.
    pub fn spread(&self, count: u32) -> Vec<Self> {
        let mut parts = vec![Self::default(); count as usize];
        for url in &self.providers {
            parts[part_of(url, count)].providers.insert(url.clone());
        }
        for url in &self.consumers {
            parts[part_of(url, count)].consumers.insert(url.clone());
        }
        for instance in &self.instances {
            parts[part_of(instance, count)].instances.insert(instance.clone());
        }
        parts
    }
}

/// The name of the znode of a part.
pub fn part_name(index: usize) -> String {
    format!("{index:03}")
}

fn part_of(url: &str, count: u32) -> usize {
    (short_digest(url.as_bytes()) % u64::from(count.max(1))) as usize
}

/// A ServiceComb instance and the provider URLs that it stands as in Dubbo's tree, exactly as they were written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InstanceDocument {
    /// The instance as registered.
    pub instance: Instance,
    /// Its provider URLs, sorted.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub providers: BTreeSet<String>,
}

/// A schema of a microservice.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SchemaDocument {
    /// What clients compare to see whether the text has changed.
    pub summary: String,
    /// The text.
    pub schema: String,
}

/// That a ServiceComb consumer uses a service, and the consumer URL that it stands as in Dubbo's tree.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DependencyDocument {
    /// The id of the consumer's microservice.
    pub consumer: String,
    /// The environment of what it uses.
    pub environment: String,
    /// The application of what it uses.
    pub app_id: String,
    /// The name of what it uses.
    pub service_name: String,
    /// Time of recording, Unix seconds as decimal text.
    pub timestamp: String,
    /// The consumer URL exactly as it was written; `None` while no instance of the consumer has an address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// Who a provider or consumer znode belongs to. Two sidecars can offer the very same URL; it stays until the last
/// of them takes it back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ownership {
    /// Always [`Ownership::WRITER`]: what tells the gateway's znodes from anybody else's.
    pub registered_by: String,
    /// The documents of the registrants, as paths below the registry root.
    pub registrants: BTreeSet<String>,
}

impl Ownership {
    /// What stands in `registeredBy`.
    pub const WRITER: &'static str = "zoogate";

    /// The znode of these registrants.
    pub fn of(registrants: BTreeSet<String>) -> Self {
        Self { registered_by: Self::WRITER.into(), registrants }
    }

    /// Reads the data of a znode; `None` when somebody else wrote it.
    pub fn parse(data: &[u8]) -> Option<Self> {
        let ownership: Self = serde_json::from_slice(data).ok()?;
        (ownership.registered_by == Self::WRITER).then_some(ownership)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spreading_loses_nothing_and_puts_an_entry_where_it_was_before() {
        let providers: BTreeSet<String> = (0..500).map(|n| format!("dubbo://10.0.0.1:{n}/a")).collect();
        let instances: BTreeSet<String> = (0..50).map(|n| format!("shop/10.0.0.1:{n}")).collect();
        let whole = SnapshotPart {
            providers: providers.clone(),
            instances: instances.clone(),
            ..SnapshotPart::default()
        };
        let parts = whole.spread(8);
        assert!(parts.iter().all(|part| part.providers.len() > 20));
        let together: BTreeSet<String> = parts.iter().flat_map(|part| part.providers.clone()).collect();
        assert_eq!(together, providers);
        let together: BTreeSet<String> = parts.iter().flat_map(|part| part.instances.clone()).collect();
        assert_eq!(together, instances);
        let mut changed = whole.clone();
        changed.providers.insert("dubbo://10.0.0.2:1/a".into());
        let differing = changed.spread(8).iter().zip(&parts).filter(|(new, old)| new != old).count();
        assert_eq!(differing, 1);
        assert_ne!(changed.digest(), whole.digest());
    }

    #[test]
    fn a_znode_of_somebody_else_is_not_taken_for_ours() {
        for data in ["127.0.0.1", "", "{}", "{\"registeredBy\":\"other\",\"registrants\":[]}", "null"] {
            assert_eq!(Ownership::parse(data.as_bytes()), None, "{data}");
        }
        let ours = Ownership::of(BTreeSet::from(["snapshots/00/a".to_owned()]));
        let text = serde_json::to_string(&ours).unwrap();
        assert_eq!(text, r#"{"registeredBy":"zoogate","registrants":["snapshots/00/a"]}"#);
        assert_eq!(Ownership::parse(text.as_bytes()), Some(ours));
    }
}
