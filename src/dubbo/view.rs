//! A URL taken apart without a copy of any part of it, for those who look at many and keep little of each.

use super::Side;
use super::url::{DEFAULT_PREFIX, EntryKey, UrlError, parameters, split_authority};
use crate::model::{Consumer, Provider, short_digest};

/// One provider or consumer URL, read as [`ServiceUrl::parse`](super::ServiceUrl::parse) reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UrlView<'u> {
    /// Scheme.
    pub protocol: &'u str,
    /// IP literal (IPv6 without brackets) or host name.
    pub host: &'u str,
    /// Port; `None` also for 0.
    pub port: Option<u16>,
    /// Path without its leading slashes.
    pub path: &'u str,
    /// What follows the question mark.
    pub(super) query: &'u str,
}

impl<'u> UrlView<'u> {
    /// Reads the decoded text of a URL.
    ///
    /// # Errors
    /// [`UrlError`] when there is no protocol or no usable address in it.
    pub fn parse(text: &'u str) -> Result<Self, UrlError> {
        let (body, query) = text.split_once('?').unwrap_or((text, ""));
        let body = body.split_once('#').map_or(body, |(before, _)| before);
        let (protocol, rest) = body.split_once("://").ok_or(UrlError::NoProtocol)?;
        if protocol.is_empty() {
            return Err(UrlError::NoProtocol);
        }
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (host, port) = split_authority(authority)?;
        Ok(Self { protocol, host, port, path: path.trim_start_matches('/'), query })
    }

    /// As [`ServiceUrl::interface`](super::ServiceUrl::interface).
    pub fn interface(&self) -> &'u str {
        self.param("interface").unwrap_or(self.path)
    }

    /// As [`ServiceUrl::param`](super::ServiceUrl::param). It reads all parameters: who needs many of them takes a
    /// [`ServiceUrl`](super::ServiceUrl).
    pub fn param(&self, key: &str) -> Option<&'u str> {
        let [value] = self.params([key]);
        value
    }

    /// The same of several parameters at once.
    fn params<const N: usize>(&self, keys: [&str; N]) -> [Option<&'u str>; N] {
        let (mut given, mut defaults) = ([None; N], [None; N]);
        for (name, value) in parameters(self.query) {
            let asked = |name: &str| keys.iter().position(|key| *key == name);
            if let Some(place) = asked(name) {
                given[place] = Some(value);
            } else if let Some(place) = name.strip_prefix(DEFAULT_PREFIX).and_then(asked) {
                defaults[place].get_or_insert(value);
            }
        }
        for (given, default) in given.iter_mut().zip(defaults) {
            *given = given.or(default).filter(|value| !value.is_empty());
        }
        given
    }

    /// As [`ServiceUrl::entry_key`](super::ServiceUrl::entry_key).
    pub fn entry(&self) -> EntryKeyView<'u> {
        self.entry_and_timestamp().0
    }

    /// The same, and what [`ServiceUrl::timestamp`](super::ServiceUrl::timestamp) says.
    pub fn entry_and_timestamp(&self) -> (EntryKeyView<'u>, Option<i64>) {
        let [interface, group, version, asked, timestamp] =
            self.params(["interface", "group", "version", "protocol", "timestamp"]);
        let (side, protocol) = match self.protocol {
            Side::CONSUMER_PROTOCOL => (Side::Consumer, asked.unwrap_or_default()),
            protocol => (Side::Provider, protocol),
        };
        let entry = EntryKeyView {
            side,
            interface: interface.unwrap_or(self.path),
            group: group.unwrap_or_default(),
            version: version.unwrap_or_default(),
            protocol,
            host: self.host,
            port: self.port,
        };
        (entry, timestamp.and_then(|timestamp| timestamp.parse().ok()))
    }
}

/// An [`EntryKey`] that borrows what it consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EntryKeyView<'e> {
    /// Whether it is offered or used.
    pub side: Side,
    /// Its interface.
    pub interface: &'e str,
    /// Its group, empty without one.
    pub group: &'e str,
    /// Its version, empty without one.
    pub version: &'e str,
    /// Scheme of a provider; of a consumer the protocol that it asks for, empty without one.
    pub protocol: &'e str,
    /// Host.
    pub host: &'e str,
    /// Port.
    pub port: Option<u16>,
}

impl<'e> EntryKeyView<'e> {
    /// That of the URL that a provider stands as.
    pub fn of_provider(provider: &'e Provider) -> Self {
        let param = |key| provider.params.get(key).map_or("", String::as_str);
        Self {
            side: Side::Provider,
            interface: &provider.interface,
            group: param("group"),
            version: param("version"),
            protocol: &provider.protocol,
            host: &provider.host,
            port: Some(provider.port),
        }
    }

    /// Likewise of a consumer.
    pub fn of_consumer(consumer: &'e Consumer) -> Self {
        let param = |key| consumer.params.get(key).map_or("", String::as_str);
        Self {
            side: Side::Consumer,
            interface: &consumer.interface,
            group: param("group"),
            version: param("version"),
            protocol: consumer.protocol.as_deref().unwrap_or_default(),
            host: &consumer.host,
            port: consumer.port,
        }
    }

    /// As [`EntryKey::digest`].
    pub fn digest(&self) -> String {
        let Self { side, interface, group, version, protocol, host, port } = self;
        let port = port.map(|port| port.to_string()).unwrap_or_default();
        let parts = [side.folder_name(), interface, group, version, protocol, host, &port];
        format!("{:016x}", short_digest(parts.join("\0").as_bytes()))
    }
}

impl From<EntryKeyView<'_>> for EntryKey {
    fn from(view: EntryKeyView<'_>) -> Self {
        Self {
            side: view.side,
            interface: view.interface.to_owned(),
            group: view.group.to_owned(),
            version: view.version.to_owned(),
            protocol: view.protocol.to_owned(),
            host: view.host.to_owned(),
            port: view.port,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::dubbo::ServiceUrl;

    proptest! {
        #[test]
        fn a_view_says_what_the_url_itself_says(
            start in "([a-z]{0,3}(://|:/)?|dubbo://|consumer://)",
            address in "[\\[\\]:@#a-f0-9.]{0,8}",
            path in "/?[a-z/]{0,4}",
            query in "[?]?((default\\.)?(a|b|group|version|interface|protocol|timestamp|)(=|==|)[0-9a-b]{0,2}[&;]){0,8}",
        ) {
            let text = format!("{start}{address}{path}{query}");
            let (view, url) = (UrlView::parse(&text), ServiceUrl::parse(&text));
            prop_assert_eq!(view.as_ref().err(), url.as_ref().err());
            let (Ok(view), Ok(url)) = (view, url) else { return Ok(()) };
            prop_assert_eq!((view.protocol, view.host), (url.protocol.as_str(), url.host.as_str()));
            prop_assert_eq!((view.port, view.path), (url.port, url.path.as_str()));
            prop_assert_eq!(view.entry_and_timestamp().1, url.timestamp());
            prop_assert_eq!(view.interface(), url.interface());
            let unknown = [String::from("c")];
            for key in url.params.keys().chain(&unknown) {
                prop_assert_eq!(view.param(key), url.param(key), "{} of {}", key, text);
            }
            prop_assert_eq!(EntryKey::from(view.entry()), url.entry_key());
            prop_assert_eq!(view.entry().digest(), url.entry_key().digest());
        }
    }
}
