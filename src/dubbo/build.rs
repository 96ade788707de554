//! The URLs that zoogate writes for the entries of a snapshot: what consumers of Dubbo 2.7 and 3, and the readers in
//! other languages, need to find in them.

use std::collections::BTreeMap;

use super::Side;
use super::check::{MAX_NAME_BYTES, check_url};
use super::url::{write_address, write_parameter};
use crate::model::{Consumer, Provider};

/// Application of an entry that names none. Routers of Dubbo 3 log an error for every URL without one.
pub const DEFAULT_APPLICATION: &str = "default";

/// Protocol of a provider that names none.
pub const DEFAULT_PROTOCOL: &str = "dubbo";

/// Version of the Dubbo wire protocol, which consumers read as "any 2.x".
pub(super) const DUBBO_VERSION: &str = "2.0.2";

/// Revision of an entry without a version. Nobody matches it, but old readers in Python fail without one.
const NO_REVISION: &str = "0.0.0";

/// What stands for an unknown set of methods, as in Dubbo itself: some readers fail on a URL without methods.
const ANY_METHOD: &str = "*";

/// Nearly every URL is shorter.
const USUAL_BYTES: usize = 320;

/// More than what stands in every URL, whatever the entry.
const OWN_BYTES: usize = 300;

/// Encoding at most triples a text.
const SURELY_SHORT: usize = MAX_NAME_BYTES / 3;

/// What the URL says of the methods of an entry.
pub fn methods_text(methods: &[String]) -> String {
    if methods.is_empty() { ANY_METHOD.to_owned() } else { methods.join(",") }
}

/// The whole URL of a provider, not encoded. `timestamp_ms`, milliseconds since the Unix epoch, stands in it unless the
/// provider's parameters bring their own. Deterministic: the same provider at the same time gives the same text.
pub fn provider_url(provider: &Provider, timestamp_ms: i64) -> String {
    let version = provider.params.get("version").map(String::as_str).filter(|version| !version.is_empty());
    let timestamp = timestamp_ms.to_string();
    // A JavaScript reader loses the first parameter: `anyhost` sorts first and nobody needs it.
    let defaults = [
        ("anyhost", "true"),
        ("application", DEFAULT_APPLICATION),
        ("dubbo", DUBBO_VERSION),
        ("revision", version.unwrap_or(NO_REVISION)),
        ("timestamp", &timestamp),
    ];
    let methods = methods_text(&provider.methods);
    let fixed = [("interface", provider.interface.as_str()), ("methods", &methods), ("side", "provider")];
    let Provider { protocol, host, port, interface, .. } = provider;
    write(protocol, host, Some(*port), interface, &defaults, &provider.params, &fixed)
}

/// The whole URL of a consumer, likewise.
pub fn consumer_url(consumer: &Consumer, timestamp_ms: i64) -> String {
    let timestamp = timestamp_ms.to_string();
    let defaults = [
        ("application", DEFAULT_APPLICATION),
        ("check", "false"),
        ("dubbo", DUBBO_VERSION),
        ("timestamp", &timestamp),
    ];
    let methods = methods_text(&consumer.methods);
    let fixed = [
        ("category", Side::Consumer.folder_name()),
        ("interface", consumer.interface.as_str()),
        ("methods", &methods),
        ("protocol", consumer.protocol.as_deref().unwrap_or_default()),
        ("side", "consumer"),
    ];
    let Consumer { host, port, interface, .. } = consumer;
    write(Side::CONSUMER_PROTOCOL, host, *port, interface, &defaults, &consumer.params, &fixed)
}

/// Checks the length of the URL that a provider stands as, whatever its timestamp.
///
/// # Errors
/// As [`check_url`].
pub fn check_provider(provider: &Provider) -> Result<(), String> {
    let Provider { interface, protocol, host, methods, params, .. } = provider;
    if most_bytes([interface, protocol, host], methods, params) <= SURELY_SHORT {
        return Ok(());
    }
    check_url(&provider_url(provider, i64::MAX))
}

/// Likewise of a consumer.
///
/// # Errors
/// As [`check_url`].
pub fn check_consumer(consumer: &Consumer) -> Result<(), String> {
    let Consumer { interface, protocol, host, methods, params, .. } = consumer;
    if most_bytes([interface, protocol.as_deref().unwrap_or_default(), host], methods, params) <= SURELY_SHORT
    {
        return Ok(());
    }
    check_url(&consumer_url(consumer, i64::MAX))
}

/// What the URL of an entry has at most. Nearly every entry is so small that its URL need not be made to be measured.
fn most_bytes(names: [&str; 3], methods: &[String], params: &BTreeMap<String, String>) -> usize {
    let names: usize = names.iter().map(|name| name.len()).sum();
    let methods: usize = methods.iter().map(|method| method.len() + 1).sum();
    let params: usize = params.iter().map(|(key, value)| key.len() + value.len() + 2).sum();
    // A name stands there twice, and the version does as well.
    OWN_BYTES + 2 * names + methods + 2 * params
}

/// The parameters that are not empty.
pub(super) fn filled(params: &[(&str, &str)]) -> BTreeMap<String, String> {
    let filled = params.iter().filter(|(_, value)| !value.is_empty());
    filled.map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// Writes a URL without a copy of its parameters: every change of a sidecar makes the URLs of its whole snapshot. Of the
/// lists of parameters, all of them sorted, later ones win; what is empty is left out, because consumers tell an empty
/// group or version from an absent one.
pub(super) fn write(
    protocol: &str,
    host: &str,
    port: Option<u16>,
    path: &str,
    defaults: &[(&str, &str)],
    given: &BTreeMap<String, String>,
    fixed: &[(&str, &str)],
) -> String {
    let mut url = String::with_capacity(USUAL_BYTES);
    write_address(&mut url, protocol, host, port, path);
    let mut separator = '?';
    let mut defaults = defaults.iter().copied().peekable();
    let mut given = given.iter().map(|(key, value)| (key.as_str(), value.as_str())).peekable();
    let mut fixed = fixed.iter().copied().peekable();
    loop {
        let heads = [defaults.peek(), given.peek(), fixed.peek()];
        let Some(next) = heads.into_iter().flatten().map(|(key, _)| *key).min() else { return url };
        let is_next = |(key, _): &(&str, &str)| *key == next;
        let by_default = defaults.next_if(is_next);
        let by_caller = given.next_if(is_next);
        let (key, value) = fixed.next_if(is_next).or(by_caller).or(by_default).unwrap_or((next, ""));
        if !value.is_empty() {
            write_parameter(&mut url, &mut separator, key, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::dubbo::{
        EntryKey, EntryKeyView, ServiceUrl, check_interface, check_param_key, check_param_value, decode,
        encode,
    };

    fn params(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn provider() -> Provider {
        Provider {
            interface: "org.demo.Echo".into(),
            protocol: "dubbo".into(),
            host: "10.0.0.7".into(),
            port: 20880,
            methods: vec!["say".into(), "add".into()],
            params: params(&[("application", "shop"), ("group", "g1"), ("version", "1.0.0")]),
        }
    }

    fn consumer() -> Consumer {
        Consumer {
            interface: "org.demo.Echo".into(),
            protocol: Some("dubbo".into()),
            host: "10.0.0.7".into(),
            port: None,
            methods: vec!["say".into()],
            params: params(&[("application", "shop"), ("version", "1.0.0")]),
        }
    }

    #[test]
    fn a_provider_url_holds_what_consumers_need() {
        assert_eq!(
            provider_url(&provider(), 1_795_229_889_041),
            "dubbo://10.0.0.7:20880/org.demo.Echo?anyhost=true&application=shop&dubbo=2.0.2&group=g1\
             &interface=org.demo.Echo&methods=say,add&revision=1.0.0&side=provider&timestamp=1795229889041\
             &version=1.0.0",
        );
    }

    #[test]
    fn a_consumer_url_holds_what_consumers_write() {
        assert_eq!(
            consumer_url(&consumer(), 7),
            "consumer://10.0.0.7/org.demo.Echo?application=shop&category=consumers&check=false&dubbo=2.0.2\
             &interface=org.demo.Echo&methods=say&protocol=dubbo&side=consumer&timestamp=7&version=1.0.0",
        );
        let with_port = Consumer { port: Some(9000), protocol: None, ..consumer() };
        let url = consumer_url(&with_port, 7);
        assert!(url.starts_with("consumer://10.0.0.7:9000/") && !url.contains("protocol="), "{url}");
    }

    #[test]
    fn a_bare_provider_has_no_empty_parameters_and_what_old_readers_need() {
        let bare =
            Provider { methods: vec![], params: params(&[("group", "")]), host: "::1".into(), ..provider() };
        assert_eq!(
            provider_url(&bare, 1),
            "dubbo://[::1]:20880/org.demo.Echo?anyhost=true&application=default&dubbo=2.0.2\
             &interface=org.demo.Echo&methods=*&revision=0.0.0&side=provider&timestamp=1",
        );
    }

    #[test]
    fn a_bare_consumer_at_an_ipv6_address_can_be_read_by_java() {
        let bare = Consumer {
            methods: vec![],
            params: BTreeMap::new(),
            host: "::1".into(),
            protocol: None,
            ..consumer()
        };
        assert_eq!(
            consumer_url(&bare, 1),
            "consumer://[::1]:0/org.demo.Echo?application=default&category=consumers&check=false&dubbo=2.0.2\
             &interface=org.demo.Echo&methods=*&side=consumer&timestamp=1",
        );
    }

    #[test]
    fn the_parameters_of_the_caller_win_over_defaults_but_not_over_what_the_entry_is() {
        let given = [
            ("anyhost", "false"),
            ("dubbo", "2.6.0"),
            ("interface", "x"),
            ("methods", "x"),
            ("pid", "4"),
            ("release", "3.3.0"),
            ("revision", "r"),
            ("side", "x"),
            ("timestamp", "5"),
        ];
        assert_eq!(
            provider_url(&Provider { params: params(&given), ..provider() }, 1),
            "dubbo://10.0.0.7:20880/org.demo.Echo?anyhost=false&application=default&dubbo=2.6.0\
             &interface=org.demo.Echo&methods=say,add&pid=4&release=3.3.0&revision=r&side=provider&timestamp=5",
        );
    }

    #[test]
    fn an_entry_is_refused_whose_url_is_too_long_and_no_other() {
        let with = |bytes: usize| Provider { params: params(&[("x", &"y".repeat(bytes))]), ..provider() };
        let room = (0..MAX_NAME_BYTES).rev().find(|bytes| check_provider(&with(*bytes)).is_ok()).unwrap();
        let encoded = |bytes| encode(&provider_url(&with(bytes), i64::MAX)).len();
        assert_eq!((encoded(room), encoded(room + 1)), (MAX_NAME_BYTES, MAX_NAME_BYTES + 1));
        let long = Consumer { methods: vec!["m".repeat(MAX_NAME_BYTES)], ..consumer() };
        assert!(check_consumer(&long).is_err() && check_consumer(&consumer()).is_ok());
    }

    proptest! {
        #[test]
        fn a_provider_survives_its_url_and_its_znode_name(
            interface in "[a-zA-Z][a-zA-Z0-9.$_-]{0,30}",
            protocol in "dubbo|tri|rest",
            host in "10\\.0\\.0\\.[1-9]|::[1-9]|h[a-z]{0,9}",
            port in 1u16..,
            methods in proptest::collection::vec("[a-z][A-Za-z0-9]{0,8}", 0..4),
            given in proptest::collection::btree_map("x[a-z.]{0,8}|group|version|revision|pid", "[^&;#%\\p{Cc}\\p{Co}\u{fff0}-\u{ffff}]{1,12}", 0..5),
        ) {
            prop_assume!(check_interface(&interface).is_ok());
            prop_assume!(given.iter().all(|(key, value)| {
                check_param_key(key).is_ok() && check_param_value(value).is_ok()
            }));
            let provider = Provider { interface, protocol, host, port, methods, params: given };
            let text = provider_url(&provider, 42);
            let url = ServiceUrl::parse(&decode(&encode(&text)).unwrap()).unwrap();
            let names = [provider.interface.as_str(), &provider.protocol, &provider.host];
            let longest = provider_url(&provider, i64::MAX);
            prop_assert!(longest.len() <= most_bytes(names, &provider.methods, &provider.params));
            prop_assert_eq!(url.to_string(), text);
            prop_assert_eq!(url.interface(), &provider.interface);
            prop_assert_eq!(url.entry_key(), EntryKey::from(EntryKeyView::of_provider(&provider)));
            prop_assert_eq!(&url.protocol, &provider.protocol);
            prop_assert_eq!(&url.host, &provider.host);
            prop_assert_eq!(url.port, Some(provider.port));
            prop_assert_eq!(url.timestamp(), Some(42));
            let methods = methods_text(&provider.methods);
            prop_assert_eq!(url.param("methods"), Some(methods.as_str()));
            for (key, value) in &provider.params {
                prop_assert_eq!(url.param(key), Some(value.as_str()));
            }
        }

        #[test]
        fn a_consumer_survives_its_url_and_its_znode_name(
            interface in "[a-zA-Z][a-zA-Z0-9.$_-]{0,30}",
            protocol in proptest::option::of("(dubbo|tri)(,rest)?"),
            host in "10\\.0\\.0\\.[1-9]|::[1-9]|h[a-z]{0,9}",
            port in proptest::option::of(1u16..),
            methods in proptest::collection::vec("[a-z][A-Za-z0-9]{0,8}", 0..4),
            version in proptest::option::of("[0-9.]{1,5}"),
        ) {
            prop_assume!(check_interface(&interface).is_ok());
            let params = version.into_iter().map(|version| ("version".to_owned(), version)).collect();
            let consumer = Consumer { interface, protocol, host, port, methods, params };
            let text = consumer_url(&consumer, 42);
            let url = ServiceUrl::parse(&decode(&encode(&text)).unwrap()).unwrap();
            prop_assert_eq!(url.to_string(), text);
            let names = [consumer.interface.as_str(), consumer.protocol.as_deref().unwrap_or_default(), &consumer.host];
            let longest = consumer_url(&consumer, i64::MAX);
            prop_assert!(longest.len() <= most_bytes(names, &consumer.methods, &consumer.params));
            let key = url.entry_key();
            prop_assert_eq!(&key, &EntryKey::from(EntryKeyView::of_consumer(&consumer)));
            prop_assert_eq!((key.side, &key.interface), (Side::Consumer, &consumer.interface));
            prop_assert_eq!(key.protocol, consumer.protocol.unwrap_or_default());
            prop_assert_eq!((&key.host, key.port), (&consumer.host, consumer.port));
            prop_assert_eq!(url.param("version"), consumer.params.get("version").map(String::as_str));
        }
    }
}
