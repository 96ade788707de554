//! What may stand in a URL that zoogate writes. Each check answers the reason of a refusal, ready to stand behind the
//! name of the field that was refused.

use std::net::IpAddr;

use super::encode;

/// Longest interface name, in bytes.
pub const MAX_INTERFACE_BYTES: usize = 512;

/// Longest encoded URL, in bytes. ZooKeeper answers the names of a folder in one packet of at most 1 MiB.
pub const MAX_NAME_BYTES: usize = 8 * 1024;

const MAX_KEY_BYTES: usize = 256;
const MAX_HOST_BYTES: usize = 253;
const MAX_LABEL_BYTES: usize = 63;

/// Siblings of the interfaces in Dubbo's tree that are none.
const RESERVED_INTERFACES: [&str; 3] = ["config", "metadata", "mapping"];

/// Schemes that mean something else than an address in the folders of Dubbo.
const RESERVED_PROTOCOLS: [&str; 14] = [
    "admin",
    "condition",
    "configurator",
    "consumer",
    "empty",
    "injvm",
    "override",
    "provider",
    "registry",
    "route",
    "script",
    "service-discovery-registry",
    "tag",
    "zookeeper",
];

/// Checks the name of an interface, which becomes a path segment in ZooKeeper and in the URL.
///
/// # Errors
/// The reason, when it is empty, longer than [`MAX_INTERFACE_BYTES`], reserved by Dubbo or ZooKeeper, or holds a
/// character that cuts a URL somewhere.
pub fn check_interface(interface: &str) -> Result<(), String> {
    if interface.is_empty() {
        return Err("must not be empty".into());
    }
    if interface.len() > MAX_INTERFACE_BYTES {
        return Err(format!("is longer than {MAX_INTERFACE_BYTES} bytes"));
    }
    if interface == "." || interface == ".." || is_reserved_interface(interface) {
        return Err(format!("must not be the reserved name {interface}"));
    }
    let forbidden = |character: char| "?&#;%/\\:@=,+*\"'<>|".contains(character) || character.is_whitespace();
    check_characters(interface, forbidden)
}

pub(super) fn is_reserved_interface(interface: &str) -> bool {
    RESERVED_INTERFACES.contains(&interface)
}

/// Checks the protocol of a provider, the scheme of its URL.
///
/// # Errors
/// The reason, when it is no scheme in lower case, or one that means something else to Dubbo.
pub fn check_protocol(protocol: &str) -> Result<(), String> {
    let tail = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+.-".contains(&byte);
    if !protocol.starts_with(|first: char| first.is_ascii_lowercase()) || !protocol.bytes().all(tail) {
        return Err(format!(
            "{protocol:?} is no protocol: lower-case letters, digits, +, . and - are accepted"
        ));
    }
    if RESERVED_PROTOCOLS.contains(&protocol) {
        return Err(format!("must not be the reserved protocol {protocol}"));
    }
    Ok(())
}

/// Checks a host: an IP literal (IPv6 without brackets), or a host name as RFC 1123 has it.
///
/// # Errors
/// The reason, when it is neither, or an address that nobody can connect to. A name whose last label is a number,
/// such as `127.0.1.312`, is a mistyped address.
pub fn check_host(host: &str) -> Result<(), String> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return match address.is_unspecified() {
            true => Err(format!("{host} is no address to connect to")),
            false => Ok(()),
        };
    }
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= MAX_LABEL_BYTES
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let last_is_number =
        host.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
    if host.len() > MAX_HOST_BYTES || !host.split('.').all(is_label) || last_is_number {
        return Err(format!("{host:?} is neither an IP address nor a host name"));
    }
    Ok(())
}

/// Checks the key of a parameter.
///
/// # Errors
/// The reason, when it is empty, too long, holds other characters than `A-Za-z0-9._$-`, or ends in `pid` or
/// `timestamp` without being just that: Dubbo 3 cuts both out of the text, together with the start of such a key.
pub fn check_param_key(key: &str) -> Result<(), String> {
    if key.is_empty() {
        return Err("must not be an empty key".into());
    }
    if key.len() > MAX_KEY_BYTES {
        return Err(format!("is a key longer than {MAX_KEY_BYTES} bytes"));
    }
    if !key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._$-".contains(&byte)) {
        return Err("is a key with other characters than letters, digits, . _ $ and -".into());
    }
    match ["pid", "timestamp"].into_iter().find(|end| key.ends_with(end) && key != *end) {
        Some(end) => Err(format!("must not end in {end}: Dubbo 3 consumers cut such a key out of the URL")),
        None => Ok(()),
    }
}

/// Checks the value of a parameter, which stands in the URL without further encoding.
///
/// # Errors
/// The reason, when it holds a character that would end it early for some reader, that ZooKeeper refuses, or a text
/// that Dubbo 3 cuts out.
pub fn check_param_value(value: &str) -> Result<(), String> {
    check_characters(value, |character| "&;#%".contains(character))?;
    match ["pid=", "timestamp="].into_iter().find(|cut| value.contains(cut)) {
        Some(cut) => Err(format!("must not contain {cut}, which Dubbo 3 consumers cut out of the URL")),
        None => Ok(()),
    }
}

/// Checks the name of a method, which stands in a list with commas.
///
/// # Errors
/// The reason, when it is empty, or holds a comma, white space or what no parameter may hold.
pub fn check_method(method: &str) -> Result<(), String> {
    if method.is_empty() {
        return Err("must not be empty".into());
    }
    check_characters(method, |character| "&;#%,=?".contains(character) || character.is_whitespace())
}

/// Checks the length of a whole URL once it is encoded.
///
/// # Errors
/// The reason, when it is longer than [`MAX_NAME_BYTES`].
pub fn check_url(url: &str) -> Result<(), String> {
    // Encoding at most triples a text: nearly every URL needs no second look.
    if url.len() <= MAX_NAME_BYTES / 3 {
        return Ok(());
    }
    let bytes = encode(url).len();
    if bytes > MAX_NAME_BYTES {
        return Err(format!(
            "needs {bytes} bytes as an encoded URL, more than the {MAX_NAME_BYTES} accepted"
        ));
    }
    Ok(())
}

fn check_characters(text: &str, forbidden: impl Fn(char) -> bool) -> Result<(), String> {
    match text.chars().find(|character| forbidden(*character) || is_unwritable(*character)) {
        Some(character) => Err(format!("must not contain {character:?}")),
        None => Ok(()),
    }
}

/// Control characters, and those that ZooKeeper refuses in a path.
fn is_unwritable(character: char) -> bool {
    character.is_control() || matches!(character, '\u{e000}'..='\u{f8ff}' | '\u{fff0}'..='\u{ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_names_are_interfaces() {
        for name in [
            "a",
            "org.demo.Echo",
            "demo.Outer$Inner",
            "order-service_2",
            "\u{8ba2}\u{5355}",
            "GreeterService~v1",
        ] {
            assert_eq!(check_interface(name), Ok(()), "{name}");
        }
    }

    #[test]
    fn names_that_would_cut_a_path_or_a_url_are_no_interfaces() {
        let long = "a".repeat(MAX_INTERFACE_BYTES + 1);
        for name in [
            "",
            ".",
            "..",
            "config",
            "metadata",
            "mapping",
            "q?x=1",
            "pct%41x",
            "bad%zz",
            "a b",
            " a",
            "a/b",
            "a:b",
            "a;b",
            "a&b",
            "a#b",
            "a\\b",
            "a\nb",
            "a\u{0}",
            "*",
            "a\u{fffd}",
            "a\u{e000}",
            &long,
        ] {
            assert!(check_interface(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn a_host_is_an_ip_literal_or_a_host_name() {
        for host in ["10.0.0.7", "::1", "2001:db8::7", "localhost", "orders-1.shop.svc", "3com.example", "a"]
        {
            assert_eq!(check_host(host), Ok(()), "{host}");
        }
        let long_label = "a".repeat(64);
        for host in [
            "",
            " ",
            "127.0.1.312",
            "1.2.3",
            "12",
            "[::1]",
            "fe80::1%eth0",
            "a b",
            "a_b",
            "-a",
            "a-",
            "a..b",
            ".a",
            "a.",
            "h:80",
            "http://h",
            "0.0.0.0",
            "::",
            &long_label,
            &"a.".repeat(200),
        ] {
            assert!(check_host(host).is_err(), "{host:?}");
        }
    }

    #[test]
    fn keys_that_dubbo_3_would_cut_are_refused() {
        for key in ["pid", "timestamp", "version", "dubbo.tag", "get$1.timeout", "appPid", "pid2", "a-b_c"] {
            assert_eq!(check_param_key(key), Ok(()), "{key}");
        }
        for key in [
            "",
            "appid",
            "ppid",
            "remote.timestamp",
            "a b",
            "a=b",
            "a&b",
            "\u{43a}\u{43b}\u{44e}\u{447}",
            &"k".repeat(257),
        ] {
            assert!(check_param_key(key).is_err(), "{key:?}");
        }
        assert!(check_param_key("appid").unwrap_err().contains("must not end in pid"));
    }

    #[test]
    fn values_that_some_reader_would_cut_are_refused() {
        for value in ["", "1.0.0", "a,b", "x=y", "http://h/p?q", "a b", "\u{540d}"] {
            assert_eq!(check_param_value(value), Ok(()), "{value}");
        }
        for value in
            ["a&b", "a;b", "a#b", "50%", "a\tb", "a\u{7f}", "\u{fffd}", "\u{f8ff}", "appid=7", "timestamp=1"]
        {
            assert!(check_param_value(value).is_err(), "{value:?}");
        }
    }

    #[test]
    fn a_method_is_one_word() {
        assert_eq!(check_method("sayHello"), Ok(()));
        assert_eq!(check_method("*"), Ok(()));
        for method in ["", "a,b", "a b", "a&b", "a%b", "a\n"] {
            assert!(check_method(method).is_err(), "{method:?}");
        }
    }

    #[test]
    fn protocols_that_mean_something_else_are_refused() {
        for protocol in ["dubbo", "tri", "rest", "grpc", "h2c", "x+y.z-1"] {
            assert_eq!(check_protocol(protocol), Ok(()), "{protocol}");
        }
        for protocol in ["", "Dubbo", "1a", "a b", "a:", "consumer", "override", "route", "empty", "provider"]
        {
            assert!(check_protocol(protocol).is_err(), "{protocol:?}");
        }
    }

    #[test]
    fn the_length_that_counts_is_that_of_the_encoded_url() {
        assert_eq!(check_url(&"a".repeat(MAX_NAME_BYTES)), Ok(()));
        assert!(check_url(&"a".repeat(MAX_NAME_BYTES + 1)).is_err());
        let reason = check_url(&"\u{e9}".repeat(2000)).unwrap_err();
        assert!(reason.contains("12000 bytes") && reason.contains("8192"), "{reason}");
    }
}
