//! One provider or consumer URL, taken apart. Native Dubbo of any age writes these, so reading is tolerant: only what
//! leaves no address to speak of is an error.

use std::collections::BTreeMap;
use std::fmt;

use super::{EntryKeyView, Side, UrlView};

/// What old providers wrote before a parameter that consumers may override.
pub const DEFAULT_PREFIX: &str = "default.";

/// Why a text is not the URL of a provider or consumer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// There is no `://`, or nothing in front of it.
    #[error("no protocol")]
    NoProtocol,
    /// There is no host.
    #[error("no host")]
    NoHost,
    /// A bracket of an IPv6 literal is missing, or something else than a port follows it.
    #[error("bad address {0}")]
    Address(String),
    /// The port is no number up to 65535; nothing behind a colon is none either.
    #[error("bad port {0:?}")]
    Port(String),
}

/// What makes two URLs the same entry, whatever their other parameters say.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EntryKey {
    /// Whether it is offered or used.
    pub side: Side,
    /// Name of the interface.
    pub interface: String,
    /// Dubbo's group, empty without one.
    pub group: String,
    /// Dubbo's version of the interface, empty without one.
    pub version: String,
    /// Scheme of a provider; of a consumer the protocol that it asks for, empty without one.
    pub protocol: String,
    /// Host, without brackets.
    pub host: String,
    /// Port, if there is one.
    pub port: Option<u16>,
}

impl EntryKey {
    /// Sixteen hex digits that stand for it where the whole would be too long.
    pub fn digest(&self) -> String {
        self.view().digest()
    }

    /// The same without a copy.
    pub fn view(&self) -> EntryKeyView<'_> {
        let Self { side, interface, group, version, protocol, host, port } = self;
        EntryKeyView { side: *side, interface, group, version, protocol, host, port: *port }
    }
}

/// `<interface>` with group and version, at its address: how an error names an entry.
impl fmt::Display for EntryKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.group.is_empty() {
            write!(formatter, "{}/", self.group)?;
        }
        formatter.write_str(&self.interface)?;
        if !self.version.is_empty() {
            write!(formatter, ":{}", self.version)?;
        }
        write!(formatter, " at {}", authority(&self.host, self.port))
    }
}

/// One provider or consumer URL, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceUrl {
    /// Scheme.
    pub protocol: String,
    /// IP literal (IPv6 without brackets) or host name.
    pub host: String,
    /// Port; `None` also for 0, which nobody can connect to.
    pub port: Option<u16>,
    /// Path without its leading slashes.
    pub path: String,
    /// Parameters, sorted by key. One without `=` is empty, and `default.group` of old providers counts as `group` unless
    /// that is given as well, both as in Dubbo 3.
    pub params: BTreeMap<String, String>,
}

impl ServiceUrl {
    /// Reads the decoded text of a URL as Dubbo 3 does (`URLStrParser`). Of a parameter that is given twice the last
    /// one counts.
    ///
    /// # Errors
    /// [`UrlError`] when there is no protocol or no usable address in it.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let UrlView { protocol, host, port, path, query } = UrlView::parse(text)?;
        Ok(Self {
            protocol: protocol.to_owned(),
            host: host.to_owned(),
            port,
            path: path.to_owned(),
            params: split_query(query),
        })
    }

    /// Name of the interface: the parameter, else the path.
    pub fn interface(&self) -> &str {
        self.param("interface").unwrap_or(&self.path)
    }

    /// A parameter that is not empty.
    pub fn param(&self, key: &str) -> Option<&str> {
        self.params.get(key).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// What makes it the same entry as another URL.
    pub fn entry_key(&self) -> EntryKey {
        let text = |key: &str| self.param(key).unwrap_or_default().to_owned();
        let (side, protocol) = if self.protocol == Side::CONSUMER_PROTOCOL {
            (Side::Consumer, text("protocol"))
        } else {
            (Side::Provider, self.protocol.clone())
        };
        EntryKey {
            side,
            interface: self.interface().to_owned(),
            group: text("group"),
            version: text("version"),
            protocol,
            host: self.host.clone(),
            port: self.port,
        }
    }

    /// Whether both say the same, apart from when they were written.
    pub fn same_but_timestamp(&self, other: &Self) -> bool {
        let params = |url: &'_ Self| {
            let mut params = url.params.clone();
            params.remove("timestamp");
            params
        };
        self.protocol == other.protocol
            && self.host == other.host
            && self.port == other.port
            && self.path == other.path
            && params(self) == params(other)
    }

    /// When it was written, in milliseconds since the Unix epoch (dubbo-go writes seconds), if it says.
    pub fn timestamp(&self) -> Option<i64> {
        self.param("timestamp")?.parse().ok()
    }

    /// When it was written, in milliseconds since the Unix epoch: Dubbo for Java writes these, Dubbo for Go seconds.
    /// `None` when it does not say, or nonsense.
    pub fn registered_at(&self) -> Option<i64> {
        const LARGEST_IN_SECONDS: i64 = 100_000_000_000;
        let time = self.timestamp().filter(|time| *time > 0)?;
        Some(if time > LARGEST_IN_SECONDS { time } else { time * 1000 })
    }

    /// Whether consumers may call it: neither `enabled=false` nor `disabled=true`. To Dubbo, all but `true` is false.
    pub fn is_enabled(&self) -> bool {
        let is_true = |value: &str| value.eq_ignore_ascii_case("true");
        self.param("enabled").is_none_or(is_true) && !self.param("disabled").is_some_and(is_true)
    }

    /// `host:port`, with brackets around an IPv6 literal; only the host when there is no port.
    pub fn address(&self) -> String {
        authority(&self.host, self.port)
    }
}

/// The whole URL with its parameters sorted by key and not encoded, which is what Dubbo expects inside a name.
impl fmt::Display for ServiceUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        write_address(&mut text, &self.protocol, &self.host, self.port, &self.path);
        let mut separator = '?';
        for (key, value) in &self.params {
            write_parameter(&mut text, &mut separator, key, value);
        }
        formatter.write_str(&text)
    }
}

/// Writes what stands in front of the parameters.
pub(super) fn write_address(url: &mut String, protocol: &str, host: &str, port: Option<u16>, path: &str) {
    url.push_str(protocol);
    url.push_str("://");
    url.push_str(&authority(host, port));
    if port.is_none() && host.contains(':') {
        // Java takes what follows the last colon for a port, and gives up the whole folder when it is none.
        url.push_str(":0");
    }
    if !path.is_empty() {
        url.push('/');
        url.push_str(path);
    }
}

/// Writes a parameter behind a separator, which is another one for all but the first.
pub(super) fn write_parameter(url: &mut String, separator: &mut char, key: &str, value: &str) {
    url.push(std::mem::replace(separator, '&'));
    url.push_str(key);
    url.push('=');
    url.push_str(value);
}

/// `host:port`, with brackets around an IPv6 literal; only the host when there is no port.
pub fn authority(host: &str, port: Option<u16>) -> String {
    // A bracket at the start would be taken for one around the rest.
    let host =
        if host.contains(':') || host.starts_with('[') { format!("[{host}]") } else { host.to_owned() };
    match port {
        Some(port) => format!("{host}:{port}"),
        None => host,
    }
}

/// Takes the address out of what stands between the slashes: somebody may be named in front of it.
pub(super) fn split_authority(authority: &str) -> Result<(&str, Option<u16>), UrlError> {
    split_address(authority.rsplit_once('@').map_or(authority, |(_, address)| address))
}

/// Splits `host:port`. Without brackets the last colon counts, also in an IPv6 literal: Dubbo reads it so.
fn split_address(authority: &str) -> Result<(&str, Option<u16>), UrlError> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => match rest.rsplit_once(']').ok_or_else(|| UrlError::Address(authority.to_owned()))? {
            (host, "") => (host, None),
            (host, after) => {
                let port = after.strip_prefix(':').ok_or_else(|| UrlError::Address(authority.to_owned()))?;
                (host, Some(port))
            }
        },
        // The zone of an IPv6 literal stands behind the last colon of one without a port.
        None => match authority.rsplit_once(':').filter(|(_, port)| !port.contains('%')) {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    if host.is_empty() {
        return Err(UrlError::NoHost);
    }
    let port = port.map(read_port).transpose()?.flatten();
    Ok((host, port))
}

fn read_port(text: &str) -> Result<Option<u16>, UrlError> {
    let digits_only = text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse::<u16>() {
        Ok(number) if digits_only => Ok(Some(number).filter(|number| *number != 0)),
        _ => Err(UrlError::Port(text.to_owned())),
    }
}

/// The parameters of a query as they stand there, apart from those without a name.
pub(super) fn parameters(query: &str) -> Parameters<'_> {
    Parameters { rest: query }
}

/// See [`parameters`]. It looks at bytes: URLs are read so often that looking for characters could be felt.
pub(super) struct Parameters<'q> {
    rest: &'q str,
}

impl<'q> Iterator for Parameters<'q> {
    type Item = (&'q str, &'q str);

    fn next(&mut self) -> Option<Self::Item> {
        while !self.rest.is_empty() {
            let (part, rest) = cut(self.rest, |byte| matches!(byte, b'&' | b';'));
            self.rest = rest;
            let (key, value) = cut(part.trim_start_matches('='), |byte| byte == b'=');
            if !key.is_empty() {
                return Some((key, value));
            }
        }
        None
    }
}

/// What stands before and behind the first byte that is a separator; all and nothing without one.
fn cut(text: &str, is_separator: impl Fn(u8) -> bool) -> (&str, &str) {
    match text.bytes().position(is_separator) {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, ""),
    }
}

/// Those that count.
fn split_query(query: &str) -> BTreeMap<String, String> {
    let mut params = BTreeMap::new();
    for (key, value) in parameters(query) {
        params.insert(key.to_owned(), value.to_owned());
        if let Some(key) = key.strip_prefix(DEFAULT_PREFIX).filter(|key| !key.is_empty()) {
            params.entry(key.to_owned()).or_insert_with(|| value.to_owned());
        }
    }
    params
}

#[cfg(test)]
#[path = "url_tests.rs"]
mod tests;
