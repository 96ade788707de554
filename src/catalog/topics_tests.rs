//! Whatever changes: an answer that is said to stand is the one that would be found now.

use std::sync::{Arc, LazyLock};

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::dubbo::{self, Side};
use crate::model::{DependencyKey, Revision};
use crate::zookeeper::Stat;

/// A znode, and what it may hold.
struct Candidate {
    path: String,
    data: Vec<String>,
}

/// A service as a find names it: environment, application and name.
type Name = (&'static str, &'static str, &'static str);
/// What a find answers, and the dependency that it shows.
type Answer = (Result<(Vec<u8>, Revision, Vec<u8>), FindError>, Option<DependencyKey>);

/// Those that are found. Each is something else: own, of another application, an interface, an application, an alias,
/// nothing.
const NAMES: [Name; 9] = [
    ("", "shop", "cart"),
    ("production", "shop", "cart"),
    ("", "bank", "vault"),
    ("", "shop", "demo.Echo"),
    ("", "bank", "demo.Echo"),
    ("", "shop", "demo.Cart"),
    ("", "shop", "shop"),
    ("", "shop", "basket"),
    ("", "shop", "nothing"),
];
/// Those who find.
const CONSUMERS: [Option<&str>; 4] = [None, Some("web"), Some("teller"), Some("stranger")];

static CANDIDATES: LazyLock<Vec<Candidate>> = LazyLock::new(candidates);
static TENANTS: LazyLock<[Tenant; 2]> = LazyLock::new(|| [Tenant::default(), Tenant::new("acme", "p")]);

fn layout() -> Layout {
    Layout {
        dubbo_root: "/dubbo".into(),
        services_root: "/services".into(),
        registry_root: "/zoogate".into(),
    }
}

fn candidates() -> Vec<Candidate> {
    let mut all = Vec::new();
    for tenant in &*TENANTS {
        services(tenant, &mut all);
    }
    interfaces(&mut all);
    applications(&mut all);
    all
}

/// What is registered through the v4 API.
fn services(tenant: &Tenant, all: &mut Vec<Candidate>) {
    let layout = layout();
    let mut add = |path: String, data: Vec<String>| all.push(Candidate { path, data });
    let service = |id: &str, environment: &str, app: &str, name: &str, version: &str, more: bool| {
        let (alias, allowed) = if more { ("basket", "true") } else { ("", "false") };
        json!({"serviceId": id, "environment": environment, "appId": app, "serviceName": name, "version": version,
            "alias": alias, "properties": {"allowCrossApp": allowed}})
        .to_string()
    };
    for (id, app, name) in [
        ("web", "shop", "web"),
        ("teller", "bank", "teller"),
        ("cart-1", "shop", "cart"),
        ("cart-2", "shop", "cart"),
        ("vault-1", "bank", "vault"),
        ("echo-1", "shop", "demo.Echo"),
    ] {
        let data = vec![
            service(id, "", app, name, "1.0.0", false),
            service(id, "", app, name, "2.0.0", true),
            service(id, "production", app, name, "1.0.0", true),
            service(id, "", if app == "shop" { "bank" } else { "shop" }, name, "1.0.0", false),
            "[]".into(),
        ];
        add(layout.microservice(tenant, id), data);
    }
    for id in ["cart-1", "vault-1", "echo-1"] {
        add(layout.tags(tenant, id), vec![json!({"region": "north"}).to_string(), "7".into()]);
        add(layout.schemas(tenant, id), vec!["{}".into()]);
        add(layout.instance_folder(tenant, id), vec![String::new()]);
        let instance = |status: &str| {
            let instance =
                json!({"instanceId": "i", "serviceId": id, "status": status, "endpoints": ["rest://h:1"]});
            json!({"instance": instance, "providers": []}).to_string()
        };
        let key = InstanceKey { tenant: tenant.clone(), service_id: id.into(), instance_id: "i".into() };
        let data = vec![instance("UP"), instance("DOWN"), "null".into()];
        add(layout.document(&Registrant::from(key)), data);
    }
    for consumer in ["web", "teller"] {
        for (environment, app_id, name) in NAMES.into_iter().filter(|(_, _, name)| *name != "nothing") {
            let provider = ServiceKey {
                tenant: tenant.clone(),
                environment: environment.into(),
                app_id: app_id.into(),
                service_name: name.into(),
            };
            let key = DependencyKey { consumer_id: consumer.into(), provider };
            add(layout.dependency(&key), vec!["{}".into()]);
        }
    }
}

/// What stands at Dubbo's interface level, also as others spell it.
fn interfaces(all: &mut Vec<Candidate>) {
    let instance = InstanceKey { tenant: Tenant::default(), service_id: "s".into(), instance_id: "i".into() };
    let owner = Layout::owner_text(&Registrant::from(instance));
    let owned = json!({"registeredBy": "zoogate", "registrants": [owner]}).to_string();
    for (interface, spelled) in
        [("demo.Echo", "demo.Echo"), ("demo.Echo", "demo%2EEcho"), ("demo.Cart", "demo.Cart")]
    {
        let folder = format!("/dubbo/{spelled}/providers");
        all.push(Candidate { path: folder.clone(), data: vec![String::new()] });
        for (host, application) in [("10.0.0.1", "shop"), ("10.0.0.2", "bank"), ("10.0.0.3", "shop")] {
            let url = format!(
                "dubbo://{host}:1/{interface}?application={application}&interface={interface}&side=provider"
            );
            let path = dubbo::znode_path("/dubbo", interface, Side::Provider, &url);
            let name = path.rsplit('/').next().unwrap();
            all.push(Candidate {
                path: format!("{folder}/{name}"),
                data: vec![String::new(), owned.clone()],
            });
        }
        all.push(Candidate { path: format!("{folder}/no%zz"), data: vec![String::new()] });
    }
}

/// What stands at its application level.
fn applications(all: &mut Vec<Candidate>) {
    let instance = |revision: &str| {
        let metadata = json!({"dubbo.metadata.storage-type": "remote", "dubbo.metadata.revision": revision,
            "dubbo.endpoints": "[{\"port\":1,\"protocol\":\"dubbo\"}]"});
        json!({"name": "shop", "id": "10.0.0.1:1", "address": "10.0.0.1", "port": 1, "enabled": true,
            "payload": {"@class": "org.apache.dubbo.registry.zookeeper.ZookeeperInstance", "id": "10.0.0.1:1",
            "name": "shop", "metadata": metadata}, "registrationTimeUTC": 5})
        .to_string()
    };
    let offered = |interface: &str| {
        json!({"app": "shop", "revision": "r1", "services": {format!("{interface}:dubbo"): {"name": interface,
            "path": interface, "port": 1, "protocol": "dubbo", "params": {"side": "provider"}}}})
        .to_string()
    };
    let none = || vec![String::new()];
    for (path, data) in [
        ("/services", none()),
        ("/services/shop", none()),
        ("/services/bank", none()),
        ("/services/shop/10.0.0.1:1", vec![instance("r1"), instance("r2"), "{".into()]),
        ("/dubbo/metadata/shop", none()),
        ("/dubbo/metadata/shop/r1", vec![offered("demo.Echo"), offered("demo.Cart")]),
        ("/dubbo/metadata/shop/r2", vec![offered("demo.Cart"), "{".into()]),
        ("/dubbo/shop/r2", vec![offered("demo.Echo")]),
        ("/dubbo/mapping/demo.Echo", vec!["shop".into(), "bank,shop".into(), "bank".into()]),
        ("/dubbo/mapping/demo.Cart", vec!["shop".into(), String::new()]),
    ] {
        all.push(Candidate { path: path.into(), data });
    }
}

fn view((environment, app_id, service_name): Name) -> crate::model::ServiceKeyView<'static> {
    crate::model::ServiceKeyView { environment, app_id, service_name }
}

/// A question that is asked again and again.
struct Question {
    tenant: &'static Tenant,
    consumer: Option<&'static str>,
    names: &'static [Name],
    kept: Option<(Basis, Vec<Answer>)>,
    stood: usize,
}

impl Question {
    /// Each service by itself, and all together.
    fn all() -> Vec<Self> {
        let names = NAMES.chunks(1).chain([&NAMES[..]]);
        let asked = names.flat_map(|names| CONSUMERS.iter().map(move |consumer| (names, *consumer)));
        let asked =
            asked.flat_map(|(names, consumer)| TENANTS.iter().map(move |tenant| (names, consumer, tenant)));
        let question = |(names, consumer, tenant)| Self { tenant, consumer, names, kept: None, stood: 0 };
        // A name that is found in all ways is one of a `static`, not of an array on the stack.
        asked.map(question).collect()
    }

    fn answers(&self, catalog: &Catalog) -> Vec<Answer> {
        let text = |found: Found| (found.json().to_vec(), found.revision, found.rev().to_vec());
        catalog.ask(self.tenant, self.consumer, |asker| {
            let answer = |name: &Name| {
                let (service, none) = (view(*name), &[]);
                (asker.find(service, false, none).map(text), asker.new_dependency(service, false))
            };
            self.names.iter().map(answer).collect()
        })
    }

    /// Asks once more, and keeps what is answered as long as it stands.
    fn ask(&mut self, catalog: &Catalog, change: &str) {
        let moment = catalog.moment();
        let found = self.answers(catalog);
        match self.kept.take().filter(|(basis, _)| catalog.stands(basis)) {
            Some((basis, known)) => {
                assert_eq!(known, found, "{change} for {:?} of {:?}", self.consumer, self.tenant);
                self.stood += 1;
                self.kept = Some((basis, known));
            }
            // What is not recorded is not kept.
            None if found.iter().any(|(_, dependency)| dependency.is_some()) => {}
            None => {
                let names = self.names.iter().copied().map(view);
                self.kept = Some((catalog.basis(moment, self.tenant, self.consumer, names), found));
            }
        }
    }
}

fn catalog() -> Catalog {
    Catalog::new(layout(), usize::MAX, Arc::new(Metrics::new().unwrap()))
}

fn node(path: &str, data: Option<&str>, zxid: i64) -> Node {
    let stat = Stat { czxid: 1, mzxid: zxid, pzxid: zxid, ctime: 1, mtime: zxid * 1000, ..Stat::default() };
    Node { path: path.to_owned(), state: data.map(|data| (data.as_bytes().to_vec(), stat)) }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn what_is_said_to_stand_is_what_would_be_found(changes in proptest::collection::vec((any::<u16>(), any::<u8>()), 1..120)) {
        let catalog = catalog();
        let mut questions = Question::all();
        let mut stood = 0;
        for (zxid, (which, what)) in (10..).zip(&changes) {
            let candidate = &CANDIDATES[usize::from(*which) % CANDIDATES.len()];
            let data = candidate.data.get(usize::from(what % 16) % (candidate.data.len() + 1));
            // A change is told once, or told late of its folder only.
            if what & 0x80 != 0 && data.is_none() {
                let folder = candidate.path.rsplit_once('/').map_or("", |(folder, _)| folder);
                catalog.touch(vec![folder.to_owned()], zxid);
            }
            let mut wanted = catalog.apply(vec![node(&candidate.path, data.map(String::as_str), zxid)]);
            while let Some(path) = wanted.pop() {
                let document = CANDIDATES.iter().find(|known| known.path == path);
                wanted.extend(catalog.apply(vec![node(&path, document.map(|known| known.data[0].as_str()), zxid)]));
            }
            for question in &mut questions {
                question.ask(&catalog, &candidate.path);
            }
        }
        stood += questions.iter().map(|question| question.stood).sum::<usize>();
        // Most changes concern few of them.
        prop_assert!(changes.len() < 20 || stood > changes.len() * questions.len() / 4, "{stood} stood");
    }
}

#[test]
fn an_answer_stands_until_something_of_it_changes() {
    let catalog = catalog();
    let tenant = Tenant::default();
    let service = |id: &str, app: &str, name: &str| {
        let data = json!({"serviceId": id, "appId": app, "serviceName": name, "version": "1"}).to_string();
        node(&layout().microservice(&tenant, id), Some(&data), 1)
    };
    let names = [("", "shop", "cart"), ("", "shop", "demo.Echo")].map(view);
    let changes = [
        (service("web", "shop", "web"), true),
        (service("cart", "shop", "cart"), true),
        (service("other", "shop", "other"), false),
        (node("/zoogate/instances/default/default/cart", Some(""), 2), true),
        (node("/zoogate/instances/default/default/other", Some(""), 3), false),
        (node("/dubbo/demo.Echo/providers", Some(""), 4), true),
        (node("/dubbo/demo.Other/providers", Some(""), 5), false),
        // Nothing is known of the application yet.
        (node("/services", Some(""), 6), false),
        (node("/dubbo/mapping/demo.Echo", Some("shop"), 7), true),
        (node("/services", Some(""), 8), true),
        (node("/services/shop", Some(""), 9), true),
        (node("/services", Some(""), 10), false),
        (node("/services/other", Some(""), 11), false),
        (node("/zoogate/leases/instances/default/default/cart/i", Some(""), 12), false),
        (node("/zoogate/dependencies/default/default/web/|shop|cart", Some("{}"), 13), false),
        (node("/zoogate/dependencies/default/default/web/|shop|cart", None, 14), true),
        (node("/zoogate/microservices/default/default/web", None, 15), true),
    ];
    for (change, ends) in changes {
        let basis = catalog.basis(catalog.moment(), &tenant, Some("web"), names.into_iter());
        assert!(catalog.stands(&basis));
        let path = change.path.clone();
        catalog.apply(vec![change]);
        assert_eq!(!catalog.stands(&basis), ends, "{path}");
    }
}
