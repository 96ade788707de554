//! The usual form of the body of a batch find.

use std::borrow::Cow;

use serde::de::MapAccess;

use super::quick::{Fields, Quick, Text, once};

/// The texts of one element, and what the client says it has seen of it.
pub type Element<'b, const TEXTS: usize> = ([Cow<'b, str>; TEXTS], Cow<'b, str>);

/// Everything.
#[derive(Default)]
pub struct Body<'b> {
    services: List<ServiceElement<'b>>,
    instances: List<InstanceElement<'b>>,
}

/// A list, which may be absent or `null`.
type List<T> = Option<Option<Vec<Quick<T>>>>;

impl<'b> Body<'b> {
    /// Environment, application and name of each service; `None` when one is not there.
    pub fn services(&mut self) -> Option<Vec<Element<'b, 3>>> {
        let elements = self.services.take().flatten().unwrap_or_default().into_iter();
        let element = |Quick(element): Quick<ServiceElement<'b>>| {
            let Quick(Service { environment, app_id, service_name }) = element.service?;
            Some(([environment, app_id, service_name].map(text), text(element.rev)))
        };
        elements.map(element).collect()
    }

    /// Service and id of each instance; `None` when one is not there.
    pub fn instances(&mut self) -> Option<Vec<Element<'b, 2>>> {
        let elements = self.instances.take().flatten().unwrap_or_default().into_iter();
        let element = |Quick(element): Quick<InstanceElement<'b>>| {
            let Quick(Instance { service_id, instance_id }) = element.instance?;
            Some(([service_id, instance_id].map(text), text(element.rev)))
        };
        elements.map(element).collect()
    }
}

fn text(read: Option<Text<'_>>) -> Cow<'_, str> {
    read.map(|Text(text)| text).unwrap_or_default()
}

#[derive(Default)]
struct ServiceElement<'b> {
    service: Option<Quick<Service<'b>>>,
    rev: Option<Text<'b>>,
}

#[derive(Default)]
struct Service<'b> {
    environment: Option<Text<'b>>,
    app_id: Option<Text<'b>>,
    service_name: Option<Text<'b>>,
}

#[derive(Default)]
struct InstanceElement<'b> {
    instance: Option<Quick<Instance<'b>>>,
    rev: Option<Text<'b>>,
}

#[derive(Default)]
struct Instance<'b> {
    service_id: Option<Text<'b>>,
    instance_id: Option<Text<'b>>,
}

impl<'b> Fields<'b> for Body<'b> {
    const NAMES: &'static [&'static str] = &["services", "instances"];

    fn take<A: MapAccess<'b>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        match name {
            "services" => once(&mut self.services, map),
            _ => once(&mut self.instances, map),
        }
    }
}

impl<'b> Fields<'b> for ServiceElement<'b> {
    const NAMES: &'static [&'static str] = &["service", "rev"];

    fn take<A: MapAccess<'b>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        match name {
            "service" => once(&mut self.service, map),
            _ => once(&mut self.rev, map),
        }
    }
}

impl<'b> Fields<'b> for Service<'b> {
    const NAMES: &'static [&'static str] = &["environment", "appId", "serviceName"];

    fn take<A: MapAccess<'b>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        match name {
            "environment" => once(&mut self.environment, map),
            "appId" => once(&mut self.app_id, map),
            _ => once(&mut self.service_name, map),
        }
    }
}

impl<'b> Fields<'b> for InstanceElement<'b> {
    const NAMES: &'static [&'static str] = &["instance", "rev"];

    fn take<A: MapAccess<'b>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        match name {
            "instance" => once(&mut self.instance, map),
            _ => once(&mut self.rev, map),
        }
    }
}

impl<'b> Fields<'b> for Instance<'b> {
    const NAMES: &'static [&'static str] = &["serviceId", "instanceId"];

    fn take<A: MapAccess<'b>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        match name {
            "serviceId" => once(&mut self.service_id, map),
            _ => once(&mut self.instance_id, map),
        }
    }
}
