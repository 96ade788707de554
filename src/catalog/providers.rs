//! How a provider URL that no ServiceComb instance stands behind, and an instance of a Dubbo 3 application, look in the
//! v4 API.

use std::sync::Arc;

use bytes::Bytes;

use super::services::{ProviderInstance, SIDECAR};
use crate::dubbo::{ApplicationInstance, ServiceUrl, authority};
use crate::model::{
    Framework, HealthCheck, Instance, InstanceStatus, Microservice, Registrant, Tenant, hex_digest,
    short_digest,
};
use crate::zookeeper::Stat;

/// The microservice id and instance that the provider URL `text` of `interface` stands for.
///
/// `identity` is what sets it apart from every other. `interface` is the folder's name, since that is what consumers go
/// by; `path_interface` is its spelling in paths, empty when it stands in no such folder.
pub(super) fn provider_instance(
    identity: &str,
    interface: &str,
    path_interface: &str,
    text: &str,
    url: &ServiceUrl,
    owners: &[Registrant],
    stat: &Stat,
) -> (String, String, ProviderInstance) {
    let created = (url.registered_at().unwrap_or(stat.ctime) / 1000).to_string();
    let changed = (stat.mtime / 1000).to_string();
    let mut microservice = Microservice {
        environment: url.param("environment").unwrap_or_default().to_owned(),
        app_id: url.param("application").unwrap_or("default").to_owned(),
        service_name: interface.to_owned(),
        version: url.param("version").unwrap_or("0.0.0").to_owned(),
        level: "BACK".into(),
        status: "UP".into(),
        register_by: registered_by(owners),
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
    let instance_id = instance_id(identity);
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
    let provider = shown(&instance, microservice, path_interface, stat);
    (service_id, instance_id, provider)
}

/// The microservice id and instance that the znode `name` of an instance of `application` stands for: the application
/// itself, whatever interfaces it offers. Its name is also its `appId`, which is what its interfaces have.
pub(super) fn application_instance(
    application: &str,
    name: &str,
    instance: &ApplicationInstance,
    owners: &[Registrant],
    stat: &Stat,
) -> (String, String, ProviderInstance) {
    let registered = if instance.registered > 0 { instance.registered } else { stat.ctime };
    let created = (registered / 1000).to_string();
    let changed = (stat.mtime / 1000).to_string();
    let mut microservice = Microservice {
        app_id: application.to_owned(),
        service_name: application.to_owned(),
        version: instance.version().to_owned(),
        level: "BACK".into(),
        status: "UP".into(),
        register_by: registered_by(owners),
        framework: Some(Framework { name: "Dubbo".into(), ..Framework::default() }),
        timestamp: created.clone(),
        mod_timestamp: changed.clone(),
        ..Microservice::default()
    };
    let service_id = microservice.key(&Tenant::default()).derived_id();
    microservice.service_id.clone_from(&service_id);
    let endpoints = instance.endpoints();
    let endpoints: Vec<String> = match (endpoints.is_empty(), instance.port) {
        (true, Some(_)) => vec![authority(&instance.host, instance.port)],
        _ => {
            let at = |port| authority(&instance.host, Some(port));
            endpoints.into_iter().map(|(protocol, port)| format!("{protocol}://{}", at(port))).collect()
        }
    };
    let instance_id = instance_id(&format!("{application}/{name}"));
    let status = if instance.enabled { InstanceStatus::Up } else { InstanceStatus::Down };
    let instance = Instance {
        instance_id: instance_id.clone(),
        service_id: service_id.clone(),
        endpoints,
        host_name: instance.host.clone(),
        status,
        properties: instance.metadata.clone(),
        health_check: Some(HealthCheck::default()),
        data_center_info: None,
        timestamp: created,
        mod_timestamp: changed,
        version: microservice.version.clone(),
    };
    let provider = shown(&instance, microservice, "", stat);
    (service_id, instance_id, provider)
}

fn shown(
    instance: &Instance,
    microservice: Microservice,
    path_interface: &str,
    stat: &Stat,
) -> ProviderInstance {
    let json = to_json(instance);
    ProviderInstance {
        digest: short_digest(&json),
        json,
        zxid: stat.mzxid,
        interface: path_interface.to_owned(),
        microservice: Arc::new(microservice),
    }
}

fn registered_by(owners: &[Registrant]) -> String {
    let synced = owners.iter().any(|owner| matches!(owner, Registrant::Sidecar(_)));
    if synced { SIDECAR } else { "UNKNOWN" }.into()
}

/// As long as those that the registry makes: 32 digits.
fn instance_id(identity: &str) -> String {
    hex_digest(identity.as_bytes())[..32].to_owned()
}

/// As much as most instances take.
const USUAL_BYTES: usize = 1024;

/// The v4 form of an instance.
pub(super) fn to_json(instance: &Instance) -> Bytes {
    let mut json = Vec::with_capacity(USUAL_BYTES);
    // invariant: a struct of texts, numbers and maps with text keys always has a JSON form
    let _ = serde_json::to_writer(&mut json, instance);
    // Not as much as was reserved for it: it is kept.
    json.into_boxed_slice().into()
}
