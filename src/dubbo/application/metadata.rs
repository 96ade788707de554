//! What the instances with one revision offer: Dubbo's `MetadataInfo`.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::instance::ApplicationInstance;
use super::seal::{seal_of, sealed};
use crate::dubbo::ServiceUrl;
use crate::model::Properties;

/// The key of the seal of a document that zoogate writes: its revision.
const SEAL: &str = "revision";

/// What a URL says of one instance and not of the interface. Without it all instances that offer the same share a
/// revision.
const OF_THE_INSTANCE: [&str; 3] = ["anyhost", "pid", "timestamp"];

/// One interface as the instances of an application offer it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ServiceInfo {
    /// Name of the interface.
    pub name: String,
    /// Dubbo's group, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Dubbo's version of the interface, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Scheme of its URL.
    pub protocol: String,
    /// The port, where it is not that of the instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Path of its URL, without a leading slash.
    pub path: String,
    /// Every other parameter.
    pub params: Properties,
}

impl ServiceInfo {
    /// What a provider URL says of its interface.
    pub fn of(url: &ServiceUrl) -> Self {
        let mut params = url.params.clone();
        params.retain(|key, _| !OF_THE_INSTANCE.contains(&key.as_str()));
        Self {
            name: url.interface().to_owned(),
            group: url.param("group").map(str::to_owned),
            version: url.param("version").map(str::to_owned),
            protocol: url.protocol.clone(),
            port: url.port,
            path: url.path.clone(),
            params,
        }
    }

    /// The key that Dubbo files it under: `group/interface:version:protocol`.
    pub fn match_key(&self) -> String {
        let group = self.group.as_ref().map(|group| format!("{group}/")).unwrap_or_default();
        let version = self.version.as_ref().map(|version| format!(":{version}")).unwrap_or_default();
        format!("{group}{}{version}:{}", self.name, self.protocol)
    }

    /// The provider URL that it stands for at one instance of `application`; `None` when that is none.
    pub fn url(&self, application: &str, instance: &ApplicationInstance) -> Option<ServiceUrl> {
        let mut params = self.params.clone();
        // Such a text would end early where it stands in a URL.
        params.retain(|key, value| {
            !key.is_empty() && !key.contains(['=', '&', ';']) && !value.contains(['&', ';'])
        });
        let fixed = [
            ("application", Some(application)),
            ("group", self.group.as_deref()),
            ("interface", Some(self.name.as_str())),
            ("version", self.version.as_deref()),
        ];
        for (key, value) in fixed {
            params.extend(value.map(|value| (key.to_owned(), value.to_owned())));
        }
        for (key, value) in [("side", Some("provider")), ("timestamp", instance.timestamp())] {
            if let Some(value) = value {
                params.entry(key.to_owned()).or_insert_with(|| value.to_owned());
            }
        }
        let url = ServiceUrl {
            protocol: self.protocol.clone(),
            host: instance.host.clone(),
            port: Some(self.port.or_else(|| instance.port_of(&self.protocol))?),
            path: self.path.clone(),
            params,
        };
        let is_sound = !self.name.contains('/') && ServiceUrl::parse(&url.to_string()).as_ref() == Ok(&url);
        is_sound.then_some(url)
    }
}

/// What a document says the instances offer; a service that makes no sense is left out.
///
/// # Errors
/// The reason, when the document makes no sense.
pub fn parse_metadata(data: &[u8]) -> Result<Vec<ServiceInfo>, String> {
    let document: Value = serde_json::from_slice(data).map_err(|error| error.to_string())?;
    let Value::Object(mut document) = document else { return Err("it is no JSON object".into()) };
    match document.remove("services") {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Object(services)) => {
            Ok(services.into_iter().filter_map(|(_, one)| service(one)).collect())
        }
        Some(_) => Err("its services are no JSON object".into()),
    }
}

fn service(value: Value) -> Option<ServiceInfo> {
    let text = |key: &str| value.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    let name = text("name")?.to_owned();
    let port = value.get("port").and_then(Value::as_u64);
    Some(ServiceInfo {
        group: text("group").map(str::to_owned),
        version: text("version").map(str::to_owned),
        protocol: text("protocol")?.to_owned(),
        port: port.and_then(|port| u16::try_from(port).ok()).filter(|port| *port != 0),
        path: text("path").map_or_else(|| name.clone(), |path| path.trim_start_matches('/').to_owned()),
        params: super::instance::texts(value.get("params")),
        name,
    })
}

/// The document of an application whose instances offer `services`, by [`ServiceInfo::match_key`], and its revision: a
/// digest of everything else in it, so that the same revision never stands for something else.
pub fn metadata_document(application: &str, services: &BTreeMap<String, ServiceInfo>) -> (String, String) {
    #[derive(Serialize)]
    struct Document<'a> {
        app: &'a str,
        revision: &'a str,
        services: &'a BTreeMap<String, ServiceInfo>,
    }
    // invariant: a struct of texts, numbers and maps with text keys always has a JSON form
    sealed(|revision| {
        serde_json::to_string(&Document { app: application, revision, services }).unwrap_or_default()
    })
}

/// Whether zoogate wrote the document of `revision`, exactly as it stands.
pub fn is_own_metadata(revision: &str, data: &[u8]) -> bool {
    let text = std::str::from_utf8(data).ok();
    text.and_then(|text| seal_of(text, SEAL)).is_some_and(|seal| seal == revision)
}

#[cfg(test)]
#[path = "metadata_tests.rs"]
mod tests;
