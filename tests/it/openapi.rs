//! The description of the HTTP surface: the file that is checked in is what the binary prints and the gateway serves,
//! and it knows every route and every method that the gateway knows.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use reqwest::Method;
use serde_json::Value;

use crate::support::client::Request;
use crate::support::gateway::{Options, run};

/// The methods that a path of the description can have.
const METHODS: [&str; 7] = ["get", "head", "post", "put", "delete", "patch", "options"];

fn checked_in() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
    std::fs::read_to_string(path).unwrap()
}

fn described() -> Value {
    serde_json::from_str(&checked_in()).unwrap()
}

/// The methods of every path in `description`, in capitals.
fn methods_of(description: &Value) -> BTreeMap<String, BTreeSet<String>> {
    let paths = description["paths"].as_object().unwrap();
    let methods = |item: &Value| {
        let described = METHODS.iter().filter(|method| item.get(**method).is_some());
        described.map(|method| method.to_uppercase()).collect()
    };
    paths.iter().map(|(path, item)| (path.clone(), methods(item))).collect()
}

#[test]
fn the_file_that_is_checked_in_is_what_the_binary_prints() {
    let printed = run(&["openapi"]);
    assert!(printed.status.success());
    let printed = String::from_utf8(printed.stdout).unwrap();
    assert!(printed == checked_in(), "openapi.json is out of date: run scripts/openapi");
}

#[tokio::test]
async fn the_gateway_serves_the_file_with_or_without_zookeeper() {
    let gateway = Options::new("127.0.0.1:1").any_port().launch().await;
    let answer = gateway.request(Method::GET, "/openapi.json").send().await.ok();
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert!(answer.body == checked_in());
}

#[tokio::test]
async fn every_path_that_is_described_has_the_methods_that_are_described_and_no_others() {
    let gateway = Options::new("127.0.0.1:1").any_port().launch().await;
    for (template, methods) in methods_of(&described()) {
        let is_ops = described()["paths"][&template].get("servers").is_some();
        let address = if is_ops { gateway.ops } else { gateway.http };
        let path: Vec<&str> =
            template.split('/').map(|segment| if segment.starts_with('{') { "x" } else { segment }).collect();
        // No path has it, so that the answer names all that it has.
        let answer = Request::new(Method::PATCH, address, &path.join("/")).send().await;
        assert_eq!(answer.status, 405, "{template}: {answer:?}");
        let allowed = answer.header("allow").unwrap_or_else(|| panic!("{template}: {answer:?}"));
        let allowed: BTreeSet<String> = allowed.split(',').map(|method| method.trim().to_owned()).collect();
        assert_eq!(allowed, methods, "{template}");
    }
}

#[test]
fn every_route_in_the_sources_is_described() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let described: BTreeSet<String> = methods_of(&described()).into_keys().collect();
    let mut routes = 0;
    for file in ["api/mosn/mod.rs", "api/servicecomb/mod.rs", "api/openapi.rs", "ops/mod.rs"] {
        let text = std::fs::read_to_string(root.join(file)).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap();
        for call in ["web::resource(\"", "read(\""] {
            for (at, _) in code.match_indices(call) {
                let route = code[at + call.len()..].split('"').next().unwrap();
                routes += 1;
                let is_it = |path: &String| {
                    *path == route
                        || path.strip_prefix("/v4/{project}/").is_some_and(|rest| rest.ends_with(route))
                };
                assert!(described.iter().any(is_it), "{file}: {route} is not described");
            }
        }
    }
    // The description itself names its path once, for both.
    assert_eq!(routes + 1, described.len(), "as many routes as described paths: {described:#?}");
}

#[test]
fn nothing_is_referred_to_that_is_not_there_and_no_operation_has_the_name_of_another() {
    let description = described();
    let mut stack = vec![&description];
    while let Some(value) = stack.pop() {
        if let Some(reference) = value.get("$ref").and_then(Value::as_str) {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(description.pointer(pointer).is_some(), "{reference}");
        }
        match value {
            Value::Object(fields) => stack.extend(fields.values()),
            Value::Array(elements) => stack.extend(elements),
            _ => {}
        }
    }
    let mut names = BTreeSet::new();
    for item in description["paths"].as_object().unwrap().values() {
        for operation in METHODS.iter().filter_map(|method| item.get(*method)) {
            let name = operation["operationId"].as_str().unwrap();
            assert!(names.insert(name), "{name}");
        }
    }
}
