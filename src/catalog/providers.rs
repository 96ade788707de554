//! How a provider URL that no ServiceComb instance stands behind looks in the v4 API.

use std::sync::Arc;

use bytes::Bytes;

use super::services::{ProviderInstance, SIDECAR};
use crate::dubbo::ServiceUrl;
use crate::model::{
    Framework, HealthCheck, Instance, InstanceStatus, Microservice, Registrant, Tenant, hex_digest,
    short_digest,
};
use crate::zookeeper::Stat;

/// The microservice id and instance that the provider URL `text` of `interface` stands for.
///
/// `interface` is the folder's name, since that is what consumers go by; `path_interface` is its spelling in paths.
pub(super) fn provider_instance(
    interface: &str,
    path_interface: &str,
    text: &str,
    url: &ServiceUrl,
    owners: &[Registrant],
    stat: &Stat,
) -> (String, String, ProviderInstance) {
    let created = url.timestamp().filter(|time| *time > 0).map_or(stat.ctime / 1000, in_seconds).to_string();
    let changed = (stat.mtime / 1000).to_string();
    let synced = owners.iter().any(|owner| matches!(owner, Registrant::Sidecar(_)));
    let mut microservice = Microservice {
        environment: url.param("environment").unwrap_or_default().to_owned(),
        app_id: url.param("application").unwrap_or("default").to_owned(),
        service_name: interface.to_owned(),
        version: url.param("version").unwrap_or("0.0.0").to_owned(),
        level: "BACK".into(),
        status: "UP".into(),
        register_by: if synced { SIDECAR } else { "UNKNOWN" }.into(),
        framework: Some(Framework {
            name: "Dubbo".into(),
            version: url.param("release").unwrap_or_default().to_owned(),
        }),
        timestamp: created.clone(),
        mod_timestamp: changed.clone(),
        ..Microservice::default()
    };
    let service_id = microservice.key(&Tenant::default()).derived_id();
    microservice.service_id.clone_from(&service_id);
    // As long as those that the registry makes: 32 digits.
    let instance_id = hex_digest(format!("{path_interface} {text}").as_bytes())[..32].to_owned();
    let instance = Instance {
        instance_id: instance_id.clone(),
        service_id: service_id.clone(),
        endpoints: vec![text.to_owned()],
        host_name: url.host.clone(),
        status: if url.is_enabled() { InstanceStatus::Up } else { InstanceStatus::Down },
        properties: url.params.clone(),
        health_check: Some(HealthCheck::default()),
        data_center_info: None,
        timestamp: created,
        mod_timestamp: changed,
        version: microservice.version.clone(),
    };
    let json = to_json(&instance);
    let provider = ProviderInstance {
        digest: short_digest(&json),
        json,
        zxid: stat.mzxid,
        interface: path_interface.to_owned(),
        microservice: Arc::new(microservice),
    };
    (service_id, instance_id, provider)
}

/// The v4 form of an instance.
pub(super) fn to_json(instance: &Instance) -> Bytes {
    // invariant: a struct of texts, numbers and maps with text keys always has a JSON form
    serde_json::to_vec(instance).map(Bytes::from).unwrap_or_default()
}

/// Dubbo for Java writes milliseconds, Dubbo for Go seconds.
fn in_seconds(timestamp: i64) -> i64 {
    const LARGEST_IN_SECONDS: i64 = 100_000_000_000;
    if timestamp > LARGEST_IN_SECONDS { timestamp / 1000 } else { timestamp }
}
