//! What a microservice brings along: its tags and schemas, the same on every replica, and gone with it.

use reqwest::Method;
use serde_json::{Value, json};

use crate::fixtures::{create_instance, create_service, find};
use crate::support::client::Answer;
use crate::support::gateway::{Gateway, Options, registry_path};
use crate::support::znodes::Znodes;
use crate::support::zookeeper;

async fn two() -> (Gateway, Gateway, Znodes) {
    let root = zookeeper::shared().await;
    let options = Options::new(&root);
    (options.clone().start().await, options.start().await, Znodes::connect(&root).await)
}

async fn put(gateway: &Gateway, path: &str, body: &Value) -> Answer {
    gateway.request(Method::PUT, &registry_path(path)).json(body).send().await
}

/// Waits until `gateway` has everything that was committed before: it catches up when it is asked for a later state.
async fn caught_up(gateway: &Gateway, ahead: &Gateway, name: &str) {
    let rev = ahead.get(&find(name)).await.ok().header("x-resource-revision").unwrap().to_owned();
    gateway.get(&format!("{}&rev={rev}", find(name))).await;
}

#[tokio::test]
async fn tags_are_replaced_changed_and_removed_on_any_replica() {
    let (one, other, znodes) = two().await;
    let service = create_service(&one, "stock").await;
    let tags = format!("/microservices/{service}/tags");
    assert_eq!(one.get(&tags).await.ok().json(), json!({}));
    one.post(&tags, &json!({"tags": {"region": "north", "tier": "gold"}})).await.ok();
    assert_eq!(one.get(&tags).await.ok().json(), json!({"tags": {"region": "north", "tier": "gold"}}));
    other.put(&format!("{tags}/region?value=south")).await.ok();
    assert_eq!(other.get(&tags).await.ok().json()["tags"]["region"], "south");
    one.put(&format!("{tags}/no?value=south")).await.refused("400018");
    one.put(&format!("{tags}/region?value=")).await.refused("400001");
    one.delete(&format!("{tags}/tier,no")).await.refused("400018");
    one.delete(&format!("{tags}/tier,region")).await.ok();
    assert_eq!(one.get(&tags).await.ok().json(), json!({}));
    assert_eq!(znodes.data(&format!("/zoogate/microservices/default/default/{service}/tags")).await, "{}");
    let many: Value =
        (0..101).map(|number| (format!("t{number}"), json!("v"))).collect::<serde_json::Map<_, _>>().into();
    one.post(&tags, &json!({"tags": many})).await.refused("400001");
    one.post("/microservices/unknown/tags", &json!({"tags": {}})).await.refused("400012");
    one.get("/microservices/unknown/tags").await.refused("400012");
}

#[tokio::test]
async fn a_find_by_tags_sees_the_versions_that_have_them_all() {
    let (one, _, _) = two().await;
    let mut services = Vec::new();
    for (version, tags) in [("1.0.0", json!({"a": "x"})), ("2.0.0", json!({"a": "x", "b": "y"}))] {
        let body = json!({
            "service": {"appId": "shop", "serviceName": "stock", "version": version}, "tags": tags,
        });
        let service =
            one.post("/microservices", &body).await.ok().json()["serviceId"].as_str().unwrap().to_owned();
        create_instance(&one, &service, 8080).await;
        services.push(service);
    }
    let found = async |tags: &str| {
        let answer = one.get(&format!("{}&tags={tags}", find("stock"))).await.ok();
        let count = answer.json()["instances"].as_array().map_or(0, Vec::len);
        (count, answer.header("x-resource-revision").unwrap().to_owned())
    };
    assert_eq!(found("a").await.0, 2);
    let (count, rev) = found("a,b").await;
    assert_eq!(count, 1);
    assert_eq!(found("c").await.0, 0);
    let listed = one.get(&format!("/microservices/{}/instances?tags=b", services[0])).await.ok();
    assert_eq!(listed.json(), json!({}));
    one.post(&format!("/microservices/{}/tags", services[0]), &json!({"tags": {"a": "z", "b": "z"}}))
        .await
        .ok();
    let (count, changed) = found("a,b").await;
    assert_eq!(count, 2);
    assert_ne!(changed, rev);
}

#[tokio::test]
async fn schemas_are_stored_once_and_read_from_any_replica() {
    let (one, other, znodes) = two().await;
    let service = create_service(&one, "stock").await;
    let schemas = format!("/microservices/{service}/schemas");
    let text = "swagger: '2.0'\n# ".to_owned() + &"x".repeat(100_000);
    put(&one, &format!("{schemas}/api"), &json!({"schema": text, "summary": "abc1"})).await.ok();
    put(&one, &format!("{schemas}/other"), &json!({"schema": "short", "summary": "abc2"})).await.ok();
    put(&one, &format!("{schemas}/api"), &json!({"schema": "", "summary": "abc1"})).await.refused("400001");
    let read = other.get(&format!("{schemas}/api")).await.ok();
    assert_eq!(
        (read.json()["schema"].as_str(), read.header("x-schema-summary")),
        (Some(text.as_str()), Some("abc1"))
    );
    let listed = one.get(&schemas).await.ok().json();
    let expected = json!({"schemas": [
        {"schemaId": "api", "summary": "abc1"}, {"schemaId": "other", "summary": "abc2"},
    ]});
    assert_eq!(listed, expected);
    let whole = one.get(&format!("{schemas}?withSchema=1")).await.ok().json();
    assert_eq!(whole["schemas"][1]["schema"], "short");
    one.get(&format!("{schemas}?withSchema=yes")).await.refused("400001");
    let microservice = one.get(&format!("/microservices/{service}")).await.ok().json();
    assert_eq!(microservice["service"]["schemas"], json!(["api", "other"]));

    let existence = format!("/existence?type=schema&serviceId={service}&schemaId=");
    let here = other.get(&format!("{existence}api")).await.ok();
    assert_eq!(here.json(), json!({"serviceId": service, "schemaId": "api"}));
    assert_eq!(here.header("x-schema-summary"), Some("abc1"));
    other.get(&format!("{existence}no")).await.refused("400016");
    other.get("/existence?type=schema&serviceId=no&schemaId=no").await.refused("400012");

    other.delete(&format!("{schemas}/api")).await.ok();
    other.delete(&format!("{schemas}/api")).await.refused("400016");
    other.get(&format!("{schemas}/api")).await.refused("400016");
    other.get("/microservices/no/schemas/no").await.refused("400012");
    let microservice = other.get(&format!("/microservices/{service}")).await.ok().json();
    assert_eq!(microservice["service"]["schemas"], json!(["other"]));
    let folder = format!("/zoogate/microservices/default/default/{service}/schemas");
    assert_eq!(znodes.children(&folder).await, ["other"]);
}

#[tokio::test]
async fn a_batch_of_schemas_replaces_those_that_were_there() {
    let (one, other, znodes) = two().await;
    let service = create_service(&one, "stock").await;
    let schemas = format!("/microservices/{service}/schemas");
    put(&one, &format!("{schemas}/old"), &json!({"schema": "s", "summary": "a"})).await.ok();
    let batch = |ids: &[&str]| {
        let schemas: Vec<Value> = ids
            .iter()
            .map(|id| json!({"schemaId": id, "schema": format!("text of {id}"), "summary": "b"}))
            .collect();
        json!({ "schemas": schemas })
    };
    other.post(&schemas, &batch(&["x", "y"])).await.ok();
    one.post(&schemas, &batch(&["y", "z"])).await.ok();
    let folder = format!("/zoogate/microservices/default/default/{service}/schemas");
    assert_eq!(znodes.children(&folder).await, ["y", "z"]);
    let microservice = one.get(&format!("/microservices/{service}")).await.ok().json();
    assert_eq!(microservice["service"]["schemas"], json!(["y", "z"]));
    assert_eq!(one.get(&format!("{schemas}/z")).await.ok().json()["schema"], "text of z");
    one.post(&schemas, &json!({"schemas": []})).await.refused("400001");
    one.post(&schemas, &json!({"schemas": [{"schemaId": "a", "schema": "s"}]})).await.refused("400001");
}

#[tokio::test]
async fn a_schema_that_does_not_fit_into_a_znode_is_refused_and_changes_nothing() {
    let (one, _, _) = two().await;
    let service = create_service(&one, "stock").await;
    let schemas = format!("/microservices/{service}/schemas");
    let answer =
        put(&one, &format!("{schemas}/api"), &json!({"schema": "x".repeat(1_100_000), "summary": "a"})).await;
    answer.refused("400001");
    assert!(answer.json()["detail"].as_str().unwrap().contains("/schemas/api"), "{answer:?}");
    assert_eq!(one.get(&schemas).await.ok().json(), json!({}));
    // Large ones that fit one by one are taken together.
    let large: Vec<Value> = (0..3)
        .map(|id| json!({"schemaId": format!("s{id}"), "schema": "x".repeat(600_000), "summary": "a"}))
        .collect();
    one.post(&schemas, &json!({"schemas": large})).await.ok();
    assert_eq!(
        one.get(&format!("{schemas}/s2")).await.ok().json()["schema"].as_str().unwrap().len(),
        600_000
    );
}

#[tokio::test]
async fn both_replicas_may_store_the_same_schema_at_once() {
    let (one, other, _) = two().await;
    let service = create_service(&one, "stock").await;
    caught_up(&other, &one, "stock").await;
    for round in 0..10 {
        let path = format!("/microservices/{service}/schemas/s{round}");
        let body = json!({"schema": "text", "summary": "a"});
        let (left, right) = tokio::join!(put(&one, &path, &body), put(&other, &path, &body));
        left.ok();
        right.ok();
    }
    let listed = one.get(&format!("/microservices/{service}/schemas")).await.ok().json();
    assert_eq!(listed["schemas"].as_array().unwrap().len(), 10);
}

#[tokio::test]
async fn a_deleted_microservice_takes_everything_below_it_along() {
    let (one, other, znodes) = two().await;
    let service = create_service(&one, "stock").await;
    let path = format!("/microservices/{service}");
    for gateway in [&one, &other] {
        one.post(
            "/microservices",
            &json!({"service": {"appId": "shop", "serviceName": "stock", "version": "1.0.0"}}),
        )
        .await
        .ok();
        put(gateway, &format!("{path}/schemas/api"), &json!({"schema": "s", "summary": "a"})).await.ok();
        gateway.post(&format!("{path}/tags"), &json!({"tags": {"a": "b"}})).await.ok();
        // The one that has not written it may not have seen it yet.
        let last = if std::ptr::eq(gateway, &one) { &other } else { &one };
        last.delete(&format!("{path}?force=true")).await.ok();
        let microservices = "/zoogate/microservices/default/default";
        assert!(!znodes.exists(&format!("{microservices}/{service}")).await);
    }
}

#[tokio::test]
async fn many_microservices_are_deleted_with_one_request() {
    let (one, _, _) = two().await;
    let (empty, busy) = (create_service(&one, "empty").await, create_service(&one, "busy").await);
    create_instance(&one, &busy, 8080).await;
    let delete =
        |body: Value| one.request(Method::DELETE, &registry_path("/microservices")).json(&body).send();
    let answer = delete(json!({"serviceIds": [empty, busy, "unknown", empty]})).await.ok().json();
    for outcome in answer["services"].as_array().unwrap() {
        assert_eq!(outcome.get("errMessage").is_none(), outcome["serviceId"] == json!(empty), "{answer}");
    }
    assert_eq!(answer["services"].as_array().unwrap().len(), 3);
    let answer = delete(json!({"serviceIds": [busy], "force": true})).await.ok().json();
    assert_eq!(answer, json!({"services": [{"serviceId": busy}]}));
    delete(json!({"serviceIds": []})).await.refused("400001");
    delete(json!({"serviceIds": ["a b"]})).await.refused("400001");
}

#[tokio::test]
async fn a_tenant_has_as_many_of_everything_as_its_quota_allows() {
    let gateway = Options::new(&zookeeper::shared().await)
        .set("servicecomb", "quota_services", "2")
        .set("servicecomb", "quota_instances", "1")
        .set("servicecomb", "quota_schemas", "1")
        .set("servicecomb", "quota_tags", "1")
        .start()
        .await;
    let service = create_service(&gateway, "one").await;
    create_service(&gateway, "two").await;
    let third = json!({"service": {"appId": "shop", "serviceName": "three", "version": "1.0.0"}});
    gateway.post("/microservices", &third).await.refused("400100");
    // What exists can be registered again.
    assert_eq!(create_service(&gateway, "one").await, service);
    let other =
        gateway.request(Method::POST, &registry_path("/microservices")).header("x-domain-name", "other");
    other.json(&third).send().await.ok();

    create_instance(&gateway, &service, 8080).await;
    create_instance(&gateway, &service, 8080).await;
    let instance = json!({"instance": {"hostName": "node", "endpoints": ["rest://10.0.0.7:8081"]}});
    gateway.post(&format!("/microservices/{service}/instances"), &instance).await.refused("400100");

    let schema = json!({"schema": "s", "summary": "a"});
    put(&gateway, &format!("/microservices/{service}/schemas/a"), &schema).await.ok();
    put(&gateway, &format!("/microservices/{service}/schemas/a"), &schema).await.ok();
    put(&gateway, &format!("/microservices/{service}/schemas/b"), &schema).await.refused("400100");
    let tags = json!({"tags": {"a": "b", "c": "d"}});
    gateway.post(&format!("/microservices/{service}/tags"), &tags).await.refused("400001");
}
