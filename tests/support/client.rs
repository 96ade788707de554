//! Requests to a gateway, each over a connection of its own, so that no pooled one hides what a fault does.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::eventually::scaled;

/// Longest time that a test waits for one answer.
const PATIENCE: Duration = Duration::from_secs(15);

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// HTTP status code.
    pub status: u16,
    /// Headers with lower-case names, in order of arrival.
    pub headers: Vec<(String, String)>,
    /// The body as text.
    pub body: String,
    /// Time from sending to the end of the body.
    pub took: Duration,
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// Value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let name = name.to_ascii_lowercase();
        self.headers.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_str())
    }

    /// The answer itself if its status is 200.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.status, 200, "{self:?}");
        self
    }

    /// Asserts a v4 refusal: the error code, and the HTTP status that follows from it.
    #[track_caller]
    pub fn refused(&self, code: &str) {
        assert_eq!(self.json()["errorCode"], code, "{self:?}");
        assert_eq!(self.status.to_string(), code[..3], "{self:?}");
    }
}

/// One request to be sent.
pub struct Request {
    method: Method,
    url: String,
    headers: Vec<(String, String)>,
    body: Option<String>,
    patience: Duration,
}

impl Request {
    /// A request without body.
    pub fn new(method: Method, address: SocketAddr, path: &str) -> Self {
        Self {
            method,
            url: format!("http://{address}{path}"),
            headers: Vec::new(),
            body: None,
            patience: PATIENCE,
        }
    }

    /// Adds a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets a JSON body and its content type.
    pub fn json(self, body: &Value) -> Self {
        let mut request = self.header("content-type", "application/json");
        request.body = Some(body.to_string());
        request
    }

    /// Sets a body as it is, without a content type.
    pub fn body(mut self, body: impl Into<String>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// Waits longer, or less long, for the answer.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Sends it and reads the whole answer.
    pub async fn try_send(self) -> Result<Answer, reqwest::Error> {
        let client = reqwest::Client::builder().no_proxy().timeout(self.patience).build()?;
        let mut request = client.request(self.method, self.url);
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        if let Some(body) = self.body {
            request = request.body(body);
        }
        let started = Instant::now();
        let response = request.send().await?;
        let status = response.status().as_u16();
        let headers = response.headers().iter().map(|(name, value)| {
            (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        });
        let headers = headers.collect();
        let body = response.text().await?;
        Ok(Answer { status, headers, body, took: started.elapsed() })
    }

    /// Sends it and reads the whole answer, for which a busy machine is given time.
    pub async fn send(mut self) -> Answer {
        let what = format!("{} {}", self.method, self.url);
        self.patience = scaled(self.patience);
        self.try_send().await.unwrap_or_else(|error| panic!("{what}: {error:?}"))
    }
}

/// Sends bytes as they are and returns everything that comes back, as text, until the gateway closes the connection.
pub async fn raw(address: SocketAddr, bytes: &[u8]) -> String {
    String::from_utf8_lossy(&raw_bytes(address, bytes).await).into_owned()
}

/// Sends bytes as they are and returns everything that comes back until the gateway closes the connection.
pub async fn raw_bytes(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        answer
    };
    tokio::time::timeout(scaled(PATIENCE), exchange).await.unwrap()
}
