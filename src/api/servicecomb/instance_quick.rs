//! Reads the registration of an instance in the form in which nearly every client sends it, without a tree in between:
//! registrations come in crowds. What takes more care is for [`instance_form`](super::instance_form).

use std::borrow::Cow;

use serde::de::MapAccess;

use super::instance_form::is_too_patient;
use super::limits::Limits;
use super::quick::{self, Fields, Quick, Text, fields, once};
use super::validate as rules;
use crate::model::{DataCenter, HealthCheck, Instance, InstanceStatus, Properties};

/// What [`read`](super::instance_form::read) makes of the object `instance` in most bodies that it accepts; `None` for all
/// others.
pub fn read(body: &[u8], limits: &Limits) -> Option<Instance> {
    let Body { instance } = quick::read(body)?;
    let Quick(given) = instance?;
    let status = match &*text(given.status) {
        "" => InstanceStatus::default(),
        text => InstanceStatus::parse(text)?,
    };
    let endpoints = given.endpoints.flatten().unwrap_or_default();
    let read = Instance {
        instance_id: checked(given.instance_id, rules::NEW_INSTANCE_ID)?,
        endpoints: endpoints
            .into_iter()
            .map(|one| checked(Some(Some(one)), rules::ENDPOINT))
            .collect::<Option<_>>()?,
        host_name: checked(given.host_name, rules::HOST_NAME)?,
        status,
        properties: given.properties.flatten().unwrap_or_default(),
        health_check: Some(match given.health_check.flatten() {
            Some(Quick(check)) => health_check(check, limits)?,
            None => HealthCheck::default(),
        }),
        data_center_info: match given.data_center.flatten() {
            Some(Quick(center)) => Some(data_center(center)?),
            None => None,
        },
        ..Instance::default()
    };
    (!is_too_patient(&read)).then_some(read)
}

fn health_check(check: Check<'_>, limits: &Limits) -> Option<HealthCheck> {
    let mode = text(check.mode).into_owned();
    let interval = u32::try_from(check.interval.flatten()?).ok().filter(|interval| *interval > 0)?;
    let times = u32::try_from(check.times.flatten().unwrap_or_default()).ok()?;
    let port = u16::try_from(check.port.flatten().unwrap_or_default()).ok()?;
    let url = checked(check.url, rules::CHECK_URL)?;
    let check = HealthCheck { mode, port, interval, times, url };
    matches!(check.mode.as_str(), "push" | "pull")
        .then(|| check.normalised(limits.min_interval, limits.min_times))
}

fn data_center(center: Center<'_>) -> Option<DataCenter> {
    Some(DataCenter {
        name: checked(center.name, rules::DATA_CENTER)?,
        region: checked(center.region, rules::DATA_CENTER)?,
        available_zone: checked(center.available_zone, rules::DATA_CENTER)?,
    })
}

/// A value that may be absent, and may be `null`.
type Given<T> = Option<Option<T>>;

fn text(given: Given<Text<'_>>) -> Cow<'_, str> {
    given.flatten().map(|Text(text)| text).unwrap_or_default()
}

fn checked(given: Given<Text<'_>>, rule: rules::Rule) -> Option<String> {
    let text = text(given);
    rule.accepts(&text).then(|| text.into_owned())
}

fields! {
    struct Body<'b> {
        instance: Quick<Fieldset<'b>> = "instance",
    }
}

fields! {
    /// The object `instance`.
    struct Fieldset<'b> {
        instance_id: Option<Text<'b>> = "instanceId",
        endpoints: Option<Vec<Text<'b>>> = "endpoints",
        host_name: Option<Text<'b>> = "hostName",
        status: Option<Text<'b>> = "status",
        properties: Option<Properties> = "properties",
        health_check: Option<Quick<Check<'b>>> = "healthCheck",
        data_center: Option<Quick<Center<'b>>> = "dataCenterInfo",
    }
}

fields! {
    struct Check<'b> {
        mode: Option<Text<'b>> = "mode",
        interval: Option<i32> = "interval",
        times: Option<i32> = "times",
        port: Option<i32> = "port",
        url: Option<Text<'b>> = "url",
    }
}

fields! {
    struct Center<'b> {
        name: Option<Text<'b>> = "name",
        region: Option<Text<'b>> = "region",
        available_zone: Option<Text<'b>> = "availableZone",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::servicecomb::error::ApiError;
    use crate::api::servicecomb::instance_form;
    use crate::api::servicecomb::json::{self, Object};

    /// Whether it is read quickly, and whether it is read at all; both come to the same.
    fn of(body: &str) -> (bool, bool) {
        let limits = Limits::default();
        let careful = || -> Result<Instance, ApiError> {
            let body = json::parse(body.as_bytes())?;
            instance_form::read(&Object::root(&body)?.required_object("instance")?, &limits)
        };
        let (quick, careful) = (read(body.as_bytes(), &limits), careful());
        if let Some(quick) = &quick {
            assert_eq!(Ok(quick), careful.as_ref(), "{body}");
        }
        (quick.is_some(), careful.is_ok())
    }

    #[test]
    fn both_ways_of_reading_agree_and_the_usual_body_takes_the_quick_one() {
        for usual in [
            r#"{"instance": {"hostName": "n7"}}"#,
            r#"{"instance": {"instanceId": "i-1", "hostName": "n\u0037", "endpoints": ["rest://10.0.0.7:80", "a b"],
                "status": "STARTING", "properties": {"a": "1", "b": "", "a": "2"}, "serviceId": "s", "version": "1",
                "healthCheck": {"mode": "push", "interval": 2, "times": 1, "port": 7, "url": "/live", "ttl": 3},
                "dataCenterInfo": {"name": "dc", "region": "r", "availableZone": "z"}, "timestamp": "7"}, "x": [1]}"#,
            r#"{"instance": {"hostName": "n7", "instanceId": null, "endpoints": null, "status": null,
                "properties": null, "healthCheck": null, "dataCenterInfo": null}}"#,
            r#"{"instance": {"hostName": "n7", "healthCheck": {"mode": "pull", "interval": 1, "times": null,
                "port": null, "url": null}}}"#,
        ] {
            assert_eq!(of(usual), (true, true), "{usual}");
        }
        for unusual in [
            r#"{"Instance": {"hostName": "n7"}}"#,
            r#"{"instance": {"HostName": "n7"}}"#,
            r#"{"instance": {"hostName": "n7", "hostName": "n8"}}"#,
            r#"{"instance": {"hostName": "n7", "properties": {"a": null}}}"#,
        ] {
            assert_eq!(of(unusual), (false, true), "{unusual}");
        }
        for wrong in [
            "null",
            "[]",
            "{}",
            r#"{"instance": null}"#,
            r#"{"instance": []}"#,
            r#"{"instance": {}}"#,
            r#"{"instance": {"hostName": " "}}"#,
            r#"{"instance": {"hostName": 7}}"#,
            r#"{"instance": {"hostName": "n7", "instanceId": "a/b"}}"#,
            r#"{"instance": {"hostName": "n7", "endpoints": [" "]}}"#,
            r#"{"instance": {"hostName": "n7", "endpoints": [null]}}"#,
            r#"{"instance": {"hostName": "n7", "status": "up"}}"#,
            r#"{"instance": {"hostName": "n7", "properties": {"a": 1}}}"#,
            r#"{"instance": {"hostName": "n7", "healthCheck": {}}}"#,
            r#"{"instance": {"hostName": "n7", "healthCheck": {"mode": "ping", "interval": 5}}}"#,
            r#"{"instance": {"hostName": "n7", "healthCheck": {"mode": "push", "interval": 0}}}"#,
            r#"{"instance": {"hostName": "n7", "healthCheck": {"mode": "push", "interval": 5.5}}}"#,
            r#"{"instance": {"hostName": "n7", "healthCheck": {"mode": "push", "interval": 3000000000}}}"#,
            r#"{"instance": {"hostName": "n7", "healthCheck": {"mode": "push", "interval": 5, "times": -1}}}"#,
            r#"{"instance": {"hostName": "n7", "healthCheck": {"mode": "push", "interval": 5, "port": 65536}}}"#,
            r#"{"instance": {"hostName": "n7", "healthCheck": {"mode": "push", "interval": 2147483647,
                "times": 2147483647}}}"#,
            r#"{"instance": {"hostName": "n7", "dataCenterInfo": {"name": "d"}}}"#,
        ] {
            assert_eq!(of(wrong), (false, false), "{wrong}");
        }
    }
}
