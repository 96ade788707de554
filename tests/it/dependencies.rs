//! Who uses whom: recorded by finds, told to both sides, shown in Dubbo's tree, and ended with the consumer.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::fixtures::{create_instance, create_service, find, id_in, instances};
use crate::support::client::Answer;
use crate::support::eventually::{ensure, eventually, throughout};
use crate::support::gateway::{Gateway, Options, registry_path};
use crate::support::znodes::Znodes;
use crate::support::zookeeper;

/// Time within which a dependency must be recorded.
const SOON: Duration = Duration::from_secs(3);

async fn two() -> (Gateway, Gateway, Znodes) {
    let root = zookeeper::shared().await;
    let options = Options::new(&root);
    (options.clone().start().await, options.start().await, Znodes::connect(&root).await)
}

async fn find_as(gateway: &Gateway, consumer: &str, path: &str) -> Answer {
    gateway.request(Method::GET, &registry_path(path)).header("x-consumerid", consumer).send().await
}

/// The ids in one of the two lists, once there are `count`.
async fn ids(gateway: &Gateway, service: &str, list: &str, count: usize) -> Vec<String> {
    eventually("the list is complete", SOON, async || {
        let answer = gateway.get(&format!("/microservices/{service}/{list}")).await.json();
        let ids: Vec<String> =
            answer[list].as_array().into_iter().flatten().map(|one| id_in(one, "serviceId")).collect();
        ensure(ids.len() == count, || answer.to_string())?;
        Ok::<_, String>(ids)
    })
    .await
}

#[tokio::test]
async fn a_find_records_who_uses_whom_for_every_replica() {
    let (one, other, znodes) = two().await;
    let (consumer, provider) = (create_service(&one, "web").await, create_service(&one, "stock").await);
    assert_eq!(find_as(&one, &consumer, &find("stock")).await.ok().json(), json!({}));
    for gateway in [&one, &other] {
        assert_eq!(ids(gateway, &consumer, "providers", 1).await, vec![provider.clone()]);
        assert_eq!(ids(gateway, &provider, "consumers", 1).await, vec![consumer.clone()]);
    }
    let path = format!("/zoogate/dependencies/default/default/{consumer}/|shop|stock");
    let document: Value = serde_json::from_str(&znodes.data(&path).await).unwrap();
    assert_eq!(document["serviceName"], "stock");
    one.get("/microservices/unknown/providers").await.refused("400012");

    let newer = json!({"service": {"appId": "shop", "serviceName": "stock", "version": "2.0.0"}});
    one.post("/microservices", &newer).await.ok();
    ids(&one, &consumer, "providers", 2).await;
}

#[tokio::test]
async fn a_batch_find_records_as_well_and_what_was_not_found_or_may_not_be_seen_is_not_recorded() {
    let (one, _, _) = two().await;
    let (consumer, provider) = (create_service(&one, "web").await, create_service(&one, "stock").await);
    let foreign = json!({"service": {"appId": "bank", "serviceName": "vault", "version": "1.0.0"}});
    one.post("/microservices", &foreign).await.ok();
    find_as(&one, &consumer, "/instances?appId=bank&serviceName=vault").await.ok();
    find_as(&one, &consumer, &find("nothing")).await.refused("400012");
    find_as(&one, "unknown", &find("stock")).await.refused("400012");
    one.get(&find("stock")).await.ok();
    let body = json!({"services": [
        {"service": {"appId": "shop", "serviceName": "nothing"}}, {"service": {"appId": "shop", "serviceName": "stock"}},
    ]});
    let batch = one.request(Method::POST, &registry_path("/instances/action?type=query"));
    batch.header("x-consumerid", &consumer).json(&body).send().await.ok();
    assert_eq!(ids(&one, &consumer, "providers", 1).await, [provider]);
}

#[tokio::test]
async fn a_provider_that_is_used_goes_only_by_force_and_a_consumer_takes_its_dependencies_along() {
    let (one, other, znodes) = two().await;
    let (consumer, provider) = (create_service(&one, "web").await, create_service(&one, "stock").await);
    create_instance(&one, &consumer, 8080).await;
    find_as(&one, &consumer, &find("stock")).await.ok();
    ids(&other, &provider, "consumers", 1).await;
    assert_eq!(znodes.urls("stock", "consumers").await.len(), 1);
    other.delete(&format!("/microservices/{provider}")).await.refused("400023");
    other.delete(&format!("/microservices/{consumer}?force=1")).await.ok();
    assert!(znodes.children(&format!("/zoogate/dependencies/default/default/{consumer}")).await.is_empty());
    assert!(znodes.urls("stock", "consumers").await.is_empty());
    other.delete(&format!("/microservices/{provider}")).await.ok();
}

#[tokio::test]
async fn a_consumer_stands_in_the_tree_of_dubbo_while_an_instance_of_it_has_an_address() {
    let (one, other, znodes) = two().await;
    let (consumer, _) = (create_service(&one, "web").await, create_service(&one, "stock").await);
    find_as(&one, &consumer, &find("stock")).await.ok();
    ids(&one, &consumer, "providers", 1).await;
    assert!(znodes.urls("stock", "consumers").await.is_empty());
    let instance = create_instance(&other, &consumer, 8080).await;
    let standing = async |count: usize| {
        eventually("the consumer stands as it should", SOON, async || {
            let urls = znodes.urls("stock", "consumers").await;
            ensure(urls.len() == count, || format!("{urls:?}")).map(|()| urls)
        })
        .await
    };
    let url = standing(1).await.remove(0);
    let expected = format!(
        "consumer://10.0.0.7/stock?application=shop&category=consumers&check=false&dubbo=2.0.2&interface=stock\
         &service.id={consumer}&side=consumer&version=1.0.0"
    );
    assert_eq!(url, expected);

    let folder = "/dubbo/stock/consumers";
    let name = znodes.children(folder).await.remove(0);
    let data = znodes.data(&format!("{folder}/{name}")).await;
    znodes.delete(&format!("{folder}/{name}")).await;
    standing(1).await;
    assert_eq!(znodes.data(&format!("{folder}/{name}")).await, data);

    one.delete(&format!("{}/{instance}", instances(&consumer))).await.ok();
    standing(0).await;
    throughout("nobody puts it back", Duration::from_secs(1), async || {
        ensure(znodes.urls("stock", "consumers").await.is_empty(), || "it is back".into())
    })
    .await;
}

#[tokio::test]
async fn dependencies_can_be_told_explicitly() {
    let (one, _, _) = two().await;
    let (web, stock, cart) = (
        create_service(&one, "web").await,
        create_service(&one, "stock").await,
        create_service(&one, "cart").await,
    );
    let body = |providers: &[&str]| {
        let providers: Vec<Value> =
            providers.iter().map(|name| json!({"serviceName": name, "version": "0+"})).collect();
        let consumer = json!({"appId": "shop", "serviceName": "web", "version": "1.0.0"});
        json!({"dependencies": [{"consumer": consumer, "providers": providers}]})
    };
    let added = one.post("/dependencies", &body(&["stock", "cart"])).await.ok();
    assert_eq!((added.body.as_str(), added.header("deprecation")), ("", Some("true")));
    let mut both = vec![stock.clone(), cart];
    both.sort();
    let mut found = ids(&one, &web, "providers", 2).await;
    found.sort();
    assert_eq!(found, both);
    let put = |body: Value| one.request(Method::PUT, &registry_path("/dependencies")).json(&body).send();
    put(body(&["stock"])).await.ok();
    assert_eq!(ids(&one, &web, "providers", 1).await, [stock]);
    put(body(&[])).await.ok();
    ids(&one, &web, "providers", 0).await;
    one.post("/dependencies", &body(&[])).await.refused("400001");
    one.post("/dependencies", &body(&["stock", "stock"])).await.refused("400001");
    let unknown = json!({"appId": "shop", "serviceName": "no", "version": "1.0.0"});
    let unknown = json!({"dependencies": [{"consumer": unknown, "providers": [{"serviceName": "stock"}]}]});
    one.post("/dependencies", &unknown).await.refused("400012");
}

#[tokio::test]
async fn a_find_by_alias_records_the_service_under_its_own_name() {
    let (one, _, znodes) = two().await;
    let consumer = create_service(&one, "web").await;
    let aliased =
        json!({"service": {"appId": "shop", "serviceName": "stock", "version": "1.0.0", "alias": "shop:s"}});
    let provider = id_in(&one.post("/microservices", &aliased).await.ok().json(), "serviceId");
    find_as(&one, &consumer, &find("shop:s")).await.ok();
    assert_eq!(ids(&one, &consumer, "providers", 1).await, [provider]);
    let folder = format!("/zoogate/dependencies/default/default/{consumer}");
    assert_eq!(znodes.children(&folder).await, ["|shop|stock"]);
}

#[tokio::test]
async fn a_replica_that_starts_later_knows_everything_and_removes_nothing() {
    let root = zookeeper::shared().await;
    let one = Options::new(&root).start().await;
    let znodes = Znodes::connect(&root).await;
    let (consumer, provider) = (create_service(&one, "web").await, create_service(&one, "stock").await);
    create_instance(&one, &consumer, 8080).await;
    find_as(&one, &consumer, &find("stock")).await.ok();
    ids(&one, &consumer, "providers", 1).await;
    one.post(&format!("/microservices/{provider}/tags"), &json!({"tags": {"a": "b"}})).await.ok();
    let schema = format!("/microservices/{provider}/schemas/api");
    let put = one.request(Method::PUT, &registry_path(&schema));
    put.json(&json!({"schema": "text", "summary": "c"})).send().await.ok();

    let late = Options::new(&root).start().await;
    assert_eq!(ids(&late, &provider, "consumers", 1).await, [consumer]);
    assert_eq!(late.get(&format!("/microservices/{provider}/tags")).await.ok().json()["tags"]["a"], "b");
    assert_eq!(late.get(&schema).await.ok().json()["schema"], "text");
    let listed = late.get(&format!("/microservices/{provider}/schemas")).await.ok().json();
    assert_eq!(listed["schemas"][0]["summary"], "c", "{listed}");
    throughout("the consumer goes on standing", Duration::from_secs(2), async || {
        ensure(znodes.urls("stock", "consumers").await.len() == 1, || "it is gone".into())
    })
    .await;
    late.delete(&format!("/microservices/{provider}?force=1")).await.ok();
    one.delete(&schema).await.refused("400012");
}
