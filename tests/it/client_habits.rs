//! What ServiceComb's own clients do that HTTP does not ask for, and what they take for granted in the answers.

use reqwest::Method;
use serde_json::json;

use crate::fixtures::{create_instance, create_service, find, instances};
use crate::support::client::{Answer, raw};
use crate::support::gateway::{Gateway, Options, registry_path};
use crate::support::ports::free_port;
use crate::support::zookeeper;

async fn gateway() -> Gateway {
    Options::new(&zookeeper::shared().await).start().await
}

#[tokio::test]
async fn headers_are_spelled_as_the_java_client_compares_them_letter_by_letter() {
    let gateway = gateway().await;
    let service = create_service(&gateway, "spelled").await;
    create_instance(&gateway, &service, 8080).await;
    let path = registry_path(&find("spelled"));
    let request =
        |rev: &str| format!("GET {path}&rev={rev} HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n");
    let answer = raw(gateway.http, request("").as_bytes()).await;
    assert!(answer.contains("\r\nContent-Type: application/json"), "{answer}");
    let (_, rest) = answer.split_once("\r\nX-Resource-Revision: ").unwrap_or_else(|| panic!("{answer}"));
    let rev = rest.lines().next().unwrap();
    let unchanged = raw(gateway.http, request(rev).as_bytes()).await;
    assert!(unchanged.starts_with("HTTP/1.1 304"), "{unchanged}");
    assert!(unchanged.contains(&format!("\r\nX-Resource-Revision: {rev}\r\n")), "{unchanged}");
}

#[tokio::test]
async fn a_compressed_answer_spells_its_headers_alike() {
    let gateway = gateway().await;
    let service = create_service(&gateway, "compressed").await;
    for port in 8080..8100 {
        create_instance(&gateway, &service, port).await;
    }
    let path = registry_path(&find("compressed"));
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: gateway\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n");
    let answer = raw(gateway.http, request.as_bytes()).await;
    let (head, _) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("\r\nContent-Encoding: gzip"), "{head}");
    assert!(head.contains("\r\nX-Resource-Revision: "), "{head}");
}

#[tokio::test]
async fn the_version_rules_that_clients_send_with_a_find_are_not_read() {
    let gateway = gateway().await;
    let service = create_service(&gateway, "ruled").await;
    create_instance(&gateway, &service, 8080).await;
    // The Go client encodes its rule twice, the Java client once, older ones not at all.
    for rule in ["0%252B", "0%2B", "0+", "latest", "1.0.0-2.0.0", "nonsense", ""] {
        let answer = gateway.get(&format!("{}&version={rule}&rev=", find("ruled"))).await.ok();
        assert_eq!(answer.json()["instances"].as_array().map(Vec::len), Some(1), "{rule}: {answer:?}");
    }
}

#[tokio::test]
async fn the_go_client_finds_the_code_of_an_unknown_provider_byte_by_byte() {
    let gateway = gateway().await;
    let answer = gateway.get(&find("nobody")).await;
    assert_eq!(answer.status, 400, "{answer:?}");
    assert!(answer.body.contains(r#""errorCode":"400012""#), "{answer:?}");
}

#[tokio::test]
async fn accounts_are_off_for_a_client_that_asks_for_a_token() {
    let gateway = gateway().await;
    let credentials = json!({"name": "root", "password": "Secret@1"});
    let answer = gateway.request(Method::POST, "/v4/token").json(&credentials).send().await;
    assert_eq!(answer.status, 404, "{answer:?}");
}

#[tokio::test]
async fn clients_that_choose_among_gateways_are_told_which_one_serves() {
    let probes = ["/health/readiness", "/health"];
    let serving = gateway().await;
    for probe in probes {
        serving.get(probe).await.ok();
    }
    let nowhere = format!("127.0.0.1:{}", free_port());
    let waiting = Options::new(&nowhere).launch().await;
    for probe in probes {
        waiting.get(probe).await.refused("400002");
    }
}

#[tokio::test]
async fn a_gateway_that_has_never_read_zookeeper_does_not_say_that_there_is_nothing() {
    let nowhere = format!("127.0.0.1:{}", free_port());
    let waiting = Options::new(&nowhere).launch().await;
    let existence = "/existence?type=microservice&appId=shop&serviceName=orders&version=1.0.0";
    for path in [&find("orders"), "/microservices", &instances("orders"), existence] {
        waiting.get(path).await.refused("500011");
    }
    let wanted = json!({"services": [{"service": {"appId": "shop", "serviceName": "orders"}, "rev": "0"}]});
    waiting.post("/instances/action?type=query", &wanted).await.refused("500011");
    let report =
        waiting.request(Method::GET, "/registry/info/get").header("x-registrant-id", "r").send().await;
    assert_eq!(report.json()["msg"], "zk not connected.", "{report:?}");
}

#[tokio::test]
async fn the_properties_of_a_microservice_and_of_an_instance_are_replaced_whole() {
    let gateway = gateway().await;
    let service = create_service(&gateway, "described").await;
    let instance = create_instance(&gateway, &service, 8080).await;
    let paths = [format!("/microservices/{service}"), format!("{}/{instance}", instances(&service))];
    for (path, member) in paths.iter().zip(["service", "instance"]) {
        for properties in [json!({"a": "1", "b": "2"}), json!({"b": "3"})] {
            let target = registry_path(&format!("{path}/properties"));
            let request = gateway.request(Method::PUT, &target).json(&json!({ "properties": properties }));
            assert_eq!(request.send().await.ok().body, "");
            assert_eq!(gateway.get(path).await.ok().json()[member]["properties"], properties);
        }
    }
}

/// What an answer says, apart from what differs between any two.
fn said(answer: &Answer) -> (u16, Vec<&(String, String)>, &str) {
    let own = |name: &str| ["date", "x-request-id"].contains(&name);
    let mut headers: Vec<_> = answer.headers.iter().filter(|(name, _)| !own(name)).collect();
    headers.sort();
    (answer.status, headers, &answer.body)
}

#[tokio::test]
async fn frequent_requests_are_answered_and_counted_alike_however_their_path_is_spelled() {
    let gateway = gateway().await;
    let service = create_service(&gateway, "orders").await;
    let instance = create_instance(&gateway, &service, 8080).await;
    let found = gateway.get(&find("orders")).await.ok();
    let rev = found.header("x-resource-revision").unwrap().to_owned();
    let known = format!("{}&rev={rev}", find("orders"));
    let beats = |instance: &str| format!("{}/{instance}/heartbeat", instances(&service));
    let status = |value: &str| format!("{}/{instance}/status?value={value}", instances(&service));
    let properties = format!("{}/{instance}/properties", instances(&service));
    let requests = [
        (Method::GET, find("orders"), "instances", 200),
        (Method::GET, known, "instances", 304),
        (Method::GET, find("nobody"), "instances", 400),
        (Method::GET, "/instances?appId=shop".to_owned(), "instances", 400),
        (Method::PUT, beats(&instance), "heartbeat", 200),
        (Method::PUT, beats("nobody"), "heartbeat", 400),
        (Method::PUT, status("STARTING"), "status", 200),
        (Method::PUT, status("GONE"), "status", 400),
        // Without a body.
        (Method::PUT, properties, "properties", 400),
    ];
    for (method, path, word, status) in &requests {
        let plain = registry_path(path);
        // The last word, with a letter that need not be encoded.
        let at = plain.rfind(word).unwrap() + word.len() - 1;
        let letter = plain.as_bytes()[at];
        let encoded = format!("{}%{letter:02x}{}", &plain[..at], &plain[at + 1..]);
        let usual = gateway.request(method.clone(), &plain).send().await;
        let unusual = gateway.request(method.clone(), &encoded).send().await;
        assert_eq!(usual.status, *status, "{usual:?}");
        assert_eq!(said(&usual), said(&unusual), "{plain} and {encoded}");
    }
    let metrics = gateway.ops("/metrics").send().await.body;
    for (route, method, code, count) in [
        ("/v4/{project}/registry/instances", "GET", 200, 3),
        ("/v4/{project}/registry/instances", "GET", 304, 2),
        ("/v4/{project}/registry/instances", "GET", 400, 4),
        ("/v4/{project}/registry/microservices/{serviceId}/instances/{instanceId}/heartbeat", "PUT", 200, 2),
        ("/v4/{project}/registry/microservices/{serviceId}/instances/{instanceId}/status", "PUT", 200, 2),
        ("/v4/{project}/registry/microservices/{serviceId}/instances/{instanceId}/status", "PUT", 400, 2),
        ("/v4/{project}/registry/microservices/{serviceId}/instances/{instanceId}/properties", "PUT", 400, 2),
    ] {
        let line = format!(
            "zoogate_http_requests_total{{code=\"{code}\",dialect=\"servicecomb\",method=\"{method}\",route=\"{route}\"}} {count}"
        );
        assert!(metrics.contains(&line), "{line} in {metrics}");
    }
}
