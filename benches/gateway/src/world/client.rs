//! A small HTTP client over connections that stay open: what fills the catalog, and what times one request after the
//! other. It adds next to nothing to what it measures.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(120);

/// A request, whoever is asked.
#[derive(Clone, Debug)]
pub struct Call {
    pub method: &'static str,
    pub path: String,
    pub headers: Vec<(&'static str, String)>,
    pub body: Option<String>,
}

impl Call {
    /// A request without a body.
    pub fn new(method: &'static str, path: impl Into<String>) -> Self {
        Self { method, path: path.into(), headers: Vec::new(), body: None }
    }

    /// Adds a header.
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Adds a JSON body.
    pub fn json(self, body: &serde_json::Value) -> Self {
        let mut call = self.header("content-type", "application/json");
        call.body = Some(body.to_string());
        call
    }

    fn bytes(&self, host: SocketAddr) -> Vec<u8> {
        let mut text = format!("{} {} HTTP/1.1\r\nhost: {host}\r\n", self.method, self.path);
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        let body = self.body.as_deref().unwrap_or_default();
        if self.body.is_some() || self.method != "GET" {
            text.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        text.push_str("\r\n");
        text.push_str(body);
        text.into_bytes()
    }
}

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    /// Spelled as they came.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// When it is none.
    pub fn json(&self) -> anyhow::Result<serde_json::Value> {
        serde_json::from_slice(&self.body).with_context(|| self.to_string())
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body = String::from_utf8_lossy(&self.body);
        let start: String = body.chars().take(300).collect();
        write!(out, "{} {:?} {start}", self.status, self.headers)
    }
}

/// A connection that stays open.
pub struct Connection {
    address: SocketAddr,
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// When nobody listens.
    pub async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await.with_context(|| format!("connecting to {address}"))?;
        stream.set_nodelay(true)?;
        Ok(Self { address, stream, buffer: Vec::with_capacity(64 << 10) })
    }

    /// Sends `call` and receives the whole answer.
    ///
    /// # Errors
    /// When there is none within two minutes.
    pub async fn send(&mut self, call: &Call) -> anyhow::Result<Answer> {
        let bytes = call.bytes(self.address);
        timeout(PATIENCE, self.exchange(&bytes)).await.context("no answer in time")?
    }

    /// Likewise, of what must succeed.
    ///
    /// # Errors
    /// When it does not.
    pub async fn succeed(&mut self, call: &Call) -> anyhow::Result<Answer> {
        let answer = self.send(call).await?;
        ensure!(answer.status < 400, "{} {}: {answer}", call.method, call.path);
        Ok(answer)
    }

    async fn exchange(&mut self, bytes: &[u8]) -> anyhow::Result<Answer> {
        self.stream.write_all(bytes).await?;
        self.buffer.clear();
        let mut searched = 0;
        let end = loop {
            ensure!(self.stream.read_buf(&mut self.buffer).await? > 0, "the connection was closed");
            let found = self.buffer[searched..].windows(4).position(|window| window == b"\r\n\r\n");
            if let Some(at) = found {
                break searched + at;
            }
            searched = self.buffer.len().saturating_sub(3);
        };
        let head = String::from_utf8_lossy(&self.buffer[..end]).into_owned();
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.get(9..12)?.parse().ok()).context("no status line")?;
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let mut answer = Answer { status, headers, body: Vec::new() };
        let length: usize = match answer.header("content-length") {
            Some(text) => text.parse()?,
            None => {
                ensure!(matches!(status, 204 | 304), "an answer without a length: {answer}");
                0
            }
        };
        let total = end + 4 + length;
        self.buffer.reserve(total.saturating_sub(self.buffer.len()));
        while self.buffer.len() < total {
            ensure!(self.stream.read_buf(&mut self.buffer).await? > 0, "the connection was closed");
        }
        answer.body = self.buffer[end + 4..total].to_vec();
        Ok(answer)
    }
}
