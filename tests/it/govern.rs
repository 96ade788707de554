//! What the dashboard and browsers ask for: everything at once, compressed, from other origins.

use std::io::Read;

use reqwest::Method;
use serde_json::{Value, json};

use crate::fixtures::{create_instance, create_service, find, instances};
use crate::support::client::{Answer, raw_bytes};
use crate::support::eventually::{ensure, eventually};
use crate::support::gateway::{Gateway, Options, registry_path};
use crate::support::zookeeper;

async fn gateway() -> Gateway {
    Options::new(&zookeeper::shared().await).start().await
}

async fn govern(gateway: &Gateway, path: &str) -> Answer {
    gateway.request(Method::GET, &format!("/v4/default/govern{path}")).send().await
}

/// `web` uses `stock`, which has an instance, a tag and a schema.
async fn shop(gateway: &Gateway) -> (String, String) {
    let (web, stock) = (create_service(gateway, "web").await, create_service(gateway, "stock").await);
    create_instance(gateway, &stock, 8080).await;
    gateway.post(&format!("/microservices/{stock}/tags"), &json!({"tags": {"a": "b"}})).await.ok();
    let schema = gateway.request(Method::PUT, &registry_path(&format!("/microservices/{stock}/schemas/api")));
    schema.json(&json!({"schema": "text", "summary": "c"})).send().await.ok();
    let found = gateway.request(Method::GET, &registry_path(&find("stock"))).header("x-consumerid", &web);
    found.send().await.ok();
    eventually("the dependency is recorded", std::time::Duration::from_secs(3), async || {
        let answer = gateway.get(&format!("/microservices/{web}/providers")).await.json();
        ensure(answer.get("providers").is_some(), || answer.to_string())
    })
    .await;
    (web, stock)
}

fn names(list: &Value, member: &str) -> Vec<String> {
    list.as_array().into_iter().flatten().map(|one| one[member].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn the_dashboard_sees_everything_of_a_microservice_at_once() {
    let gateway = gateway().await;
    let (web, stock) = shop(&gateway).await;
    let detail = govern(&gateway, &format!("/microservices/{stock}")).await.ok().json()["service"].clone();
    assert_eq!(detail["microService"]["serviceName"], "stock", "{detail}");
    assert_eq!(detail["instances"].as_array().unwrap().len(), 1, "{detail}");
    assert_eq!(detail["schemaInfos"], json!([{"schemaId": "api", "summary": "c"}]), "{detail}");
    assert_eq!(detail["tags"], json!({"a": "b"}), "{detail}");
    assert_eq!(names(&detail["consumers"], "serviceId"), [web.as_str()], "{detail}");
    assert_eq!(detail["microServiceVersions"], json!(["1.0.0"]), "{detail}");
    govern(&gateway, "/microservices/unknown").await.refused("400012");

    let all = govern(&gateway, "/microservices?options=all").await.ok().json();
    assert_eq!(all["allServicesDetail"].as_array().unwrap().len(), 2, "{all}");
    assert_eq!(all["statistics"]["instances"]["count"], 1, "{all}");
    let plain = govern(&gateway, "/microservices?serviceName=web").await.ok().json();
    assert_eq!(names(&json!([plain["allServicesDetail"][0]["microService"]]), "serviceId"), [web.as_str()]);
    assert_eq!(plain["allServicesDetail"][0].get("providers"), None, "{plain}");
    let counted = govern(&gateway, "/microservices?options=statistics&countOnly=1").await.ok().json();
    assert_eq!(counted.get("allServicesDetail"), None, "{counted}");
    govern(&gateway, "/microservices?options=secrets").await.refused("400001");

    let statistics = govern(&gateway, "/statistics").await.ok().json();
    let expected = json!({"statistics": {
        "services": {"count": 2, "onlineCount": 1}, "instances": {"count": 1, "countByDomain": 1}, "apps": {"count": 1},
    }});
    assert_eq!(statistics, expected);
    assert_eq!(govern(&gateway, "/apps").await.ok().json(), json!({"appIds": ["shop"]}));
    let relations = govern(&gateway, "/relations").await.ok().json();
    assert_eq!(relations["nodes"].as_array().unwrap().len(), 2, "{relations}");
    assert_eq!(relations["lines"][0]["from"]["id"], web, "{relations}");
    assert_eq!(relations["lines"][0]["to"]["id"], stock, "{relations}");
    assert_eq!(govern(&gateway, "/nothing").await.status, 404);
}

#[tokio::test]
async fn long_answers_are_compressed_for_those_who_ask() {
    let gateway = gateway().await;
    let service = create_service(&gateway, "stock").await;
    for port in 8080..8090 {
        create_instance(&gateway, &service, port).await;
    }
    let path = registry_path(&instances(&service));
    let plain = gateway.request(Method::GET, &path).send().await.ok();
    assert_eq!(plain.header("content-encoding"), None);
    let ask = |path: &str| {
        format!("GET {path} HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n")
    };
    let answer = raw_bytes(gateway.http, ask(&path).as_bytes()).await;
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
    assert!(head.contains("content-encoding: gzip") && head.contains("x-resource-revision"), "{head}");
    let mut text = String::new();
    flate2::read::GzDecoder::new(&answer[end + 4..]).read_to_string(&mut text).unwrap();
    assert_eq!(text, plain.body);
    let short = raw_bytes(gateway.http, ask(&registry_path("/version")).as_bytes()).await;
    assert!(!String::from_utf8_lossy(&short).to_lowercase().contains("content-encoding"));
}

#[tokio::test]
async fn a_page_of_another_origin_may_use_the_api() {
    let gateway = gateway().await;
    let path = registry_path("/microservices");
    let preflight = gateway.request(Method::OPTIONS, &path).header("origin", "http://dashboard.local");
    let preflight = preflight.header("access-control-request-method", "PUT").send().await.ok();
    assert_eq!(preflight.header("access-control-allow-origin"), Some("*"));
    assert!(preflight.header("access-control-allow-methods").unwrap().contains("DELETE"));
    assert!(preflight.header("access-control-allow-headers").unwrap().contains("X-Domain-Name"));
    let page =
        gateway.request(Method::GET, &path).header("origin", "http://dashboard.local").send().await.ok();
    assert_eq!(page.header("access-control-allow-origin"), Some("*"));
    let plain = gateway.request(Method::GET, &path).send().await.ok();
    assert_eq!(plain.header("access-control-allow-origin"), None);
}
