//! What the search for left-overs looks at: the znodes that the gateway wrote, and whether the documents list them. Nearly all
//! are listed, and there are as many as registrations, so each is looked at by itself and nothing is taken apart for it.

use super::Catalog;
use crate::dubbo::Side;
use crate::model::{Registrant, SidecarId};

impl Catalog {
    /// Every interface that has a provider, as paths spell it.
    pub fn interfaces_with_providers(&self) -> Vec<String> {
        self.state.read().nodes.interfaces().cloned().collect()
    }

    /// The paths of all providers of an interface that the gateway wrote, once for each of its owners.
    pub fn owned_providers(&self, path_interface: &str) -> Vec<(String, Registrant)> {
        self.state.read().nodes.owned_providers(&self.layout, path_interface)
    }

    /// The paths of all consumers that the gateway wrote, once for each of its owners.
    pub fn owned_consumers(&self) -> Vec<(String, Registrant)> {
        self.state.read().nodes.owned_consumers()
    }

    /// Whether it is plain to see that the document of `owner` lists `url`. Where it is not, the document may do so all
    /// the same.
    pub fn plainly_lists(&self, owner: &Registrant, side: Side, url: &str) -> bool {
        let state = self.state.read();
        match owner {
            Registrant::Sidecar(sidecar) => state.snapshots.lists(sidecar, side, url),
            Registrant::Instance(key) => {
                let service = state.services.get(&key.tenant, &key.service_id);
                let kept = service.and_then(|service| service.instances.get(&*key.instance_id));
                side == Side::Provider && kept.is_some_and(|kept| kept.plainly_stands_as(url))
            }
            Registrant::Dependency(_) => false,
        }
    }

    /// The sidecars whose snapshots hold nothing.
    pub fn empty_snapshots(&self) -> Vec<SidecarId> {
        self.state.read().snapshots.empty().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::telemetry::Metrics;
    use crate::zookeeper::{Layout, Node, Sink, Stat};

    const URL: &str = "rest://10.0.0.7:80/orders?a=b";
    const OTHER: &str = "rest://10.0.0.7:81/orders?a=b";

    fn layout() -> Layout {
        let (dubbo_root, registry_root) = ("/dubbo".into(), "/zoogate".into());
        Layout { dubbo_root, services_root: String::new(), registry_root }
    }

    fn stat() -> Stat {
        Stat { czxid: 1, mzxid: 1, ..Stat::default() }
    }

    fn catalog_with(znodes: &[(&str, String)]) -> Catalog {
        let catalog = Catalog::new(layout(), usize::MAX, Arc::new(Metrics::new().unwrap()));
        let node = |(path, data): &(&str, String)| Node {
            path: (*path).to_owned(),
            state: Some((data.clone().into_bytes(), stat())),
        };
        catalog.apply(znodes.iter().map(node).collect());
        catalog
    }

    #[test]
    fn an_instance_lists_the_urls_behind_what_is_shown_of_it() {
        let path = "/zoogate/instances/default/default/s/i";
        let owner = layout().place(path).registrant().unwrap();
        let Registrant::Instance(key) = &owner else { panic!("{owner:?}") };
        let instance = format!(
            r#"{{"instance": {{"instanceId":"i","serviceId":"s","hostName":"{URL}"}},"providers":["{OTHER}"]}}"#
        );
        let read = catalog_with(&[(path, instance)]);
        assert!(!read.plainly_lists(&owner, Side::Provider, OTHER), "spelled in another way");
        let document = read.instance_record(key).unwrap().document;
        let written = catalog_with(&[(path, serde_json::to_string(&document).unwrap())]);
        let lists = |side, url| written.plainly_lists(&owner, side, url);
        assert!(lists(Side::Provider, OTHER));
        assert!(!lists(Side::Consumer, OTHER) && !lists(Side::Provider, URL) && !lists(Side::Provider, ""));
    }

    #[test]
    fn a_sidecar_lists_what_stands_in_its_document_and_its_parts() {
        let id = SidecarId::parse("shop@node").unwrap();
        let owner = Registrant::Sidecar(id.clone());
        let (document, part) = (layout().document(&owner), layout().part(&id, "part-0000"));
        let whole = format!(r#"{{"registrant":"shop@node","peer":"","providers":["{URL}"],"consumers":[]}}"#);
        let rest = format!(r#"{{"providers":[],"consumers":["{OTHER}"]}}"#);
        let catalog = catalog_with(&[(&document, whole), (&part, rest)]);
        let lists = |side, url| catalog.plainly_lists(&owner, side, url);
        assert!(lists(Side::Provider, URL) && lists(Side::Consumer, OTHER));
        assert!(!lists(Side::Consumer, URL) && !lists(Side::Provider, OTHER));
        assert!(catalog.empty_snapshots().is_empty());
        catalog.apply(vec![Node { path: part, state: None }]);
        assert!(!lists(Side::Consumer, OTHER));
        let empty = catalog_with(&[(
            &document,
            r#"{"registrant":"shop@node","peer":"","providers":[],"consumers":[]}"#.into(),
        )]);
        assert_eq!(empty.empty_snapshots(), std::slice::from_ref(&id));
        let nothing = r#"{"providers":[],"consumers":[]}"#.to_owned();
        empty.apply(vec![Node {
            path: layout().part(&id, "part-0000"),
            state: Some((nothing.into(), stat())),
        }]);
        assert_eq!(empty.empty_snapshots(), [id], "nor does a part that holds nothing");
    }
}
