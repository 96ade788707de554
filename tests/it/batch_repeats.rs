//! The same batch find again, word for word, as clients ask until something of what they use has changed: it is answered
//! from what it came to before, and every change is seen at once.

use reqwest::Method;
use serde_json::{Value, json};

use crate::fixtures::scene::SOON;
use crate::fixtures::{create_instance, create_service, id_in, instances, nothing, one_provider};
use crate::support::eventually::{ensure, eventually};
use crate::support::gateway::{Gateway, Options, registry_path};
use crate::support::znodes::Znodes;
use crate::support::zookeeper;

/// A client that says what it has seen of the services that it uses.
struct Client<'g> {
    gateway: &'g Gateway,
    id: String,
    /// Application, name, and the `rev` of the last answer.
    seen: Vec<(&'static str, &'static str, String)>,
}

impl<'g> Client<'g> {
    async fn new(gateway: &'g Gateway, uses: &[(&'static str, &'static str)]) -> Self {
        let id = create_service(gateway, "web").await;
        let seen = uses.iter().map(|(application, name)| (*application, *name, String::new())).collect();
        Self { gateway, id, seen }
    }

    async fn ask_with(&self, more: &str) -> Value {
        let element = |(application, name, rev): &(&str, &str, String)| json!({"service": {"appId": application, "serviceName": name}, "rev": rev});
        let body = json!({"services": self.seen.iter().map(element).collect::<Vec<_>>()});
        let path = registry_path(&format!("/instances/action?type=query{more}"));
        let request = self.gateway.request(Method::POST, &path).header("x-consumerid", &self.id);
        request.json(&body).send().await.ok().json()["services"].take()
    }

    /// The names of the services that have changed, of those that do not exist, and how many instances the former have.
    async fn ask(&self) -> (Vec<&'static str>, Vec<&'static str>, usize) {
        let answer = self.ask_with("").await;
        let names = |list: &Value, of: &dyn Fn(&Value) -> Value| -> Vec<&'static str> {
            let indexes = list.as_array().into_iter().flatten().map(of);
            indexes.map(|index| self.seen[index.as_u64().unwrap() as usize].1).collect()
        };
        let changed = names(&answer["updated"], &|one| one["index"].clone());
        let missing = names(&answer["failed"][0]["indexes"], &Value::clone);
        let same = answer["notModified"].as_array().map_or(0, Vec::len);
        assert_eq!(changed.len() + missing.len() + same, self.seen.len(), "{answer}");
        let updated = answer["updated"].as_array().into_iter().flatten();
        let count = updated.map(|one| one["instances"].as_array().map_or(0, Vec::len)).sum();
        (changed, missing, count)
    }

    /// Takes what has changed, and asks again until that is known by heart.
    async fn settle(&mut self) {
        for updated in self.ask_with("").await["updated"].as_array().into_iter().flatten() {
            let index = updated["index"].as_u64().unwrap() as usize;
            self.seen[index].2 = id_in(updated, "rev");
        }
        for _ in 0..3 {
            assert_eq!(self.ask().await.0, Vec::<&str>::new());
        }
    }

    /// Asks twice what it asked before: it is answered alike, and names these services.
    async fn sees(&mut self, changed: &[&str], count: usize) {
        for _ in 0..2 {
            let (names, _, found) = self.ask().await;
            assert_eq!((names.as_slice(), found), (changed, count));
        }
        self.settle().await;
    }
}

async fn start(memory: &str) -> (Gateway, String) {
    let root = zookeeper::shared().await;
    (Options::new(&root).set("servicecomb", "max_repeat_memory", memory).start().await, root)
}

/// Waits until everything that the client uses is recorded: only then nothing is left to do but to answer.
async fn recorded(client: &Client<'_>, count: usize) {
    eventually("all is recorded", SOON, async || {
        let answer = client.gateway.get(&format!("/microservices/{}/providers", client.id)).await.json();
        let providers = answer["providers"].as_array().map_or(0, Vec::len);
        ensure(providers == count, || answer.to_string())
    })
    .await;
}

#[tokio::test]
async fn who_asks_the_same_again_and_again_sees_every_change_at_once() {
    for memory in ["0", "1048576"] {
        let (gateway, _) = start(memory).await;
        let uses = [
            ("shop", "stock"),
            ("shop", "cart"),
            ("bank", "vault"),
            ("demo", "demo.Echo"),
            ("shop", "later"),
        ];
        let (stock, _) = (create_service(&gateway, "stock").await, create_service(&gateway, "cart").await);
        let vault = json!({"service": {"appId": "bank", "serviceName": "vault", "version": "1.0.0"}});
        let vault = id_in(&gateway.post("/microservices", &vault).await.ok().json(), "serviceId");
        create_instance(&gateway, &vault, 8080).await;
        let mut client = Client::new(&gateway, &uses).await;
        client.ask().await;
        recorded(&client, 2).await;
        client.settle().await;

        let instance = create_instance(&gateway, &stock, 8080).await;
        client.sees(&["stock"], 1).await;
        let path = format!("{}/{instance}", instances(&stock));
        gateway.put(&format!("{path}/status?value=DOWN")).await.ok();
        client.sees(&["stock"], 1).await;
        gateway.put(&format!("{path}/heartbeat")).await.ok();
        let other = create_service(&gateway, "other").await;
        create_instance(&gateway, &other, 8081).await;
        client.sees(&[], 0).await;

        let newer = json!({"service": {"appId": "shop", "serviceName": "stock", "version": "2.0.0"}});
        let newer = id_in(&gateway.post("/microservices", &newer).await.ok().json(), "serviceId");
        create_instance(&gateway, &newer, 8082).await;
        client.sees(&["stock"], 2).await;
        gateway.delete(&path).await.ok();
        client.sees(&["stock"], 1).await;
        gateway.delete(&format!("/microservices/{newer}?force=1")).await.ok();
        client.sees(&["stock"], 0).await;

        // Whether it may be seen is up to its properties.
        let allow = json!({"properties": {"allowCrossApp": "true"}});
        let properties = registry_path(&format!("/microservices/{vault}/properties"));
        gateway.request(Method::PUT, &properties).json(&allow).send().await.ok();
        client.sees(&["vault"], 1).await;

        let later = create_service(&gateway, "later").await;
        create_instance(&gateway, &later, 8083).await;
        client.sees(&["later"], 1).await;
        gateway.delete(&format!("/microservices/{later}?force=1")).await.ok();
        assert_eq!(client.ask().await, (vec![], vec!["demo.Echo", "later"], 0));

        assert_eq!(client.ask_with("&noCache=1").await["updated"].as_array().map(Vec::len), Some(3));
        assert_eq!(client.ask().await.0, Vec::<&str>::new());
    }
}

#[tokio::test]
async fn providers_of_sidecars_are_seen_as_well_and_whatever_another_replica_or_hand_changes() {
    let (gateway, root) = start("1048576").await;
    let (other, znodes) = (Options::new(&root).start().await, Znodes::connect(&root).await);
    let mut client = Client::new(&gateway, &[("demo", "demo.Echo"), ("shop", "stock")]).await;
    let stock = create_service(&gateway, "stock").await;
    client.ask().await;
    recorded(&client, 1).await;
    client.settle().await;
    assert_eq!(client.ask().await, (vec![], vec!["demo.Echo"], 0));

    // Of an application that the client may not see: it only is there from now on.
    gateway.synced("r", &one_provider("demo.Echo", 1)).await;
    client.sees(&["demo.Echo"], 0).await;
    gateway.synced("r", &nothing()).await;
    assert_eq!(client.ask().await.1, ["demo.Echo"]);

    let instance = create_instance(&other, &stock, 8080).await;
    eventually("the other replica's instance is seen", SOON, async || {
        let (changed, _, count) = client.ask().await;
        ensure((changed.as_slice(), count) == (&["stock"], 1), || format!("{changed:?} {count}"))
    })
    .await;
    client.settle().await;
    let path = format!("/zoogate/microservices/default/default/{stock}");
    let mut document: Value = serde_json::from_str(&znodes.data(&path).await).unwrap();
    document["environment"] = json!("production");
    znodes.set(&path, &document.to_string()).await;
    eventually("it is another service now", SOON, async || {
        let (_, missing, _) = client.ask().await;
        ensure(missing.contains(&"stock"), || format!("{missing:?} with {instance}"))
    })
    .await;
}

#[tokio::test]
async fn a_dependency_that_is_taken_away_is_recorded_again_by_the_same_request() {
    let (gateway, _) = start("1048576").await;
    create_service(&gateway, "stock").await;
    let mut client = Client::new(&gateway, &[("shop", "stock")]).await;
    client.ask().await;
    recorded(&client, 1).await;
    client.settle().await;
    let consumer = json!({"appId": "shop", "serviceName": "web", "version": "1.0.0"});
    let none = json!({"dependencies": [{"consumer": consumer, "providers": []}]});
    gateway.request(Method::PUT, &registry_path("/dependencies")).json(&none).send().await.ok();
    recorded(&client, 0).await;
    client.ask().await;
    recorded(&client, 1).await;
}
