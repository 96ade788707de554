//! A sidecar: syncs its whole snapshot again and again, changes it, empties it and fills it again.

use rand::Rng;
use rand::rngs::StdRng;
use reqwest::Method;
use serde_json::{Value, json};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::call::Draft;
use super::{APPLICATION, BEAT_EVERY, Member, answers, own_interface, sidecar_group};
use crate::history::{Field, Kind, Outcome, Write};

/// Between two changes.
const CHANGE_EVERY: std::ops::Range<u64> = 1_000..4_000;
/// Of all changes, how many in a hundred empty the snapshot.
const EMPTIES: u32 = 20;

/// A running sidecar.
pub struct Sidecar {
    number: usize,
    name: String,
    member: Member,
    random: StdRng,
    gateway: usize,
    /// Counts all states that it ever had.
    counter: u64,
    /// What its snapshot carries now; `None` when it is empty.
    payload: Option<u64>,
}

impl Sidecar {
    /// Sidecar `number`.
    pub fn new(number: usize, member: Member, random: StdRng) -> Self {
        let gateway = number / 2 % member.caller.gateways();
        Self { number, name: format!("s{number}"), member, random, gateway, counter: 0, payload: None }
    }

    /// Runs until it is told to stop, or to fall silent.
    pub async fn run(mut self) {
        let mut next_change = Instant::now();
        let mut last = false;
        let mut calm = false;
        while self.member.goes_on() {
            let quiet = self.member.is_quiet();
            if (quiet && !last) || (!quiet && Instant::now() >= next_change) {
                self.change(quiet);
                last = quiet;
                next_change = Instant::now() + Duration::from_millis(self.random.gen_range(CHANGE_EVERY));
            }
            let acknowledged = self.sync().await;
            if last && acknowledged && !calm {
                calm = true;
                self.member.orders.calm.fetch_add(1, Ordering::SeqCst);
            }
            tokio::time::sleep(BEAT_EVERY).await;
        }
        self.member.end(&self.name);
    }

    fn change(&mut self, last: bool) {
        self.counter += 1;
        let empties = !last && self.payload.is_some() && self.random.gen_range(0..100) < EMPTIES;
        self.payload = (!empties).then_some(self.counter);
    }

    /// Tells the gateways, one after the other, until one acknowledges.
    async fn sync(&mut self) -> bool {
        for _ in 0..=self.member.caller.gateways() {
            if !self.member.sticks {
                self.gateway = self.random.gen_range(0..self.member.caller.gateways());
            }
            let operation = self.member.caller.try_call(self.gateway, self.draft()).await;
            if operation.is_some_and(|operation| operation.outcome == Outcome::Ok) {
                return true;
            }
            self.gateway = (self.gateway + 1) % self.member.caller.gateways();
            if !self.member.goes_on() {
                return false;
            }
        }
        false
    }

    fn draft(&self) -> Draft {
        let consumed = if self.payload.is_some() { self.consumed() } else { Vec::new() };
        let payload = self.payload.map(|payload| payload.to_string());
        let status = payload.is_some().then(|| "UP".to_owned());
        Draft {
            client: self.name.clone(),
            kind: Kind::Sync,
            who: Some(self.name.clone()),
            writes: vec![
                Write { field: Field::Payload, value: payload },
                Write { field: Field::Status, value: status },
            ],
            line: (Method::POST, "/registry/info/sync".into()),
            headers: vec![("x-registrant-id", self.name.clone())],
            body: Some(self.snapshot()),
            read: Box::new(move |reply| answers::synced(reply, &consumed)),
        }
    }

    fn consumed(&self) -> Vec<String> {
        (1..=3).map(|step| own_interface(self.number + step)).collect()
    }

    fn snapshot(&self) -> Value {
        let Some(payload) = self.payload else { return json!({"provider_list": [], "consumer_list": []}) };
        let (host, port) = (format!("10.1.0.{}", self.number + 1), 20_880);
        let provided = [sidecar_group(self.number), own_interface(self.number)];
        let entry = |interface: &String, params: Value| {
            let service = json!({"interface": interface, "methods": ["call"], "params": params});
            json!({"service": service, "host": host, "port": port})
        };
        let params = json!({"application": APPLICATION, "who": self.name, "payload": payload.to_string()});
        let providers: Vec<Value> = provided.iter().map(|one| entry(one, params.clone())).collect();
        let consumers = self.consumed();
        let consumers = consumers.iter().map(|one| entry(one, json!({"application": APPLICATION})));
        json!({"provider_list": providers, "consumer_list": consumers.collect::<Vec<_>>()})
    }
}
