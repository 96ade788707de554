//! The v4 API as ServiceComb's clients and the specification's examples use it.

use reqwest::Method;
use serde_json::{Value, json};

use crate::fixtures::{
    BATCH_EXAMPLE, INSTANCE_EXAMPLE, TEST_SERVICE_ID, create_instance, create_service, find, id_in,
    instances, sorted,
};
use crate::support::client::Answer;
use crate::support::gateway::{Gateway, Options, registry_path};
use crate::support::zookeeper;

async fn gateway() -> Gateway {
    Options::new(&zookeeper::shared().await).start().await
}

/// Registers the microservice of the specification's examples.
async fn create_test_service(gateway: &Gateway) {
    let service = json!({"service": {
        "appId": "default", "serviceName": "test", "version": "1.0.0", "description": "this is a test",
    }});
    let answer = gateway.post("/microservices", &service).await.ok();
    assert_eq!(answer.json(), json!({"serviceId": TEST_SERVICE_ID}));
}

async fn query(gateway: &Gateway, body: &Value) -> Answer {
    gateway.post("/instances/action?type=query", body).await
}

fn is_rev(value: &Value) -> bool {
    value.as_str().is_some_and(|rev| rev.len() == 40 && rev.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn is_time(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.len() == 10 && text.parse::<u64>().is_ok())
}

#[tokio::test]
async fn the_list_of_microservices_reads_as_in_the_specification() {
    let gateway = gateway().await;
    create_test_service(&gateway).await;
    let other = json!({"service": {"appId": "test", "serviceName": "test1", "version": "1.0.0"}});
    gateway.post("/microservices", &other).await.ok();
    let answer = gateway.get("/microservices").await.ok();
    assert!(answer.header("content-type").unwrap().starts_with("application/json"), "{answer:?}");
    let mut services = answer.json()["services"].as_array().unwrap().clone();
    for service in &mut services {
        for key in ["timestamp", "modTimestamp"] {
            assert!(is_time(&service[key]), "{service}");
            service.as_object_mut().unwrap().remove(key);
        }
    }
    services.sort_by_key(|service| service["serviceName"].to_string());
    let expected = json!([
        {
            "serviceId": TEST_SERVICE_ID, "appId": "default", "serviceName": "test", "version": "1.0.0",
            "description": "this is a test", "level": "BACK", "status": "UP",
        },
        {
            "serviceId": "dcc6c1073eab3cadb47cea2e1a874b7883b02a63", "appId": "test", "serviceName": "test1",
            "version": "1.0.0", "level": "BACK", "status": "UP",
        },
    ]);
    for (service, expected) in services.iter().zip(expected.as_array().unwrap()) {
        for (key, value) in expected.as_object().unwrap() {
            assert_eq!(&service[key], value, "{key} of {service}");
        }
    }
    assert_eq!(services.len(), 2);
}

#[tokio::test]
async fn a_microservice_keeps_its_id_however_often_it_is_created() {
    let gateway = gateway().await;
    create_test_service(&gateway).await;
    create_test_service(&gateway).await;
    let clash = json!({"service": {
        "serviceId": "mine", "appId": "default", "serviceName": "test", "version": "1.0.0",
    }});
    gateway.post("/microservices", &clash).await.refused("400010");
    let existence = "/existence?type=microservice&appId=default&serviceName=test&version=";
    let here = gateway.get(&format!("{existence}1.0.0")).await.ok();
    assert_eq!(here.json()["serviceId"], TEST_SERVICE_ID);
    gateway.get(&format!("{existence}2.0.0")).await.refused("400026");
    gateway
        .get("/existence?type=microservice&appId=default&serviceName=no&version=1.0.0")
        .await
        .refused("400012");
    let one = gateway.get(&format!("/microservices/{TEST_SERVICE_ID}")).await.ok();
    assert_eq!(one.json()["service"]["serviceName"], "test");
}

#[tokio::test]
async fn the_registration_of_the_specification_is_taken_and_reads_back_whole() {
    let gateway = gateway().await;
    create_test_service(&gateway).await;
    let request = gateway.request(Method::POST, &registry_path(&instances(TEST_SERVICE_ID)));
    let answer = request.header("content-type", "application/json").body(INSTANCE_EXAMPLE).send().await.ok();
    let id = id_in(&answer.json(), "instanceId");
    assert_eq!(answer.json(), json!({"instanceId": id}));
    assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");

    let read = gateway.get(&format!("{}/{id}", instances(TEST_SERVICE_ID))).await.ok();
    let instance = &read.json()["instance"];
    let sent: Value = serde_json::from_str(INSTANCE_EXAMPLE).unwrap();
    for (key, value) in sent["instance"].as_object().unwrap() {
        assert_eq!(&instance[key], value, "{key} of {instance}");
    }
    assert_eq!(instance["instanceId"], id);
    assert_eq!(instance["serviceId"], TEST_SERVICE_ID);
    assert_eq!(instance["version"], "1.0.0");
    assert!(is_time(&instance["timestamp"]) && is_time(&instance["modTimestamp"]), "{instance}");
}

#[tokio::test]
async fn the_batch_query_of_the_specification_is_answered_as_it_says() {
    let gateway = gateway().await;
    create_test_service(&gateway).await;
    let instance = json!({"instance": {
        "hostName": "hostNameTest", "endpoints": ["rest:127.0.0.1:8080"],
        "properties": {"engineID": "30c263e5", "engineName": "cse"},
    }});
    let posted = gateway.post(&instances(TEST_SERVICE_ID), &instance).await.ok();
    let id = id_in(&posted.json(), "instanceId");

    let request = gateway.request(Method::POST, &registry_path("/instances/action?type=query"));
    let answer = request.header("content-type", "application/json").body(BATCH_EXAMPLE).send().await.ok();
    let body = answer.json();
    let updated = &body["services"]["updated"][0];
    assert_eq!(updated["index"], 0, "{body}");
    assert!(is_rev(&updated["rev"]), "{body}");
    let mut found = updated["instances"][0].clone();
    for key in ["timestamp", "modTimestamp"] {
        assert!(is_time(&found[key]), "{found}");
        found.as_object_mut().unwrap().remove(key);
    }
    let expected = json!({
        "instanceId": id, "serviceId": TEST_SERVICE_ID, "endpoints": ["rest:127.0.0.1:8080"],
        "hostName": "hostNameTest", "status": "UP",
        "properties": {"engineID": "30c263e5", "engineName": "cse"},
        "healthCheck": {"mode": "push", "interval": 30, "times": 3}, "version": "1.0.0",
    });
    assert_eq!(found, expected);
    assert_eq!(body["services"]["updated"].as_array().unwrap().len(), 1, "{body}");
    assert_eq!(body.get("instances"), None, "what was not asked for is not answered: {body}");
}

#[tokio::test]
async fn a_batch_query_sorts_its_elements_into_updated_unmodified_and_failed() {
    let gateway = gateway().await;
    let service = create_service(&gateway, "stock").await;
    let instance = create_instance(&gateway, &service, 8080).await;
    let by_name = |name: &str, rev: &str| json!({"service": {"appId": "shop", "serviceName": name, "version": "string"}, "rev": rev});
    let by_id = |instance: &str, rev: &str| json!({"instance": {"serviceId": service, "instanceId": instance}, "rev": rev});
    let both = json!({"services": [by_name("stock", "0")], "instances": [by_id(&instance, "")]});
    let first = query(&gateway, &both).await.ok().json();
    let rev = first["services"]["updated"][0]["rev"].as_str().unwrap();
    let instance_rev = first["instances"]["updated"][0]["rev"].as_str().unwrap();

    let again = json!({
        "services": [by_name("no", "0"), by_name("stock", rev), by_name("stock", "other"), by_name("none", "")],
        "instances": [by_id(&instance, instance_rev), by_id("unknown", "")],
    });
    let body = query(&gateway, &again).await.ok().json();
    let failed = &body["services"]["failed"];
    assert_eq!(failed.as_array().unwrap().len(), 1, "one entry for each code: {body}");
    assert_eq!(failed[0]["indexes"], json!([0, 3]), "{body}");
    assert_eq!(failed[0]["error"]["errorCode"], "400012", "{body}");
    assert_eq!(body["services"]["notModified"], json!([1]), "{body}");
    assert_eq!(body["services"]["updated"][0]["index"], 2, "{body}");
    assert_eq!(body["services"]["updated"][0]["rev"], rev, "{body}");
    assert_eq!(body["instances"]["notModified"], json!([0]), "{body}");
    assert_eq!(body["instances"]["failed"][0]["indexes"], json!([1]), "{body}");
    assert_eq!(body["instances"]["failed"][0]["error"]["errorCode"], "400017", "{body}");
    assert_eq!(body["instances"].get("updated"), None, "{body}");
}

#[tokio::test]
async fn a_batch_query_that_asks_for_nothing_is_refused() {
    let gateway = gateway().await;
    query(&gateway, &json!({})).await.refused("400001");
    query(&gateway, &json!({"services": [], "instances": null})).await.refused("400001");
    query(&gateway, &json!({"services": [{"rev": "0"}]})).await.refused("400001");
    gateway.post("/instances/action?type=other", &json!({"services": []})).await.refused("400001");
    gateway.post("/instances/action", &json!({"services": []})).await.refused("400001");
}

#[tokio::test]
async fn the_same_endpoints_get_the_same_id_and_an_own_id_overwrites() {
    let gateway = gateway().await;
    let service = create_service(&gateway, "stock").await;
    let first = create_instance(&gateway, &service, 8080).await;
    assert_eq!(create_instance(&gateway, &service, 8080).await, first);
    let second = create_instance(&gateway, &service, 8081).await;
    assert_ne!(second, first);

    let own = |value: &str| {
        json!({"instance": {
            "instanceId": "mine", "hostName": "node", "endpoints": ["rest://10.0.0.7:8082"],
            "properties": {value: value},
        }})
    };
    for value in ["before", "after"] {
        let answer = gateway.post(&instances(&service), &own(value)).await.ok();
        assert_eq!(answer.json(), json!({"instanceId": "mine"}));
    }
    let read = gateway.get(&format!("{}/mine", instances(&service))).await.ok();
    assert_eq!(read.json()["instance"]["properties"], json!({"after": "after"}));
    let all = gateway.get(&instances(&service)).await.ok().json();
    let mut ids: Vec<_> = all["instances"].as_array().unwrap().iter().map(|one| &one["instanceId"]).collect();
    ids.sort_by_key(|id| id.to_string());
    let mut expected = [json!(first), json!(second), json!("mine")];
    expected.sort_by_key(ToString::to_string);
    assert_eq!(ids, expected.iter().collect::<Vec<_>>());
}

#[tokio::test]
async fn heartbeats_are_taken_of_known_instances_only() {
    let gateway = gateway().await;
    let service = create_service(&gateway, "stock").await;
    let instance = create_instance(&gateway, &service, 8080).await;
    let beat = |instance: &str| format!("{}/{instance}/heartbeat", instances(&service));
    assert_eq!(gateway.put(&beat(&instance)).await.ok().body, "");
    gateway.put(&beat("unknown")).await.refused("400017");
    gateway.put("/microservices/unknown/instances/unknown/heartbeat").await.refused("400017");

    let set = json!({"instances": [
        {"serviceId": service, "instanceId": instance}, {"serviceId": service, "instanceId": "unknown"},
    ]});
    let request = gateway.request(Method::PUT, &registry_path("/heartbeats"));
    let body = request.json(&set).send().await.ok().json();
    for one in body["instances"].as_array().unwrap() {
        let failed = one.get("errMessage").is_some();
        assert_eq!(failed, one["instanceId"] == "unknown", "{body}");
    }
    assert_eq!(body["instances"].as_array().unwrap().len(), 2, "{body}");
}

#[tokio::test]
async fn the_rev_moves_with_the_answer_and_only_with_it() {
    let gateway = gateway().await;
    let service = create_service(&gateway, "stock").await;
    let instance = create_instance(&gateway, &service, 8080).await;
    let ask = async |rev: &str| gateway.get(&format!("{}&rev={rev}", find("stock"))).await;
    let rev_of = |answer: &Answer| answer.header("x-resource-revision").unwrap().to_owned();
    let first = ask("0").await.ok();
    let rev = rev_of(&first);
    assert!(is_rev(&json!(rev)), "{rev}");
    assert_eq!(first.json()["instances"][0]["instanceId"], instance);

    gateway.put(&format!("{}/{instance}/heartbeat", instances(&service))).await.ok();
    create_instance(&gateway, &service, 8080).await;
    let unmodified = ask(&rev).await;
    assert_eq!((unmodified.status, unmodified.body.as_str(), rev_of(&unmodified)), (304, "", rev.clone()));
    assert_eq!(ask("").await.status, 200);

    let status = format!("{}/{instance}/status?value=", instances(&service));
    gateway.put(&format!("{status}DOWN")).await.ok();
    let down = ask(&rev).await.ok();
    assert_ne!(rev_of(&down), rev);
    assert_eq!(down.json()["instances"][0]["status"], "DOWN");
    gateway.put(&format!("{status}SLEEPING")).await.refused("400001");
    assert_eq!(ask(&rev_of(&down)).await.status, 304);
}

#[tokio::test]
async fn an_unregistered_instance_is_found_no_more() {
    let gateway = gateway().await;
    let service = create_service(&gateway, "stock").await;
    let instance = create_instance(&gateway, &service, 8080).await;
    let path = format!("{}/{instance}", instances(&service));
    assert_eq!(gateway.delete(&path).await.ok().body, "");
    gateway.delete(&path).await.refused("400017");
    gateway.get(&path).await.refused("400017");
    let empty = gateway.get(&find("stock")).await.ok();
    assert_eq!(empty.json(), json!({}));
    assert!(empty.header("x-resource-revision").is_some(), "{empty:?}");
}

#[tokio::test]
async fn a_microservice_with_instances_goes_only_by_force() {
    let gateway = gateway().await;
    let service = create_service(&gateway, "stock").await;
    create_instance(&gateway, &service, 8080).await;
    let path = format!("/microservices/{service}");
    gateway.delete(&path).await.refused("400013");
    gateway.delete(&format!("{path}?force=maybe")).await.refused("400001");
    gateway.delete(&format!("{path}?force=true")).await.ok();
    gateway.get(&path).await.refused("400012");
    gateway.get(&find("stock")).await.refused("400012");
    gateway.delete(&path).await.refused("400012");
}

#[tokio::test]
async fn tenants_do_not_see_each_other() {
    let gateway = gateway().await;
    create_test_service(&gateway).await;
    let list = |domain: &'static str, path: &'static str| {
        gateway.request(Method::GET, path).header("x-domain-name", domain)
    };
    for (domain, path) in
        [("other", "/v4/default/registry/microservices"), ("default", "/v4/other/registry/microservices")]
    {
        let answer = list(domain, path).send().await.ok();
        assert_eq!(answer.json(), json!({}), "{domain} {path}");
    }
    let own = list("default", "/v4/default/registry/microservices").send().await.ok();
    assert_eq!(own.json()["services"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn bad_input_is_refused_with_the_name_of_the_field() {
    let gateway = gateway().await;
    let service = create_service(&gateway, "stock").await;
    let cases = [
        ("/microservices".to_owned(), json!({"service": {"serviceName": ""}}), "serviceName"),
        ("/microservices".to_owned(), json!({"service": {"serviceName": "a", "version": "1.x"}}), "version"),
        ("/microservices".to_owned(), json!({"service": {"serviceName": "a", "level": "UPPER"}}), "level"),
        (instances(&service), json!({"instance": {"endpoints": ["rest://10.0.0.7:1"]}}), "hostName"),
        (instances(&service), json!({"instance": {"hostName": "n", "status": "GONE"}}), "status"),
    ];
    for (path, body, field) in cases {
        let answer = gateway.post(&path, &body).await;
        answer.refused("400001");
        let detail = answer.json()["detail"].to_string().to_lowercase();
        assert!(detail.contains(&field.to_lowercase()), "{field} in {detail}");
    }
    gateway.post(&instances("unknown"), &json!({"instance": {"hostName": "n"}})).await.refused("400012");
    let listed = gateway.get("/microservices").await.ok().json();
    let names: Vec<_> =
        listed["services"].as_array().unwrap().iter().map(|one| one["serviceName"].clone()).collect();
    assert_eq!(sorted(&json!(names)), ["stock"]);
}
