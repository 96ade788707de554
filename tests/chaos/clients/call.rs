//! One request to one gateway, recorded with its start, end and outcome.
//!
//! A client that loses its patience goes on without the answer, but the request itself is followed until it ends or its
//! deadline has passed: what it comes to belongs to the history.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use serde_json::Value;

use super::recorder::Recorder;
use crate::checker::bounds::patience;
use crate::history::{Kind, Operation, Outcome, View, Write};

/// When a registrant turns to another gateway. It has to be heard within its time to live, whatever happens to the first.
const IMPATIENCE: Duration = Duration::from_millis(1_000);
/// When a request is given up for good; past the deadline that the checker holds gateways to.
const DEADLINE: Duration = Duration::from_secs(6);
/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(1);

/// What came back.
#[derive(Clone, Debug, Default)]
pub struct Reply {
    /// HTTP status, 0 without an answer.
    pub status: u16,
    /// The `rev` that came with it.
    pub rev: String,
    /// For how many milliseconds it may have been out of date.
    pub stale_ms: u64,
    /// The body, `null` if it is no JSON.
    pub body: Value,
    /// Why there is no answer.
    pub error: String,
    /// Nothing was sent: there was no connection.
    pub not_sent: bool,
}

/// What a reply means.
#[derive(Clone, Debug)]
pub struct Meaning {
    /// How the request ended.
    pub outcome: Outcome,
    /// Why it did not succeed.
    pub error: String,
    /// It says that the registrant is not registered.
    pub denies: bool,
    /// What it found.
    pub views: Vec<View>,
    /// What it says of others.
    pub dispatched: Vec<(String, bool)>,
    /// Version of a snapshot.
    pub version: Option<u64>,
}

impl Meaning {
    /// A meaning with nothing but an outcome.
    pub fn plain(outcome: Outcome, error: impl Into<String>) -> Self {
        let error = error.into();
        Self { outcome, error, denies: false, views: Vec::new(), dispatched: Vec::new(), version: None }
    }
}

/// A request that is about to be sent.
pub struct Draft {
    /// Who sends it.
    pub client: String,
    /// What it is.
    pub kind: Kind,
    /// For whom it speaks.
    pub who: Option<String>,
    /// What becomes of them.
    pub writes: Vec<Write>,
    /// Method and path, with the query.
    pub line: (Method, String),
    /// Headers.
    pub headers: Vec<(&'static str, String)>,
    /// Body.
    pub body: Option<Value>,
    /// What a reply to it means.
    pub read: Box<dyn FnOnce(&Reply) -> Meaning + Send>,
}

/// The way to all gateways.
pub struct Caller {
    /// Where everything is noted.
    pub recorder: Arc<Recorder>,
    urls: Vec<String>,
    client: reqwest::Client,
}

impl Caller {
    /// A way to the gateways at `urls`.
    ///
    /// # Errors
    /// When the HTTP client cannot be made.
    pub fn new(urls: &[String], recorder: Arc<Recorder>) -> anyhow::Result<Arc<Self>> {
        let client = reqwest::Client::builder()
            .no_proxy()
            .connect_timeout(CONNECT.mul_f64(patience()))
            .timeout(DEADLINE.mul_f64(patience()))
            .build()?;
        Ok(Arc::new(Self { recorder, urls: urls.to_vec(), client }))
    }

    /// How many gateways there are.
    pub fn gateways(&self) -> usize {
        self.urls.len()
    }

    /// Sends `draft` to `gateway` and waits for its end.
    pub async fn call(&self, gateway: usize, draft: Draft) -> Operation {
        let under_way = self.recorder.under_way();
        let start = self.recorder.now();
        let reply = self.send(gateway, &draft.line, &draft.headers, draft.body.as_ref()).await;
        let end = self.recorder.now();
        let meaning = (draft.read)(&reply);
        let operation = Operation {
            client: draft.client,
            gateway,
            kind: draft.kind,
            start,
            end,
            outcome: meaning.outcome,
            status: reply.status,
            error: meaning.error,
            who: draft.who,
            writes: draft.writes,
            denies: meaning.denies,
            views: meaning.views,
            dispatched: meaning.dispatched,
            version: meaning.version,
            stale: reply.stale_ms * 1000,
        };
        self.recorder.add(crate::history::Record::Operation(operation.clone()));
        drop(under_way);
        operation
    }

    /// Like [`Caller::call`], for who has to turn to another gateway in time: `None` when it takes too long.
    pub async fn try_call(self: &Arc<Self>, gateway: usize, draft: Draft) -> Option<Operation> {
        let caller = self.clone();
        let call = tokio::spawn(async move { caller.call(gateway, draft).await });
        tokio::time::timeout(IMPATIENCE, call).await.ok()?.ok()
    }

    /// Sends a request and reads the whole reply.
    pub async fn send(
        &self,
        gateway: usize,
        (method, path): &(Method, String),
        headers: &[(&'static str, String)],
        body: Option<&Value>,
    ) -> Reply {
        let mut request = self.client.request(method.clone(), format!("{}{path}", self.urls[gateway]));
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        match exchange(request).await {
            Ok(reply) => reply,
            Err(error) => {
                let not_sent = error.is_connect();
                let error = format!("{}: {error:?}", if error.is_timeout() { "timeout" } else { "broken" });
                Reply { error: error.chars().take(300).collect(), not_sent, ..Reply::default() }
            }
        }
    }
}

async fn exchange(request: reqwest::RequestBuilder) -> Result<Reply, reqwest::Error> {
    let response = request.send().await?;
    let header = |name: &str| {
        let value = response.headers().get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    let (rev, stale) = (header("x-resource-revision"), header("x-registry-staleness-ms"));
    let status = response.status().as_u16();
    let text = response.bytes().await?;
    let body = serde_json::from_slice(&text).unwrap_or(Value::Null);
    Ok(Reply { status, rev, stale_ms: stale.parse().unwrap_or(0), body, ..Reply::default() })
}
