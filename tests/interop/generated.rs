//! Providers and znode names from a seed, which `ZOOGATE_TEST_SEED` changes: always the same ones unless somebody looks
//! for more.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::strategy::{BoxedStrategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use zoogate::dubbo::{
    check_interface, check_param_key, check_param_value, consumer_url, encode, provider_url,
};
use zoogate::model::{Consumer, Provider};

/// What is told of a provider, and what its URL is to be made of.
#[derive(Clone, Debug)]
pub struct Given {
    pub protocol: String,
    pub host: String,
    pub port: u16,
    pub interface: String,
    pub methods: Vec<String>,
    /// Those that the provider brings; they may be empty.
    pub params: BTreeMap<String, String>,
}

/// The source of everything generated. The strategies are made once: they are expressions that have to be compiled.
pub struct Generator {
    runner: TestRunner,
    providers: BoxedStrategy<Given>,
    odd_urls: BoxedStrategy<String>,
    damages: BoxedStrategy<Vec<Damage>>,
}

impl Generator {
    /// A new one, with the seed of `ZOOGATE_TEST_SEED`: any text, or `random` for one by chance.
    pub fn new() -> Self {
        let seed = match std::env::var("ZOOGATE_TEST_SEED") {
            Ok(given) if given == "random" => uuid::Uuid::new_v4().simple().to_string(),
            Ok(given) => given,
            Err(_) => "zoogate".to_owned(),
        };
        eprintln!("ZOOGATE_TEST_SEED={seed}");
        let mut bytes = [0; 32];
        let digits = seed.as_bytes();
        let count = digits.len().min(bytes.len());
        bytes[..count].copy_from_slice(&digits[..count]);
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        Self {
            runner: TestRunner::new_with_rng(Config::default(), rng),
            providers: provider(),
            odd_urls: odd_url(),
            damages: proptest::collection::vec(damage(), 0..3).boxed(),
        }
    }

    /// A provider that zoogate takes, unlike those with another `index` below 40,000.
    pub fn provider(&mut self, index: usize) -> Given {
        let port = u16::try_from(20_000 + index).unwrap();
        Given { port, ..one(&self.providers, &mut self.runner) }
    }

    /// The name of a provider or consumer that zoogate writes.
    pub fn written_name(&mut self, index: usize) -> String {
        let Given { protocol, host, port, interface, methods, params } = self.provider(index);
        if index.is_multiple_of(2) {
            return encode(&provider_url(
                &Provider { protocol, host, port, interface, methods, params },
                1_795_229_889_041,
            ));
        }
        let (protocol, port) =
            (index.is_multiple_of(3).then_some(protocol), index.is_multiple_of(5).then_some(port));
        let consumer = Consumer { protocol, host, port, interface, methods, params };
        encode(&consumer_url(&consumer, 1_795_229_889_041))
    }

    /// The name of a znode that anybody might have written: every third is one of zoogate's own.
    pub fn name(&mut self, index: usize) -> String {
        match index % 3 {
            0 => self.written_name(index),
            1 => encode(&one(&self.odd_urls, &mut self.runner)),
            _ => {
                let url = one(&self.odd_urls, &mut self.runner);
                one(&self.damages, &mut self.runner)
                    .into_iter()
                    .fold(encode(&url), |name, damage| damage.of(&name))
            }
        }
    }
}

fn one<T: std::fmt::Debug>(strategy: &BoxedStrategy<T>, runner: &mut TestRunner) -> T {
    strategy.new_tree(runner).unwrap().current()
}

fn provider() -> BoxedStrategy<Given> {
    let methods = proptest::collection::vec("[a-z][A-Za-z0-9]{0,10}", 0..5);
    let timestamp = 1_600_000_000_000_u64..1_900_000_000_000;
    ("dubbo|tri|rest|grpc", host(), interface(), methods, params(), timestamp)
        .prop_map(|(protocol, host, interface, methods, mut params, timestamp)| {
            // What zoogate would take from its clock.
            params.insert("timestamp".into(), timestamp.to_string());
            Given { protocol, host, port: 0, interface, methods, params }
        })
        .boxed()
}

fn host() -> BoxedStrategy<String> {
    prop_oneof![
        "10\\.[0-9]\\.[1-9]{1,2}\\.[1-9]",
        "2001:db8::[1-9a-f]",
        "([a-z][a-z0-9]{0,5}\\.){0,2}[a-z][a-z0-9]{0,5}",
    ]
    .boxed()
}

fn interface() -> BoxedStrategy<String> {
    let name =
        "(com\\.example|org\\.demo)\\.[A-Z][A-Za-z0-9]{0,8}(\\$[A-Z][a-z]{0,5})?|[a-z~_\u{8ba2}\u{e9}-]{1,6}";
    name.prop_filter("an interface", |name| check_interface(name).is_ok()).boxed()
}

fn params() -> BoxedStrategy<BTreeMap<String, String>> {
    let value = prop_oneof![
        "[a-zA-Z0-9._*-]{0,10}",
        "[0-9]{1,15}",
        "true|false",
        "[ -~]{0,12}",
        "[+ ~,=?/:@$'()!*\u{e9}\u{8ba2}\u{1f600}]{1,8}",
    ];
    // What a sidecar sends is taken without the space around it.
    let value = value.prop_map(|value| value.trim().to_owned());
    let value = value.prop_filter("a value", |value| check_param_value(value).is_ok());
    let known =
        "application|group|version|weight|timeout|dubbo\\.tag|get\\.retries|anyhost|revision|release|pid";
    let key = prop_oneof![known, known, "[a-zA-Z][a-zA-Z0-9._$-]{0,10}"];
    let key = key.prop_filter("a key", |key| {
        let own = ["interface", "methods", "category", "side", "protocol", "timestamp"];
        check_param_key(key).is_ok() && !own.contains(&key.as_str()) && !key.starts_with("default.")
    });
    proptest::collection::btree_map(key, value, 0..8).boxed()
}

/// A URL as it must not be, or as some version of Dubbo writes it, before it is encoded.
fn odd_url() -> BoxedStrategy<String> {
    let protocol = "(dubbo|tri|rest|consumer|Odd Protocol)";
    let separator = prop_oneof![9 => Just("://"), 1 => Just(":/"), 1 => Just("")];
    let user = prop_oneof![8 => Just(""), 1 => Just("me:secret@"), 1 => Just("me@"), 1 => Just("a@b:c@")];
    let host = prop_oneof![
        6 => host(),
        2 => "\\[(::1|fe80::1%eth0|2001:db8::7)\\]",
        1 => Just("fe80::1%eth0".to_owned()),
        1 => "[a-z%:\\[\\]. ]{0,4}",
    ];
    let port = prop_oneof![
        8 => ":[1-9][0-9]{0,3}",
        1 => Just(String::new()),
        1 => ":0{0,2}|:70000|:80x|:\\+80|:-1|:\u{663}",
    ];
    let path = "/?[a-zA-Z.$/]{0,10}|//a|/a/b";
    let pair = prop_oneof![
        4 => "[a-z]{1,4}=[a-z0-9.]{0,4}",
        2 => "(default\\.)?(group|version)=[a-z0-9.]{0,3}",
        2 => "(group|version|flag)=?",
        1 => "side=(provider|consumer|odd)",
        1 => "=?[a-c]?=?=?[+% ?#:/]{0,2}",
    ];
    let query = prop_oneof![
        1 => Just(String::new()),
        8 => (proptest::collection::vec(pair, 0..5), "[&;]|&&").prop_map(|(pairs, by)| "?".to_owned() + &pairs.join(&by)),
    ];
    let fragment = prop_oneof![12 => Just(""), 1 => Just("#"), 1 => Just("#fragment")];
    (protocol, separator, user, host, port, path, fragment, query)
        .prop_map(|(protocol, separator, user, host, port, path, fragment, query)| {
            format!("{protocol}{separator}{user}{host}{port}{path}{fragment}{query}")
        })
        .boxed()
}

/// What somebody did to a name after it was encoded.
#[derive(Clone, Debug)]
enum Damage {
    LowerCase,
    Decoded(&'static str, &'static str),
    Inserted(usize, &'static str),
    Cut(usize),
    EncodedAgain,
}

fn damage() -> BoxedStrategy<Damage> {
    let decoded = [("%3D", "="), ("%26", "&"), ("%3F", "?"), ("%3A", ":"), ("+", "%20"), ("%2C", ",")];
    let inserted =
        ["%zz", "%", "%4", "%FF", "%C3", "%C3%A9", "\u{e9}", "%+1", "%-1", "%26", "%3B", "%0A", "+", "%2B"];
    prop_oneof![
        Just(Damage::LowerCase),
        proptest::sample::select(decoded.to_vec()).prop_map(|(from, to)| Damage::Decoded(from, to)),
        (0_usize..200, proptest::sample::select(inserted.to_vec()))
            .prop_map(|(at, text)| Damage::Inserted(at, text)),
        (0_usize..200).prop_map(Damage::Cut),
        Just(Damage::EncodedAgain),
    ]
    .boxed()
}

impl Damage {
    fn of(&self, name: &str) -> String {
        let place = |at: usize| {
            let places: Vec<usize> =
                name.char_indices().map(|(place, _)| place).chain([name.len()]).collect();
            places[at % places.len()]
        };
        match self {
            Self::LowerCase => {
                let mut letters = name.chars();
                let mut lower = String::new();
                while let Some(letter) = letters.next() {
                    lower.push(letter);
                    if letter == '%' {
                        lower.extend(letters.by_ref().take(2).map(|digit| digit.to_ascii_lowercase()));
                    }
                }
                lower
            }
            Self::Decoded(from, to) => name.replace(from, to),
            Self::Inserted(at, text) => {
                let (before, after) = name.split_at(place(*at));
                format!("{before}{text}{after}")
            }
            Self::Cut(at) => name[..place(*at)].to_owned(),
            Self::EncodedAgain => encode(name),
        }
    }
}
