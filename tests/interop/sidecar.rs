//! A sidecar that goes on repeating itself, one request after the other, and changes what it says.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::support::eventually::{ensure, eventually};
use crate::support::gateway::{Gateway, sync_request};

/// How often it repeats itself.
const INTERVAL: Duration = Duration::from_millis(500);

/// Time for the gateway to take what it says.
const PATIENCE: Duration = Duration::from_secs(60);

/// A sidecar in the background. Dropping it makes it fall silent.
pub struct Sidecar {
    state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct State {
    /// What it says.
    snapshot: Value,
    /// What the gateway said to that, since it was last asked for; null for nothing yet.
    answer: Value,
}

impl Sidecar {
    /// One that says that it provides this, once the gateway has taken it.
    pub async fn start(gateway: &Gateway, name: &str, providers: &[Value]) -> Self {
        let state = Arc::new(Mutex::new(State { snapshot: snapshot(providers), answer: Value::Null }));
        let task = tokio::spawn(repeat(gateway.http, name.to_owned(), state.clone()));
        let sidecar = Self { state, task };
        sidecar.is_heard().await;
        sidecar
    }

    /// From now on it provides this and nothing else; returns when the gateway has taken it.
    pub async fn provides(&self, providers: &[Value]) {
        self.state().snapshot = snapshot(providers);
        self.is_heard().await;
    }

    /// Waits until the gateway takes what it says, from now on.
    pub async fn is_heard(&self) {
        self.state().answer = Value::Null;
        eventually("the gateway takes the snapshot", PATIENCE, async || {
            let answer = self.state().answer.clone();
            ensure(answer["code"] == 0, || answer.to_string())
        })
        .await;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn repeat(gateway: SocketAddr, name: String, state: Arc<Mutex<State>>) {
    loop {
        let snapshot = state.lock().unwrap().snapshot.clone();
        let answer = sync_request(gateway, &name, &snapshot).try_send().await;
        let answer = answer.map_or_else(|error| json!(error.to_string()), |answer| answer.json());
        {
            let mut state = state.lock().unwrap();
            // What was said meanwhile has no answer yet.
            if state.snapshot == snapshot {
                state.answer = answer;
            }
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

fn snapshot(providers: &[Value]) -> Value {
    json!({"provider_list": providers, "consumer_list": []})
}
