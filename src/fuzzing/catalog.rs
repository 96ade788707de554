//! The catalog, told of changes as they happen, knows what one knows that reads everything at the end, and what it says to
//! stand is what it would answer.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, LazyLock};

use super::tree::{self, Candidate, Tree};
use crate::catalog::{Basis, Catalog};
use crate::model::{InstanceKey, ServiceKey, ServiceKeyView, Tenant};
use crate::telemetry::Metrics;
use crate::zookeeper::Sink;

/// Most changes of one run.
const CHANGES: usize = 100;

static CANDIDATES: LazyLock<Vec<Candidate>> = LazyLock::new(tree::candidates);

/// Takes two bytes for each change: which znode, and what becomes of it. Some are told late and together, as after a
/// break, and some twice.
pub fn follows(input: &[u8]) {
    let candidates = &*CANDIDATES;
    let mut tree = Tree::default();
    let catalog = empty();
    let mut untold = Vec::new();
    let mut sound = HashSet::new();
    let mut kept = HashMap::new();
    for change in input.chunks_exact(2).take(CHANGES) {
        let (which, what) = (change[0], change[1]);
        let candidate: &Candidate = &candidates[usize::from(which) % candidates.len()];
        let choice = usize::from(what & 0x0f);
        let parent = tree::parent(&candidate.path).to_owned();
        if choice >= 4
            && sound.contains(&parent)
            && untold.contains(&parent)
            && tree.read(&parent).state.is_none()
        {
            // It would be back and empty before anybody was told that it had gone, and what made sense before goes on
            // standing then, as below.
            continue;
        }
        let changed = match candidate.data.get(choice % (candidate.data.len() + 1)) {
            _ if choice < 4 => tree.delete(&candidate.path),
            Some(data) => {
                sound.insert(candidate.path.clone());
                tree.put(&candidate.path, data)
            }
            None => match candidate.nonsense {
                // What made sense before goes on standing, so that it can be repaired: who comes later knows nothing.
                Some(_) if sound.contains(&candidate.path) => continue,
                Some(nonsense) => tree.put(&candidate.path, nonsense),
                None => tree.put(&candidate.path, &candidate.data[0]),
            },
        };
        untold.extend(changed);
        // The upper bits say when it is told.
        if what & 0x40 == 0 {
            tell(&catalog, &tree, &untold);
            compare(&catalog, &mut kept);
            if what & 0x80 == 0 {
                untold.clear();
            }
        }
    }
    tell(&catalog, &tree, &untold);
    let (told, read) = (picture(&catalog), picture(&whole(&tree)));
    let only = |one: &[String], other: &[String]| {
        one.iter().filter(|line| !other.contains(line)).cloned().collect::<Vec<_>>()
    };
    assert!(
        told == read,
        "the catalog does not show what stands in the tree\nas told: {:#?}\nas read: {:#?}",
        only(&told, &read),
        only(&read, &told),
    );
}

/// Finds by name, each with what it rests on: as long as that stands the same is found. What shows a new dependency is not
/// kept.
fn compare(catalog: &Catalog, kept: &mut HashMap<(bool, &'static str), (Basis, String)>) {
    let tenant = Tenant::default();
    for (is_named, service_name) in [false, true]
        .into_iter()
        .flat_map(|is_named| ["cart", "demo.Echo", "demo.Cart", "shop"].map(|name| (is_named, name)))
    {
        let (consumer, moment) = (is_named.then_some("cart"), catalog.moment());
        let service = ServiceKeyView { environment: "", app_id: "shop", service_name };
        let (found, dependency) = catalog.ask(&tenant, consumer, |asker| {
            let found = asker.find(service, false, &[]);
            let found =
                found.map(|found| (found.revision, String::from_utf8_lossy(found.json()).into_owned()));
            (format!("{found:?}"), asker.new_dependency(service, false))
        });
        let place = (is_named, service_name);
        match kept.get(&place) {
            Some((basis, known)) if catalog.stands(basis) => {
                assert_eq!((known, dependency), (&found, None), "{consumer:?} finds {service_name}");
            }
            _ if dependency.is_some() => drop(kept.remove(&place)),
            _ => {
                let basis = catalog.basis(moment, &tenant, consumer, std::iter::once(service));
                kept.insert(place, (basis, found));
            }
        }
    }
}

fn empty() -> Catalog {
    let metrics = Arc::new(Metrics::new().expect("metrics can be registered"));
    let catalog = Catalog::new(tree::layout(), usize::MAX, metrics);
    catalog.following(true);
    catalog
}

/// Hands the present state of `paths` to the catalog, and of what it wants besides, as the feed does.
fn tell(catalog: &Catalog, tree: &Tree, paths: &[String]) {
    let mut paths = paths.to_vec();
    let layout = tree::layout();
    while !paths.is_empty() {
        let read = paths.iter().filter(|path| layout.place(path).is_read()).map(|path| tree.read(path));
        paths = catalog.apply(read.collect());
    }
}

/// A catalog that reads the tree whole.
fn whole(tree: &Tree) -> Catalog {
    let catalog = empty();
    tell(&catalog, tree, &tree.paths());
    catalog
}

/// Everything that the catalog shows, one line each. Revisions are left out: they may remember what is gone.
fn picture(catalog: &Catalog) -> Vec<String> {
    let tenant = Tenant::default();
    let mut lines = catalog.known_paths();
    for service in catalog.microservices(&tenant) {
        let id = &service.service_id;
        lines
            .push(format!("microservice {service:?} {:?}", catalog.tags(&tenant, id).map(|tags| tags.pairs)));
        match catalog.instances(&tenant, id, None, &[]) {
            Ok(found) => lines.push(format!("instances of {id}: {}", String::from_utf8_lossy(found.json()))),
            Err(error) => lines.push(format!("instances of {id}: {error}")),
        }
        let key = ServiceKey {
            tenant: tenant.clone(),
            environment: service.environment.clone(),
            app_id: service.app_id.clone(),
            service_name: service.service_name.clone(),
        };
        if let Ok(found) = catalog.find(&key, None, true, &[]) {
            lines.push(format!("found of {key:?}: {}", String::from_utf8_lossy(found.json())));
        }
        for instance_id in catalog.instance_ids(&tenant, id) {
            let key = InstanceKey { tenant: tenant.clone(), service_id: id.as_str().into(), instance_id };
            let record = catalog.instance_record(&key).map(|record| record.document);
            lines.push(format!("instance {key:?}: {record:?}"));
        }
    }
    for sidecar in catalog.sidecars() {
        let record = catalog.snapshot(&sidecar);
        lines.push(format!(
            "snapshot {sidecar}: {:?}",
            record.map(|record| (record.entries(), record.is_torn()))
        ));
    }
    for peer in ["10.0.0.1", "10.0.0.2", "-"] {
        lines.push(format!("sidecars of {peer}: {:?}", catalog.sidecars_of_peer(peer)));
    }
    for interface in ["demo.Echo", "demo.Cart", "demo.Other"] {
        lines.push(format!("provider of {interface}: {}", catalog.has_provider(interface)));
    }
    let leases = catalog.look_at_leases(|lease| {
        let mut marks: Vec<_> = lease.marks.to_vec();
        marks.sort();
        Some(format!("lease {:?} {marks:?} {:?}", lease.registrant, lease.time_to_live))
    });
    lines.extend(leases);
    let mut replicas: Vec<_> = catalog.replicas().into_iter().collect();
    replicas.sort();
    lines.push(format!("replicas {replicas:?}"));
    let mut owned = catalog.owned_consumers();
    for interface in catalog.interfaces_with_providers() {
        owned.extend(catalog.owned_providers(&interface));
    }
    lines.extend(owned.into_iter().map(|(path, owner)| format!("{path} of {owner:?}")));
    lines.sort();
    lines
}
