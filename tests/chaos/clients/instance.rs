//! An instance of a ServiceComb application: registers, beats, changes its properties and status, goes and comes again.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::bail;
use rand::Rng;
use rand::rngs::StdRng;
use reqwest::Method;
use serde_json::{Value, json};

use super::call::{Caller, Draft};
use super::{APPLICATION, BEAT_EVERY, Member, answers};
use crate::history::{Field, Kind, Operation, Outcome, Write};

/// Between two changes.
const CHANGE_EVERY: std::ops::Range<u64> = 1_000..4_000;

/// Registers a microservice and answers its id.
///
/// # Errors
/// When it is refused.
pub async fn create_service(caller: &Caller, name: &str) -> anyhow::Result<String> {
    let line = (Method::POST, "/v4/default/registry/microservices".to_owned());
    let service = json!({"service": {"appId": APPLICATION, "serviceName": name, "version": "1.0.0"}});
    let reply = caller.send(0, &line, &[], Some(&service)).await;
    match reply.body["serviceId"].as_str() {
        Some(id) => Ok(id.to_owned()),
        None => bail!("the microservice {name} was refused: {reply:?}"),
    }
}

/// A running instance.
pub struct Instance {
    number: usize,
    name: String,
    service: String,
    member: Member,
    random: StdRng,
    gateway: usize,
    counter: u64,
    is_up: bool,
    registered: bool,
    leaving: bool,
}

impl Instance {
    /// Instance `number` of the microservice with the id `service`.
    pub fn new(number: usize, service: String, member: Member, random: StdRng) -> Self {
        let (gateway, name) = (number / 2 % member.caller.gateways(), format!("i{number}"));
        let (counter, is_up, registered, leaving) = (0, true, false, false);
        Self { number, name, service, member, random, gateway, counter, is_up, registered, leaving }
    }

    /// Runs until it is told to stop, or to fall silent.
    pub async fn run(mut self) {
        let mut next_change = Instant::now();
        let mut calm = false;
        while self.member.goes_on() {
            let quiet = self.member.is_quiet();
            if self.leaving {
                self.leave().await;
            } else if !self.registered {
                self.register().await;
            } else if quiet && !calm {
                calm = self.change_properties().await;
                if calm {
                    self.member.orders.calm.fetch_add(1, Ordering::SeqCst);
                }
            } else if !quiet && Instant::now() >= next_change {
                next_change = Instant::now() + Duration::from_millis(self.random.gen_range(CHANGE_EVERY));
                match self.random.gen_range(0..100) {
                    0..=49 => drop(self.change_properties().await),
                    50..=79 => self.change_status().await,
                    _ => self.leave().await,
                }
            } else {
                let draft = |instance: &Self| {
                    instance.draft(Kind::Heartbeat, Method::PUT, "/heartbeat", Vec::new(), None)
                };
                self.ask(draft).await;
            }
            tokio::time::sleep(BEAT_EVERY).await;
        }
        self.member.end(&self.name);
    }

    async fn register(&mut self) {
        self.counter += 1;
        self.is_up = true;
        let ask = |instance: &Self| {
            let writes = vec![
                write(Field::Payload, Some(&instance.counter.to_string())),
                write(Field::Status, Some("UP")),
            ];
            let body = json!({"instance": {
                "instanceId": instance.name,
                "hostName": instance.name,
                "endpoints": [format!("rest://10.2.0.{}:8080", instance.number + 1)],
                "status": "UP",
                "properties": instance.properties(),
                "healthCheck": {"mode": "push", "interval": 1, "times": 2},
            }});
            let mut draft = instance.draft(Kind::Register, Method::POST, "", writes, Some(body));
            draft.line.1 = format!("/v4/default/registry/microservices/{}/instances", instance.service);
            draft
        };
        self.registered = self.ask(ask).await;
    }

    async fn change_properties(&mut self) -> bool {
        self.counter += 1;
        self.ask(|instance: &Self| {
            let writes = vec![write(Field::Payload, Some(&instance.counter.to_string()))];
            let body = json!({"properties": instance.properties()});
            instance.draft(Kind::Properties, Method::PUT, "/properties", writes, Some(body))
        })
        .await
    }

    async fn change_status(&mut self) {
        self.is_up = !self.is_up;
        self.ask(|instance: &Self| {
            let status = if instance.is_up { "UP" } else { "DOWN" };
            let writes = vec![write(Field::Status, Some(status))];
            instance.draft(Kind::Status, Method::PUT, &format!("/status?value={status}"), writes, None)
        })
        .await;
    }

    /// Goes for a while: until that is acknowledged, in one way or the other.
    async fn leave(&mut self) {
        self.leaving = true;
        let done = self.ask(|instance: &Self| {
            let writes = vec![write(Field::Payload, None), write(Field::Status, None)];
            instance.draft(Kind::Unregister, Method::DELETE, "", writes, None)
        });
        if done.await {
            self.registered = false;
            self.leaving = false;
        }
    }

    /// Asks the gateways, one after the other, until one does it.
    async fn ask(&mut self, draft: impl Fn(&Self) -> Draft) -> bool {
        for _ in 0..=self.member.caller.gateways() {
            if !self.member.sticks {
                self.gateway = self.random.gen_range(0..self.member.caller.gateways());
            }
            let operation = self.member.caller.try_call(self.gateway, draft(self)).await;
            match operation {
                Some(Operation { outcome: Outcome::Ok, .. }) => return true,
                Some(Operation { denies: true, .. }) => {
                    // As real ones do: it registers anew.
                    self.registered = false;
                    self.leaving = false;
                    return false;
                }
                _ => self.gateway = (self.gateway + 1) % self.member.caller.gateways(),
            }
            if !self.member.goes_on() {
                return false;
            }
        }
        false
    }

    fn properties(&self) -> Value {
        json!({"who": self.name, "payload": self.counter.to_string()})
    }

    fn draft(&self, kind: Kind, method: Method, end: &str, writes: Vec<Write>, body: Option<Value>) -> Draft {
        let (service, name) = (&self.service, &self.name);
        Draft {
            client: name.clone(),
            kind,
            who: Some(name.clone()),
            writes,
            line: (method, format!("/v4/default/registry/microservices/{service}/instances/{name}{end}")),
            headers: Vec::new(),
            body,
            read: Box::new(answers::changed),
        }
    }
}

fn write(field: Field, value: Option<&str>) -> Write {
    Write { field, value: value.map(str::to_owned) }
}
