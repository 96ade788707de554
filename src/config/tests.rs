//! What is accepted, what overrides what, and every refusal.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::Write;
use std::time::Duration;

use super::*;

fn flags(pairs: &[(&str, &str)]) -> Sources {
    let flags = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    Sources { flags, ..Sources::default() }
}

fn environment(pairs: &[(&str, &str)]) -> Sources {
    let environment = pairs.iter().map(|(name, value)| (name.into(), value.into())).collect();
    Sources { environment, ..Sources::default() }
}

fn file(text: &str) -> (tempfile::NamedTempFile, Sources) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let sources = Sources { file: Some(file.path().to_owned()), ..Sources::default() };
    (file, sources)
}

#[track_caller]
fn refused(sources: &Sources) -> String {
    Config::load(sources).expect_err("must be refused").to_string()
}

fn keys(text: &str) -> BTreeSet<String> {
    let table: toml::Table = toml::from_str(text).unwrap();
    let section = |(section, keys): (&String, &toml::Value)| {
        let keys = keys.as_table().unwrap().keys();
        keys.map(|key| format!("{section}.{key}")).collect::<Vec<_>>()
    };
    table.iter().flat_map(section).collect()
}

#[test]
fn the_defaults_are_the_ones_that_are_promised() {
    let config = Config::load(&Sources::default()).unwrap();
    let expected = Config {
        http: Http {
            listen: vec!["127.0.0.1:30100".parse().unwrap(), "127.0.0.1:12181".parse().unwrap()],
            workers: 0,
            max_connections: 25_000,
            keep_alive: Duration::from_secs(75),
            request_head_timeout: Duration::from_secs(5),
            request_body_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(60),
            send_timeout: Duration::from_secs(30),
            shutdown_delay: Duration::ZERO,
            shutdown_timeout: Duration::from_secs(10),
            trusted_proxies: Vec::new(),
            max_sync_body: 4 * 1024 * 1024,
            max_body_memory: 256 * 1024 * 1024,
            max_requests: 10_000,
            max_changes: 5_000,
            peer_rate: 0,
            peer_burst: 100,
        },
        ops: Ops { listen: "127.0.0.1:30101".parse().unwrap() },
        zookeeper: ZooKeeper {
            connect: "127.0.0.1:2181".to_owned(),
            session_timeout: Duration::from_secs(10),
            operation_timeout: Duration::from_secs(3),
            auth: Secret::default(),
            auth_file: "".into(),
            acl: Acl::Open,
            max_transaction_bytes: 1_000_000,
            max_in_flight: 1_000,
            max_queue_time: Duration::from_secs(1),
        },
        mosn: Mosn {
            ttl: Duration::from_secs(15),
            snapshot_retention: Duration::from_secs(7 * 24 * 60 * 60),
            max_entries: 10_000,
            export_port: 20_882,
            max_wait: Duration::from_secs(60),
            max_waiting: 20_000,
            max_repeat_memory: 128 * 1024 * 1024,
        },
        mass_silence: MassSilence {
            percent: 30,
            at_least: 20,
            window: Duration::from_secs(60),
            longest_hold: Duration::from_secs(600),
        },
        servicecomb: ServiceComb {
            max_body: 2 * 1024 * 1024,
            max_instance_body: 5 * 1024,
            max_properties_body: 3 * 1024,
            min_interval: Duration::from_secs(5),
            min_times: 3,
            quota_services: 50_000,
            quota_instances: 150_000,
            quota_schemas: 100,
            quota_tags: 100,
            max_watchers: 10_000,
            max_repeat_memory: 64 * 1024 * 1024,
        },
        dubbo: Dubbo {
            root: "/dubbo".to_owned(),
            list_warning: 786_432,
            replacement_overlap: Duration::ZERO,
            services_root: "/services".to_owned(),
            application_level: false,
            metadata_retention: Duration::from_secs(600),
        },
        registry: Registry { root: "/zoogate".to_owned() },
        log: Log { filter: "info".to_owned() },
    };
    assert_eq!(config, expected);
}

#[test]
fn every_key_stands_in_the_documented_defaults_and_is_printed() {
    let printed = Config::load(&Sources::default()).unwrap().to_toml().unwrap();
    assert_eq!(keys(DEFAULTS), keys(&printed));
}

#[test]
fn what_is_printed_is_a_configuration_again() {
    let sources = flags(&[
        ("http.listen", "127.0.0.1:0,[::1]:0"),
        ("http.trusted_proxies", "10.0.0.0/8, ::1"),
        ("http.keep_alive", "1m 30s"),
        ("zookeeper.acl", "open"),
    ]);
    let config = Config::load(&sources).unwrap();
    let (_file, again) = file(&config.to_toml().unwrap());
    assert_eq!(Config::load(&again).unwrap(), config);
}

#[test]
fn a_flag_overrides_the_environment_which_overrides_the_file_which_overrides_the_default() {
    let (_file, mut sources) =
        file("[mosn]\nttl = \"20s\"\nmax_entries = 20\nsnapshot_retention = \"20d\"\n");
    sources.environment =
        environment(&[("ZOOGATE__MOSN__TTL", "30s"), ("ZOOGATE__MOSN__MAX_ENTRIES", "30")]).environment;
    sources.flags = flags(&[("mosn.ttl", "39s"), ("mosn.ttl", "40s")]).flags;
    let config = Config::load(&sources).unwrap();
    assert_eq!(config.mosn.ttl, Duration::from_secs(40));
    assert_eq!(config.mosn.max_entries, 30);
    assert_eq!(config.mosn.snapshot_retention, Duration::from_secs(20 * 24 * 60 * 60));
    assert_eq!(config.servicecomb.min_times, 3);
}

#[test]
fn lists_are_comma_separated_outside_of_files() {
    let config = Config::load(&environment(&[
        ("ZOOGATE__HTTP__LISTEN", "127.0.0.1:1, 127.0.0.1:2"),
        ("ZOOGATE__HTTP__TRUSTED_PROXIES", "10.1.2.3"),
    ]))
    .unwrap();
    assert_eq!(config.http.listen.len(), 2);
    assert_eq!(config.http.trusted_proxies[0].to_string(), "10.1.2.3/32");
    let none = Config::load(&environment(&[("ZOOGATE__HTTP__TRUSTED_PROXIES", "")])).unwrap();
    assert!(none.http.trusted_proxies.is_empty());
}

#[test]
fn only_variables_with_the_whole_prefix_are_ours() {
    Config::load(&environment(&[("ZOOGATE_HTTP", "x"), ("ZOOGATEHOME", "y"), ("PATH", "z")])).unwrap();
}

#[test]
fn an_unknown_key_is_refused_with_its_name_wherever_it_stands() {
    for (text, key) in
        [("[http]\nlisten_on = 1\n", "http.listen_on"), ("[htpp]\na = 1\n", "htpp.a"), ("http = 1\n", "http")]
    {
        let (named, sources) = file(text);
        let message = refused(&sources);
        assert_eq!(message, format!("{}: there is no key {key}", named.path().display()));
    }
    for name in ["ZOOGATE__HTTP__LISTEN_ON", "ZOOGATE__HTTP", "ZOOGATE__HTTP__LISTEN__X", "ZOOGATE__"] {
        assert!(refused(&environment(&[(name, "1")])).contains(&format!("variable {name}:")), "{name}");
    }
    assert_eq!(refused(&flags(&[("http.listen_on", "1")])), "flag: there is no key http.listen_on");
}

#[test]
fn a_broken_or_missing_file_is_refused_with_its_name() {
    let (named, sources) = file("[http\n");
    assert!(refused(&sources).contains(named.path().to_str().unwrap()));
    let missing = Sources { file: Some("/nowhere/zoogate.toml".into()), ..Sources::default() };
    assert!(refused(&missing).contains("/nowhere/zoogate.toml"));
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_not_text_is_refused_with_its_name() {
    use std::os::unix::ffi::OsStringExt;
    let value = OsString::from_vec(vec![0xff]);
    let sources = Sources { environment: vec![("ZOOGATE__DUBBO__ROOT".into(), value)], ..Sources::default() };
    assert!(refused(&sources).contains("ZOOGATE__DUBBO__ROOT"));
}

#[test]
fn a_value_that_is_malformed_or_out_of_bounds_is_refused_with_the_name_of_its_key() {
    for (key, value) in [
        ("http.listen", ""),
        ("http.listen", "localhost"),
        ("http.listen", "127.0.0.1:99999"),
        ("http.listen", "127.0.0.1:80,127.0.0.1:80"),
        ("http.workers", "257"),
        ("http.workers", "1.5"),
        ("http.workers", "-1"),
        ("http.workers", "many"),
        ("http.max_connections", "0"),
        ("http.keep_alive", "75"),
        ("http.keep_alive", "2h"),
        ("http.request_head_timeout", "1ms"),
        ("http.request_timeout", "0s"),
        ("http.send_timeout", "500ms"),
        ("http.shutdown_delay", "6m"),
        ("http.shutdown_timeout", "0s"),
        ("http.trusted_proxies", "proxy.example"),
        ("http.trusted_proxies", "10.0.0.0/33"),
        ("http.max_sync_body", "1"),
        ("ops.listen", "30101"),
        ("ops.listen", "127.0.0.1:30100"),
        ("zookeeper.connect", ""),
        ("zookeeper.connect", "a:2181,"),
        ("zookeeper.connect", "a:0"),
        ("zookeeper.connect", "a:b"),
        ("zookeeper.connect", ":2181"),
        ("zookeeper.connect", "::1:2181"),
        ("zookeeper.connect", "a b:2181"),
        ("zookeeper.connect", "a:2181/"),
        ("zookeeper.connect", "a:2181/x/"),
        ("zookeeper.connect", "a:2181/x//y"),
        ("zookeeper.session_timeout", "500ms"),
        ("zookeeper.operation_timeout", "11s"),
        ("zookeeper.operation_timeout", "1ms"),
        ("zookeeper.auth", "secret"),
        ("zookeeper.auth", "digest:secret"),
        ("zookeeper.auth", "digest::secret"),
        ("zookeeper.auth", "sasl:user:secret"),
        ("zookeeper.auth_file", "/nowhere/secret"),
        ("zookeeper.acl", "closed"),
        ("zookeeper.acl", "creator"),
        ("zookeeper.max_transaction_bytes", "100"),
        ("mosn.ttl", "0s"),
        ("mosn.ttl", "forever"),
        ("mosn.snapshot_retention", "1s"),
        ("mosn.max_entries", "0"),
        ("mosn.export_port", "0"),
        ("mosn.export_port", "65536"),
        ("mosn.max_wait", "0s"),
        ("mosn.max_wait", "11m"),
        ("mosn.max_waiting", "1000001"),
        ("mosn.max_repeat_memory", "17179869185"),
        ("servicecomb.max_body", "1"),
        ("servicecomb.max_instance_body", "1"),
        ("servicecomb.max_properties_body", "99999999999999999999"),
        ("servicecomb.min_interval", "0s"),
        ("servicecomb.min_times", "0"),
        ("servicecomb.quota_services", "0"),
        ("servicecomb.quota_instances", "0"),
        ("servicecomb.quota_schemas", "1001"),
        ("servicecomb.quota_tags", "0"),
        ("servicecomb.max_watchers", "1000001"),
        ("servicecomb.max_repeat_memory", "17179869185"),
        ("servicecomb.min_times", "4294967296"),
        ("dubbo.root", "dubbo"),
        ("dubbo.root", "/"),
        ("dubbo.root", "/dubbo/"),
        ("dubbo.root", "/a/../b"),
        ("dubbo.root", "/a b"),
        ("dubbo.root", "/zookeeper/dubbo"),
        ("dubbo.list_warning", "1023"),
        ("dubbo.list_warning", "67108865"),
        ("registry.root", ""),
        ("registry.root", "/dubbo"),
        ("registry.root", "/dubbo/zoogate"),
        ("dubbo.services_root", "services"),
        ("dubbo.services_root", "/dubbo/services"),
        ("dubbo.services_root", "/zoogate"),
        ("dubbo.application_level", "maybe"),
        ("dubbo.application_level", "1"),
        ("dubbo.metadata_retention", "0s"),
        ("dubbo.replacement_overlap", "61s"),
        ("log.filter", "zoogate=loud"),
    ] {
        let message = refused(&flags(&[(key, value)]));
        assert!(message.contains(key), "{key}={value}: {message}");
        assert!(!message.contains("secret") || key == "zookeeper.auth_file", "{key}={value}: {message}");
    }
    assert!(refused(&flags(&[("registry.root", "/a"), ("dubbo.root", "/a/b")])).contains("registry.root"));
    let blind = flags(&[("dubbo.services_root", ""), ("dubbo.application_level", "true")]);
    assert!(refused(&blind).contains("dubbo.application_level"));
}

#[test]
fn every_form_of_a_connect_string_is_accepted() {
    for connect in ["zk", "zk:2181", "a:1,b:2,[::1]:3", "[::1]", "10.0.0.1:2181/registry", "a,b/x/y"] {
        Config::load(&flags(&[("zookeeper.connect", connect)])).unwrap();
    }
    Config::load(&flags(&[("registry.root", "/dubbo-gateway"), ("dubbo.root", "/dubbo")])).unwrap();
}

#[test]
fn applications_may_stand_among_the_interfaces_or_not_be_read() {
    for root in ["", "/dubbo", "/group/services"] {
        let config = Config::load(&flags(&[("dubbo.services_root", root)])).unwrap();
        assert_eq!(config.dubbo.services_root, root);
    }
    let (_file, sources) = file("[dubbo]\napplication_level = true\n");
    assert!(Config::load(&sources).unwrap().dubbo.application_level);
    let sources = environment(&[("ZOOGATE__DUBBO__APPLICATION_LEVEL", "true")]);
    assert!(Config::load(&sources).unwrap().dubbo.application_level);
}

#[test]
fn a_secret_is_read_from_its_file_and_never_shown() {
    let mut secret = tempfile::NamedTempFile::new().unwrap();
    writeln!(secret, "digest:gate:hidden").unwrap();
    let path = secret.path().to_str().unwrap();
    let config =
        Config::load(&flags(&[("zookeeper.auth_file", path), ("zookeeper.acl", "creator")])).unwrap();
    assert_eq!(config.zookeeper.credentials(), Some(("digest", "gate:hidden")));
    let (_file, printed) = file(&config.to_toml().unwrap());
    assert_eq!(Config::load(&printed).unwrap(), config);
    assert!(!config.to_toml().unwrap().contains("hidden"));
    assert!(!format!("{config:?} {}", config.zookeeper.auth).contains("hidden"));

    let both = flags(&[("zookeeper.auth_file", path), ("zookeeper.auth", "digest:a:b")]);
    assert!(refused(&both).contains("zookeeper.auth_file"));
    let empty = tempfile::NamedTempFile::new().unwrap();
    let empty = flags(&[("zookeeper.auth_file", empty.path().to_str().unwrap())]);
    assert!(refused(&empty).contains("zookeeper.auth_file"));
}
