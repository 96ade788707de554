//! Bodies as sidecars send them, and as they must not.

use proptest::prelude::*;

use super::*;
use crate::dubbo;
use crate::model::Provider;

const PEER: &str = "192.0.2.1";

fn read_body(body: &str) -> Result<(Snapshot, Claim), String> {
    read(body.as_bytes(), PEER, &Limits::default()).map_err(|refusal| refusal.to_string())
}

fn snapshot(body: &str) -> Snapshot {
    read_body(body).unwrap().0
}

fn refusal(body: &str) -> String {
    read_body(body).map(|(snapshot, _)| snapshot).unwrap_err()
}

fn registrant(body: &str) -> Result<String, String> {
    let claim = read_body(body).unwrap().1;
    claim.registrant(PEER).map(|id| id.to_string()).map_err(|refusal| refusal.to_string())
}

/// A body with one provider: `service` and `rest` are what stands inside its two objects.
fn provider_body(service: &str, rest: &str) -> String {
    format!(r#"{{"provider_list":[{{"service":{{"interface":"a"{service}}},"host":"1.2.3.4"{rest}}}]}}"#)
}

fn with_params(params: &str) -> String {
    provider_body(&format!(r#","methods":["x","y"],"params":{params}"#), r#","port":80"#)
}

fn provider_with_params(params: &str) -> Provider {
    snapshot(&with_params(params)).providers.remove(0)
}

#[test]
fn the_documented_example_is_read() {
    let entry = |name: &str| {
        format!(
            r#"{{"service":{{"interface":"{name}","methods":["a","b","c"]}},"host":"1.2.3.4","port":8080}}"#
        )
    };
    let body = format!(
        r#"{{ "provider_list": [{}, {}], "consumer_list": [{}, {}] }}"#,
        entry("a"),
        entry("b"),
        entry("c"),
        entry("d")
    );
    let found = snapshot(&body);
    let names: Vec<_> = found.providers.iter().map(|provider| provider.interface.as_str()).collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(
        found.providers[0],
        Provider {
            interface: "a".into(),
            protocol: "dubbo".into(),
            host: "1.2.3.4".into(),
            port: 8080,
            methods: vec!["a".into(), "b".into(), "c".into()],
            params: Default::default(),
        }
    );
    assert_eq!(found.consumers[1].interface, "d");
    assert_eq!((found.consumers[1].port, &found.consumers[1].protocol), (Some(8080), &None));
    assert_eq!(registrant(&body).as_deref(), Ok("-@1.2.3.4"));
}

#[test]
fn an_empty_snapshot_has_to_be_meant() {
    for body in [
        r#"{"provider_list":[],"consumer_list":[]}"#,
        r#"{"provider_list":null,"consumer_list":null}"#,
        r#"{"provider_list":[]}"#,
        r#"{"consumer_list":null}"#,
    ] {
        assert!(snapshot(body).is_empty(), "{body}");
    }
    for body in
        ["null", "{}", r#"{"unknown":1}"#, "[]", "[[],[]]", "\"\"", "0", "", r#"{"provider_list":[]"#, "{}{}"]
    {
        assert!(refusal(body).starts_with("body: "), "{body}");
    }
    assert!(refusal(r#"{"provider_list":[],"provider_list":[]}"#).contains("duplicate field"));
}

#[test]
fn an_entry_without_an_interface_is_refused() {
    for (entry, reason) in [
        ("null", "provider_list[0]: must be an object, not null"),
        ("{}", "provider_list[0].service: is missing"),
        (r#"{"service":{}}"#, "provider_list[0].service.interface: is missing"),
        (r#"{"service":{"interface":null}}"#, "provider_list[0].service.interface: is missing"),
        (r#"{"service":{"interface":""}}"#, "provider_list[0].service.interface: must not be empty"),
        (
            r#"{"service":{"interface":7}}"#,
            "provider_list[0].service.interface: must be a string, not a number",
        ),
        (r#"{"service":{"interface":"q?x=1"}}"#, "provider_list[0].service.interface: must not contain '?'"),
        (
            r#"{"service":{"interface":"pct%41x"}}"#,
            "provider_list[0].service.interface: must not contain '%'",
        ),
        (r#"{"service":[]}"#, "provider_list[0].service: must be an object, not a list"),
    ] {
        assert_eq!(refusal(&format!(r#"{{"provider_list":[{entry}]}}"#)), reason);
    }
}

#[test]
fn one_bad_entry_refuses_the_snapshot_and_is_named() {
    let good = r#"{"service":{"interface":"a"},"port":80}"#;
    let bad = r#"{"service":{"interface":"b"},"port":70000}"#;
    assert_eq!(
        refusal(&format!(r#"{{"provider_list":[{good},{bad}]}}"#)),
        "provider_list[1].port: 70000 is not in 1..65535"
    );
    assert_eq!(
        refusal(&format!(r#"{{"provider_list":[{good}],"consumer_list":[{bad}]}}"#)),
        "consumer_list[0].port: 70000 is not in 1..65535"
    );
}

#[test]
fn a_provider_needs_a_port_that_can_be_connected_to() {
    for (port, reason) in [
        ("", "must be given, from 1 to 65535"),
        (r#","port":null"#, "must be given, from 1 to 65535"),
        (r#","port":0"#, "must be given, from 1 to 65535"),
        (r#","port":-1"#, "-1 is not in 1..65535"),
        (r#","port":99999999999999999999"#, "99999999999999999999 is not in 1..65535"),
        (r#","port":80.5"#, "80.5 is not a whole number"),
        (r#","port":8e3"#, "8e3 is not a whole number"),
        (r#","port":"80""#, "must be a number, not a string"),
    ] {
        assert_eq!(refusal(&provider_body("", port)), format!("provider_list[0].port: {reason}"));
    }
    assert_eq!(snapshot(&provider_body("", r#","port":65535"#)).providers[0].port, 65535);
}

#[test]
fn a_consumer_needs_no_port() {
    for port in ["", r#","port":0"#, r#","port":null"#] {
        let body = format!(r#"{{"consumer_list":[{{"service":{{"interface":"a"}}{port}}}]}}"#);
        assert_eq!(snapshot(&body).consumers[0].port, None);
    }
}

#[test]
fn an_entry_without_a_host_stands_at_the_callers_address() {
    for host in ["", r#","host":"""#, r#","host":null"#] {
        let body = format!(r#"{{"provider_list":[{{"service":{{"interface":"a"}},"port":80{host}}}]}}"#);
        assert_eq!(snapshot(&body).providers[0].host, PEER);
    }
    let body = r#"{"consumer_list":[{"service":{"interface":"a"}}]}"#;
    assert!(
        read(body.as_bytes(), "-", &Limits::default())
            .unwrap_err()
            .to_string()
            .starts_with("consumer_list[0].host")
    );
}

#[test]
fn a_host_is_checked_and_written_in_one_form() {
    let with_host = |host: &str| {
        format!(r#"{{"provider_list":[{{"service":{{"interface":"a"}},"port":80,"host":"{host}"}}]}}"#)
    };
    for (given, written) in [("[::1]", "::1"), ("0:0:0:0:0:0:0:1", "::1"), ("h.local", "h.local")] {
        assert_eq!(snapshot(&with_host(given)).providers[0].host, written);
    }
    for host in ["127.0.1.312", "a b", "h:80", " ", "http://h", "a/b?c"] {
        assert!(refusal(&with_host(host)).starts_with("provider_list[0].host: "), "{host}");
    }
}

#[test]
fn parameters_keep_the_spelling_they_came_with() {
    let provider = provider_with_params(
        r#"{"a":1500000,"b":1612345678901,"c":1e3,"d":1.50,"e":true,"f":"  x y ","g":["p",1,null,false],
            "h":null,"i":"","j":[],"k":"  ","appid":null,"version":"1.0","methods":"x,y","side":"provider",
            "interface":"a","category":"providers","protocol":"tri","application":"shop"}"#,
    );
    let found: Vec<_> = provider.params.iter().map(|(key, value)| format!("{key}={value}")).collect();
    assert_eq!(
        found.join(" "),
        "a=1500000 application=shop b=1612345678901 c=1e3 d=1.50 e=true f=x y g=p,1,false version=1.0",
    );
    assert_eq!(provider.protocol, "tri");
}

#[test]
fn a_default_of_old_dubbo_counts_where_nothing_else_is_said() {
    let provider = provider_with_params(
        r#"{"default.group":"g","default.version":"1","version":"2","default.timeout":3,"default.protocol":"tri",
            "default.side":"provider"}"#,
    );
    let found: Vec<_> = provider.params.iter().map(|(key, value)| format!("{key}={value}")).collect();
    assert_eq!(
        (found.join(" ").as_str(), provider.protocol.as_str()),
        ("default.timeout=3 group=g version=2", "tri")
    );
}

#[test]
fn parameters_that_cannot_stand_in_a_url_are_refused() {
    for (params, field) in [
        (r#"{"appid":"7"}"#, "params.appid: must not end in pid"),
        (r#"{"remote.timestamp":"7"}"#, "params.remote.timestamp: must not end in timestamp"),
        (r#"{"a b":"7"}"#, "params.a b: is a key"),
        (r#"{"":"7"}"#, "params.: must not be an empty key"),
        (r#"{"a":"x&y"}"#, "params.a: must not contain '&'"),
        (r#"{"a":"x%41"}"#, "params.a: must not contain '%'"),
        (r#"{"a":"x;y"}"#, "params.a: must not contain ';'"),
        (r#"{"a":"x\ny"}"#, "params.a: must not contain '\\n'"),
        (r#"{"a":"\ud800"}"#, "params.a: "),
        (r#"{"a":{"b":1}}"#, "params.a: must be a string, number, boolean or a list of them, not an object"),
        (r#"{"a":[{}]}"#, "params.a[0]: must be a string"),
        (r#"{"a":[[1]]}"#, "params.a[0]: must not be a list"),
        (r#"{"protocol":"consumer"}"#, "params.protocol: "),
        (r#"{"protocol":"a b"}"#, "params.protocol: "),
        (r#"{"side":"consumer"}"#, "params.side: must be left out or be \"provider\""),
        (r#"{"category":"routers"}"#, "params.category: "),
        (r#"{"default.category":"routers"}"#, "params.default.category: "),
        (r#"{"interface":"b"}"#, "params.interface: "),
        (r#"{"methods":"x"}"#, "params.methods: must be left out or be \"x,y\""),
        (r#"{"timestamp":"now"}"#, "params.timestamp: must be a whole number"),
        ("[]", "params: must be an object, not a list"),
        ("7", "params: must be an object, not a number"),
    ] {
        let reason = refusal(&with_params(params));
        assert!(reason.starts_with(&format!("provider_list[0].service.{field}")), "{reason}");
    }
}

#[test]
fn methods_are_a_list_of_words_or_nothing() {
    assert!(snapshot(&provider_body(r#","methods":null"#, r#","port":80"#)).providers[0].methods.is_empty());
    for (methods, reason) in [
        (r#""x""#, "methods: must be a list, not a string"),
        ("[7]", "methods[0]: must be a string, not a number"),
        (r#"["x",""]"#, "methods[1]: must not be empty"),
        (r#"["x,y"]"#, "methods[0]: must not contain ','"),
    ] {
        let body = provider_body(&format!(r#","methods":{methods}"#), r#","port":80"#);
        assert_eq!(refusal(&body), format!("provider_list[0].service.{reason}"));
    }
}

#[test]
fn a_consumer_may_name_several_protocols() {
    let body = r#"{"consumer_list":[{"service":{"interface":"a","params":{"protocol":"dubbo,tri","side":"consumer"}}}]}"#;
    assert_eq!(snapshot(body).consumers[0].protocol.as_deref(), Some("dubbo,tri"));
}

#[test]
fn groups_and_versions_of_one_interface_are_kept_apart() {
    let entry =
        |params: &str| format!(r#"{{"service":{{"interface":"a","params":{{{params}}}}},"port":80}}"#);
    let list = [r#""group":"g""#, r#""version":"1""#, r#""version":"2""#, ""].map(entry).join(",");
    assert_eq!(snapshot(&format!(r#"{{"provider_list":[{list}]}}"#)).providers.len(), 4);
}

#[test]
fn the_same_entry_twice_counts_once_and_contradicting_ones_are_refused() {
    let entry =
        |params: &str| format!(r#"{{"service":{{"interface":"a","params":{{{params}}}}},"port":80}}"#);
    let body =
        |first: &str, second: &str| format!(r#"{{"provider_list":[{},{}]}}"#, entry(first), entry(second));
    assert_eq!(snapshot(&body(r#""x":1"#, r#""x":"1""#)).providers.len(), 1);
    assert_eq!(
        refusal(&body(r#""x":1"#, r#""x":2"#)),
        "provider_list[1]: says something else than provider_list[0] of the same a at 192.0.2.1:80"
    );
}

#[test]
fn a_url_that_gets_too_long_is_refused() {
    let reason = refusal(&with_params(&format!(r#"{{"a":"{}"}}"#, "x".repeat(dubbo::MAX_NAME_BYTES))));
    assert!(reason.starts_with("provider_list[0]: needs "), "{reason}");
}

#[test]
fn more_entries_than_accepted_are_refused() {
    let entry = r#"{"service":{"interface":"a"}}"#;
    let body = format!(r#"{{"provider_list":[{entry}],"consumer_list":[{entry},{entry}]}}"#);
    let limits = Limits { entries: 2, ..Limits::default() };
    let reason = read(body.as_bytes(), PEER, &limits).unwrap_err().to_string();
    assert_eq!(reason, "body: has 3 entries, more than the 2 accepted");
}

#[test]
fn unknown_fields_are_ignored() {
    let body = r#"{"x":{},"consumer_list":[{"y":[],"service":{"interface":"a","z":1}}]}"#;
    assert_eq!(snapshot(body).consumers.len(), 1);
}

#[test]
fn the_entries_name_the_sidecar() {
    let entry = |interface: &str, application: &str, host: &str| {
        format!(
            r#"{{"service":{{"interface":"{interface}","params":{{"application":"{application}"}}}},"host":"{host}","port":80}}"#
        )
    };
    let body = |entries: &[String]| format!(r#"{{"provider_list":[{}]}}"#, entries.join(","));
    let of = |entries: &[String]| registrant(&body(entries));
    assert_eq!(of(&[entry("a", "shop", "h1")]).as_deref(), Ok("shop@h1"));
    assert_eq!(of(&[entry("a", "", "")]).as_deref(), Ok("-@192.0.2.1"));
    assert_eq!(of(&[entry("a", "", "h1"), entry("b", "shop", "")]).as_deref(), Ok("shop@h1"));
    let reason = of(&[entry("a", "", ""), entry("b", "shop", ""), entry("c", "cart", "")]).unwrap_err();
    assert!(
        reason
            .starts_with("provider_list[1] has application shop and provider_list[2] has application cart: "),
        "{reason}"
    );
    assert!(of(&[entry("a", "", "h1"), entry("a", "", "h2")]).unwrap_err().contains("X-Registrant-Id"));
}

proptest! {
    #[test]
    fn any_body_is_read_or_refused_without_a_panic(body in any::<Vec<u8>>()) {
        let _ = read(&body, PEER, &Limits::default());
    }

    /// The texts are those that break readers of URLs, and some that do not.
    #[test]
    fn whatever_is_accepted_makes_a_url_that_reads_back(
        interface in "[a-c.$]{1,5}|.{0,3}",
        host in "10\\.0\\.0\\.[0-9]|[a-c.:]{0,4}|.{0,3}",
        params in proptest::collection::btree_map("[a-c]{1,3}|(default\\.)?(version|group)|p?pid|.{0,3}", "[a-c1. =,?/]{0,5}|.{0,4}", 0..4),
    ) {
        let body = serde_json::json!({ "provider_list": [
            { "service": { "interface": interface, "params": params }, "host": host, "port": 80 },
        ]});
        let Ok((snapshot, _)) = read(body.to_string().as_bytes(), PEER, &Limits::default()) else { return Ok(()) };
        let provider = &snapshot.providers[0];
        let text = dubbo::provider_url(provider, 1);
        let name = dubbo::encode(&text);
        let url = dubbo::ServiceUrl::parse(&dubbo::decode(&name).unwrap()).unwrap();
        prop_assert_eq!(url.entry_key(), EntryKey::from(EntryKeyView::of_provider(provider)));
        prop_assert_eq!(url.to_string(), text);
        prop_assert_eq!(name.matches("pid%3D").count(), usize::from(url.params.contains_key("pid")));
        prop_assert_eq!(name.matches("timestamp%3D").count(), 1);
    }
}
