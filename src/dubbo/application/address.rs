//! Where an instance of an application stands: the znode of one application at one host and port.

use std::fmt;

use crate::dubbo::{DEFAULT_APPLICATION, ServiceUrl};

/// Longest name of an application, in bytes: it is a znode name, and all names of an interface's providers stand in one
/// znode.
const MAX_APPLICATION_BYTES: usize = 255;

/// One application at one host and port, whatever interfaces and protocols it offers there.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InstanceAddress {
    /// Name of the application.
    pub application: String,
    /// IP literal (IPv6 without brackets) or host name.
    pub host: String,
    /// 1 to 65535.
    pub port: u16,
}

impl InstanceAddress {
    /// Where a provider that zoogate wrote stands on the application level; `None` when it does not. One that is
    /// disabled does not: this level has no word for that. Nor does one whose application's name cannot stand in a path
    /// or in a list with commas.
    pub fn of(url: &ServiceUrl) -> Option<Self> {
        let application = url.param("application").unwrap_or(DEFAULT_APPLICATION);
        if !url.is_enabled() || !is_application(application) {
            return None;
        }
        Some(Self { application: application.to_owned(), host: url.host.clone(), port: url.port? })
    }

    /// Reads what [`fmt::Display`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        let (application, address) = text.split_once('/')?;
        let (host, port) = address.rsplit_once(':')?;
        if application.is_empty() || host.is_empty() {
            return None;
        }
        let port = port.parse().ok().filter(|port| *port != 0)?;
        let address = Self { application: application.to_owned(), host: host.to_owned(), port };
        // Of a number that is spelled in another way a path would be made that was never written.
        (address.to_string() == text).then_some(address)
    }

    /// The name of the znode, as Dubbo makes it: `host:port`, without brackets around an IPv6 literal.
    pub fn id(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

/// Below the root of applications: `application/host:port`.
impl fmt::Display for InstanceAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}:{}", self.application, self.host, self.port)
    }
}

/// Whether a name can be that of an application on this level.
fn is_application(name: &str) -> bool {
    let forbidden = |character: char| {
        matches!(character, '/' | ',' | '\u{e000}'..='\u{f8ff}' | '\u{fff0}'..='\u{ffff}')
            || character.is_control()
    };
    !matches!(name, "" | "." | "..")
        && name.len() <= MAX_APPLICATION_BYTES
        && name.trim() == name
        && !name.contains(forbidden)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(url: &str) -> Option<String> {
        InstanceAddress::of(&ServiceUrl::parse(url).unwrap()).map(|address| address.to_string())
    }

    #[test]
    fn the_address_of_a_provider_is_application_host_and_port() {
        assert_eq!(of("dubbo://10.0.0.1:20880/a?application=shop").as_deref(), Some("shop/10.0.0.1:20880"));
        assert_eq!(of("tri://[::1]:50051/a?application=shop").as_deref(), Some("shop/::1:50051"));
        assert_eq!(of("dubbo://h:1/a").as_deref(), Some("default/h:1"));
        let address = InstanceAddress::parse("shop/::1:50051").unwrap();
        assert_eq!((address.host.as_str(), address.port), ("::1", 50051));
        assert_eq!(address.id(), "::1:50051");
    }

    #[test]
    fn what_cannot_stand_on_this_level_has_none() {
        for url in [
            "dubbo://h:1/a?application=shop&enabled=false",
            "dubbo://h:1/a?application=shop&disabled=true",
            "dubbo://h/a?application=shop",
            "dubbo://h:1/a?application=a,b",
            "dubbo://h:1/a?application=a/b",
            "dubbo://h:1/a?application=..",
            "dubbo://h:1/a?application= shop",
        ] {
            assert_eq!(of(url), None, "{url}");
        }
        for text in ["", "shop", "shop/", "/h:1", "shop/h", "shop/:1", "shop/h:0", "shop/h:x", "shop/h:70000"]
        {
            assert_eq!(InstanceAddress::parse(text), None, "{text}");
        }
    }

    #[test]
    fn an_address_that_is_spelled_in_another_way_is_none() {
        for text in ["shop/h:00880", "shop/h:+880"] {
            assert_eq!(InstanceAddress::parse(text), None, "{text}");
        }
    }
}
