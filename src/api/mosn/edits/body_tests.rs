//! Which bodies are understood, in which form, and what is said of all others.

use std::collections::BTreeMap;

use super::*;
use crate::dubbo::EntryPattern;
use crate::model::{Consumer, Provider};

const MAINLINE: &str = r#"{"registry":{"type":"zookeeper","addr":"zk.example:2181","username":"u","password":"p"},
    "service":{"interface":"a.B","methods":["x","y"],"group":"g","version":"1.0"}}"#;
const BARE_MAINLINE: &str = r#"{"registry":{"type":"zookeeper","addr":"[::1]:2181","password":null},
    "service":{"interface":"a.B","methods":[],"group":"","version":null,"port":"33333"}}"#;
const FIRST: &str = r#"{"service":{"interface":"a.B","methods":[""],"params":{"group":"g","application":"shop"}},
    "host":"10.0.0.1","port":80}"#;
const BARE_FIRST: &str = r#"{"service":{"interface":"a.B"}}"#;

fn read_as(call: Call, body: &str) -> (Form, Result<Asked, Refusal>) {
    read(body.as_bytes(), call, "10.0.0.7", &Limits::default())
}

#[track_caller]
fn edit(call: Call, body: &str) -> Edit {
    read_as(call, body).1.unwrap().edit
}

fn params(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn provider(host: &str, port: u16, methods: &[&str], given: &[(&str, &str)]) -> Edit {
    Edit::Provide(Provider {
        interface: "a.B".into(),
        protocol: "dubbo".into(),
        host: host.into(),
        port,
        methods: methods.iter().map(|&method| method.to_owned()).collect(),
        params: params(given),
    })
}

fn removal(side: Side, group: Option<&str>, version: Option<&str>, at: Option<(&str, u16)>) -> Edit {
    Edit::Remove(EntryPattern {
        side,
        interface: "a.B".into(),
        group: group.map(str::to_owned),
        version: version.map(str::to_owned),
        protocol: None,
        host: at.map(|(host, _)| host.to_owned()),
        port: at.map(|(_, port)| port),
    })
}

#[test]
fn what_mainline_publishes_stands_at_the_caller_and_the_configured_port() {
    let given = [("group", "g"), ("version", "1.0")];
    assert_eq!(edit(Call::Publish, MAINLINE), provider("10.0.0.7", 20_882, &["x", "y"], &given));
    assert_eq!(edit(Call::Publish, BARE_MAINLINE), provider("10.0.0.7", 20_882, &[], &[]));
    assert_eq!(read_as(Call::Publish, MAINLINE).0, Form::Mainline);
}

#[test]
fn what_the_first_generation_publishes_stands_where_it_says() {
    let given = [("application", "shop"), ("group", "g")];
    assert_eq!(edit(Call::Publish, FIRST), provider("10.0.0.1", 80, &[], &given));
    assert_eq!(edit(Call::Publish, BARE_FIRST), provider("10.0.0.7", 20_882, &[], &[]));
    assert_eq!(read_as(Call::Publish, FIRST).0, Form::FirstGeneration);
}

#[test]
fn a_subscription_of_mainline_is_to_every_version() {
    let consumer = |port, given: &[(&str, &str)], methods: &[&str], host: &str| {
        Edit::Consume(Consumer {
            interface: "a.B".into(),
            protocol: None,
            host: host.into(),
            port,
            methods: methods.iter().map(|&method| method.to_owned()).collect(),
            params: params(given),
        })
    };
    assert_eq!(edit(Call::Subscribe, MAINLINE), consumer(None, &[("group", "g")], &["x", "y"], "10.0.0.7"));
    let given = [("application", "shop"), ("group", "g")];
    assert_eq!(edit(Call::Subscribe, FIRST), consumer(Some(80), &given, &[], "10.0.0.1"));
}

#[test]
fn mainline_removes_what_has_its_group_and_version_and_the_first_generation_what_it_names() {
    for (call, side) in [(Call::Unpublish, Side::Provider), (Call::Unsubscribe, Side::Consumer)] {
        let version = if side == Side::Provider { "1.0" } else { "" };
        assert_eq!(edit(call, MAINLINE), removal(side, Some("g"), Some(version), None));
        assert_eq!(edit(call, BARE_MAINLINE), removal(side, Some(""), Some(""), None));
        assert_eq!(edit(call, FIRST), removal(side, Some("g"), None, Some(("10.0.0.1", 80))));
        assert_eq!(edit(call, BARE_FIRST), removal(side, None, None, None));
    }
}

#[test]
fn whose_snapshot_it_is_follows_from_application_and_host_only() {
    let claim = |body: &str| read_as(Call::Publish, body).1.unwrap().claim;
    assert!(claim(MAINLINE).is_silent() && claim(BARE_FIRST).is_silent());
    assert_eq!(claim(FIRST).registrant("10.0.0.7").unwrap().as_str(), "shop@10.0.0.1");
}

#[test]
fn a_body_that_is_no_edit_is_refused_by_the_name_of_its_field_and_in_the_form_it_has() {
    let registry = |fields: &str| {
        format!(r#"{{"registry":{{{fields}}},"service":{{"interface":"a.B","methods":["x"]}}}}"#)
    };
    let service = |fields: &str| {
        format!(r#"{{"registry":{{"type":"zookeeper","addr":"h:1"}},"service":{{{fields}}}}}"#)
    };
    let address = |address: &str| registry(&format!(r#""type":"zookeeper","addr":"{address}""#));
    let (first, mainline) = (Form::FirstGeneration, Form::Mainline);
    for (body, form, reason) in [
        (String::new(), first, "body: is not JSON"),
        ("{} {}".into(), first, "body: is not JSON"),
        ("null".into(), first, "body: must be an object, not null"),
        ("[]".into(), first, "body: must be an object, not a list"),
        ("{}".into(), first, "service: is missing"),
        (r#"{"provider_list":[]}"#.into(), first, "service: is missing"),
        (r#"{"service":[]}"#.into(), first, "service: must be an object, not a list"),
        (r#"{"service":{}}"#.into(), first, "service.interface: is missing"),
        (r#"{"service":{"interface":""}}"#.into(), first, "service.interface: "),
        (r#"{"service":{"interface":"a","methods":"x"}}"#.into(), first, "service.methods: must be a list"),
        (r#"{"service":{"interface":"a"},"port":70000}"#.into(), first, "port: 70000 is not in 1..65535"),
        (r#"{"service":{"interface":"a"},"host":"no host"}"#.into(), first, "host: "),
        (r#"{"service":{"interface":"a","group":"g"}}"#.into(), first, "service.group: must stand in"),
        (r#"{"service":{"interface":"a","version":"1"}}"#.into(), first, "service.version: must stand in"),
        (r#"{"registry":null,"service":{}}"#.into(), mainline, "registry: must be an object, not null"),
        (r#"{"registry":7}"#.into(), mainline, "registry: must be an object, not a number"),
        (r#"{"registry":{"type":"zookeeper","addr":"h:1"}}"#.into(), mainline, "service: is missing"),
        (registry(""), mainline, "registry.type: is missing"),
        (
            registry(r#""type":"nacos","addr":"h:1""#),
            mainline,
            "registry.type: must be zookeeper, not \"nacos\"",
        ),
        (registry(r#""type":"zookeeper""#), mainline, "registry.addr: is missing"),
        (registry(r#""type":"zookeeper","addr":7"#), mainline, "registry.addr: must be a string"),
        (registry(r#""type":"zookeeper","addr":"h:1","password":7"#), mainline, "registry.password: must be"),
        (address("h"), mainline, "registry.addr: must be host:port, not \"h\""),
        (address("h:"), mainline, "registry.addr: must be host:port"),
        (address("h:0"), mainline, "registry.addr: must be host:port"),
        (address("h:+1"), mainline, "registry.addr: must be host:port"),
        (address("h:65536"), mainline, "registry.addr: must be host:port"),
        (address(":2181"), mainline, "registry.addr: must be host:port"),
        (address("::1:2181"), mainline, "registry.addr: must be host:port"),
        (address("a b:2181"), mainline, "registry.addr: must be host:port"),
        (address("h:1,i:1"), mainline, "registry.addr: must be host:port"),
        (service(""), mainline, "service.interface: is missing"),
        (service(r#""interface":"a.B""#), mainline, "service.methods: is missing"),
        (service(r#""interface":"a.B","methods":null"#), mainline, "service.methods: is missing"),
        (service(r#""interface":"a.B","methods":[7]"#), mainline, "service.methods[0]: must be a string"),
        (service(r#""interface":"a.B","methods":[],"group":7"#), mainline, "service.group: must be a string"),
        (service(r#""interface":"a.B","methods":[],"group":"a&b""#), mainline, "service.group: "),
        (
            service(r#""interface":"a.B","methods":[],"params":{}"#),
            first,
            "service.params: does not go together",
        ),
        (
            r#"{"registry":{},"service":{},"host":"h"}"#.into(),
            first,
            "host: does not go together with registry",
        ),
        (
            r#"{"registry":{},"service":{},"port":1}"#.into(),
            first,
            "port: does not go together with registry",
        ),
    ] {
        for call in [Call::Publish, Call::Unpublish, Call::Subscribe, Call::Unsubscribe] {
            let (told, outcome) = read_as(call, &body);
            let refusal = outcome.expect_err(&body).to_string();
            assert_eq!(told, form, "{body}");
            assert!(refusal.starts_with(reason), "{body}: {refusal}");
        }
    }
}

#[test]
fn a_refusal_never_repeats_a_password() {
    let body = r#"{"registry":{"type":"x","addr":"h","username":"u","password":"hidden"},"service":{}}"#;
    let refusal = read_as(Call::Publish, body).1.unwrap_err().to_string();
    assert!(!refusal.contains("hidden"), "{refusal}");
}
