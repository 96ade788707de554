//! Pieces of the gateway by themselves, without HTTP and ZooKeeper: what a change of one of them gains or costs is seen
//! here sooner than in a request. `scripts/bench --pieces` runs it.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a run ends at the first surprise; nobody reads the documentation of what criterion generates"
)]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use futures::executor::block_on;
use serde_json::json;
use tikv_jemallocator::Jemalloc;

use zoogate::api::servicecomb::Repeats;
use zoogate::catalog::Catalog;
use zoogate::dubbo::{self, ServiceUrl, UrlView};
use zoogate::model::{
    Instance, InstanceDocument, InstanceKey, Microservice, Provider, Registrant, ServiceKey, SidecarId,
    Tenant,
};
use zoogate::pieces;
use zoogate::telemetry::Metrics;
use zoogate::zookeeper::{Layout, Node, Operation, Sink, Stat};

/// The gateway's own.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

const APPLICATION: &str = "bench";
const PEER: &str = "10.0.0.1";
/// When everything was written, Unix milliseconds.
const WRITTEN: i64 = 1_795_229_889_041;

criterion_group!(all, urls, snapshots, batches, changes);
criterion_main!(all);

/// The URL of a provider: made, read whole and in part, and as the name of a znode.
fn urls(criterion: &mut Criterion) {
    let params =
        [("application", APPLICATION), ("group", "blue"), ("release", "3.2.1"), ("version", "1.0.0")];
    let provider = Provider {
        interface: "org.example.orders.OrderService".into(),
        protocol: "dubbo".into(),
        host: "10.0.0.7".into(),
        port: 20880,
        methods: ["get", "put", "list", "cancel"].map(String::from).into(),
        params: BTreeMap::from(params.map(|(key, value)| (key.to_owned(), value.to_owned()))),
    };
    let url = dubbo::provider_url(&provider, WRITTEN);
    let name = dubbo::encode(&url);
    let mut group = criterion.benchmark_group("url");
    group.throughput(Throughput::Bytes(url.len() as u64));
    group.bench_function("build", |it| it.iter(|| dubbo::provider_url(black_box(&provider), WRITTEN)));
    group.bench_function("parse", |it| it.iter(|| ServiceUrl::parse(black_box(&url))));
    group.bench_function("view its entry", |it| {
        it.iter(|| UrlView::parse(black_box(&url)).map(|view| view.entry_and_timestamp()))
    });
    group.bench_function("encode", |it| it.iter(|| dubbo::encode(black_box(&url))));
    group.bench_function("decode", |it| it.iter(|| dubbo::decode(black_box(&name))));
    group.finish();
}

/// A sidecar with 20 providers and 40 consumers, of which one provider is another one than before: its body is read, and
/// the transaction is planned from what stands to what is wanted.
fn snapshots(criterion: &mut Criterion) {
    let catalog = catalog();
    let sidecar = SidecarId::parse("sidecar@10.0.0.1").unwrap();
    let (before, after) = (snapshot_body(0), snapshot_body(1));
    let planned = |body: &str, now| {
        let snapshot = pieces::read_snapshot(body.as_bytes(), PEER).unwrap();
        pieces::plan_snapshot(&catalog, &layout(), &sidecar, &snapshot, now).unwrap()
    };
    // What the first plan creates is what stands.
    let created = planned(&before, WRITTEN).into_iter().filter_map(|step| match step {
        Operation::Create { path, data } => Some(node(path, data)),
        _ => None,
    });
    catalog.apply(created.collect());
    assert_eq!(planned(&before, WRITTEN + 1).len(), 0, "nothing has changed");
    assert_eq!(planned(&after, WRITTEN + 1).len(), 2, "one provider comes and the document changes");
    let snapshot = pieces::read_snapshot(after.as_bytes(), PEER).unwrap();
    let mut group = criterion.benchmark_group("snapshot of 60");
    group.bench_function("read", |it| it.iter(|| pieces::read_snapshot(black_box(after.as_bytes()), PEER)));
    group.bench_function("plan one change", |it| {
        it.iter(|| pieces::plan_snapshot(&catalog, &layout(), &sidecar, black_box(&snapshot), WRITTEN + 1))
    });
    group.finish();
}

/// 100 services of 10 instances each, of which one has changed since the client asked.
fn batches(criterion: &mut Criterion) {
    const SERVICES: usize = 100;
    let catalog = catalog();
    let tenant = Tenant::default();
    fill(&catalog, 0..SERVICES, 10);
    let services: Vec<_> = (0..SERVICES)
        .map(|service| {
            let key = ServiceKey {
                tenant: tenant.clone(),
                environment: String::new(),
                app_id: APPLICATION.into(),
                service_name: service_name(service),
            };
            let found = catalog.find(&key, None, false, &[]).unwrap();
            let rev = String::from_utf8(found.rev().to_vec()).unwrap();
            json!({"service": {"environment": "", "appId": APPLICATION, "serviceName": key.service_name}, "rev": rev})
        })
        .collect();
    catalog.apply(vec![instance(0, 0, 1)]);
    let body = json!({ "services": services }).to_string();
    let answer = |repeats| {
        block_on(pieces::batch_find(&catalog, repeats, &tenant, black_box(body.as_bytes()))).unwrap()
    };
    let read: serde_json::Value = serde_json::from_slice(&answer(None)).unwrap();
    let length = |member: &str| read["services"][member].as_array().map_or(0, Vec::len);
    assert_eq!((length("notModified"), length("updated")), (SERVICES - 1, 1), "{read}");
    criterion.bench_function("batch find of 100, one changed", |it| it.iter(|| answer(None)));
    let repeats = Repeats::new(1 << 20);
    assert_eq!(answer(Some(&repeats)), answer(None));
    // Of another service, so that each topic has to be looked at.
    fill(&catalog, SERVICES..SERVICES + 1, 1);
    criterion.bench_function("the same batch find again", |it| it.iter(|| answer(Some(&repeats))));
}

/// The catalog is told of a change: of one of 1,000 instances of a service, and of a new instance among 100,000.
fn changes(criterion: &mut Criterion) {
    let few = catalog();
    fill(&few, 0..1, 1_000);
    let mut version = 0;
    criterion.bench_function("change one of 1,000 instances", |it| {
        it.iter_batched(
            || {
                version += 1;
                vec![instance(0, 500, version)]
            },
            |change| few.apply(change),
            BatchSize::SmallInput,
        )
    });
    let find = || {
        let key = ServiceKey {
            tenant: Tenant::default(),
            environment: String::new(),
            app_id: APPLICATION.into(),
            service_name: service_name(0),
        };
        few.find(&key, None, false, &[]).map(|found| found.count())
    };
    assert_eq!(find().ok(), Some(1_000));
    criterion.bench_function("change one of 1,000 instances and find them all", |it| {
        it.iter_batched(
            || {
                version += 1;
                vec![instance(0, 500, version)]
            },
            |change| {
                few.apply(change);
                find()
            },
            BatchSize::SmallInput,
        )
    });

    let many = catalog();
    fill(&many, 0..10_000, 10);
    // Each goes again, so that there are always as many.
    let mut number = 10;
    criterion.bench_function("a new instance among 100,000 comes and goes", |it| {
        it.iter_batched(
            || {
                number += 1;
                let come = instance(5_000, number, 0);
                let gone = Node { state: None, path: come.path.clone() };
                (vec![come], vec![gone])
            },
            |(come, gone)| {
                many.apply(come);
                many.apply(gone)
            },
            BatchSize::SmallInput,
        )
    });
}

fn layout() -> Layout {
    Layout { dubbo_root: "/dubbo".into(), services_root: String::new(), registry_root: "/zoogate".into() }
}

fn catalog() -> Catalog {
    let catalog = Catalog::new(layout(), usize::MAX, Arc::new(Metrics::new().unwrap()));
    catalog.following(true);
    catalog
}

/// A znode as it is read after its creation.
fn node(path: String, data: String) -> Node {
    changed(path, data, 0)
}

/// A znode as it is read after so many changes.
fn changed(path: String, data: String, version: i32) -> Node {
    let zxid = i64::from(version) + 1;
    let stat = Stat { czxid: 1, mzxid: zxid, version, ctime: WRITTEN, mtime: WRITTEN, ..Stat::default() };
    Node { path, state: Some((data.into_bytes(), stat)) }
}

fn service_name(service: usize) -> String {
    format!("service-{service:05}")
}

/// Services with so many instances each.
fn fill(catalog: &Catalog, services: std::ops::Range<usize>, instances: usize) {
    for service in services {
        let microservice = Microservice {
            service_id: service_name(service),
            service_name: service_name(service),
            app_id: APPLICATION.into(),
            version: "1.0.0".into(),
            ..Microservice::default()
        };
        let path = layout().microservice(&Tenant::default(), &microservice.service_id);
        let service_node = node(path, serde_json::to_string(&microservice).unwrap());
        let instances = (0..instances).map(|number| instance(service, number, 0));
        catalog.apply(std::iter::once(service_node).chain(instances).collect());
    }
}

/// The znode of an instance after so many changes.
fn instance(service: usize, number: usize, version: i32) -> Node {
    let key = InstanceKey {
        tenant: Tenant::default(),
        service_id: service_name(service).into(),
        instance_id: format!("{service:016x}{number:016x}").into(),
    };
    let properties =
        [("nodeIP".to_owned(), "10.0.0.7".to_owned()), ("attr1".to_owned(), version.to_string())];
    let instance = Instance {
        instance_id: key.instance_id.to_string(),
        service_id: key.service_id.to_string(),
        host_name: format!("node-{number:06}"),
        endpoints: vec![format!("rest://10.0.{}.{}:8080", number / 256 % 256, number % 256)],
        properties: properties.into(),
        ..Instance::default()
    };
    let document =
        serde_json::to_string(&InstanceDocument { instance, ..InstanceDocument::default() }).unwrap();
    changed(layout().document(&Registrant::from(key)), document, version)
}

/// The body of a sync, in which the last of the providers has this value.
fn snapshot_body(value: usize) -> String {
    let entry = |number: usize, value: usize| {
        json!({
            "service": {"interface": format!("bench.Service{number:03}"), "methods": ["get", "put"], "params": {
                "application": APPLICATION, "revision": value.to_string()}},
            "host": "10.0.0.1", "port": 20880,
        })
    };
    let providers: Vec<_> =
        (0..20).map(|number| entry(number, if number == 19 { value } else { 0 })).collect();
    let consumers: Vec<_> = (20..60).map(|number| entry(number, 0)).collect();
    json!({"provider_list": providers, "consumer_list": consumers}).to_string()
}
