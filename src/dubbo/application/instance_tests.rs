//! What is read of instances, whoever wrote them, and the form in which zoogate writes its own.

use super::*;

fn address() -> InstanceAddress {
    InstanceAddress::parse("shop-app/10.1.1.5:20880").unwrap()
}

fn written() -> String {
    let owners = Ownership::of(BTreeSet::from(["snapshots/00/a".to_owned()]));
    let protocols = BTreeSet::from(["tri", "dubbo"]);
    instance_document(&address(), &protocols, "abc", 1_795_229_889_041, &owners)
}

#[test]
fn an_instance_is_written_in_the_form_of_curator_and_dubbo() {
    let written = written();
    let seal = seal_of(&written, SEAL).unwrap();
    assert_eq!(
        written,
        format!(
            r#"{{"name":"shop-app","id":"10.1.1.5:20880","address":"10.1.1.5","port":20880,"sslPort":null,"payload":{{"@class":"org.apache.dubbo.registry.zookeeper.ZookeeperInstance","id":"10.1.1.5:20880","name":"shop-app","metadata":{{"dubbo.endpoints":"[{{\"port\":20880,\"protocol\":\"dubbo\"}},{{\"port\":20880,\"protocol\":\"tri\"}}]","dubbo.metadata.revision":"abc","dubbo.metadata.storage-type":"remote","timestamp":"1795229889041","zoogate.digest":"{seal}","zoogate.owners":"{{\"registeredBy\":\"zoogate\",\"registrants\":[\"snapshots/00/a\"]}}"}}}},"registrationTimeUTC":1795229889041,"serviceType":"DYNAMIC","uriSpec":null}}"#
        )
    );
}

#[test]
fn what_is_written_reads_back_and_is_known_as_its_own() {
    let written = written();
    let instance = ApplicationInstance::parse(written.as_bytes()).unwrap();
    assert_eq!((instance.host.as_str(), instance.port), ("10.1.1.5", Some(20880)));
    assert_eq!(instance.stored_revision(), Some("abc"));
    assert_eq!(instance.endpoints(), [("dubbo".to_owned(), 20880), ("tri".to_owned(), 20880)]);
    assert!(
        matches!(instance.mark(written.as_bytes()), Mark::Own(ownership) if ownership.registrants.len() == 1)
    );
    let changed = written.replace("10.1.1.5\",\"port\"", "10.1.1.6\",\"port\"");
    assert_ne!(changed, written);
    let instance = ApplicationInstance::parse(changed.as_bytes()).unwrap();
    assert_eq!(instance.mark(changed.as_bytes()), Mark::Broken);
}

#[test]
fn an_instance_of_dubbo_for_java_is_read() {
    let data = br#"{"name":"demo-p","id":"10.0.0.9:20990","address":"10.0.0.9","port":20990,"sslPort":null,
        "payload":{"@class":"org.apache.dubbo.registry.zookeeper.ZookeeperInstance","id":"10.0.0.9:20990",
        "name":"demo-p","metadata":{"dubbo.endpoints":"[{\"port\":20990,\"protocol\":\"dubbo\"},{\"port\":50051,\"protocol\":\"tri\"}]",
        "dubbo.metadata.revision":"0123456789abcdef0123456789abcdef","dubbo.metadata.storage-type":"local","meta-v":"2.0.0",
        "timestamp":"1795229889000"}},"registrationTimeUTC":1795229889041,"serviceType":"DYNAMIC","uriSpec":null}"#;
    let instance = ApplicationInstance::parse(data).unwrap();
    assert_eq!(instance.application, "demo-p");
    assert_eq!(instance.registered, 1_795_229_889_041);
    assert_eq!(instance.port_of("tri"), Some(50051));
    assert_eq!(instance.port_of("rest"), Some(20990));
    assert_eq!(instance.stored_revision(), None, "its metadata is with the instance alone");
    assert_eq!(instance.timestamp(), Some("1795229889000"));
    assert_eq!(instance.version(), "0.0.0");
    assert_eq!(instance.mark(data), Mark::Foreign);
    assert!(instance.enabled);
}

#[test]
fn what_others_put_there_is_told_apart_from_what_makes_no_sense() {
    let spring = r#"{"name":"shop","id":"7","address":"h","port":1,"payload":{"@class":"org.springframework.cloud.zookeeper.discovery.ZookeeperInstance","metadata":{}}}"#;
    for other in [spring, r#"{"name":"shop","address":"h","port":1}"#, r#"{"name":"a","payload":"x"}"#] {
        let error = ApplicationInstance::parse(other.as_bytes()).unwrap_err();
        assert!(matches!(error, InstanceError::Payload(_)), "{other}: {error}");
    }
    let dubbo = |rest: &str| {
        format!(r#"{{"payload":{{"@class":"{PAYLOAD_CLASS}","metadata":{{"a":1,"b":null,"c":"d"}}}}{rest}}}"#)
    };
    for rest in [
        "",
        r#","name":"a""#,
        r#","name":"a","address":"""#,
        r#","name":"a","address":"h/x","port":1"#,
        r#","name":"a","address":"h","port":"x""#,
        r#","name":"a","address":"h","port":70000"#,
        r#","name":"a","address":"h","port":-1"#,
    ] {
        let error = ApplicationInstance::parse(dubbo(rest).as_bytes()).unwrap_err();
        assert!(matches!(error, InstanceError::Malformed(_)), "{rest}: {error}");
    }
    for data in ["", "127.0.0.1", "[]", "{}", "null", "\u{0}", r#"{"payload":"x"}"#] {
        let error = ApplicationInstance::parse(data.as_bytes()).unwrap_err();
        assert!(matches!(error, InstanceError::Malformed(_)), "{data}: {error}");
    }
    let whole = dubbo(r#","name":"a","address":"::1","port":null,"enabled":false,"more":[]"#);
    let instance = ApplicationInstance::parse(whole.as_bytes()).unwrap();
    assert_eq!((instance.port, instance.enabled), (None, false));
    assert_eq!(instance.metadata.get("a").map(String::as_str), Some("1"));
    assert_eq!(instance.metadata.get("b"), None);
}
