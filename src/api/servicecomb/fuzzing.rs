//! What fuzz targets reach of this dialect: they judge what its readers make of any bytes.
#![expect(clippy::expect_used, reason = "a finding ends the target")]

use super::json::{self, Object};
use super::limits::Limits;
use super::query::Query;
use super::validate as rules;
use super::{
    batch_body, dependencies, existence, heartbeat, instance_form, instance_quick, microservice_form, schemas,
};
use crate::dubbo::{self, Side};
use crate::model::{Instance, Microservice, Tenant};

/// Most elements of a list; less than in service, so that generated bodies meet it.
const ELEMENTS: usize = 100;

/// Reads a body; the digit in front of it chooses which.
pub fn body(input: &[u8]) {
    let Some((kind, body)) = input.split_first() else { return };
    let Ok(value) = json::parse(body) else { return };
    let Ok(root) = Object::root(&value) else { return };
    let (tenant, limits) = (Tenant::default(), Limits::default());
    match kind.wrapping_sub(b'0') % 9 {
        0 => microservice(&root, &limits),
        1 => {
            let careful =
                root.required_object("instance").and_then(|read| instance_form::read(&read, &limits));
            if let Ok(read) = &careful {
                instance(read);
            }
            if let Some(quick) = instance_quick::read(body, &limits) {
                assert_eq!(Ok(quick), careful);
            }
        }
        2 => {
            let careful = batch_body::Wanted::read(&tenant, &root, ELEMENTS);
            if let Some(quick) = batch_body::Wanted::read_quickly(&tenant, body, ELEMENTS) {
                assert_eq!(Ok(quick), careful);
            }
        }
        3 => drop(heartbeat::keys(&tenant, &root, ELEMENTS)),
        4 => {
            for element in root.objects("dependencies").unwrap_or_default() {
                let _ = dependencies::read(&tenant, &element, true);
            }
        }
        5 => drop(schemas::read(&root)),
        6 => drop(root.pairs("properties")),
        7 => {
            if let Ok(tags) = root.pairs("tags") {
                let _ = microservice_form::check_tags(&tags, limits.tags);
            }
        }
        _ => {
            for element in root.objects("schemas").unwrap_or_default() {
                let _ = (element.checked_text("schemaId", rules::SCHEMA_ID), schemas::read(&element));
            }
        }
    }
}

/// Reads the query of any request.
pub fn query(text: &str) {
    let query = Query::parse(text);
    let _ = (query.tags(), query.switch("force"), query.bit("withSchema"), query.rev(), query.ignores_rev());
    let _ = query.checked("version", rules::VERSION_RULE);
    let _ = existence::service_key(Tenant::default(), &query);
}

fn microservice(root: &Object<'_>, limits: &Limits) {
    let Ok(service) = root.required_object("service") else { return };
    let Ok(read) = microservice_form::read(&service, limits.schemas) else { return };
    let written = serde_json::to_string(&read).expect("it is texts, lists and maps");
    assert_eq!(serde_json::from_str::<Microservice>(&written).expect("it was written here"), read);
    for instance in root.objects("instances").unwrap_or_default() {
        let Ok(instance) = instance_form::read(&instance, limits) else { continue };
        for url in dubbo::instance_urls(&read, &instance, &Tenant::default()) {
            let path = dubbo::znode_path("/dubbo", &read.service_name, Side::Provider, &url);
            let (_, interface, name) =
                dubbo::parse_path("/dubbo", &path).expect("it is the path of an entry");
            assert_eq!(
                (interface, dubbo::decode(name)),
                (read.service_name.clone(), Ok(url.clone())),
                "{path}"
            );
            let parsed = dubbo::ServiceUrl::parse(&url).expect("what is written can be read");
            assert_eq!(parsed.to_string(), url);
        }
    }
}

fn instance(read: &Instance) {
    let written = serde_json::to_string(read).expect("it is texts, lists and maps");
    assert_eq!(serde_json::from_str::<Instance>(&written).expect("it was written here"), *read);
    assert!(read.time_to_live() > std::time::Duration::ZERO);
}
