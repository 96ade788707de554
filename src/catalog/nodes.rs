//! The provider and consumer znodes in Dubbo's tree, the gateway's own and everybody else's.

use ahash::HashMap;

use super::child_lists::ChildLists;
use super::few::Few;
use super::offers;
use super::providers::provider_instance;
use super::registrants::Registrants;
use super::services::Services;
use super::state::unreadable;
use super::topics::Topic;
use crate::dubbo::{self, ServiceUrl, Side, UrlView};
use crate::model::{Ownership, Registrant, SnapshotPart, Tenant};
use crate::telemetry::Metrics;
use crate::zookeeper::{Layout, Place, Stat, parse_owner};

/// A provider or consumer znode.
#[derive(Clone, Debug)]
pub struct ServiceNode {
    /// `dataVersion` of the znode.
    pub version: i32,
    /// Whom it belongs to; empty when the gateway did not write it.
    pub owners: Few<Registrant>,
    /// Whether it is an ephemeral znode, which only a Dubbo application writes.
    pub ephemeral: bool,
    /// The microservice and instance that it appears as.
    appears: Option<Box<(String, String)>>,
    /// See [`offers::address`].
    address: u64,
    /// Whether its name is a URL, which alone has an address.
    is_url: bool,
}

impl ServiceNode {
    fn of(read: &mut ReadNode, registrants: &mut Registrants) -> Self {
        let owners = std::mem::take(&mut read.owners).into_vec().into_iter();
        let address = read.url.as_ref().ok().map(|(_, _, address)| *address);
        Self {
            version: read.stat.version,
            owners: owners.map(|owner| registrants.shared(owner)).collect(),
            ephemeral: read.stat.ephemeral_owner != 0,
            appears: None,
            address: address.unwrap_or_default(),
            is_url: address.is_some(),
        }
    }

    fn address(&self) -> Option<u64> {
        self.is_url.then_some(self.address)
    }
}

/// A provider or consumer znode as it was read, taken apart.
pub(super) struct ReadNode {
    owners: Few<Registrant>,
    /// The interface and the URL that its path spells, and its address, see [`offers::address`].
    url: Result<(String, String, u64), String>,
    pub stat: Stat,
}

impl ReadNode {
    /// Takes apart the one with this `interface` and `name`, as paths spell them.
    pub fn new(interface: &str, name: &str, data: &[u8], stat: Stat) -> Self {
        let ownership = Ownership::parse(data).unwrap_or_default();
        let owners = ownership.registrants.iter().filter_map(|owner| parse_owner(owner)).collect();
        Self { owners, url: read_url(interface, name), stat }
    }

    /// Takes apart the consumer at `path`.
    pub fn consumer(path: &str, data: &[u8], stat: Stat) -> Self {
        let (folder, name) = path.rsplit_once('/').unwrap_or_default();
        Self::new(folder.rsplit('/').nth(1).unwrap_or_default(), name, data, stat)
    }
}

/// What became of a provider.
pub(super) struct ProviderChange {
    /// What made it the same as an offer of the application level before, and what makes it now.
    pub addresses: (Option<u64>, Option<u64>),
    /// Those who may have lost it.
    pub lost: Vec<Registrant>,
    /// Whether its interface got its first provider, or lost its last one.
    pub is_news: bool,
}

#[derive(Default)]
struct Interface {
    /// `pzxid` of the folder of its providers.
    zxid: i64,
    /// The highest `mzxid` that one of its providers has had: it never goes back by itself, and a deletion raises `zxid`
    /// above it.
    changed: i64,
    nodes: HashMap<Box<str>, ServiceNode>,
    /// The microservices that they appear as, with the number of providers behind each.
    shown: HashMap<String, usize>,
    /// How many of the nodes have a name that is no URL.
    malformed: usize,
}

/// All provider and consumer znodes.
#[derive(Default)]
pub(super) struct ServiceNodes {
    /// Providers, by the interface as paths spell it.
    interfaces: HashMap<String, Interface>,
    /// Consumers, by path.
    consumers: HashMap<Box<str>, ServiceNode>,
    /// How long their lists are.
    pub lists: ChildLists,
    /// How many of them have a name that is no URL.
    malformed_consumers: usize,
    /// How many providers there are at each address.
    addresses: HashMap<u64, usize>,
    /// Grows whenever an interface gets its first provider or loses its last one.
    pub availability: u64,
}

impl ServiceNodes {
    /// The znode at `path`.
    pub fn get(&self, layout: &Layout, path: &str) -> Option<&ServiceNode> {
        match layout.place(path) {
            Place::Provider { interface, name } => self.interfaces.get(&interface)?.nodes.get(name.as_str()),
            Place::Consumer => self.consumers.get(path),
            _ => None,
        }
    }

    /// The microservice and instance that a provider appears as.
    pub fn appearance(&self, path_interface: &str, name: &str) -> Option<&(String, String)> {
        self.interfaces.get(path_interface)?.nodes.get(name)?.appears.as_deref()
    }

    /// Whether a provider stands at an address.
    pub fn has_address(&self, address: u64) -> bool {
        self.addresses.contains_key(&address)
    }

    /// How many names of providers, and of consumers, are no URLs.
    pub fn malformed(&self) -> (usize, usize) {
        (self.interfaces.values().map(|interface| interface.malformed).sum(), self.malformed_consumers)
    }

    /// Whether the interface has a provider, whoever registered it.
    pub fn has_provider(&self, interface: &str) -> bool {
        self.has_provider_at(&dubbo::encoded(interface))
    }

    /// The same of the interface as paths spell it.
    pub fn has_provider_at(&self, path_interface: &str) -> bool {
        self.interfaces.get(path_interface).is_some_and(|interface| !interface.nodes.is_empty())
    }

    /// `pzxid` of the folder of an interface's providers, 0 when there is none.
    pub fn folder_zxid(&self, path_interface: &str) -> i64 {
        self.interfaces.get(path_interface).map_or(0, |interface| interface.zxid)
    }

    /// zxid of the last change of an interface's providers, whatever they appear as.
    pub fn interface_zxid(&self, path_interface: &str) -> i64 {
        self.interfaces.get(path_interface).map_or(0, |interface| interface.zxid.max(interface.changed))
    }

    /// Every interface that has a provider, as paths spell it.
    pub fn interfaces(&self) -> impl Iterator<Item = &String> {
        self.interfaces.iter().filter(|(_, known)| !known.nodes.is_empty()).map(|(interface, _)| interface)
    }

    /// Every provider of an interface that the gateway wrote, once for each of its owners.
    pub fn owned_providers(&self, layout: &Layout, interface: &str) -> Vec<(String, Registrant)> {
        let folder = folder(layout, interface);
        let nodes = self.interfaces.get(interface).into_iter().flat_map(|known| &known.nodes);
        let owned = nodes.flat_map(|(name, node)| node.owners.iter().map(move |owner| (name, owner)));
        owned.map(|(name, owner)| (format!("{folder}/{name}"), owner.clone())).collect()
    }

    /// Every consumer that the gateway wrote, once for each of its owners.
    pub fn owned_consumers(&self) -> Vec<(String, Registrant)> {
        let nodes = self.consumers.iter();
        let owned = nodes.flat_map(|(path, node)| node.owners.iter().map(move |owner| (path, owner)));
        owned.map(|(path, owner)| (path.to_string(), owner.clone())).collect()
    }

    /// The URLs that stand in the name of one registrant, whatever its document says. It looks at every znode: for the
    /// rare case of a document that cannot be trusted.
    pub fn entries_of(&self, registrant: &Registrant) -> SnapshotPart {
        let mut entries = SnapshotPart::default();
        let is_theirs = |node: &ServiceNode| node.owners.contains(registrant);
        for (name, node) in self.interfaces.values().flat_map(|interface| &interface.nodes) {
            if is_theirs(node) {
                entries.providers.extend(dubbo::decode(name));
            }
        }
        for (path, node) in &self.consumers {
            if is_theirs(node) {
                entries.consumers.extend(dubbo::decode(path.rsplit('/').next().unwrap_or_default()));
            }
        }
        entries
    }

    /// Every path that is believed to exist.
    pub fn paths(&self, layout: &Layout, paths: &mut Vec<String>) {
        paths.extend(self.consumers.keys().map(|path| path.to_string()));
        for (interface, known) in &self.interfaces {
            let folder = folder(layout, interface);
            paths.extend(known.nodes.keys().map(|name| format!("{folder}/{name}")));
            paths.push(folder);
        }
    }

    /// Takes the folder of an interface's providers as it was read.
    pub fn folder(&mut self, services: &mut Services, interface: &str, zxid: i64) {
        let known = self.interfaces.entry(interface.to_owned()).or_default();
        known.zxid = zxid;
        touch(services, interface);
        // The folder's zxid is part of the revision of every service that its providers appear as.
        if let Some(tenant) = services.tenants.get_mut(&Tenant::default()) {
            for id in known.shown.keys() {
                tenant.invalidate(&mut services.topics, id);
            }
        }
        if known.nodes.is_empty() && zxid == 0 {
            self.interfaces.remove(interface);
        }
    }

    /// Takes a provider as it was read.
    pub fn provider(
        &mut self,
        services: &mut Services,
        registrants: &mut Registrants,
        metrics: &Metrics,
        (interface, name): (&str, &str),
        mut read: Option<ReadNode>,
    ) -> ProviderChange {
        let known = match self.interfaces.get_mut(interface) {
            Some(known) => known,
            None => self.interfaces.entry(interface.to_owned()).or_default(),
        };
        let Interface { nodes, shown, malformed, changed, .. } = known;
        let was_empty = nodes.is_empty();
        *changed = read.as_ref().map_or(0, |read| read.stat.mzxid).max(*changed);
        touch(services, interface);
        let before = nodes.remove(name);
        let reported = before.is_some();
        match before.as_ref().map(ServiceNode::address) {
            None => {}
            Some(None) => *malformed -= 1,
            Some(Some(address)) => {
                if let Some(count) = self.addresses.get_mut(&address) {
                    *count -= 1;
                    if *count == 0 {
                        self.addresses.remove(&address);
                    }
                }
            }
        }
        let mut now = read.as_mut().map(|read| (ServiceNode::of(read, registrants), &*read));
        if let Some((service, instance)) = before.as_ref().and_then(|before| before.appears.as_deref()) {
            services.change(&Tenant::default(), service, |service| {
                service.providers.remove(instance);
                service.describe();
            });
            if let Some(count) = shown.get_mut(service) {
                *count -= 1;
                if *count == 0 {
                    shown.remove(service);
                }
            }
        }
        if let Some((node, read)) = &mut now {
            let is_instance = node.owners.iter().any(|owner| matches!(owner, Registrant::Instance(_)));
            match &read.url {
                Ok((plain, text, address)) => {
                    *self.addresses.entry(*address).or_default() += 1;
                    if !is_instance && let Ok(url) = ServiceUrl::parse(text) {
                        let identity = format!("{interface} {text}");
                        let (service, instance, provider) = provider_instance(
                            &identity,
                            plain,
                            interface,
                            text,
                            &url,
                            &node.owners,
                            &read.stat,
                        );
                        services.change(&Tenant::default(), &service, |service| {
                            service.providers.insert(instance.clone(), provider);
                            service.describe();
                        });
                        *shown.entry(service.clone()).or_default() += 1;
                        node.appears = Some(Box::new((service, instance)));
                    }
                }
                Err(error) => {
                    *malformed += 1;
                    unreadable(metrics, reported, "dubbo", interface, name, error);
                }
            }
        }
        match (reported, now.is_some()) {
            (false, true) => self.lists.add(interface, Side::Provider, name),
            (true, false) => self.lists.remove(interface, Side::Provider, name),
            _ => {}
        }
        let address = |node: Option<&ServiceNode>| node.and_then(ServiceNode::address);
        let now = now.map(|(node, _)| node);
        let addresses = (address(before.as_ref()), address(now.as_ref()));
        let lost = lost_owners(before, now.as_ref());
        if let Some(node) = now {
            nodes.insert(name.into(), node);
        }
        let is_news = was_empty != nodes.is_empty();
        self.availability += u64::from(is_news);
        ProviderChange { addresses, lost, is_news }
    }

    /// Takes a consumer as it was read; answers those who may have lost it.
    pub fn consumer(
        &mut self,
        registrants: &mut Registrants,
        path: &str,
        mut read: Option<ReadNode>,
    ) -> Vec<Registrant> {
        let now = read.as_mut().map(|read| ServiceNode::of(read, registrants));
        let before = self.consumers.remove(path);
        let malformed = |node: Option<&ServiceNode>| usize::from(node.is_some_and(|node| !node.is_url));
        self.malformed_consumers += malformed(now.as_ref());
        self.malformed_consumers -= malformed(before.as_ref());
        let mut parts = path.rsplit('/');
        if let (Some(name), Some(interface)) = (parts.next(), parts.nth(1)) {
            match (&before, &now) {
                (None, Some(_)) => self.lists.add(interface, Side::Consumer, name),
                (Some(_), None) => self.lists.remove(interface, Side::Consumer, name),
                _ => {}
            }
        }
        let lost = lost_owners(before, now.as_ref());
        if let Some(node) = now {
            self.consumers.insert(path.into(), node);
        }
        lost
    }
}

/// Takes that what [`ServiceNodes::interface_zxid`] says of an interface may have changed. What cannot be decoded is the name
/// of no service.
fn touch(services: &mut Services, path_interface: &str) {
    if let Ok(name) = dubbo::decode(path_interface) {
        services.topics.touch(Topic::Name(&name));
    }
}

/// Those who owned a znode and do not own what stands there now.
fn lost_owners(before: Option<ServiceNode>, now: Option<&ServiceNode>) -> Vec<Registrant> {
    let owners = before.map(|before| before.owners).unwrap_or_default();
    owners.into_vec().into_iter().filter(|owner| now.is_none_or(|now| !now.owners.contains(owner))).collect()
}

fn folder(layout: &Layout, interface: &str) -> String {
    format!("{}/{interface}/providers", layout.dubbo_root)
}

/// The interface and the URL that a path spells, and its address, see [`offers::address`].
fn read_url(interface: &str, name: &str) -> Result<(String, String, u64), String> {
    let interface = dubbo::decode(interface).map_err(|error| error.to_string())?;
    let text = dubbo::decode(name).map_err(|error| error.to_string())?;
    let url = UrlView::parse(&text).map_err(|error| error.to_string())?;
    let address = offers::address(&interface, &url.entry());
    Ok((interface, text, address))
}
