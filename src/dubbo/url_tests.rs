//! URLs as zoogate and native Dubbo write them, and as nobody should.

use proptest::prelude::*;

use super::*;

fn parsed(text: &str) -> ServiceUrl {
    ServiceUrl::parse(text).unwrap()
}

#[test]
fn a_native_provider_is_read() {
    let url = parsed(
        "dubbo://192.0.2.7:20880/demo.Echo?application=demo-p&deprecated=false&dubbo=2.0.2&dynamic=true\
         &generic=false&group=g1&interface=demo.Echo&methods=add,say&release=&revision=1.0.0\
         &service.name=ServiceBean:g1/demo.Echo:1.0.0&side=provider&timestamp=1795229889041&version=1.0.0",
    );
    assert_eq!(url.protocol, "dubbo");
    assert_eq!((url.host.as_str(), url.port), ("192.0.2.7", Some(20880)));
    assert_eq!((url.path.as_str(), url.interface()), ("demo.Echo", "demo.Echo"));
    assert_eq!(url.param("methods"), Some("add,say"));
    assert_eq!(url.param("release"), None, "an empty parameter says nothing");
    assert_eq!(url.timestamp(), Some(1_795_229_889_041));
    assert_eq!(url.address(), "192.0.2.7:20880");
    assert!(url.is_enabled());
}

#[test]
fn a_url_without_parameters_is_named_by_its_path() {
    let url = parsed("tri://provider.local:50051/demo.Echo");
    assert_eq!(url.interface(), "demo.Echo");
    assert!(url.params.is_empty());
    assert_eq!(parsed("dubbo://h").path, "");
}

#[test]
fn the_parameter_names_the_interface_when_a_context_path_precedes_it() {
    assert_eq!(parsed("rest://h:80/api/demo.Echo?interface=demo.Echo").interface(), "demo.Echo");
}

#[test]
fn odd_queries_are_read_like_dubbo_reads_them() {
    let url = parsed("dubbo://h:1/i?a=1&&b&c=&=x&==y=z&=&a=2;d=x=y");
    let params: Vec<_> = url.params.iter().map(|(key, value)| format!("{key}:{value}")).collect();
    assert_eq!(params, ["a:2", "b:", "c:", "d:x=y", "x:", "y:z"]);
}

#[test]
fn a_default_of_an_old_provider_counts_unless_the_parameter_itself_is_there() {
    for query in ["default.group=g&default.version=1", "default.version=2&version=1&default.group=g"] {
        let key = parsed(&format!("dubbo://h:1/i?{query}")).entry_key();
        assert_eq!((key.group.as_str(), key.version.as_str()), ("g", "1"), "{query}");
    }
    assert_eq!(parsed("dubbo://h:1/i?default.=x").params.len(), 1);
    let twice = parsed("dubbo://h:1/i?default.default.group=g");
    assert_eq!(
        (twice.param("default.group"), twice.param("group")),
        (Some("g"), None),
        "once, as Dubbo does"
    );
}

#[test]
fn ipv6_hosts_lose_their_brackets_and_get_them_back() {
    let url = parsed("dubbo://[2001:db8::1]:20880/i?x=1");
    assert_eq!((url.host.as_str(), url.port), ("2001:db8::1", Some(20880)));
    assert_eq!(url.to_string(), "dubbo://[2001:db8::1]:20880/i?x=1");
    assert_eq!(parsed("consumer://[::1]/i").address(), "[::1]");
    assert_eq!(parsed("dubbo://2001:db8:0:0:0:0:0:1:20880/i").port, Some(20880));
    assert_eq!(parsed("dubbo://fe80::1%eth0/i").host, "fe80::1%eth0");
    assert_eq!(parsed("dubbo://[fe80::1%eth0]:20880/i").address(), "[fe80::1%eth0]:20880");
    let nonsense = parsed("dubbo://[[]:1/i");
    assert_eq!((nonsense.host.as_str(), parsed(&nonsense.to_string())), ("[", nonsense.clone()));
}

#[test]
fn an_ipv6_address_without_a_port_is_written_so_that_java_can_read_it() {
    let url = parsed("consumer://[2001:db8::1]/i?x=1");
    assert_eq!(url.to_string(), "consumer://[2001:db8::1]:0/i?x=1");
    assert_eq!(parsed(&url.to_string()), url);
}

#[test]
fn user_information_and_fragments_are_no_part_of_the_address() {
    assert_eq!(parsed("dubbo://me:secret@h:1#x/i?y=1").address(), "h:1");
}

#[test]
fn a_url_without_a_usable_address_is_refused() {
    for (text, error) in [
        ("", UrlError::NoProtocol),
        ("demo.Echo", UrlError::NoProtocol),
        ("://h:1/i", UrlError::NoProtocol),
        ("x?u=dubbo://h:1/i", UrlError::NoProtocol),
        ("x#dubbo://h:1/i", UrlError::NoProtocol),
        ("dubbo:/h:1/i", UrlError::NoProtocol),
        ("dubbo:///i", UrlError::NoHost),
        ("dubbo://:20880/i", UrlError::NoHost),
        ("dubbo://[]:1/i", UrlError::NoHost),
        ("dubbo://h:abc/i", UrlError::Port("abc".into())),
        ("dubbo://h:/i", UrlError::Port("".into())),
        ("dubbo://h:+80/i", UrlError::Port("+80".into())),
        ("dubbo://h:65536/i", UrlError::Port("65536".into())),
        ("dubbo://[::1/i", UrlError::Address("[::1".into())),
        ("dubbo://[::1]80/i", UrlError::Address("[::1]80".into())),
    ] {
        assert_eq!(ServiceUrl::parse(text), Err(error), "{text}");
    }
}

#[test]
fn port_zero_counts_as_none() {
    assert_eq!(parsed("dubbo://h:0/i").port, None);
}

#[test]
fn only_the_timestamp_may_differ_between_equal_urls() {
    let url = parsed("dubbo://h:1/i?a=1&timestamp=5");
    assert!(url.same_but_timestamp(&parsed("dubbo://h:1/i?a=1&timestamp=6")));
    assert!(url.same_but_timestamp(&parsed("dubbo://h:1/i?a=1")));
    for other in [
        "dubbo://h:1/i?a=2",
        "dubbo://h:2/i?a=1",
        "dubbo://g:1/i?a=1",
        "tri://h:1/i?a=1",
        "dubbo://h:1/j?a=1",
    ] {
        assert!(!url.same_but_timestamp(&parsed(other)), "{other}");
    }
}

#[test]
fn groups_versions_and_sides_keep_entries_apart() {
    let key = |text: &str| parsed(text).entry_key();
    let plain = key("dubbo://h:1/i?interface=i");
    assert_eq!(plain, key("dubbo://h:1/i?group=&methods=a"));
    for other in [
        "dubbo://h:1/i?group=g",
        "dubbo://h:1/i?version=1",
        "tri://h:1/i",
        "dubbo://h:2/i",
        "dubbo://g:1/i",
        "consumer://h:1/i?protocol=dubbo",
    ] {
        assert_ne!(plain, key(other), "{other}");
        assert_ne!(plain.digest(), key(other).digest(), "{other}");
    }
    assert_eq!(plain.digest(), key("dubbo://h:1/i?timestamp=1").digest());
    assert_ne!(key("consumer://h/i?protocol=dubbo"), key("consumer://h/i?protocol=tri"));
    assert_eq!(key("dubbo://[::1]:1/i?group=g&version=2").to_string(), "g/i:2 at [::1]:1");
}

#[test]
fn a_disabled_provider_is_recognised() {
    for query in ["enabled=false", "disabled=true", "enabled=FALSE", "enabled=no", "disabled=True"] {
        assert!(!parsed(&format!("dubbo://h:1/i?{query}")).is_enabled(), "{query}");
    }
    for query in ["enabled=true&disabled=false", "enabled=&disabled=", "enabled&disabled", "disabled=yes"] {
        assert!(parsed(&format!("dubbo://h:1/i?{query}")).is_enabled(), "{query}");
    }
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused_without_a_panic(text in any::<String>()) {
        let _ = ServiceUrl::parse(&text);
    }

    #[test]
    fn what_looks_like_a_url_is_read_or_refused_without_a_panic(
        text in "[a-z]{0,3}(://|:/)?[\\[\\]:@#a-z0-9.]{0,12}/?[a-z/]{0,6}[?]?[a-c=&;#%]{0,12}",
    ) {
        if let Ok(url) = ServiceUrl::parse(&text) {
            let _ = (url.entry_key(), url.interface().len(), url.is_enabled(), url.timestamp());
            prop_assert_eq!(ServiceUrl::parse(&url.to_string()), Ok(url));
        }
    }

    #[test]
    fn a_url_that_is_read_reads_the_same_once_it_is_written_anew(
        address in "\\[?[a-f0-9:%.\\]]{1,8}(:[0-9]{0,5})?",
        path in "[a-z/.]{0,4}",
        query in "((default\\.)?[ab=]{0,3}[=&;]){0,6}",
    ) {
        if let Ok(url) = ServiceUrl::parse(&format!("dubbo://{address}/{path}?{query}")) {
            prop_assert_eq!(ServiceUrl::parse(&url.to_string()), Ok(url));
        }
    }
}
