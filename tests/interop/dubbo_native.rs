//! Providers on Dubbo 3.3 that register themselves, as they do without a gateway, are found through the v4 API.

use serde_json::{Value, json};

use crate::dubbo::{APPLICATION, Dubbo, ECHO, NESTED, PATIENCE, Provider, Registry};
use crate::support::eventually::{ensure, eventually};
use crate::support::gateway::{Gateway, Options};

const GROUPED: &str = "g1/interop.Echo:1.2.0";

/// Waits until a batch find of these services, of the providers' application, finds `count` instances of each, and
/// returns them in the same order.
async fn batch_finds(gateway: &Gateway, services: &[&str], count: usize) -> Vec<Vec<Value>> {
    let wanted = services.iter().map(
        |name| json!({"service": {"appId": APPLICATION, "serviceName": name, "version": "0+"}, "rev": "0"}),
    );
    let body = json!({"services": wanted.collect::<Vec<_>>()});
    eventually(&format!("{count} instances of {services:?}"), PATIENCE, async || {
        let answer = gateway.post("/instances/action?type=query", &body).await;
        let mut found = vec![Vec::new(); services.len()];
        for one in answer.json()["services"]["updated"].as_array().into_iter().flatten() {
            let index = one["index"].as_u64().unwrap_or_default() as usize;
            found[index] = one["instances"].as_array().cloned().unwrap_or_default();
        }
        let complete = answer.status == 200 && found.iter().all(|instances| instances.len() == count);
        ensure(complete, || format!("{answer:?}")).map(|()| found)
    })
    .await
}

#[tokio::test]
async fn the_interfaces_of_a_provider_that_registers_itself_are_found_by_batch_find() {
    let registry = Registry::start().await;
    let gateway = Options::new(&registry.address()).start().await;
    let provider = Provider::registering(Dubbo::ThreeThree, &registry, "native", &[GROUPED, NESTED]).await;
    let found = batch_finds(&gateway, &["interop.Echo", NESTED], 1).await;
    for (interface, instances) in ["interop.Echo", NESTED].iter().zip(&found) {
        let instance = &instances[0];
        assert_eq!(instance["status"], "UP", "{instance}");
        let endpoint = instance["endpoints"][0].as_str().unwrap_or_default();
        assert!(endpoint.starts_with("dubbo://"), "{instance}");
        assert!(endpoint.contains(&format!(":{}/{interface}?", provider.port)), "{instance}");
        assert_eq!(instance["properties"]["application"], APPLICATION, "{instance}");
    }
    let grouped = &found[0][0];
    assert_eq!(grouped["version"], "1.2.0", "{grouped}");
    assert_eq!(grouped["properties"]["group"], "g1", "{grouped}");

    provider.stop().await;
    batch_finds(&gateway, &["interop.Echo", NESTED], 0).await;
}

#[tokio::test]
async fn the_application_of_a_provider_that_registers_itself_is_found_by_batch_find() {
    let registry = Registry::start().await;
    let gateway = Options::new(&registry.address()).start().await;
    let provider = Provider::registering(Dubbo::ThreeThree, &registry, "native", &[ECHO]).await;
    let found = batch_finds(&gateway, &[APPLICATION, ECHO], 1).await;
    let instance = &found[0][0];
    assert_eq!(instance["status"], "UP", "{instance}");
    let endpoint = instance["endpoints"][0].as_str().unwrap_or_default();
    assert!(endpoint.starts_with("dubbo://"), "{instance}");
    assert!(endpoint.ends_with(&format!(":{}", provider.port)), "{instance}");
    provider.stop().await;
    batch_finds(&gateway, &[APPLICATION, ECHO], 0).await;
}
