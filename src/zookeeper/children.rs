//! What stands in a folder, told from the folder: a full reading meets nearly all znodes among many of their kind, whose
//! paths it need not take apart one by one.

use std::sync::Arc;

use super::layout::{Layout, Place, below, plain, tenant};
use super::parts::Parts;
use crate::model::{InstanceKey, Registrant, ReplicaId, Tenant};

/// What stands in a folder.
pub(super) enum Children<'l> {
    /// Instances of one microservice.
    Instances(Tenant, Arc<str>),
    /// Their leases.
    Leases(Tenant, Arc<str>),
    /// The marks of one lease.
    Marks(Registrant),
    /// Providers of one interface.
    Providers(String),
    /// Anything else.
    Other(&'l Layout),
}

impl<'l> Children<'l> {
    /// Those of the folder at `path`, which is that `place`.
    pub fn of(layout: &'l Layout, path: &str, place: &Place) -> Self {
        match place {
            Place::InstanceFolder(tenant, service) => {
                Self::Instances(tenant.clone(), service.as_str().into())
            }
            Place::Lease(registrant) => Self::Marks(registrant.clone()),
            Place::ProviderFolder { interface } => Self::Providers(interface.clone()),
            Place::Folder => match folder_of_leases(layout, path) {
                Some((tenant, service)) => Self::Leases(tenant, service),
                None => Self::Other(layout),
            },
            _ => Self::Other(layout),
        }
    }

    /// What the one with this path and name is.
    pub fn place(&self, path: &str, name: &str) -> Place {
        let key = |tenant: &Tenant, service: &Arc<str>| {
            let (tenant, service_id, instance_id) = (tenant.clone(), service.clone(), plain(name)?);
            Some(Arc::new(InstanceKey { tenant, service_id, instance_id }))
        };
        let place = match self {
            Self::Instances(tenant, service) => key(tenant, service).map(Place::Instance),
            Self::Leases(tenant, service) => {
                key(tenant, service).map(|key| Place::Lease(Registrant::Instance(key)))
            }
            Self::Marks(registrant) => Some(Place::Mark(registrant.clone(), ReplicaId::new(name))),
            Self::Providers(interface) => {
                Some(Place::Provider { interface: interface.clone(), name: name.to_owned() })
            }
            Self::Other(layout) => Some(layout.place(path)),
        };
        place.unwrap_or(Place::Other)
    }
}

/// Whose leases stand in the folder at `path`, if it is that of one microservice.
fn folder_of_leases(layout: &Layout, path: &str) -> Option<(Tenant, Arc<str>)> {
    match Parts::of(below(path, &layout.registry_root)?)?.as_slice() {
        ["leases", "instances", domain, project, id] => Some((tenant(domain, project)?, plain(id)?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_says_of_its_children_what_their_paths_say() {
        let layout = Layout {
            dubbo_root: "/dubbo".into(),
            services_root: "/services".into(),
            registry_root: "/zoogate".into(),
        };
        let folders = [
            "/zoogate/instances/default/gr%C3%B6%25/a%2Fb",
            "/zoogate/leases/instances/default/default/cart",
            "/zoogate/leases/instances/de%2Ffault/default/cart",
            "/zoogate/leases/instances/default/default",
            "/zoogate/leases/instances/default/default/cart/one",
            "/zoogate/leases/instances/default/default/ca%FFrt",
            "/zoogate/leases/snapshots/0a",
            "/zoogate/leases/snapshots/0a/shop@10.0.0.7",
            "/zoogate/leases",
            "/zoogate/microservices/default/default",
            "/zoogate/snapshots/0a",
            "/dubbo/org.acme.Cart/providers",
            "/dubbo/org.acme.Cart/consumers",
            "/dubbo",
            "/services/shop",
        ];
        let names =
            ["one", "a%2Fb", "%FF", "%2E%2E", "gr%C3%B6%25", "rest%3A%2F%2F10.0.0.7%3A8080%2Fcart", "leases"];
        let mut known = 0;
        for folder in folders {
            let place = layout.place(folder);
            let children = Children::of(&layout, folder, &place);
            known += usize::from(!matches!(children, Children::Other(_)));
            for name in names {
                let path = format!("{folder}/{name}");
                assert_eq!(children.place(&path, name), layout.place(&path), "{path}");
            }
        }
        assert_eq!(known, 6);
    }
}
