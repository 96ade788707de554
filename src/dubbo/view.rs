//! A provider or consumer URL looked at where it stands: what a start asks of every one of them, without a copy of its parts.

use super::url::{DEFAULT_PREFIX, query_parts, split_address, split_query};
use super::{ServiceUrl, Side, UrlError};

/// One provider or consumer URL, taken apart where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UrlView<'t> {
    protocol: &'t str,
    /// Host, without the brackets of an IPv6 literal.
    pub host: &'t str,
    /// Port, unless it is 0 or there is none.
    pub port: Option<u16>,
    path: &'t str,
    query: &'t str,
}

impl<'t> UrlView<'t> {
    /// Reads the decoded text of a URL, see [`ServiceUrl::parse`].
    ///
    /// # Errors
    /// [`UrlError`] when there is no protocol or no usable address in it.
    pub fn parse(text: &'t str) -> Result<Self, UrlError> {
        let (body, query) = text.split_once('?').unwrap_or((text, ""));
        let body = body.split_once('#').map_or(body, |(before, _)| before);
        let (protocol, rest) = body.split_once("://").ok_or(UrlError::NoProtocol)?;
        if protocol.is_empty() {
            return Err(UrlError::NoProtocol);
        }
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let authority = authority.rsplit_once('@').map_or(authority, |(_, address)| address);
        let (host, port) = split_address(authority)?;
        Ok(Self { protocol, host, port, path: path.trim_start_matches('/'), query })
    }

    /// The same with all its parts copied.
    pub fn to_url(self) -> ServiceUrl {
        ServiceUrl {
            protocol: self.protocol.to_owned(),
            host: self.host.to_owned(),
            port: self.port,
            path: self.path.to_owned(),
            params: split_query(self.query),
        }
    }

    /// A parameter that is not empty, as [`ServiceUrl::param`] tells it.
    pub fn param(&self, key: &str) -> Option<&'t str> {
        // Most URLs lack what is asked for.
        if !self.query.contains(key) {
            return None;
        }
        let (mut found, mut default) = (None, None);
        for (other, value) in query_parts(self.query) {
            if other == key {
                found = Some(value);
            } else if default.is_none() && !key.is_empty() && other.strip_prefix(DEFAULT_PREFIX) == Some(key)
            {
                default = Some(value);
            }
        }
        found.or(default).filter(|value| !value.is_empty())
    }

    /// Scheme of a provider; of a consumer the protocol that it asks for, empty without one.
    pub fn service_protocol(&self) -> &'t str {
        match self.protocol {
            Side::CONSUMER_PROTOCOL => self.param("protocol").unwrap_or_default(),
            protocol => protocol,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_look_tells_what_a_copy_does(
            protocol in "(dubbo|consumer|)",
            query in "((default[.])?(group|protocol|x)?=?[=ab]{0,2}[&;]){0,6}",
        ) {
            let text = format!("{protocol}://u@h:1/i?{query}");
            let (view, url) = (UrlView::parse(&text), ServiceUrl::parse(&text));
            prop_assert_eq!(&view.clone().map(UrlView::to_url), &url);
            if let (Ok(view), Ok(url)) = (view, url) {
                for key in ["group", "default.group", "protocol", "x", "=x", ""] {
                    prop_assert_eq!(view.param(key), url.param(key), "{} in {}", key, text);
                }
                prop_assert_eq!(view.service_protocol(), url.entry_key().protocol);
            }
        }
    }
}
