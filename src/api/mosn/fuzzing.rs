//! What fuzz targets reach of this dialect: they judge what its readers make of any bytes.
#![expect(clippy::expect_used, reason = "a finding ends the target")]

use super::{Limits, edits, snapshot, wait};
use crate::dubbo::{self, ServiceUrl, Side};
use crate::model::{Consumer, Provider};

/// Where requests come from.
const PEER: &str = "192.0.2.1";
const ROOT: &str = "/dubbo";
const TIME: i64 = 1_700_000_000_000;

/// Reads the body of a sync. Every entry of one that is accepted becomes a URL that reads back as that entry.
pub fn sync(body: &[u8]) {
    let Ok((snapshot, claim)) = snapshot::read(body, PEER, &Limits::default()) else { return };
    let _ = claim.registrant(PEER);
    snapshot.providers.iter().for_each(provider);
    snapshot.consumers.iter().for_each(consumer);
}

/// Reads the body of an edit; the digit in front of it chooses the call.
pub fn edit(input: &[u8]) {
    let Some((call, body)) = input.split_first() else { return };
    edits::read_any(call.wrapping_sub(b'0'), body, PEER, &Limits::default(), provider, consumer);
}

/// Reads the query of a long poll.
pub fn query(text: &str) {
    let headers = actix_web::http::header::HeaderMap::new();
    let _ = wait::is_asked(text);
    let _ = wait::read_query(text, &headers, &Limits::default());
}

fn provider(provider: &Provider) {
    let url = dubbo::provider_url(provider, TIME);
    let read = stands(&provider.interface, Side::Provider, &url);
    assert_eq!(
        (read.protocol.as_str(), read.port),
        (provider.protocol.as_str(), Some(provider.port)),
        "{url}"
    );
    holds(&read, &provider.interface, &provider.host, &provider.params);
}

fn consumer(consumer: &Consumer) {
    let url = dubbo::consumer_url(consumer, TIME);
    let read = stands(&consumer.interface, Side::Consumer, &url);
    holds(&read, &consumer.interface, &consumer.host, &consumer.params);
}

/// Asserts that the znode of `url` is found again, and reads as `url`.
fn stands(interface: &str, side: Side, url: &str) -> ServiceUrl {
    assert_eq!(dubbo::check_url(url), Ok(()), "{url}");
    let path = dubbo::znode_path(ROOT, interface, side, url);
    assert_eq!(path.matches('/').count(), 4, "{path}");
    let (read_side, read_interface, name) =
        dubbo::parse_path(ROOT, &path).expect("it is the path of an entry");
    assert_eq!((read_side, read_interface.as_str()), (side, interface), "{path}");
    assert_eq!(dubbo::decode(name).as_deref(), Ok(url), "{path}");
    let read = ServiceUrl::parse(url).expect("what is written can be read");
    // A key behind `default.` stands for the key itself, too, wherever Dubbo reads it.
    if !read.params.keys().any(|key| key.starts_with(dubbo::DEFAULT_PREFIX)) {
        assert_eq!(read.to_string(), url);
    }
    read
}

fn holds(
    read: &ServiceUrl,
    interface: &str,
    host: &str,
    params: &std::collections::BTreeMap<String, String>,
) {
    assert_eq!((read.interface(), read.host.as_str()), (interface, host), "{read}");
    for (key, value) in params {
        assert_eq!(read.params.get(key), Some(value), "{key} of {read}");
    }
}
