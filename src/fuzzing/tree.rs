//! A tree of znodes as ZooKeeper keeps it, and everything that may stand in it here: few places, so that changes meet.

use std::collections::BTreeMap;

use serde_json::json;

use crate::dubbo::{self, Side};
use crate::model::{DependencyKey, InstanceKey, Registrant, ReplicaId, ServiceKey, SidecarId, Tenant};
use crate::zookeeper::{Layout, Node, Stat};

/// Where everything stands.
pub fn layout() -> Layout {
    Layout {
        dubbo_root: "/dubbo".to_owned(),
        services_root: "/services".to_owned(),
        registry_root: "/zoogate".to_owned(),
    }
}

/// A znode that may exist, and the data that it may have.
pub struct Candidate {
    /// Where.
    pub path: String,
    /// What.
    pub data: Vec<String>,
    /// What makes no sense there, if the catalog minds.
    pub nonsense: Option<&'static str>,
}

impl Candidate {
    fn new(path: impl Into<String>, data: Vec<String>) -> Self {
        Self { path: path.into(), data, nonsense: None }
    }

    fn or(self, nonsense: &'static str) -> Self {
        Self { nonsense: Some(nonsense), ..self }
    }
}

/// What ZooKeeper holds.
#[derive(Default)]
pub struct Tree {
    nodes: BTreeMap<String, (String, Stat)>,
    zxid: i64,
}

impl Tree {
    /// Creates or changes a znode, and what is missing above it; answers the paths that changed.
    pub fn put(&mut self, path: &str, data: &str) -> Vec<String> {
        self.zxid += 1;
        if let Some((stored, stat)) = self.nodes.get_mut(path) {
            data.clone_into(stored);
            stat.mzxid = self.zxid;
            stat.version += 1;
            return vec![path.to_owned()];
        }
        let parent = parent(path);
        let mut changed = if parent.is_empty() || self.nodes.contains_key(parent) {
            Vec::new()
        } else {
            self.put(parent, "")
        };
        self.zxid += 1;
        if let Some((_, stat)) = self.nodes.get_mut(parent) {
            stat.pzxid = self.zxid;
            stat.children += 1;
            changed.push(parent.to_owned());
        }
        let zxid = self.zxid;
        let stat = Stat { czxid: zxid, mzxid: zxid, pzxid: zxid, ctime: 1, mtime: 1, ..Stat::default() };
        self.nodes.insert(path.to_owned(), (data.to_owned(), stat));
        changed.push(path.to_owned());
        changed
    }

    /// Deletes a znode with everything below it; answers the paths that changed, deepest first.
    pub fn delete(&mut self, path: &str) -> Vec<String> {
        let below = format!("{path}/");
        let mut gone: Vec<String> =
            self.nodes.keys().filter(|known| *known == path || known.starts_with(&below)).cloned().collect();
        gone.reverse();
        for known in &gone {
            self.zxid += 1;
            self.nodes.remove(known);
            if let Some((_, stat)) = self.nodes.get_mut(parent(known)) {
                stat.pzxid = self.zxid;
                stat.children -= 1;
            }
        }
        if !gone.is_empty() && self.nodes.contains_key(parent(path)) {
            gone.push(parent(path).to_owned());
        }
        gone
    }

    /// A znode as the feed reads it.
    pub fn read(&self, path: &str) -> Node {
        let state = self.nodes.get(path).map(|(data, stat)| (data.clone().into_bytes(), *stat));
        Node { path: path.to_owned(), state }
    }

    /// Every path, parents first.
    pub fn paths(&self) -> Vec<String> {
        self.nodes.keys().cloned().collect()
    }
}

/// The folder that a path stands in.
pub fn parent(path: &str) -> &str {
    path.rfind('/').map_or("", |at| &path[..at])
}

/// Everything that may stand in the tree.
pub fn candidates() -> Vec<Candidate> {
    let (layout, tenant) = (layout(), Tenant::default());
    let sidecars: Vec<Registrant> = ["shop@10.0.0.1", "shop@10.0.0.2"]
        .iter()
        .filter_map(|id| SidecarId::parse(id).ok().map(Registrant::Sidecar))
        .collect();
    let instance_key =
        InstanceKey { tenant: tenant.clone(), service_id: "cart".into(), instance_id: "cart-1".into() };
    let instance = Registrant::from(instance_key);
    let owners = |registrants: &[&Registrant]| {
        let names: Vec<String> =
            registrants.iter().map(|registrant| Layout::owner_text(registrant)).collect();
        json!({"registeredBy": "zoogate", "registrants": names}).to_string()
    };
    let url = |interface: &str, port: u16, more: &str| {
        format!(
            "dubbo://10.0.0.1:{port}/{interface}?application=shop&interface={interface}&side=provider{more}"
        )
    };
    let mut all = Vec::new();
    let mut urls = Vec::new();
    for (interface, port, more) in [
        ("demo.Echo", 1, ""),
        ("demo.Echo", 2, "&version=1.0.0&group=blue"),
        ("demo.Cart", 1, "&enabled=false"),
        ("demo.Cart", 1, "&timestamp=1700000000000"),
    ] {
        let url = url(interface, port, more);
        let data = vec![
            String::new(),
            "127.0.0.1".to_owned(),
            owners(&[&sidecars[0]]),
            owners(&[&sidecars[0], &sidecars[1]]),
            owners(&[&instance]),
        ];
        let path = dubbo::znode_path(&layout.dubbo_root, interface, Side::Provider, &url);
        all.push(Candidate::new(path, data));
        urls.push(url);
    }
    let consumer = "consumer://10.0.0.2/demo.Echo?application=web&interface=demo.Echo&side=consumer";
    let path = dubbo::znode_path(&layout.dubbo_root, "demo.Echo", Side::Consumer, consumer);
    all.push(Candidate::new(path, vec![String::new(), owners(&[&sidecars[1]])]));
    all.push(Candidate::new("/dubbo/demo.Echo/providers/no%zz", vec![String::new()]));
    for sidecar in &sidecars {
        let id = sidecar_text(sidecar);
        let document = |urls: &[String], peer: &str| {
            json!({"registrant": id, "peer": peer, "providers": urls, "consumers": [consumer]}).to_string()
        };
        let data = vec![
            document(&urls[..1], "10.0.0.1"),
            document(&urls, "10.0.0.2"),
            document(&[], "10.0.0.1"),
            json!({"registrant": id, "peer": "-", "parts": {"count": 2, "digest": "00"}}).to_string(),
        ];
        all.push(Candidate::new(layout.document(sidecar), data).or("{"));
        if let Registrant::Sidecar(id) = sidecar {
            let part = json!({"providers": [urls[0]]}).to_string();
            all.push(Candidate::new(layout.part(id, "000"), vec![part, "{}".into()]).or("x"));
        }
        registered(&layout, sidecar, &mut all);
    }
    let service = |name: &str, version: &str, alias: &str| {
        json!({"serviceId": name, "appId": "shop", "serviceName": name, "version": version, "alias": alias})
            .to_string()
    };
    for name in ["cart", "demo.Echo"] {
        let data = vec![service(name, "1.0.0", ""), service(name, "2.0.0", "demo.Cart")];
        all.push(Candidate::new(layout.microservice(&tenant, name), data).or("[]"));
        let tags = vec![json!({"region": "north"}).to_string(), "{}".into()];
        all.push(Candidate::new(layout.tags(&tenant, name), tags).or("7"));
    }
    let stored = |status: &str, urls: &[String]| {
        let instance = json!({"instanceId": "cart-1", "serviceId": "cart", "hostName": "h", "status": status,
            "endpoints": ["rest://10.0.0.7:80"]});
        json!({"instance": instance, "providers": urls}).to_string()
    };
    let data = vec![stored("UP", &urls[..2]), stored("DOWN", &[])];
    all.push(Candidate::new(layout.document(&instance), data).or("null"));
    registered(&layout, &instance, &mut all);
    let used = ServiceKey {
        tenant: tenant.clone(),
        environment: String::new(),
        app_id: "shop".into(),
        service_name: "demo.Echo".into(),
    };
    let dependency = Registrant::from(DependencyKey { consumer_id: "cart".into(), provider: used });
    let data = json!({"consumer": "cart", "appId": "shop", "serviceName": "demo.Echo", "timestamp": "1"});
    all.push(Candidate::new(layout.document(&dependency), vec![data.to_string()]).or("{}"));
    for replica in ["aaaa", "bbbb"] {
        all.push(Candidate::new(layout.replica(&ReplicaId::new(replica)), vec!["{}".into()]));
    }
    applications(&mut all);
    all
}

fn sidecar_text(registrant: &Registrant) -> String {
    match registrant {
        Registrant::Sidecar(id) => id.as_str().to_owned(),
        _ => String::new(),
    }
}

fn registered(layout: &Layout, registrant: &Registrant, all: &mut Vec<Candidate>) {
    all.push(Candidate::new(layout.lease(registrant), vec![String::new()]));
    for replica in ["aaaa", "bbbb"] {
        let path = layout.mark(registrant, &ReplicaId::new(replica));
        all.push(Candidate::new(path, vec![String::new()]));
    }
}

fn applications(all: &mut Vec<Candidate>) {
    let instance = |revision: &str, enabled: bool| {
        let metadata = json!({"dubbo.metadata.storage-type": "remote",
            "dubbo.metadata.revision": revision, "dubbo.endpoints": "[{\"port\":1,\"protocol\":\"dubbo\"}]"});
        json!({"name": "shop", "id": "10.0.0.1:1", "address": "10.0.0.1", "port": 1, "enabled": enabled,
            "payload": {"@class": "org.apache.dubbo.registry.zookeeper.ZookeeperInstance", "id": "10.0.0.1:1",
            "name": "shop", "metadata": metadata}, "registrationTimeUTC": 5})
        .to_string()
    };
    let data = vec![instance("r1", true), instance("r2", true), instance("r1", false)];
    all.push(Candidate::new("/services/shop/10.0.0.1:1", data).or("{\"name\":\"x\"}"));
    let metadata = |interface: &str| {
        json!({"app": "shop", "revision": "r1", "services": {format!("{interface}:dubbo"): {"name": interface,
            "path": interface, "port": 1, "protocol": "dubbo", "params": {"side": "provider", "methods": "a"}}}})
        .to_string()
    };
    for revision in ["r1", "r2"] {
        let data = vec![metadata("demo.Echo"), metadata("demo.Other")];
        all.push(Candidate::new(format!("/dubbo/metadata/shop/{revision}"), data).or("{"));
    }
    let data = vec!["shop".into(), "web,shop".into(), String::new()];
    all.push(Candidate::new("/dubbo/mapping/demo.Echo", data));
    all.push(Candidate::new("/dubbo/config/dubbo/dubbo.properties", vec!["a=b".into()]));
}
