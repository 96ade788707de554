//! The provider URLs that a ServiceComb instance stands as, so that Dubbo's tools and consumers see it too.

use std::collections::BTreeMap;

use super::build::{DEFAULT_APPLICATION, DUBBO_VERSION, filled, write};
use super::url::split_authority;
use super::{ServiceUrl, Side, check_host, check_interface, check_param_value, check_protocol, check_url};
use crate::model::{Instance, InstanceStatus, Microservice, ServiceKey, Tenant};

/// An address that an instance can be called at.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// `rest`, `highway`, `grpc` and the like.
    pub protocol: String,
    /// IP literal (IPv6 without brackets) or host name.
    pub host: String,
    /// 1 to 65535.
    pub port: u16,
}

impl Endpoint {
    /// Reads both spellings, `rest://host:port` and `rest:host:port`, with or without a path and parameters. `None`
    /// when the text is no address that could stand in a provider URL.
    pub fn parse(text: &str) -> Option<Self> {
        let (protocol, rest) = text.split_once("://").or_else(|| text.split_once(':'))?;
        let authority = rest.split(['/', '?', '#']).next()?;
        check_protocol(protocol).ok()?;
        let (host, port) = split_authority(authority).ok()?;
        check_host(host).ok()?;
        Some(Self { protocol: protocol.to_owned(), host: host.to_owned(), port: port? })
    }
}

/// The provider URLs, not encoded, that `instance` stands as under the name of its microservice: one for each endpoint
/// that is an address, each once, in the order of the endpoints. None at all when the microservice or the ids hold a
/// text that cannot stand in a URL. Deterministic: it depends on nothing but the arguments.
pub fn instance_urls(microservice: &Microservice, instance: &Instance, tenant: &Tenant) -> Vec<String> {
    let interface = &microservice.service_name;
    let registered = instance.timestamp.parse::<i64>().ok().and_then(|seconds| seconds.checked_mul(1000));
    let registered = registered.map(|milliseconds| milliseconds.to_string()).unwrap_or_default();
    let params = instance_params(microservice, instance, tenant, &registered);
    if check_interface(interface).is_err()
        || params.iter().any(|(_, value)| check_param_value(value).is_err())
    {
        return Vec::new();
    }
    let mut urls = Vec::new();
    for Endpoint { protocol, host, port } in
        instance.endpoints.iter().filter_map(|text| Endpoint::parse(text))
    {
        let url = write(&protocol, &host, Some(port), interface, &params, &BTreeMap::new(), &[]);
        if check_url(&url).is_ok() && !urls.contains(&url) {
            urls.push(url);
        }
    }
    urls
}

/// The consumer URL, not encoded, that `instance` stands as under the service that its microservice uses: at the host of
/// its first endpoint that is an address. `None` without one, or when a text cannot stand in a URL. Deterministic.
pub fn dependency_url(consumer: &Microservice, instance: &Instance, provider: &ServiceKey) -> Option<String> {
    let host = instance.endpoints.iter().find_map(|text| Endpoint::parse(text))?.host;
    let application = if consumer.app_id.is_empty() { DEFAULT_APPLICATION } else { &consumer.app_id };
    let tenant = &provider.tenant;
    let mut params = vec![
        ("application", application),
        ("category", Side::Consumer.folder_name()),
        ("check", "false"),
        ("dubbo", DUBBO_VERSION),
        ("environment", &consumer.environment),
        ("interface", &provider.service_name),
        ("service.id", &consumer.service_id),
        ("side", "consumer"),
        ("version", &consumer.version),
    ];
    if !tenant.is_default() {
        params.extend([("domain", &*tenant.domain), ("project", &tenant.project)]);
    }
    let params = filled(&params);
    check_interface(&provider.service_name).ok()?;
    params.values().try_for_each(|value| check_param_value(value)).ok()?;
    let (protocol, path) = (Side::CONSUMER_PROTOCOL.to_owned(), provider.service_name.clone());
    let url = ServiceUrl { protocol, host, port: None, path, params }.to_string();
    check_url(&url).is_ok().then_some(url)
}

/// What stands in the URLs of an instance, sorted; the time is that of its registration.
fn instance_params<'i>(
    microservice: &'i Microservice,
    instance: &'i Instance,
    tenant: &'i Tenant,
    registered: &'i str,
) -> Vec<(&'i str, &'i str)> {
    let application = if microservice.app_id.is_empty() { DEFAULT_APPLICATION } else { &microservice.app_id };
    let mut params = vec![
        ("application", application),
        ("dubbo", DUBBO_VERSION),
        ("environment", &microservice.environment),
        ("instance.id", &instance.instance_id),
        ("interface", &microservice.service_name),
        ("service.id", &instance.service_id),
        ("side", "provider"),
        ("timestamp", registered),
        ("version", &microservice.version),
    ];
    if instance.status != InstanceStatus::Up {
        params.push(("enabled", "false"));
    }
    if !tenant.is_default() {
        params.extend([("domain", &*tenant.domain), ("project", &tenant.project)]);
    }
    params.sort_unstable();
    params
}

#[cfg(test)]
mod tests {
    use super::*;

    fn microservice() -> Microservice {
        Microservice {
            app_id: "shop".into(),
            service_name: "orders".into(),
            version: "1.2.0".into(),
            ..Microservice::default()
        }
    }

    fn instance(endpoints: &[&str]) -> Instance {
        Instance {
            instance_id: "i1".into(),
            service_id: "s1".into(),
            endpoints: endpoints.iter().map(|&endpoint| endpoint.to_owned()).collect(),
            timestamp: "1795229889".into(),
            ..Instance::default()
        }
    }

    fn urls(endpoints: &[&str]) -> Vec<String> {
        instance_urls(&microservice(), &instance(endpoints), &Tenant::default())
    }

    #[test]
    fn both_spellings_of_an_endpoint_are_read() {
        let endpoint = |protocol: &str, host: &str, port| {
            Some(Endpoint { protocol: protocol.into(), host: host.into(), port })
        };
        assert_eq!(Endpoint::parse("rest://10.0.0.7:8080"), endpoint("rest", "10.0.0.7", 8080));
        assert_eq!(Endpoint::parse("rest:10.0.0.7:8080"), endpoint("rest", "10.0.0.7", 8080));
        assert_eq!(
            Endpoint::parse("rest://10.0.0.7:8080?sslEnabled=true"),
            endpoint("rest", "10.0.0.7", 8080)
        );
        assert_eq!(Endpoint::parse("highway://h.local:7070/"), endpoint("highway", "h.local", 7070));
        assert_eq!(Endpoint::parse("rest://[::1]:8080"), endpoint("rest", "::1", 8080));
        assert_eq!(Endpoint::parse("rest:[2001:db8::7]:8080"), endpoint("rest", "2001:db8::7", 8080));
    }

    #[test]
    fn an_endpoint_that_is_no_address_is_none() {
        for text in [
            "",
            "rest",
            "rest://",
            "rest:8080",
            "10.0.0.7:8080",
            "localhost:8080",
            "rest://h",
            "rest://h:0",
            "rest://h:x",
            "rest://h:70000",
            "rest://127.0.1.312:80",
            "rest://a b:80",
            "REST://h:80",
            "rest://0.0.0.0:80",
            "consumer://h:80",
            "unix:/var/run/orders",
            "a:12:13",
        ] {
            assert_eq!(Endpoint::parse(text), None, "{text}");
        }
    }

    #[test]
    fn an_instance_stands_as_one_provider_for_each_address() {
        assert_eq!(
            urls(&[
                "rest:10.0.0.7:8080",
                "rest://10.0.0.7:8080?sslEnabled=true",
                "pipe",
                "highway://[::1]:7070"
            ]),
            [
                "rest://10.0.0.7:8080/orders?application=shop&dubbo=2.0.2&instance.id=i1&interface=orders\
                 &service.id=s1&side=provider&timestamp=1795229889000&version=1.2.0",
                "highway://[::1]:7070/orders?application=shop&dubbo=2.0.2&instance.id=i1&interface=orders\
                 &service.id=s1&side=provider&timestamp=1795229889000&version=1.2.0",
            ],
        );
    }

    #[test]
    fn what_sets_an_instance_apart_stands_in_its_url() {
        let environment = Microservice { environment: "testing".into(), ..microservice() };
        let down = Instance { status: InstanceStatus::Down, ..instance(&["rest:h:1"]) };
        let found = instance_urls(&environment, &down, &Tenant::new("acme", "web"));
        let url = ServiceUrl::parse(&found[0]).unwrap();
        assert!(!url.is_enabled());
        assert_eq!(url.param("environment"), Some("testing"));
        assert_eq!((url.param("domain"), url.param("project")), (Some("acme"), Some("web")));
        assert!(!urls(&["rest:h:1"])[0].contains("domain="));
    }

    #[test]
    fn what_cannot_stand_in_a_url_is_not_projected() {
        for (name, app) in [("a/b", "shop"), ("", "shop"), ("metadata", "shop"), ("orders", "a&b")] {
            let odd = Microservice { service_name: name.into(), app_id: app.into(), ..microservice() };
            assert!(
                instance_urls(&odd, &instance(&["rest:h:1"]), &Tenant::default()).is_empty(),
                "{name} {app}"
            );
        }
        let unregistered = Instance { timestamp: "soon".into(), ..instance(&["rest:h:1"]) };
        let found = instance_urls(&microservice(), &unregistered, &Tenant::default());
        assert!(!found[0].contains("timestamp"), "{}", found[0]);
    }
}
