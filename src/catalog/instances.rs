//! Instances as they are kept: the bytes of their documents, which are taken apart only for whoever asks for more than what
//! is served.

use std::hash::BuildHasher;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use super::Catalog;
use super::providers::to_json;
use crate::model::{InstanceDocument, InstanceKey, Tenant, short_digest};
use crate::zookeeper::Stat;

/// What a document begins with: its instance, as it is served.
const OPENING: &[u8] = br#"{"instance":"#;

/// An instance as its znode holds it.
#[derive(Clone, Debug)]
pub struct InstanceRecord {
    /// The instance, and the provider URLs that it stands as.
    pub document: InstanceDocument,
    /// `dataVersion` of its znode.
    pub version: i32,
    /// Set when the znode no longer holds the document.
    pub damaged: bool,
}

/// An instance as it is kept. Copies share their bytes.
#[derive(Clone)]
pub(super) struct KeptInstance {
    /// The document, and behind it the JSON of the v4 API if that is not how the document itself spells the instance.
    bytes: Arc<[u8]>,
    /// Where the document ends, and where the JSON of the v4 API does: ZooKeeper knows no znodes of 2 GiB.
    document_end: u32,
    shown_end: u32,
    /// `dataVersion` of its znode.
    version: i32,
    /// Digest of what is shown of it.
    pub digest: u64,
    /// zxid of its last change.
    pub zxid: i64,
    /// See [`endpoints_digest`]; `None` when it has none.
    pub endpoints: Option<NonZeroU64>,
    /// How long it may be silent, in seconds; more than can be said here is more than a century.
    seconds_to_live: u32,
    damaged: bool,
}

/// A digest of a set of endpoints.
pub(super) fn endpoints_digest(hasher: &impl BuildHasher, endpoints: &[String]) -> NonZeroU64 {
    NonZeroU64::new(hasher.hash_one(endpoints)).unwrap_or(NonZeroU64::MIN)
}

impl KeptInstance {
    /// Takes the document of the instance `key` as it was read. `hasher` makes the digests of endpoints.
    ///
    /// # Errors
    /// Why it makes no sense.
    pub fn read(
        key: &InstanceKey,
        data: &[u8],
        stat: &Stat,
        hasher: &impl BuildHasher,
    ) -> Result<Self, String> {
        let document: InstanceDocument = serde_json::from_slice(data).map_err(|error| error.to_string())?;
        let instance = &document.instance;
        if *instance.instance_id != *key.instance_id || *instance.service_id != *key.service_id {
            return Err("it is the document of another instance".to_owned());
        }
        let json = to_json(instance);
        let is_within = data.strip_prefix(OPENING).is_some_and(|rest| rest.starts_with(&json));
        let (bytes, begin) = match is_within {
            true => (Arc::from(data), OPENING.len()),
            false => ([data, &json].concat().into(), data.len()),
        };
        let endpoints = instance.endpoint_set();
        Ok(Self {
            bytes,
            document_end: data.len() as u32,
            shown_end: (begin + json.len()) as u32,
            version: stat.version,
            digest: short_digest(&json),
            zxid: stat.mzxid,
            endpoints: (!endpoints.is_empty()).then(|| endpoints_digest(hasher, &endpoints)),
            seconds_to_live: u32::try_from(instance.time_to_live().as_secs()).unwrap_or(u32::MAX),
            damaged: false,
        })
    }

    /// The same with a znode of this `dataVersion` that makes no sense any more.
    pub fn damaged(self, version: i32) -> Self {
        Self { version, damaged: true, ..self }
    }

    /// Whether the znode no longer holds the document.
    pub fn is_damaged(&self) -> bool {
        self.damaged
    }

    /// What is shown of it: the JSON of the v4 API.
    pub fn json(&self) -> &[u8] {
        let is_within = self.shown_end <= self.document_end;
        let begin = if is_within { OPENING.len() } else { self.document_end as usize };
        &self.bytes[begin..self.shown_end as usize]
    }

    /// Whether its document lists `url` where the gateway writes it: behind the instance, and as one text.
    pub fn plainly_stands_as(&self, url: &str) -> bool {
        let providers =
            self.bytes.get(self.shown_end as usize..self.document_end as usize).unwrap_or_default();
        let mut texts = providers.split(|byte| *byte == b'"');
        !url.is_empty() && texts.any(|text| text == url.as_bytes())
    }

    /// How long it may be silent.
    pub fn time_to_live(&self) -> Duration {
        Duration::from_secs(u64::from(self.seconds_to_live))
    }

    /// The instance taken apart.
    pub fn record(&self) -> InstanceRecord {
        let document = &self.bytes[..self.document_end as usize];
        InstanceRecord {
            // invariant: it was taken apart before it was kept
            document: serde_json::from_slice(document).unwrap_or_default(),
            version: self.version,
            damaged: self.damaged,
        }
    }
}

impl Catalog {
    /// An instance as its znode holds it; `None` also for those behind provider URLs.
    pub fn instance_record(&self, key: &InstanceKey) -> Option<InstanceRecord> {
        let stored = {
            let state = self.state.read();
            let service = state.services.get(&key.tenant, &key.service_id)?;
            service.instances.get(&*key.instance_id)?.clone()
        };
        Some(stored.record())
    }

    /// The id of an instance of the microservice with exactly this [`crate::model::Instance::endpoint_set`].
    pub fn instance_with_endpoints(
        &self,
        tenant: &Tenant,
        service_id: &str,
        endpoints: &[String],
    ) -> Option<String> {
        let state = self.state.read();
        let digest = endpoints_digest(&state.services.hasher, endpoints);
        let service = state.services.get(tenant, service_id)?;
        let has_them = |id: &&Arc<str>| {
            let stored = service.instances.get(*id);
            stored.is_some_and(|stored| stored.record().document.instance.endpoint_set() == endpoints)
        };
        service.with_endpoints(digest).find(has_them).map(|id| id.to_string())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::model::Registrant;
    use crate::telemetry::Metrics;
    use crate::zookeeper::{Layout, Node, Sink};

    fn layout() -> Layout {
        Layout { dubbo_root: "/dubbo".into(), services_root: String::new(), registry_root: "/zoogate".into() }
    }

    fn key(id: &str) -> InstanceKey {
        InstanceKey { tenant: Tenant::default(), service_id: "cart".into(), instance_id: id.into() }
    }

    fn node(id: &str, version: i32, data: Option<String>) -> Node {
        let stat = Stat { czxid: 1, mzxid: 1, version, ..Stat::default() };
        let path = layout().document(&Registrant::from(key(id)));
        Node { path, state: data.map(|data| (data.into_bytes(), stat)) }
    }

    fn document(id: &str, endpoints: &[&str]) -> String {
        let instance = json!({"instanceId": id, "serviceId": "cart", "endpoints": endpoints, "status": "UP"});
        let document: InstanceDocument =
            serde_json::from_value(json!({"instance": instance, "providers": ["rest://a/b"]})).unwrap();
        serde_json::to_string(&document).unwrap()
    }

    fn catalog() -> Catalog {
        let microservice = json!({"serviceId": "cart", "serviceName": "cart", "version": "1"}).to_string();
        let path = layout().microservice(&Tenant::default(), "cart");
        let stat = Stat { czxid: 1, mzxid: 1, ..Stat::default() };
        let catalog = Catalog::new(layout(), usize::MAX, Arc::new(Metrics::new().unwrap()));
        assert!(catalog.is_new());
        catalog.apply(vec![Node { path, state: Some((microservice.into_bytes(), stat)) }]);
        assert!(!catalog.is_new());
        catalog
    }

    #[test]
    fn a_document_reads_and_is_served_alike_however_it_is_spelled() {
        let own = document("a", &["rest://h:1", "rest://h:2"]);
        let reversed = own
            .replace(r#"{"instanceId":"a","serviceId":"cart","#, r#"{"serviceId":"cart","instanceId":"a","#);
        let more = own.replace(r#""status""#, r#""unknown": [1, {}], "status""#);
        let behind = format!(
            r#"{{"providers":["rest://a/b"],{}}}"#,
            &own[1..own.len() - r#","providers":["rest://a/b"]}"#.len()]
        );
        let served = |data: &str| {
            let catalog = catalog();
            catalog.apply(vec![node("a", 3, Some(data.to_owned()))]);
            let found = catalog.instances(&Tenant::default(), "cart", None, &[]).unwrap();
            assert_eq!(catalog.count_of(&Tenant::default(), "cart"), found.count());
            let record = catalog.instance_record(&key("a")).unwrap();
            assert_eq!((record.version, record.damaged), (3, false));
            let one = catalog.instance(&key("a"), None).unwrap();
            (found.json().to_vec(), found.revision, one.json().to_vec(), one.revision, record.document)
        };
        let expected = served(&own);
        assert_eq!(
            format!("[{}]", serde_json::to_string(&expected.4.instance).unwrap()).as_bytes(),
            expected.0
        );
        assert_eq!(serde_json::to_string(&expected.4).unwrap(), own);
        for data in [
            reversed,
            more,
            behind,
            own.replace(':', " : ").replace("rest : ", "rest:").replace("h : ", "h:"),
        ] {
            assert_ne!(data, own);
            assert_eq!(served(&data), expected, "{data}");
        }
    }

    #[test]
    fn what_a_damaged_document_held_goes_on_standing() {
        let catalog = catalog();
        catalog.apply(vec![node("a", 0, Some(document("a", &["rest://h:1"])))]);
        catalog.apply(vec![node("a", 1, Some(document("b", &["rest://h:2"])))]);
        let record = catalog.instance_record(&key("a")).unwrap();
        assert_eq!((record.version, record.damaged), (1, true));
        assert_eq!(record.document.instance.endpoints, ["rest://h:1"]);
        assert_eq!(
            catalog.instance_with_endpoints(&Tenant::default(), "cart", &["rest://h:1".into()]).unwrap(),
            "a"
        );
    }

    #[test]
    fn endpoints_find_the_first_of_the_instances_that_have_just_them() {
        let catalog = catalog();
        let found = |endpoints: &[&str]| {
            let endpoints: Vec<String> = endpoints.iter().map(|endpoint| (*endpoint).to_owned()).collect();
            catalog.instance_with_endpoints(&Tenant::default(), "cart", &endpoints)
        };
        let some = |id: &str| Some(id.to_owned());
        let put =
            |id: &str, endpoints: &[&str]| catalog.apply(vec![node(id, 0, Some(document(id, endpoints)))]);
        put("b", &["rest://h:2", "rest://h:1", "rest://h:2"]);
        put("c", &["rest://h:1", "rest://h:2"]);
        put("d", &[]);
        assert_eq!(found(&["rest://h:1", "rest://h:2"]), some("b"), "in any order and however often");
        assert_eq!((found(&["rest://h:1"]), found(&[])), (None, None));
        put("a", &["rest://h:1", "rest://h:2"]);
        assert_eq!(found(&["rest://h:1", "rest://h:2"]), some("a"));
        put("a", &["rest://h:1"]);
        assert_eq!((found(&["rest://h:1"]), found(&["rest://h:1", "rest://h:2"])), (some("a"), some("b")));
        catalog.apply(vec![node("b", 0, None), node("c", 0, None), node("a", 0, None)]);
        assert_eq!((found(&["rest://h:1"]), found(&["rest://h:1", "rest://h:2"])), (None, None));
    }
}
