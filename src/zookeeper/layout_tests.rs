//! Every path reads back, and what belongs to others is left alone.

use super::super::application::{MetadataHome, MetadataKey};
use super::*;

fn layout() -> Layout {
    Layout {
        dubbo_root: "/dubbo".into(),
        services_root: "/services".into(),
        registry_root: "/zoogate".into(),
    }
}

fn registrants() -> Vec<Registrant> {
    let odd = ["shop@10.0.0.7", "..", ".", "a/b", "100%", "gr\u{f6}\u{df}e", "a b"];
    let sidecars = odd.iter().map(|id| Registrant::Sidecar(SidecarId::parse(id).unwrap()));
    let instances = odd.iter().map(|id| {
        Registrant::from(InstanceKey {
            tenant: Tenant::new("default", *id),
            service_id: (*id).into(),
            instance_id: (*id).into(),
        })
    });
    let dependencies = odd.iter().map(|text| {
        Registrant::from(DependencyKey {
            consumer_id: (*text).into(),
            provider: ServiceKey {
                tenant: Tenant::default(),
                environment: String::new(),
                app_id: format!("a|{text}"),
                service_name: (*text).into(),
            },
        })
    });
    sidecars.chain(instances).chain(dependencies).collect()
}

#[test]
fn every_path_of_a_registrant_reads_back() {
    let replica = ReplicaId::new("0a1b");
    for registrant in registrants() {
        let document = match &registrant {
            Registrant::Sidecar(id) => Place::Snapshot(id.clone()),
            Registrant::Instance(key) => Place::Instance(key.clone()),
            Registrant::Dependency(key) => Place::Dependency(key.clone()),
        };
        assert_eq!(layout().place(&layout().document(&registrant)), document);
        assert_eq!(parse_owner(&Layout::owner_text(&registrant)), Some(registrant.clone()));
        if matches!(registrant, Registrant::Dependency(_)) {
            continue;
        }
        assert_eq!(layout().place(&layout().lease(&registrant)), Place::Lease(registrant.clone()));
        assert_eq!(
            layout().place(&layout().mark(&registrant, &replica)),
            Place::Mark(registrant.clone(), replica.clone())
        );
    }
}

#[test]
fn a_name_cannot_climb_out_of_its_folder() {
    for id in ["..", ".", "../../dubbo", "a/../b"] {
        let path = layout().microservice(&Tenant::default(), id);
        assert!(!path.split('/').any(|part| part == ".." || part == "."), "{path}");
        assert_eq!(layout().place(&path), Place::Microservice(Tenant::default(), id.into()));
    }
}

#[test]
fn what_belongs_to_others_is_left_alone() {
    for path in [
        "/dubbo/config/x/y/z",
        "/dubbo/metadata/a/providers/b",
        "/dubbo/mapping/a/b",
        "/dubbo/a/b/c",
        "/dubbo/a/routers",
        "/dubbo/a/routers/x",
        "/dubbox/a/providers/b",
        "/services/a/b/c",
        "/other",
        "/",
    ] {
        assert_eq!(layout().place(path), Place::Other, "{path}");
    }
    assert_eq!(layout().place("/dubbo/config/x/y"), Place::Foreign(Foreign::Config));
    assert_eq!(
        layout().place("/dubbo/a/providers/x"),
        Place::Provider { interface: "a".into(), name: "x".into() }
    );
}

#[test]
fn an_interface_has_three_folders_whichever_is_needed_first() {
    let beside = |folder: &str| layout().beside(folder);
    assert_eq!(beside("/dubbo/a%24B/providers"), ["/dubbo/a%24B/consumers", "/dubbo/a%24B/configurators"]);
    assert_eq!(beside("/dubbo/a/consumers"), ["/dubbo/a/providers", "/dubbo/a/configurators"]);
    for folder in [
        "/dubbo",
        "/dubbo/providers",
        "/dubbo/a",
        "/dubbo/a/routers",
        "/dubbo/a/b/providers",
        "/dubbox/a/providers",
        "/zoogate/a/providers",
    ] {
        assert_eq!(beside(folder), [""; 0], "{folder}");
    }
}

fn metadata(home: MetadataHome) -> MetadataKey {
    MetadataKey { application: "shop".into(), revision: "0a".into(), home }
}

#[test]
fn every_path_of_the_application_level_reads_back() {
    let application = |path: &str| match layout().place(path) {
        Place::Application(place) => place,
        place => panic!("{path}: {place:?}"),
    };
    let instance = ApplicationPlace::Instance { application: "shop".into(), name: "10.0.0.1:20880".into() };
    assert_eq!(application(&layout().application_instance("shop/10.0.0.1:20880")), instance);
    for home in [MetadataHome::Report, MetadataHome::Application] {
        let key = metadata(home);
        assert_eq!(application(&layout().metadata(&key)), ApplicationPlace::Metadata(key));
    }
    assert_eq!(application(&layout().mapping("a.B$C")), ApplicationPlace::Mapping("a.B$C".into()));
    assert_eq!(application(&layout().metadata_folder("a")), ApplicationPlace::MetadataFolder("a".into()));
    assert_eq!(application("/services"), ApplicationPlace::Root);
    assert_eq!(application("/services/shop"), ApplicationPlace::Folder("shop".into()));
}

#[test]
fn applications_can_stand_among_the_interfaces_or_nowhere() {
    let among = Layout { services_root: "/dubbo".into(), ..layout() };
    let instance = ApplicationPlace::Instance { application: "shop".into(), name: "h:1".into() };
    assert_eq!(among.place("/dubbo/shop/h:1"), Place::Application(instance));
    assert_eq!(among.place("/dubbo"), Place::Application(ApplicationPlace::Root));
    assert_eq!(among.place("/dubbo/shop"), Place::Application(ApplicationPlace::Folder("shop".into())));
    assert_eq!(among.place("/dubbo/metadata"), Place::Folder);
    assert_eq!(among.place("/dubbo/a/providers"), Place::ProviderFolder { interface: "a".into() });
    let key = metadata(MetadataHome::Application);
    assert_eq!(among.place("/dubbo/shop/0a"), Place::Application(ApplicationPlace::Metadata(key)));
    let nowhere = Layout { services_root: String::new(), ..layout() };
    for path in ["/services", "/services/shop/h:1", "/", "/shop"] {
        assert_eq!(nowhere.place(path), Place::Other, "{path}");
    }
}
