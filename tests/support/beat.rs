//! Sidecars and instances that go on repeating themselves while a test does harm to everything around them.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::Method;
use serde_json::Value;
use tokio::task::JoinHandle;

use super::client::{Answer, Request};
use super::gateway::{registry_path, sync_request};

/// A registrant in the background. Dropping it makes it fall silent at once.
pub struct Beat {
    answers: Arc<Mutex<Vec<Result<Answer, String>>>>,
    task: JoinHandle<()>,
}

impl Beat {
    /// Syncs the same snapshot every `interval`, going round the gateways, whatever they answer.
    pub fn sidecar(gateways: &[SocketAddr], registrant: &str, snapshot: &Value, interval: Duration) -> Self {
        let (registrant, snapshot) = (registrant.to_owned(), snapshot.clone());
        Self::every(interval, gateways, move |gateway| sync_request(gateway, &registrant, &snapshot))
    }

    /// Sends the heartbeat of an instance every `interval`, going round the gateways, whatever they answer.
    pub fn instance(gateways: &[SocketAddr], service: &str, instance: &str, interval: Duration) -> Self {
        let path = registry_path(&format!("/microservices/{service}/instances/{instance}/heartbeat"));
        Self::every(interval, gateways, move |gateway| Request::new(Method::PUT, gateway, &path))
    }

    /// Sends the heartbeat of a sidecar that is known by its address every `interval`, whatever is answered.
    pub fn caller(gateway: SocketAddr, interval: Duration) -> Self {
        Self::every(interval, &[gateway], |gateway| Request::new(Method::GET, gateway, "/heartbeat"))
    }

    fn every(
        interval: Duration,
        gateways: &[SocketAddr],
        request: impl Fn(SocketAddr) -> Request + Send + 'static,
    ) -> Self {
        let gateways = gateways.to_vec();
        let answers = Arc::new(Mutex::new(Vec::new()));
        let record = answers.clone();
        let task = tokio::spawn(async move {
            let mut clock = tokio::time::interval(interval);
            clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            for gateway in gateways.into_iter().cycle() {
                clock.tick().await;
                let answer = request(gateway).try_send().await.map_err(|error| error.to_string());
                record.lock().unwrap().push(answer);
            }
        });
        Self { answers, task }
    }

    /// Every answer so far; an error is a gateway that could not be reached.
    pub fn answers(&self) -> Vec<Result<Answer, String>> {
        self.answers.lock().unwrap().clone()
    }

    /// The versions of all syncs that succeeded so far.
    pub fn versions(&self) -> Vec<u64> {
        let answers = self.answers();
        let bodies = answers.iter().flatten().map(Answer::json).filter(|body| body["code"] == 0);
        bodies.filter_map(|body| body["service_list"]["version"].as_u64()).collect()
    }

    /// Forgets the answers so far.
    pub fn forget(&self) {
        self.answers.lock().unwrap().clear();
    }
}

impl Drop for Beat {
    fn drop(&mut self) {
        self.task.abort();
    }
}
