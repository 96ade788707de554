//! What a batch find asks for.

use std::borrow::Cow;

use serde::de::MapAccess;

use super::error::ApiError;
use super::json::Object;
use super::quick::{self, Fields, Quick, Text, fields, once};
use super::validate as rules;
use crate::model::{InstanceKey, ServiceKeyView, Tenant};

/// What a request asks for.
#[derive(Debug, PartialEq, Eq)]
pub struct Wanted<'b> {
    pub services: Vec<Element<'b, Service<'b>>>,
    pub instances: Vec<Element<'b, InstanceKey>>,
}

/// One element of a request: what to find, and what the client says it has seen of it.
#[derive(Debug, PartialEq, Eq)]
pub struct Element<'b, K> {
    pub key: K,
    pub rev: Cow<'b, str>,
}

/// A service of the tenant that asks.
#[derive(Debug, PartialEq, Eq)]
pub struct Service<'b> {
    environment: Cow<'b, str>,
    app_id: Cow<'b, str>,
    service_name: Cow<'b, str>,
}

impl Service<'_> {
    pub fn view(&self) -> ServiceKeyView<'_> {
        let Self { environment, app_id, service_name } = self;
        ServiceKeyView { environment, app_id, service_name }
    }
}

impl<'b> Wanted<'b> {
    /// Reads a body.
    ///
    /// # Errors
    /// 400001 when there are no elements, or more than `most` of a kind, or one is not acceptable.
    pub fn read(tenant: &Tenant, body: &Object<'_>, most: usize) -> Result<Self, ApiError> {
        for name in ["services", "instances"] {
            rules::check_length(name, body.length(name), most)?;
        }
        let services = body.objects("services")?.iter().map(service).collect::<Result<_, _>>()?;
        let instances = body
            .objects("instances")?
            .iter()
            .map(|element| instance(tenant, element))
            .collect::<Result<_, _>>()?;
        let wanted = Self { services, instances };
        if wanted.services.is_empty() && wanted.instances.is_empty() {
            return Err(ApiError::invalid("Required services or instances"));
        }
        Ok(wanted)
    }

    /// The same of most bodies that [`Self::read`] accepts, in less time; `None` for all others.
    pub fn read_quickly(tenant: &Tenant, body: &'b [u8], most: usize) -> Option<Self> {
        let mut body: Body<'b> = quick::read(body)?;
        let (services, instances) = (body.services()?, body.instances()?);
        if services.len().max(instances.len()) > most || services.len() + instances.len() == 0 {
            return None;
        }
        let services = services.into_iter().map(|(service, rev)| {
            let [environment, app_id, service_name] = service;
            let is_acceptable = rules::ENVIRONMENT.accepts(&environment)
                && rules::APP_ID.accepts(&app_id)
                && rules::SERVICE_NAME.accepts(&service_name);
            let key = Service { environment, app_id, service_name };
            is_acceptable.then_some(Element { key, rev })
        });
        let instances = instances.into_iter().map(|(instance, rev)| {
            let [service_id, instance_id] = instance;
            let is_acceptable =
                rules::SERVICE_ID.accepts(&service_id) && rules::INSTANCE_ID.accepts(&instance_id);
            let (service_id, instance_id) = (service_id.into(), instance_id.into());
            let key = InstanceKey { tenant: tenant.clone(), service_id, instance_id };
            is_acceptable.then_some(Element { key, rev })
        });
        Some(Self {
            services: services.collect::<Option<_>>()?,
            instances: instances.collect::<Option<_>>()?,
        })
    }

    /// Makes every answer a full one.
    pub fn forget_revisions(&mut self) {
        self.services.iter_mut().for_each(|element| element.rev = Cow::Borrowed(""));
        self.instances.iter_mut().for_each(|element| element.rev = Cow::Borrowed(""));
    }
}

fn service<'b>(element: &Object<'_>) -> Result<Element<'b, Service<'b>>, ApiError> {
    let service = element.required_object("service")?;
    let key = Service {
        environment: service.checked_text("environment", rules::ENVIRONMENT)?.into(),
        app_id: service.checked_text("appId", rules::APP_ID)?.into(),
        service_name: service.checked_text("serviceName", rules::SERVICE_NAME)?.into(),
    };
    Ok(Element { key, rev: element.text("rev")?.into() })
}

fn instance<'b>(tenant: &Tenant, element: &Object<'_>) -> Result<Element<'b, InstanceKey>, ApiError> {
    let instance = element.required_object("instance")?;
    let key = InstanceKey {
        tenant: tenant.clone(),
        service_id: instance.checked_text("serviceId", rules::SERVICE_ID)?.into(),
        instance_id: instance.checked_text("instanceId", rules::INSTANCE_ID)?.into(),
    };
    Ok(Element { key, rev: element.text("rev")?.into() })
}

/// The texts of one element, and what the client says it has seen of it.
type Read<'b, const TEXTS: usize> = ([Cow<'b, str>; TEXTS], Cow<'b, str>);

fields! {
    /// A body in its usual form.
    struct Body<'b> {
        services: List<ServiceElement<'b>> = "services",
        instances: List<InstanceElement<'b>> = "instances",
    }
}

/// A list, which may be `null`.
type List<T> = Option<Vec<Quick<T>>>;

impl<'b> Body<'b> {
    /// Environment, application and name of each service; `None` when one is not there.
    fn services(&mut self) -> Option<Vec<Read<'b, 3>>> {
        read_all(self.services.take(), |ServiceElement { service, rev }| {
            let Quick(ServiceTexts { environment, app_id, service_name }) = service?;
            Some(([environment, app_id, service_name], rev))
        })
    }

    /// Service and id of each instance; `None` when one is not there.
    fn instances(&mut self) -> Option<Vec<Read<'b, 2>>> {
        read_all(self.instances.take(), |InstanceElement { instance, rev }| {
            let Quick(InstanceTexts { service_id, instance_id }) = instance?;
            Some(([service_id, instance_id], rev))
        })
    }
}

/// What `take` finds in each element of a list; `None` when it finds nothing in one.
fn read_all<'b, E, const TEXTS: usize>(
    list: Option<List<E>>,
    take: impl Fn(E) -> Option<([Option<Text<'b>>; TEXTS], Option<Text<'b>>)>,
) -> Option<Vec<Read<'b, TEXTS>>> {
    let elements = list.flatten().unwrap_or_default().into_iter();
    elements.map(|Quick(element)| take(element).map(|(texts, rev)| (texts.map(text), text(rev)))).collect()
}

fn text(read: Option<Text<'_>>) -> Cow<'_, str> {
    read.map(|Text(text)| text).unwrap_or_default()
}

fields! {
    struct ServiceElement<'b> {
        service: Quick<ServiceTexts<'b>> = "service",
        rev: Text<'b> = "rev",
    }
}

fields! {
    struct ServiceTexts<'b> {
        environment: Text<'b> = "environment",
        app_id: Text<'b> = "appId",
        service_name: Text<'b> = "serviceName",
    }
}

fields! {
    struct InstanceElement<'b> {
        instance: Quick<InstanceTexts<'b>> = "instance",
        rev: Text<'b> = "rev",
    }
}

fields! {
    struct InstanceTexts<'b> {
        service_id: Text<'b> = "serviceId",
        instance_id: Text<'b> = "instanceId",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(body: Value) -> Result<Wanted<'static>, ApiError> {
        let careful = Wanted::read(&Tenant::default(), &Object::root(&body)?, 3);
        let text = body.to_string();
        if let Some(quick) = Wanted::read_quickly(&Tenant::default(), text.as_bytes(), 3) {
            assert_eq!(Ok(&quick), careful.as_ref(), "{text}");
        }
        careful
    }

    #[test]
    fn both_ways_of_reading_agree_and_the_usual_request_takes_the_quick_one() {
        let of = |text: &str| {
            let value: Value = serde_json::from_str(text).unwrap();
            let careful = Object::root(&value).and_then(|root| Wanted::read(&Tenant::default(), &root, 3));
            let quick = Wanted::read_quickly(&Tenant::default(), text.as_bytes(), 3);
            if let Some(quick) = &quick {
                assert_eq!(Ok(quick), careful.as_ref(), "{text}");
            }
            (quick.is_some(), careful.is_ok())
        };
        for usual in [
            r#"{"services":[{"service":{"appId":"a","serviceName":"s"}}]}"#,
            r#"{"services":[{"service":{"environment":"","appId":"a","serviceName":"s","version":"1"},"rev":"0"}],
                "instances":null,"consumerServiceId":"c"}"#,
            r#"{"services":[],"instances":[{"rev":"1","instance":{"serviceId":"s","instanceId":"i"}}]}"#,
            r#"{"services":[{"rev":"\u0031","service":{"serviceName":"a\u002eb","appId":"a"}}]}"#,
        ] {
            assert_eq!(of(usual), (true, true), "{usual}");
        }
        for unusual in [
            r#"{"Services":[{"service":{"appId":"a","serviceName":"s"}}]}"#,
            r#"{"services":[{"service":{"appid":"a","serviceName":"s"}}]}"#,
            r#"{"services":[{"service":{"appId":"b","appId":"a","serviceName":"s"}}]}"#,
            r#"{"services":[{"service":{"appId":"a","serviceName":"s"},"rev":null}]}"#,
            r#"{"services":[{"service":{"appId":"a","serviceName":"s"},"Rev":"1","rev":"2"}]}"#,
        ] {
            assert_eq!(of(unusual), (false, true), "{unusual}");
        }
        for wrong in [
            "null",
            "[]",
            "[[],[]]",
            r#"{"services":[["a"]]}"#,
            r#"{"services":[{"service":["","a","s"]}]}"#,
            r#"{"services":[{"service":{"appId":"a"}}]}"#,
            r#"{"services":[{"service":{"appId":"a","serviceName":"s"},"rev":1}]}"#,
            r#"{"services":[{"service":{"appId":"a","serviceName":"s","environment":"x"}}]}"#,
            r#"{"instances":[{"instance":{"serviceId":"s","instanceId":"a b"}}]}"#,
            r#"{"services":[{},{},{},{}]}"#,
        ] {
            assert_eq!(of(wrong), (false, false), "{wrong}");
        }
    }

    #[test]
    fn the_request_of_the_reference_is_taken() {
        let wanted = read(json!({"services": [
            {"service": {"environment": "", "appId": "default", "serviceName": "test"}, "rev": "0"}]}))
        .unwrap();
        assert_eq!(wanted.services[0].key.service_name, "test");
        assert!(wanted.instances.is_empty());
    }

    #[test]
    fn both_lists_are_taken_and_the_version_of_a_service_is_not_looked_at() {
        let wanted = read(json!({
            "services": [{"service": {"environment": "production", "appId": "string", "serviceName": "string",
                "version": "string", "tenant": null}, "rev": "string"}],
            "instances": [{"instance": {"serviceId": "string", "instanceId": "string"}, "rev": null}],
            "consumerServiceId": "somebody"}))
        .unwrap();
        assert_eq!(wanted.services.len(), 1);
        assert_eq!(&*wanted.instances[0].key.instance_id, "string");
    }

    #[test]
    fn one_element_that_is_not_acceptable_refuses_the_request() {
        let service = |service: Value| json!({"services": [{ "service": service }]});
        let instance = |instance: Value| json!({"instances": [{ "instance": instance }]});
        let table = [
            (json!({}), "Required services or instances"),
            (json!({"services": null, "instances": []}), "Required services or instances"),
            (json!({"services": [null]}), "services[0].service: must not be null"),
            (service(json!(null)), "services[0].service: must not be null"),
            (service(json!({"serviceName": "a"})), "services[0].service.appId: "),
            (service(json!({"appId": "a"})), "services[0].service.serviceName: "),
            (
                service(json!({"appId": "a", "serviceName": "a", "environment": "x"})),
                "services[0].service.environment: ",
            ),
            (instance(json!({"instanceId": "i"})), "instances[0].instance.serviceId: "),
            (instance(json!({"serviceId": "s", "instanceId": "a b"})), "instances[0].instance.instanceId: "),
            (json!({"services": {}}), "Unmarshal error: services: "),
            (json!({"instances": vec![Value::Null; 4]}), "instances: must not have more than 3 elements"),
        ];
        for (body, detail) in table {
            let error = read(body.clone()).unwrap_err();
            assert!(error.detail.starts_with(detail), "{body}: {error}");
        }
    }
}
