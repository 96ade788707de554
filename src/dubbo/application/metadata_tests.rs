//! The documents of what applications offer: zoogate's own to the letter, those of others with tolerance.

use super::*;

const URL: &str = "dubbo://10.1.1.5:20880/demo.Echo?anyhost=true&application=shop-app&group=g1&interface=demo.Echo\
                   &methods=add,say&side=provider&timestamp=1795229889041&version=1.0.0";

fn services(url: &str) -> BTreeMap<String, ServiceInfo> {
    let service = ServiceInfo::of(&ServiceUrl::parse(url).unwrap());
    BTreeMap::from([(service.match_key(), service)])
}

fn instance(metadata: &str) -> ApplicationInstance {
    let data = format!(
        r#"{{"name":"shop-app","address":"10.1.1.5","port":20880,"payload":{{
            "@class":"org.apache.dubbo.registry.zookeeper.ZookeeperInstance","metadata":{metadata}}}}}"#
    );
    ApplicationInstance::parse(data.as_bytes()).unwrap()
}

#[test]
fn a_document_is_written_in_the_form_of_dubbo() {
    let (revision, document) = metadata_document("shop-app", &services(URL));
    assert_eq!(revision.len(), 40);
    assert_eq!(
        document,
        format!(
            r#"{{"app":"shop-app","revision":"{revision}","services":{{"g1/demo.Echo:1.0.0:dubbo":{{"name":"demo.Echo","group":"g1","version":"1.0.0","protocol":"dubbo","port":20880,"path":"demo.Echo","params":{{"application":"shop-app","group":"g1","interface":"demo.Echo","methods":"add,say","side":"provider","version":"1.0.0"}}}}}}}}"#
        )
    );
    let plain = services("tri://h:1/demo.Echo?interface=demo.Echo");
    let (_, document) = metadata_document("a", &plain);
    assert!(
        document.contains(r#""demo.Echo:tri":{"name":"demo.Echo","protocol":"tri","port":1,"#),
        "{document}"
    );
}

#[test]
fn a_revision_stands_for_one_content_and_is_the_same_for_every_instance_that_offers_it() {
    let (revision, document) = metadata_document("shop-app", &services(URL));
    assert!(is_own_metadata(&revision, document.as_bytes()));
    assert!(!is_own_metadata(&revision, document.replace("say", "cry").as_bytes()));
    assert!(!is_own_metadata("0", document.as_bytes()));
    assert!(!is_own_metadata(&revision, b"\xff"));
    let elsewhere = URL.replace("10.1.1.5", "10.1.1.6").replace("1795229889041", "1795229889999");
    assert_eq!(metadata_document("shop-app", &services(&elsewhere)).0, revision);
    for other in [URL.replace("add,say", "add"), URL.replace("20880", "20881"), URL.replace("dubbo:", "tri:")]
    {
        assert_ne!(metadata_document("shop-app", &services(&other)).0, revision, "{other}");
    }
    assert_ne!(metadata_document("other", &services(URL)).0, revision);
}

#[test]
fn what_is_written_stands_for_the_url_that_it_was_made_of() {
    let (_, document) = metadata_document("shop-app", &services(URL));
    let read = parse_metadata(document.as_bytes()).unwrap();
    let url = read[0].url("shop-app", &instance(r#"{"timestamp":"1795229889041"}"#)).unwrap();
    assert_eq!(url.to_string(), URL.replace("anyhost=true&", ""));
}

#[test]
fn documents_of_others_are_read_with_tolerance() {
    let document = br#"{"app":"demo","revision":"x","extra":[],"services":{
        "a":{"name":"demo.A","protocol":"tri","port":-1,"path":"/demo.A","params":{"weight":100,"x":"a&b"}},
        "b":{"name":"demo.B","protocol":"dubbo"},
        "c":{"protocol":"dubbo"}, "d":7, "e":{"name":"demo.E"}, "f":{"name":"a/b","protocol":"dubbo"}}}"#;
    let read = parse_metadata(document).unwrap();
    assert_eq!(read.len(), 3, "{read:?}");
    let instance = instance(r#"{"dubbo.endpoints":"[{\"port\":50051,\"protocol\":\"tri\"}]"}"#);
    let urls = read.iter().filter_map(|one| one.url("demo", &instance)).map(|url| url.to_string());
    assert_eq!(
        urls.collect::<Vec<_>>(),
        [
            "tri://10.1.1.5:50051/demo.A?application=demo&interface=demo.A&side=provider&weight=100",
            "dubbo://10.1.1.5:20880/demo.B?application=demo&interface=demo.B&side=provider",
        ]
    );
    for nothing in ["{}", r#"{"services":null}"#] {
        assert_eq!(parse_metadata(nothing.as_bytes()).as_deref(), Ok(&[][..]), "{nothing}");
    }
    for malformed in ["", "127.0.0.1", "[]", r#"{"services":[]}"#] {
        assert!(parse_metadata(malformed.as_bytes()).is_err(), "{malformed}");
    }
}
