//! What mainline MOSN sends: a registry, of which only the form is checked, and a service.
//!
//! The registry's address is where MOSN itself would connect to. zoogate writes to its own ensemble whatever the address
//! says, and keeps neither it nor the credentials.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::Call;
use crate::api::mosn::entry::{EmptyMethod, Entry, read_interface, read_methods};
use crate::api::mosn::json::{self, Place};
use crate::api::mosn::refusal::Refusal;
use crate::dubbo::{self, Side};

/// The only kind of registry that there is.
const ZOOKEEPER: &str = "zookeeper";

#[derive(Deserialize)]
struct BodyFields<'a> {
    #[serde(borrow)]
    registry: &'a RawValue,
    #[serde(default, borrow, deserialize_with = "json::present")]
    service: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct RegistryFields<'a> {
    #[serde(default, borrow, deserialize_with = "json::present")]
    username: Option<&'a RawValue>,
    #[serde(default, borrow, deserialize_with = "json::present")]
    password: Option<&'a RawValue>,
    #[serde(default, borrow, rename = "type", deserialize_with = "json::present")]
    kind: Option<&'a RawValue>,
    #[serde(default, borrow, deserialize_with = "json::present")]
    addr: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct ServiceFields<'a> {
    #[serde(default, borrow, deserialize_with = "json::present")]
    interface: Option<&'a RawValue>,
    #[serde(default, borrow, deserialize_with = "json::present")]
    methods: Option<&'a RawValue>,
    #[serde(default, borrow, deserialize_with = "json::present")]
    group: Option<&'a RawValue>,
    #[serde(default, borrow, deserialize_with = "json::present")]
    version: Option<&'a RawValue>,
}

/// Reads a body that has a registry.
pub(super) fn read(raw: &RawValue, call: Call) -> Result<Entry, Refusal> {
    let body: BodyFields<'_> = json::object(raw, &Place::Body)?;
    check_registry(body.registry, &Place::Body.field("registry"))?;
    let at = Place::Body.field("service");
    let service = json::given(body.service).ok_or_else(|| Refusal::at(at, "is missing"))?;
    let service: ServiceFields<'_> = json::object(service, &at)?;
    let interface = read_interface(service.interface, &at.field("interface"))?;
    let at_methods = at.field("methods");
    let methods = json::given(service.methods).ok_or_else(|| Refusal::at(at_methods, "is missing"))?;
    let methods = read_methods(methods, EmptyMethod::Skipped, &at_methods)?;
    let mut params = BTreeMap::new();
    // A subscription is to every version.
    let version = service.version.filter(|_| call.side() == Side::Provider);
    for (key, raw) in [("group", service.group), ("version", version)] {
        let Some(raw) = json::given(raw) else { continue };
        let at = at.field(key);
        let value = json::text(raw, &at)?.trim().to_owned();
        dubbo::check_param_value(&value).map_err(|reason| Refusal::at(at, reason))?;
        if !value.is_empty() {
            params.insert(key.to_owned(), value);
        }
    }
    Ok(Entry::without_address(interface, methods, params))
}

fn check_registry(raw: &RawValue, place: &Place<'_>) -> Result<(), Refusal> {
    let registry: RegistryFields<'_> = json::object(raw, place)?;
    for (name, raw) in [("username", registry.username), ("password", registry.password)] {
        if let Some(raw) = json::given(raw) {
            json::expect(json::Kind::Text, raw, &place.field(name))?;
        }
    }
    let at = place.field("type");
    let kind = json::given(registry.kind).ok_or_else(|| Refusal::at(at, "is missing, must be zookeeper"))?;
    let kind = json::text(kind, &at)?;
    if kind != ZOOKEEPER {
        return Err(Refusal::at(at, format!("must be {ZOOKEEPER}, not {kind:?}")));
    }
    let at = place.field("addr");
    let address =
        json::given(registry.addr).ok_or_else(|| Refusal::at(at, "is missing, must be host:port"))?;
    let address = json::text(address, &at)?;
    check_address(&address).map_err(|reason| Refusal::at(at, reason))
}

fn check_address(address: &str) -> Result<(), String> {
    let wrong = || format!("must be host:port, not {address:?}");
    let (host, port) = address.rsplit_once(':').ok_or_else(wrong)?;
    let host = match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').ok_or_else(wrong)?,
        None if host.contains(':') => return Err(wrong()),
        None => host,
    };
    let is_port =
        port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse().is_ok_and(|port: u16| port > 0);
    if !is_port {
        return Err(wrong());
    }
    dubbo::check_host(host).map_err(|reason| format!("{}: {reason}", wrong()))
}
