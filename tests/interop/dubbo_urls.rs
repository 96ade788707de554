//! zoogate's URLs beside those of Dubbo's own `URL` class, of 3.3 and of 2.7: the same data must give the same names, and
//! the same names the same data.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use zoogate::dubbo::{DecodeError, ServiceUrl, UrlError, decode};

use crate::generated::{self, Given};
use crate::program::{Program, built};
use crate::support::gateway::Options;
use crate::support::scratch::Scratch;
use crate::support::znodes::Znodes;
use crate::support::zookeeper;

/// Providers that are synced, in as many snapshots of fifty.
const PROVIDERS: usize = 200;
const SNAPSHOT: usize = 50;
/// Names that are read.
const NAMES: usize = 3_000;
/// What Java takes to start and to answer.
const PATIENCE: Duration = Duration::from_secs(120);

/// What Dubbo of this version makes of each of `lines`.
async fn ask(dubbo: &str, task: &str, lines: &[String]) -> Vec<String> {
    let scratch = Scratch::new("urls");
    let (asked, told) = (scratch.path().join("asked"), scratch.path().join("told"));
    std::fs::write(&asked, lines.join("\n") + "\n").unwrap();
    let home = built(dubbo);
    let class_path = zookeeper::join(&[home.join("classes"), home.join("jars/*")]);
    let mut arguments: Vec<OsString> = vec!["-Xmx256m".into(), "-cp".into(), class_path];
    arguments.extend(["interop.Urls".into(), task.into(), asked.into(), told.clone().into()]);
    Program::start(Path::new("java"), &arguments).succeeds(PATIENCE).await;
    let answers: Vec<String> = std::fs::read_to_string(&told).unwrap().lines().map(str::to_owned).collect();
    assert_eq!(answers.len(), lines.len());
    answers
}

/// The parameters that the URL of a provider has, by the rules of docs/dubbo.md.
fn parameters(given: &Given) -> BTreeMap<&str, String> {
    let version = given.params.get("version").filter(|version| !version.is_empty());
    let mut all = BTreeMap::from([
        ("anyhost", "true".to_owned()),
        ("application", "default".to_owned()),
        ("dubbo", "2.0.2".to_owned()),
        ("revision", version.map_or("0.0.0", String::as_str).to_owned()),
    ]);
    for (key, value) in given.params.iter().filter(|(_, value)| !value.is_empty()) {
        all.insert(key, value.clone());
    }
    let methods = if given.methods.is_empty() { "*".to_owned() } else { given.methods.join(",") };
    all.extend([
        ("interface", given.interface.clone()),
        ("methods", methods),
        ("side", "provider".to_owned()),
    ]);
    all
}

/// The provider as the program is told of it.
fn line(given: &Given) -> String {
    let host = if given.host.contains(':') { format!("[{}]", given.host) } else { given.host.clone() };
    let mut fields = vec![given.protocol.clone(), host, given.port.to_string(), given.interface.clone()];
    for (key, value) in parameters(given) {
        fields.extend([key.to_owned(), value]);
    }
    fields.join("\t")
}

fn entry(given: &Given) -> Value {
    let mut params: BTreeMap<&str, Value> =
        given.params.iter().map(|(key, value)| (key.as_str(), json!(value))).collect();
    params.insert("protocol", json!(given.protocol));
    let service = json!({"interface": given.interface, "methods": given.methods, "params": params});
    json!({"service": service, "host": given.host, "port": given.port})
}

#[tokio::test]
async fn two_hundred_synced_providers_stand_under_the_names_that_dubbo_gives_them() {
    let mut generator = generated::Generator::new();
    let given: Vec<Given> = (0..PROVIDERS).map(|index| generator.provider(index)).collect();
    let root = zookeeper::shared().await;
    let gateway = Options::new(&root).time_to_live(Duration::from_secs(600)).start().await;
    for (number, some) in given.chunks(SNAPSHOT).enumerate() {
        let providers: Vec<Value> = some.iter().map(entry).collect();
        let snapshot = json!({"provider_list": providers, "consumer_list": []});
        assert_eq!(gateway.synced(&format!("sidecar-{number}"), &snapshot).await, 1);
    }
    let znodes = Znodes::connect(&root).await;
    let tree = znodes.tree("/dubbo").await;
    let written: BTreeSet<&str> = tree
        .keys()
        .filter(|path| path.contains("/providers/"))
        .filter_map(|path| path.strip_prefix("/dubbo/"))
        .collect();
    let lines: Vec<String> = given.iter().map(line).collect();
    for dubbo in ["dubbo-3.3", "dubbo-2.7"] {
        let named = ask(dubbo, "write", &lines).await;
        let named: BTreeSet<&str> = named.iter().map(String::as_str).collect();
        assert_eq!(named.len(), PROVIDERS, "{dubbo}");
        let (only_dubbo, only_zoogate): (Vec<_>, Vec<_>) =
            (named.difference(&written).collect(), written.difference(&named).collect());
        assert!(
            only_dubbo.is_empty() && only_zoogate.is_empty(),
            "{dubbo}: {only_dubbo:#?} {only_zoogate:#?}"
        );
    }
}

/// A name as zoogate reads it.
fn read(name: &str) -> Result<ServiceUrl, Refusal> {
    let text = decode(name).map_err(Refusal::Name)?;
    ServiceUrl::parse(&text).map_err(Refusal::Url)
}

enum Refusal {
    Name(DecodeError),
    Url(UrlError),
}

/// The fields of a URL as the program prints them, without the brackets of an IPv6 literal.
fn fields(url: &ServiceUrl) -> Vec<String> {
    let port = url.port.unwrap_or_default().to_string();
    let mut fields = vec!["read".to_owned(), url.protocol.clone(), url.host.clone(), port, url.path.clone()];
    fields.extend(url.params.iter().flat_map(|(key, value)| [key.clone(), value.clone()]));
    fields.iter().map(|field| escape(field)).collect()
}

fn escape(field: &str) -> String {
    let field = field.replace('\\', "\\\\").replace('\t', "\\t");
    field.replace('\n', "\\n").replace('\r', "\\r")
}

/// The fields that Dubbo printed of its two readings.
fn readings(answer: &str) -> [Vec<String>; 2] {
    let split = |text: &str| {
        let mut fields: Vec<String> = text.split('\t').map(str::to_owned).collect();
        if let Some(host) = fields.get_mut(2)
            && let Some(inner) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'))
        {
            *host = inner.to_owned();
        }
        fields
    };
    let (decoded, encoded) = answer.split_once("\t\\|\t").unwrap();
    [split(decoded), split(encoded)]
}

/// Why zoogate refuses what Dubbo takes: no URL that anybody can be called at, or that is likely a mistake.
fn only_dubbo_takes_it(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::Name(DecodeError::NotUtf8) => "bytes that are not UTF-8, which Java replaces",
        Refusal::Name(DecodeError::Escape(_)) => "an escape with a sign, which Java takes for a digit",
        Refusal::Url(UrlError::NoProtocol) => "no ://",
        Refusal::Url(UrlError::NoHost) => "no host",
        Refusal::Url(UrlError::Port(_)) => "a port with a sign or over 65535, or a colon without one",
        Refusal::Url(UrlError::Address(_)) => "brackets that do not match",
    }
}

/// Why zoogate takes what Dubbo refuses; `None` when there is no reason for it.
fn only_zoogate_takes_it(dubbo: &str, name: &str, url: &ServiceUrl) -> Option<&'static str> {
    let text = decode(name).unwrap_or_default();
    let authority =
        text.split("://").nth(1).and_then(|rest| rest.split(['/', '?', '#']).next()).unwrap_or_default();
    if url.port.is_none() && authority.ends_with(']') {
        return Some("an IPv6 literal in brackets without a port");
    }
    if dubbo == "dubbo-3.3"
        && url.params.get("side").is_some_and(|side| !["provider", "consumer"].contains(&side.as_str()))
    {
        return Some("a side that is neither provider nor consumer");
    }
    None
}

/// Where 2.7, but not 3.3, reads something else than zoogate, and even its own two readers do not agree.
fn read_otherwise_by_2_7(name: &str, url: &ServiceUrl, expected: &[String]) -> Option<&'static str> {
    let text = decode(name).unwrap_or_default();
    let is_trimmed = |text: &str| text == text.trim();
    if !is_trimmed(&text) {
        return Some("space around the whole");
    }
    let query = text.split_once('?').map_or("", |(_, query)| query);
    let mut pairs = query.split(['&', ';']).filter(|pair| !pair.is_empty());
    let is_irregular = pairs.any(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or_default();
        key.is_empty() || value.is_empty() || !is_trimmed(pair)
    });
    (is_irregular && fields(url)[..5] == expected[..5])
        .then_some("parameters without a name or a value, or with space around them")
}

#[tokio::test]
async fn what_dubbo_reads_in_a_name_is_what_zoogate_reads() {
    let mut generator = generated::Generator::new();
    let names: Vec<String> = (0..NAMES).map(|index| generator.name(index)).collect();
    for dubbo in ["dubbo-3.3", "dubbo-2.7"] {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        let mut faults = Vec::new();
        for (name, answer) in names.iter().zip(ask(dubbo, "read", &names).await) {
            let [expected, _] = readings(&answer);
            let class = match (read(name), expected[0] == "read") {
                (Err(_), false) => "refused by both",
                (Err(refusal), true) => only_dubbo_takes_it(&refusal),
                (Ok(url), false) => only_zoogate_takes_it(dubbo, name, &url).unwrap_or_else(|| {
                    faults.push(format!("{name}: {expected:?}, zoogate reads {url}"));
                    "refused without a reason"
                }),
                (Ok(url), true) if fields(&url) == expected => "read alike",
                (Ok(url), true) => {
                    let known = read_otherwise_by_2_7(name, &url, &expected).filter(|_| dubbo == "dubbo-2.7");
                    known.unwrap_or_else(|| {
                        faults.push(format!("{name}: {expected:?}, zoogate reads {:?}", fields(&url)));
                        "read differently"
                    })
                }
            };
            *counts.entry(class).or_default() += 1;
        }
        eprintln!("{dubbo}: {counts:#?}");
        assert!(faults.is_empty(), "{dubbo}: {faults:#?}");
        assert!(counts["read alike"] > NAMES / 3, "{counts:?}");
        assert!(counts["refused by both"] > 0, "{counts:?}");
    }
}

#[tokio::test]
async fn every_name_that_zoogate_writes_is_read_by_every_reader_of_dubbo() {
    let mut generator = generated::Generator::new();
    let names: Vec<String> = (0..NAMES).map(|index| generator.written_name(index)).collect();
    for dubbo in ["dubbo-3.3", "dubbo-2.7"] {
        for (name, answer) in names.iter().zip(ask(dubbo, "read", &names).await) {
            let url = read(name).unwrap_or_else(|_| panic!("zoogate does not read its own {name}"));
            for reading in readings(&answer) {
                assert_eq!(reading, fields(&url), "{dubbo}: {name}");
            }
        }
    }
}
