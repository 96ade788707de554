//! Names and URLs of providers and consumers, whoever wrote them.

use crate::dubbo::{self, Endpoint, InstanceAddress, ServiceInfo, ServiceUrl, Side};

/// Reads a name, or a URL. What is read of it can be written, and then reads as itself.
pub fn read(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    if let Ok(decoded) = dubbo::decode(text) {
        assert_eq!(dubbo::decode(&dubbo::encode(&decoded)).as_deref(), Ok(decoded.as_str()));
        url(&decoded);
    }
    assert_eq!(dubbo::decode(&dubbo::encode(text)).as_deref(), Ok(text));
    url(text);
    let _ = (dubbo::check_interface(text), dubbo::check_host(text), dubbo::check_protocol(text));
    let _ = (dubbo::check_param_key(text), dubbo::check_param_value(text), dubbo::check_method(text));
    let _ = Endpoint::parse(text);
    if let Some(address) = InstanceAddress::parse(text) {
        assert_eq!(address.id(), text.split_once('/').map_or(text, |(_, id)| id), "{address:?}");
    }
}

fn url(text: &str) {
    let Ok(url) = ServiceUrl::parse(text) else { return };
    let _ = (url.entry_key().digest(), url.timestamp(), url.registered_at(), url.is_enabled(), url.address());
    let _ = (ServiceInfo::of(&url).match_key(), InstanceAddress::of(&url));
    assert!(url.same_but_timestamp(&url));
    let written = url.to_string();
    // What others write may hold what cannot be written the same way twice: an escape that stands for a separator, for
    // example. Once it was read from what zoogate wrote it has to stay the same.
    let Ok(again) = ServiceUrl::parse(&written) else { return };
    // A reading takes `default.` off a name once, as Dubbo does: of a name with several, each reading knows one more.
    let several = [dubbo::DEFAULT_PREFIX; 2].concat();
    if !again.params.keys().any(|key| key.starts_with(&several)) {
        assert_eq!(ServiceUrl::parse(&again.to_string()).as_ref(), Ok(&again), "{written}");
    }
    let path = dubbo::znode_path("/dubbo", "demo.Echo", Side::Provider, &written);
    let (side, interface, name) = dubbo::parse_path("/dubbo", &path).expect("it is the path of an entry");
    assert_eq!((side, interface.as_str()), (Side::Provider, "demo.Echo"));
    assert_eq!(dubbo::decode(name), Ok(written));
}
