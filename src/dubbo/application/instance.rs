//! The znode of an instance of an application: the JSON of Curator's service discovery around Dubbo's own.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::address::InstanceAddress;
use super::seal::{seal_of, sealed};
use crate::dubbo::ServiceUrl;
use crate::model::{Ownership, Properties};

/// The class of Dubbo's payload. Java reads a payload by it, and Spring Cloud writes another below the same root.
const PAYLOAD_CLASS: &str = "org.apache.dubbo.registry.zookeeper.ZookeeperInstance";

/// The keys of the metadata of an instance.
const ENDPOINTS: &str = "dubbo.endpoints";
const REVISION: &str = "dubbo.metadata.revision";
const STORAGE: &str = "dubbo.metadata.storage-type";
const TIMESTAMP: &str = "timestamp";
/// What zoogate adds to them; readers of Dubbo ignore keys that they do not know.
const OWNERS: &str = "zoogate.owners";
const SEAL: &str = "zoogate.digest";

/// The revision of an instance that offers nothing.
const NOTHING: &str = "0";

/// An instance of an application, whoever wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApplicationInstance {
    /// The application that it says it belongs to.
    pub application: String,
    /// IP literal (IPv6 without brackets) or host name.
    pub host: String,
    /// Its first port, if it says.
    pub port: Option<u16>,
    /// False when it says that it must not be called.
    pub enabled: bool,
    /// When it registered, Unix milliseconds; 0 when it does not say.
    pub registered: i64,
    /// Everything else that it says.
    pub metadata: Properties,
}

/// Why a znode is not an instance of a Dubbo application.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InstanceError {
    /// It is an instance of something else.
    #[error("its payload is {0}, not Dubbo's")]
    Payload(String),
    /// It makes no sense.
    #[error("{0}")]
    Malformed(String),
}

/// Whose an instance is, by its data alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mark {
    /// Written by zoogate, and still as it was written.
    Own(Ownership),
    /// Written by zoogate and changed since.
    Broken,
    /// Not written by zoogate.
    Foreign,
}

#[derive(Deserialize)]
struct Stored {
    name: Option<String>,
    address: Option<String>,
    #[serde(default)]
    port: Value,
    #[serde(default)]
    payload: Value,
    #[serde(default, rename = "registrationTimeUTC")]
    registered: Value,
    enabled: Option<bool>,
}

impl ApplicationInstance {
    /// Reads the data of a znode.
    ///
    /// # Errors
    /// [`InstanceError`] when it is no instance of a Dubbo application with an address.
    pub fn parse(data: &[u8]) -> Result<Self, InstanceError> {
        let malformed = |reason: &str| InstanceError::Malformed(reason.to_owned());
        let stored: Stored =
            serde_json::from_slice(data).map_err(|error| InstanceError::Malformed(error.to_string()))?;
        match stored.payload.get("@class").and_then(Value::as_str) {
            Some(PAYLOAD_CLASS) => {}
            Some(class) => return Err(InstanceError::Payload(class.to_owned())),
            // Whatever has a name may be an instance of somebody who gives Curator another payload, or none.
            None if stored.name.is_some() => return Err(InstanceError::Payload("without a class".into())),
            None => return Err(malformed("it has no payload")),
        }
        let port = match &stored.port {
            Value::Null => None,
            port => {
                let number = port.as_u64().and_then(|port| u16::try_from(port).ok());
                Some(number.ok_or_else(|| malformed("its port is none"))?).filter(|port| *port != 0)
            }
        };
        let instance = Self {
            application: stored.name.ok_or_else(|| malformed("it has no name"))?,
            host: stored.address.ok_or_else(|| malformed("it has no address"))?,
            port,
            enabled: stored.enabled.unwrap_or(true),
            registered: stored.registered.as_i64().unwrap_or(0).max(0),
            metadata: texts(stored.payload.get("metadata")),
        };
        let url = ServiceUrl {
            protocol: "dubbo".into(),
            host: instance.host.clone(),
            port: instance.port,
            path: String::new(),
            params: Properties::new(),
        };
        if ServiceUrl::parse(&url.to_string()) != Ok(url) {
            return Err(InstanceError::Malformed(format!("{:?} is no address", instance.host)));
        }
        Ok(instance)
    }

    /// The name of its znode, if it is one that zoogate would write.
    pub fn id(&self) -> Option<String> {
        Some(format!("{}:{}", self.host, self.port?))
    }

    /// What it can be called with and where, in the order in which it says so.
    pub fn endpoints(&self) -> Vec<(String, u16)> {
        #[derive(Deserialize)]
        struct Endpoint {
            port: u16,
            protocol: String,
        }
        let text = self.metadata.get(ENDPOINTS).map(String::as_str).unwrap_or_default();
        let endpoints: Vec<Endpoint> = serde_json::from_str(text).unwrap_or_default();
        let sound = endpoints.into_iter().filter(|one| one.port != 0 && !one.protocol.is_empty());
        sound.map(|one| (one.protocol, one.port)).collect()
    }

    /// The port of a protocol: its own, else that of the instance.
    pub fn port_of(&self, protocol: &str) -> Option<u16> {
        let own = self.endpoints().into_iter().find(|(other, _)| other == protocol);
        own.map(|(_, port)| port).or(self.port)
    }

    /// The revision of what it offers, when that is to be found in ZooKeeper.
    pub fn stored_revision(&self) -> Option<&str> {
        let text = |key: &str| self.metadata.get(key).map(String::as_str);
        let revision = text(REVISION).filter(|revision| !matches!(*revision, "" | NOTHING))?;
        (text(STORAGE) == Some("remote")).then_some(revision)
    }

    /// When it was started, as it says.
    pub fn timestamp(&self) -> Option<&str> {
        let timestamp = self.metadata.get(TIMESTAMP)?.as_str();
        timestamp.parse::<i64>().is_ok().then_some(timestamp)
    }

    /// The version of the application, `0.0.0` unless it says otherwise.
    pub fn version(&self) -> &str {
        let keys = ["application.version", "app.version", "version"];
        let named = keys.iter().filter_map(|key| self.metadata.get(*key)).find(|version| !version.is_empty());
        named.map_or("0.0.0", String::as_str)
    }

    /// Whose it is; `data` is what it was read from.
    pub fn mark(&self, data: &[u8]) -> Mark {
        let Some(owners) = self.metadata.get(OWNERS) else { return Mark::Foreign };
        let is_intact = std::str::from_utf8(data).is_ok_and(|text| seal_of(text, SEAL).is_some());
        match Ownership::parse(owners.as_bytes()) {
            Some(ownership) if is_intact => Mark::Own(ownership),
            _ => Mark::Broken,
        }
    }
}

/// The data of an instance that zoogate writes: at `address`, for `protocols`, offering what stands at `revision`,
/// registered at `registered` (Unix milliseconds).
pub fn instance_document(
    address: &InstanceAddress,
    protocols: &BTreeSet<&str>,
    revision: &str,
    registered: i64,
    owners: &Ownership,
) -> String {
    #[derive(Serialize)]
    struct Endpoint<'a> {
        port: u16,
        protocol: &'a str,
    }
    #[derive(Serialize)]
    struct Payload<'a> {
        #[serde(rename = "@class")]
        class: &'a str,
        id: &'a str,
        name: &'a str,
        metadata: Properties,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Document<'a> {
        name: &'a str,
        id: &'a str,
        address: &'a str,
        port: u16,
        ssl_port: Option<u16>,
        payload: Payload<'a>,
        #[serde(rename = "registrationTimeUTC")]
        registered: i64,
        service_type: &'a str,
        uri_spec: Option<&'a str>,
    }
    // invariant: structs of texts, numbers and maps with text keys always have a JSON form
    let endpoints: Vec<_> =
        protocols.iter().map(|protocol| Endpoint { port: address.port, protocol }).collect();
    let endpoints = serde_json::to_string(&endpoints).unwrap_or_default();
    let owners = serde_json::to_string(owners).unwrap_or_default();
    let registered_text = registered.to_string();
    let id = address.id();
    let write = |seal: &str| {
        let pairs = [
            (ENDPOINTS, endpoints.as_str()),
            (REVISION, revision),
            (STORAGE, "remote"),
            (TIMESTAMP, &registered_text),
            (OWNERS, &owners),
            (SEAL, seal),
        ];
        let document = Document {
            name: &address.application,
            id: &id,
            address: &address.host,
            port: address.port,
            ssl_port: None,
            payload: Payload {
                class: PAYLOAD_CLASS,
                id: &id,
                name: &address.application,
                metadata: pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
            },
            registered,
            service_type: "DYNAMIC",
            uri_spec: None,
        };
        serde_json::to_string(&document).unwrap_or_default()
    };
    sealed(write).1
}

/// The pairs of a JSON object with whatever is no text written as one; none when it is no object.
pub(super) fn texts(object: Option<&Value>) -> Properties {
    let pairs = object.and_then(Value::as_object).into_iter().flatten();
    let text = |value: &Value| match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    };
    pairs.filter_map(|(key, value)| Some((key.clone(), text(value)?))).collect()
}

#[cfg(test)]
#[path = "instance_tests.rs"]
mod tests;
