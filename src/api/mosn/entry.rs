//! One element of `provider_list` or `consumer_list`, or one entry that comes alone: what the caller wrote, checked and brought into URL form.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::json::{self, Kind, Place};
use super::refusal::Refusal;
use crate::dubbo::{self, EntryPattern, Side};
use crate::model::{Consumer, Provider};

/// One entry, checked as far as both sides are alike.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) interface: String,
    pub(super) methods: Vec<String>,
    /// The parameters apart from those that an entry's own fields say.
    pub(super) params: BTreeMap<String, String>,
    /// As given; whoever gives none stands at the address that the request came from.
    pub(super) host: Option<String>,
    protocol: Option<String>,
    port: Option<u16>,
}

#[derive(Deserialize)]
struct EntryFields<'a> {
    #[serde(default, borrow, deserialize_with = "json::present")]
    service: Option<&'a RawValue>,
    #[serde(default, borrow, deserialize_with = "json::present")]
    host: Option<&'a RawValue>,
    #[serde(default, borrow, deserialize_with = "json::present")]
    port: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct ServiceFields<'a> {
    #[serde(default, borrow, deserialize_with = "json::present")]
    interface: Option<&'a RawValue>,
    #[serde(default, borrow, deserialize_with = "json::present")]
    methods: Option<&'a RawValue>,
    #[serde(default, borrow, deserialize_with = "json::present")]
    params: Option<&'a RawValue>,
}

/// What an empty name in a list of methods is. The examples of the first generation have one where there is nothing to
/// name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EmptyMethod {
    Refused,
    Skipped,
}

impl Entry {
    pub(super) fn read(
        raw: &RawValue,
        side: Side,
        empty_method: EmptyMethod,
        place: &Place<'_>,
    ) -> Result<Self, Refusal> {
        let entry: EntryFields<'_> = json::object(raw, place)?;
        let at_service = place.field("service");
        let service = json::given(entry.service).ok_or_else(|| Refusal::at(at_service, "is missing"))?;
        let service: ServiceFields<'_> = json::object(service, &at_service)?;

        let interface = read_interface(service.interface, &at_service.field("interface"))?;
        let methods = json::given(service.methods)
            .map(|raw| read_methods(raw, empty_method, &at_service.field("methods")))
            .transpose()?
            .unwrap_or_default();
        let host =
            json::given(entry.host).map(|raw| read_host(raw, &place.field("host"))).transpose()?.flatten();
        let port =
            json::given(entry.port).map(|raw| read_port(raw, &place.field("port"))).transpose()?.flatten();

        let mut entry = Self { interface, methods, params: BTreeMap::new(), host, protocol: None, port };
        if let Some(params) = json::given(service.params) {
            entry.read_params(params, side, &at_service.field("params"))?;
        }
        Ok(entry)
    }

    /// An entry that says nothing of its address.
    pub(super) fn without_address(
        interface: String,
        methods: Vec<String>,
        params: BTreeMap<String, String>,
    ) -> Self {
        Self { interface, methods, params, host: None, protocol: None, port: None }
    }

    /// The same at `port`, unless it names one.
    pub(super) fn or_at(mut self, port: u16) -> Self {
        self.port.get_or_insert(port);
        self
    }

    /// Every entry that has what this one says. What it does not say may be anything.
    pub(super) fn pattern(&self, side: Side) -> EntryPattern {
        EntryPattern {
            side,
            interface: self.interface.clone(),
            group: self.params.get("group").cloned(),
            version: self.params.get("version").cloned(),
            protocol: self.protocol.clone(),
            host: self.host.clone(),
            port: self.port,
        }
    }

    pub(super) fn into_provider(self, peer: &str, place: &Place<'_>) -> Result<Provider, Refusal> {
        let port =
            self.port.ok_or_else(|| Refusal::at(place.field("port"), "must be given, from 1 to 65535"))?;
        let provider = Provider {
            protocol: self.protocol.unwrap_or_else(|| dubbo::DEFAULT_PROTOCOL.to_owned()),
            host: host_or_peer(self.host, peer, place)?,
            interface: self.interface,
            port,
            methods: self.methods,
            params: self.params,
        };
        dubbo::check_provider(&provider).map_err(|reason| Refusal::at(place, reason))?;
        Ok(provider)
    }

    pub(super) fn into_consumer(self, peer: &str, place: &Place<'_>) -> Result<Consumer, Refusal> {
        let consumer = Consumer {
            protocol: self.protocol,
            host: host_or_peer(self.host, peer, place)?,
            interface: self.interface,
            port: self.port,
            methods: self.methods,
            params: self.params,
        };
        dubbo::check_consumer(&consumer).map_err(|reason| Refusal::at(place, reason))?;
        Ok(consumer)
    }

    fn read_params(&mut self, raw: &RawValue, side: Side, place: &Place<'_>) -> Result<(), Refusal> {
        for (key, raw) in json::object::<BTreeMap<String, &RawValue>>(raw, place)? {
            let at = place.field(&key);
            let value = read_value(raw, &at)?;
            if value.is_empty() {
                continue;
            }
            dubbo::check_param_key(&key).map_err(|reason| Refusal::at(at, reason))?;
            dubbo::check_param_value(&value).map_err(|reason| Refusal::at(at, reason))?;
            // A default counts for consumers where nothing else is said. Sorted, it comes before what overrides it.
            let meant = key.strip_prefix(dubbo::DEFAULT_PREFIX).unwrap_or(&key);
            if let Some(written) = self.reserved(meant, side) {
                if value != written {
                    return Err(Refusal::at(at, format!("must be left out or be {written:?}")));
                }
            } else if meant == "protocol" {
                check_protocols(&value, side).map_err(|reason| Refusal::at(at, reason))?;
                self.protocol = Some(value);
            } else if key == "timestamp" && value.parse::<i64>().is_err() {
                // Java consumers compute a provider's warm-up from it, and fail on anything else.
                return Err(Refusal::at(at, "must be a whole number of milliseconds"));
            } else if matches!(meant, "group" | "version") {
                self.params.insert(meant.to_owned(), value);
            } else {
                self.params.insert(key, value);
            }
        }
        Ok(())
    }

    /// What the URL says under a key that only the entry itself decides.
    fn reserved(&self, key: &str, side: Side) -> Option<String> {
        Some(match key {
            "interface" => self.interface.clone(),
            "methods" => dubbo::methods_text(&self.methods),
            "category" => side.folder_name().to_owned(),
            "side" if side == Side::Provider => "provider".to_owned(),
            "side" => "consumer".to_owned(),
            _ => return None,
        })
    }
}

pub(super) fn read_interface(raw: Option<&RawValue>, at: &Place<'_>) -> Result<String, Refusal> {
    let interface = json::given(raw).ok_or_else(|| Refusal::at(at, "is missing"))?;
    let interface = json::text(interface, at)?;
    dubbo::check_interface(&interface).map_err(|reason| Refusal::at(at, reason))?;
    Ok(interface)
}

pub(super) fn read_methods(
    raw: &RawValue,
    empty: EmptyMethod,
    place: &Place<'_>,
) -> Result<Vec<String>, Refusal> {
    let mut methods = Vec::new();
    for (index, raw) in json::list(raw, place)?.into_iter().enumerate() {
        let at = place.index(index);
        let method = json::text(raw, &at)?;
        if method.is_empty() && empty == EmptyMethod::Skipped {
            continue;
        }
        dubbo::check_method(&method).map_err(|reason| Refusal::at(at, reason))?;
        methods.push(method);
    }
    Ok(methods)
}

/// An empty host is one that was not given: Go writes it so.
fn read_host(raw: &RawValue, place: &Place<'_>) -> Result<Option<String>, Refusal> {
    let text = json::text(raw, place)?;
    if text.is_empty() {
        return Ok(None);
    }
    let host = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(&text);
    dubbo::check_host(host).map_err(|reason| Refusal::at(place, reason))?;
    // One spelling for each address, or one host could be registered as two.
    Ok(Some(host.parse::<std::net::IpAddr>().map_or_else(|_| host.to_owned(), |address| address.to_string())))
}

/// Port 0 is one that was not given: Go writes it so.
fn read_port(raw: &RawValue, place: &Place<'_>) -> Result<Option<u16>, Refusal> {
    json::expect(Kind::Number, raw, place)?;
    let text = raw.get();
    if !text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') {
        return Err(Refusal::at(place, format!("{text} is not a whole number")));
    }
    match text.parse::<u16>() {
        Ok(port) => Ok(Some(port).filter(|port| *port != 0)),
        Err(_) => Err(Refusal::at(place, format!("{text} is not in 1..65535"))),
    }
}

/// The text that a parameter's value stands as in the URL; empty for what says nothing.
fn read_value(raw: &RawValue, place: &Place<'_>) -> Result<String, Refusal> {
    if Kind::of(raw) != Kind::List {
        return read_scalar(raw, place);
    }
    let mut values = Vec::new();
    for (index, raw) in json::list(raw, place)?.into_iter().enumerate() {
        let at = place.index(index);
        if Kind::of(raw) == Kind::List {
            return Err(Refusal::at(at, "must not be a list within a list"));
        }
        values.push(read_scalar(raw, &at)?);
    }
    values.retain(|value| !value.is_empty());
    Ok(values.join(","))
}

fn read_scalar(raw: &RawValue, place: &Place<'_>) -> Result<String, Refusal> {
    match Kind::of(raw) {
        Kind::Null => Ok(String::new()),
        Kind::Boolean | Kind::Number => Ok(raw.get().to_owned()),
        Kind::Text => Ok(json::text(raw, place)?.trim().to_owned()),
        found @ (Kind::List | Kind::Object) => Err(Refusal::at(
            place,
            format!("must be a string, number, boolean or a list of them, not {found}"),
        )),
    }
}

/// A consumer may name several protocols that it can call with.
fn check_protocols(value: &str, side: Side) -> Result<(), String> {
    match side {
        Side::Provider => dubbo::check_protocol(value),
        Side::Consumer => value.split(',').try_for_each(dubbo::check_protocol),
    }
}

fn host_or_peer(host: Option<String>, peer: &str, place: &Place<'_>) -> Result<String, Refusal> {
    if let Some(host) = host {
        return Ok(host);
    }
    dubbo::check_host(peer).map_err(|reason| {
        Refusal::at(place.field("host"), format!("is missing, and of the caller {reason}"))
    })?;
    Ok(peer.to_owned())
}
