//! Which entries of a snapshot somebody means who names an entry by a part of what makes it one.

use super::{EntryKeyView, Side};

/// What an entry must have to be meant; what is `None` may be anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryPattern {
    /// Whether it is offered or used.
    pub side: Side,
    /// Name of the interface.
    pub interface: String,
    /// Dubbo's group; empty means one without.
    pub group: Option<String>,
    /// Dubbo's version of the interface; empty means one without.
    pub version: Option<String>,
    /// Scheme of a provider, or the protocol that a consumer asks for.
    pub protocol: Option<String>,
    /// Host, without brackets.
    pub host: Option<String>,
    /// Port.
    pub port: Option<u16>,
}

impl EntryPattern {
    /// Whether the entry is meant.
    pub fn matches(&self, key: &EntryKeyView<'_>) -> bool {
        let is =
            |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|wanted| wanted == found);
        self.side == key.side
            && self.interface == key.interface
            && is(&self.group, key.group)
            && is(&self.version, key.version)
            && is(&self.protocol, key.protocol)
            && is(&self.host, key.host)
            && self.port.is_none_or(|port| key.port == Some(port))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dubbo::UrlView;

    fn key(url: &str) -> EntryKeyView<'_> {
        UrlView::parse(url).unwrap().entry()
    }

    fn pattern() -> EntryPattern {
        EntryPattern {
            side: Side::Provider,
            interface: "a.B".into(),
            group: None,
            version: None,
            protocol: None,
            host: None,
            port: None,
        }
    }

    #[test]
    fn an_interface_alone_means_every_entry_of_it_on_that_side() {
        for url in ["dubbo://h:1/a.B", "tri://g:2/a.B?group=g&version=1"] {
            assert!(pattern().matches(&key(url)), "{url}");
        }
        for url in ["dubbo://h:1/a.C", "consumer://h/a.B", "dubbo://h:1/a.B2"] {
            assert!(!pattern().matches(&key(url)), "{url}");
        }
    }

    #[test]
    fn what_is_named_must_be_so() {
        let url = "dubbo://h:1/a.B?group=g&version=1";
        let text = |text: &str| Some(text.to_owned());
        for (named, meant) in [
            (EntryPattern { group: text("g"), ..pattern() }, true),
            (EntryPattern { group: text(""), ..pattern() }, false),
            (EntryPattern { version: text("1"), ..pattern() }, true),
            (EntryPattern { version: text("2"), ..pattern() }, false),
            (EntryPattern { protocol: text("tri"), ..pattern() }, false),
            (EntryPattern { host: text("h"), port: Some(1), ..pattern() }, true),
            (EntryPattern { host: text("g"), ..pattern() }, false),
            (EntryPattern { port: Some(2), ..pattern() }, false),
        ] {
            assert_eq!(named.matches(&key(url)), meant, "{named:?}");
        }
        let without = EntryPattern { group: text(""), version: text(""), ..pattern() };
        assert!(without.matches(&key("dubbo://h:1/a.B")));
    }
}
