//! What changes while a crowd watches: many instances, each going through the same steps again and again.

use std::net::SocketAddr;

use reqwest::{Client, Method};
use serde_json::{Value, json};

use crate::fixtures::instances;
use crate::support::gateway::registry_path;

/// Instances that change in turn.
pub const INSTANCES: usize = 50;

/// One step of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Properties,
    Down,
    Leave,
    Return,
}

impl Step {
    fn of(round: usize) -> Self {
        [Self::Properties, Self::Down, Self::Properties, Self::Leave, Self::Return][round % 5]
    }
}

/// The instances of one microservice, and who is asked to change them.
#[derive(Clone)]
pub struct Script {
    client: Client,
    gateways: [SocketAddr; 2],
    service: String,
}

impl Script {
    /// Registers the instances.
    pub async fn begin(gateways: [SocketAddr; 2], service: &str) -> Self {
        let client = Client::builder().no_proxy().build().unwrap();
        let script = Self { client, gateways, service: service.to_owned() };
        for instance in 0..INSTANCES {
            script.send(Method::POST, gateways[0], "", Some(&registration(instance))).await;
        }
        script
    }

    /// Makes change `number`; changes of one instance must be made one after the other.
    pub async fn change(&self, number: usize) {
        let (instance, round) = (number % INSTANCES, number / INSTANCES);
        // Each instance goes back and forth between the replicas.
        let gateway = self.gateways[(instance + round) % 2];
        let path = format!("/{}", name(instance));
        match Step::of(round) {
            Step::Properties => {
                let body = json!({"properties": {"change": number.to_string()}});
                self.send(Method::PUT, gateway, &format!("{path}/properties"), Some(&body)).await;
            }
            Step::Down => self.send(Method::PUT, gateway, &format!("{path}/status?value=DOWN"), None).await,
            Step::Leave => self.send(Method::DELETE, gateway, &path, None).await,
            Step::Return => self.send(Method::POST, gateway, "", Some(&registration(instance))).await,
        }
    }

    async fn send(&self, method: Method, gateway: SocketAddr, path: &str, body: Option<&Value>) {
        let path = registry_path(&format!("{}{path}", instances(&self.service)));
        let mut request = self.client.request(method, format!("http://{gateway}{path}"));
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let answer = request.send().await.unwrap();
        let status = answer.status();
        assert!(status.is_success(), "{path}: {status} {}", answer.text().await.unwrap());
    }
}

/// The instance that an event tells of, if it tells exactly what follows from the round that the instance is in.
pub fn check(event: &Value, rounds: &[usize]) -> Result<usize, String> {
    let id = event["instance"]["instanceId"].as_str().and_then(|id| id.strip_prefix("node-"));
    let instance: usize = id.and_then(|id| id.parse().ok()).ok_or_else(|| format!("unknown: {event}"))?;
    let round = rounds[instance];
    let (action, status) = match Step::of(round) {
        Step::Properties => ("UPDATE", if round.is_multiple_of(5) { "UP" } else { "DOWN" }),
        Step::Down => ("UPDATE", "DOWN"),
        Step::Leave => ("DELETE", "DOWN"),
        Step::Return => ("CREATE", "UP"),
    };
    // The last round that set the properties.
    let properties = (0..=round).rev().find(|&round| matches!(Step::of(round), Step::Properties));
    let properties = match Step::of(round) {
        Step::Return => Value::Null,
        _ => properties.map_or(Value::Null, |round| (round * INSTANCES + instance).to_string().into()),
    };
    let told = (&event["action"], &event["instance"]["status"], &event["instance"]["properties"]["change"]);
    if told == (&action.into(), &status.into(), &properties) {
        Ok(instance)
    } else {
        Err(format!("round {round} is {action}, {status}, {properties}, and not {event}"))
    }
}

fn registration(instance: usize) -> Value {
    let endpoint = format!("rest://10.0.0.7:{}", 8000 + instance);
    // Nobody beats for it, however long a slow machine takes.
    let patient = json!({"mode": "push", "interval": 3600, "times": 3});
    let instance = json!({
        "instanceId": name(instance), "hostName": "node", "endpoints": [endpoint], "healthCheck": patient,
    });
    json!({"instance": instance})
}

fn name(instance: usize) -> String {
    format!("node-{instance}")
}
