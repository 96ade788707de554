//! Makes an instance of the body that registers one: defaults filled in, every field checked.

use super::error::ApiError;
use super::json::Object;
use super::limits::Limits;
use super::validate as rules;
use crate::model::{DataCenter, HealthCheck, Instance, InstanceStatus};

/// Longest time to live, in seconds. A year is already no sign of life.
const MAX_TIME_TO_LIVE: u64 = 365 * 24 * 60 * 60;

/// Reads the object `instance`. Its id is the caller's, if any; the microservice, its version and the timestamps
/// are left to the registry.
///
/// # Errors
/// 400001 with the name of the first field that is not acceptable.
pub fn read(instance: &Object<'_>, limits: &Limits) -> Result<Instance, ApiError> {
    let endpoints = instance.texts("endpoints")?;
    for (index, endpoint) in endpoints.iter().enumerate() {
        rules::ENDPOINT.check(format_args!("{}[{index}]", instance.path("endpoints")), endpoint)?;
    }
    let status = match instance.text("status")?.as_str() {
        "" => InstanceStatus::default(),
        text => status(&instance.path("status"), text)?,
    };
    let read = Instance {
        instance_id: instance.checked_text("instanceId", rules::NEW_INSTANCE_ID)?,
        endpoints,
        host_name: instance.checked_text("hostName", rules::HOST_NAME)?,
        status,
        properties: instance.pairs("properties")?,
        health_check: Some(health_check(instance, limits)?),
        data_center_info: data_center(instance)?,
        ..Instance::default()
    };
    if is_too_patient(&read) {
        return Err(ApiError::field(
            instance.path("healthCheck"),
            format_args!("interval × (times + 1) must not be more than {MAX_TIME_TO_LIVE} seconds"),
        ));
    }
    Ok(read)
}

/// Whether an instance could be silent for longer than is accepted.
pub fn is_too_patient(instance: &Instance) -> bool {
    instance.time_to_live().as_secs() > MAX_TIME_TO_LIVE
}

/// Reads a status, which came as `field`.
///
/// # Errors
/// 400001 when it is none.
pub fn status(field: &str, text: &str) -> Result<InstanceStatus, ApiError> {
    InstanceStatus::parse(text)
        .ok_or_else(|| ApiError::field(field, "must be UP, DOWN, STARTING, TESTING or OUTOFSERVICE"))
}

fn health_check(instance: &Object<'_>, limits: &Limits) -> Result<HealthCheck, ApiError> {
    let Some(check) = instance.object("healthCheck")? else { return Ok(HealthCheck::default()) };
    let mode = check.text("mode")?;
    if !matches!(mode.as_str(), "push" | "pull") {
        return Err(ApiError::field(check.path("mode"), "must be push or pull"));
    }
    let interval = u32::try_from(check.integer("interval")?)
        .ok()
        .filter(|interval| *interval > 0)
        .ok_or_else(|| ApiError::field(check.path("interval"), "must be at least 1"))?;
    let times = u32::try_from(check.integer("times")?)
        .map_err(|_| ApiError::field(check.path("times"), "must not be negative"))?;
    let port = u16::try_from(check.integer("port")?)
        .map_err(|_| ApiError::field(check.path("port"), "must be between 0 and 65535"))?;
    let url = check.checked_text("url", rules::CHECK_URL)?;
    Ok(HealthCheck { mode, port, interval, times, url }.normalised(limits.min_interval, limits.min_times))
}

fn data_center(instance: &Object<'_>) -> Result<Option<DataCenter>, ApiError> {
    let Some(center) = instance.object("dataCenterInfo")? else { return Ok(None) };
    Ok(Some(DataCenter {
        name: center.checked_text("name", rules::DATA_CENTER)?,
        region: center.checked_text("region", rules::DATA_CENTER)?,
        available_zone: center.checked_text("availableZone", rules::DATA_CENTER)?,
    }))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn parse(instance: Value) -> Result<Instance, ApiError> {
        let body = json!({ "instance": instance });
        read(&Object::root(&body)?.required_object("instance")?, &Limits::default())
    }

    #[test]
    fn the_registration_of_the_reference_is_taken_as_it_is() {
        let body = json!({
            "endpoints": ["grpc://127.0.1.312:9980", "rest://127.0.0.111:8081"], "hostName": "localhost",
            "status": "UP", "properties": {"_TAGS": "A, B", "attr1": "a", "nodeIP": "127.0.0.1"},
            "dataCenterInfo": {"name": "dc", "region": "r1", "availableZone": "az1"},
            "healthCheck": {"mode": "push", "interval": 30, "times": 3}
        });
        let instance = parse(body.clone()).unwrap();
        assert_eq!(serde_json::to_value(&instance).unwrap(), body);
    }

    #[test]
    fn a_found_instance_reads_like_the_reference() {
        let found = json!({"instanceId": "79cdaf47cacf43a5b2b4185527da2255",
            "serviceId": "8aed80ea052ac04a64dfc79c24f2170224d074f5", "endpoints": ["rest:127.0.0.1:8080"],
            "hostName": "hostNameTest", "status": "UP",
            "properties": {"engineID": "30c263e5-2eac-4da1-9c72-5abb9ac94550", "engineName": "cse-fkln1-HA"},
            "healthCheck": {"mode": "push", "interval": 30, "times": 3},
            "timestamp": "1650546183", "modTimestamp": "1650546183", "version": "1.0.0"});
        let read: Instance = serde_json::from_value(found.clone()).unwrap();
        assert_eq!(serde_json::to_value(&read).unwrap(), found);
    }

    #[test]
    fn a_host_name_is_enough_and_null_stands_for_every_other_field() {
        let expected = Instance {
            host_name: "n7".into(),
            health_check: Some(HealthCheck::default()),
            ..Instance::default()
        };
        assert_eq!(parse(json!({"hostName": "n7"})).unwrap(), expected);
        let nulls = json!({"instanceId": null, "serviceId": null, "version": null, "hostName": "n7",
            "endpoints": null, "status": null, "properties": null, "healthCheck": null, "dataCenterInfo": null,
            "timestamp": null, "modTimestamp": null});
        assert_eq!(parse(nulls).unwrap(), expected);
    }

    #[test]
    fn what_the_registry_decides_is_not_taken_from_the_body() {
        let instance = parse(json!({"hostName": "n7", "instanceId": "i-1", "serviceId": "other",
            "version": "9", "timestamp": "1", "modTimestamp": "2", "status": "OUTOFSERVICE"}))
        .unwrap();
        assert_eq!(instance.instance_id, "i-1");
        assert_eq!(instance.status, InstanceStatus::OutOfService);
        assert!(instance.service_id.is_empty() && instance.version.is_empty());
        assert!(instance.timestamp.is_empty() && instance.mod_timestamp.is_empty());
    }

    #[test]
    fn health_checks_are_raised_to_the_least_and_pull_gets_the_default() {
        let check = |check: Value| {
            let stored =
                parse(json!({"hostName": "n7", "healthCheck": check})).unwrap().health_check.unwrap();
            (stored.mode, stored.interval, stored.times, stored.port, stored.url)
        };
        assert_eq!(
            check(json!({"mode": "push", "interval": 2, "times": 1, "port": null, "url": null})),
            ("push".into(), 5, 3, 0, String::new())
        );
        assert_eq!(
            check(json!({"mode": "pull", "interval": 1, "times": 0, "port": 65535, "url": "/live"})),
            ("pull".into(), 30, 3, 65535, "/live".into())
        );
    }

    #[test]
    fn a_refusal_names_the_field() {
        let with_check = |check: Value| json!({"hostName": "n7", "healthCheck": check});
        let table = [
            (json!(null), "instance: must not be null"),
            (json!({}), "instance.hostName: must not be empty"),
            (json!({"hostName": " "}), "instance.hostName: "),
            (json!({"hostName": "h".repeat(65)}), "instance.hostName: "),
            (json!({"hostName": "n7", "instanceId": "a/b"}), "instance.instanceId: "),
            (json!({"hostName": "n7", "endpoints": ["a:1", " "]}), "instance.endpoints[1]: "),
            (json!({"hostName": "n7", "status": "up"}), "instance.status: "),
            (with_check(json!({})), "instance.healthCheck.mode: "),
            (with_check(json!({"mode": "ping", "interval": 5})), "instance.healthCheck.mode: "),
            (with_check(json!({"mode": "push"})), "instance.healthCheck.interval: "),
            (with_check(json!({"mode": "pull", "interval": -1})), "instance.healthCheck.interval: "),
            (with_check(json!({"mode": "push", "interval": 1, "times": -1})), "instance.healthCheck.times: "),
            (
                with_check(json!({"mode": "push", "interval": 1, "port": 65536})),
                "instance.healthCheck.port: ",
            ),
            (with_check(json!({"mode": "push", "interval": 1, "url": "a b"})), "instance.healthCheck.url: "),
            (
                with_check(json!({"mode": "push", "interval": i32::MAX, "times": i32::MAX})),
                "instance.healthCheck: ",
            ),
            (json!({"hostName": "n7", "dataCenterInfo": {}}), "instance.dataCenterInfo.name: "),
            (
                json!({"hostName": "n7", "dataCenterInfo": {"name": "d", "region": "r"}}),
                "instance.dataCenterInfo.availableZone: ",
            ),
            (json!({"hostName": "n7", "properties": {"a": 1}}), "Unmarshal error: instance.properties.a: "),
        ];
        for (instance, detail) in table {
            let error = parse(instance.clone()).unwrap_err();
            assert!(error.detail.starts_with(detail), "{instance}: {error}");
        }
    }
}
