//! A WebSocket to a gateway, as a client of service-center would hold it.

use std::net::SocketAddr;
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::eventually::scaled;

/// Longest time that a test waits for a frame.
const PATIENCE: Duration = Duration::from_secs(30);

/// An open WebSocket.
pub struct Socket(WebSocketStream<TcpStream>);

impl Socket {
    /// Opens the WebSocket at `path`; the HTTP status if that is refused.
    pub async fn open(address: SocketAddr, path: &str) -> Result<Self, u16> {
        let stream = TcpStream::connect(address).await.unwrap();
        match tokio_tungstenite::client_async(format!("ws://{address}{path}"), stream).await {
            Ok((socket, _)) => Ok(Self(socket)),
            Err(Error::Http(answer)) => Err(answer.status().as_u16()),
            Err(error) => panic!("{path}: {error}"),
        }
    }

    /// The next frame that is no ping or pong; answers pings meanwhile. `None` when the connection ended without a word.
    async fn frame(&mut self) -> Option<Message> {
        loop {
            match timeout(scaled(PATIENCE), self.0.next()).await.expect("no frame in time") {
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(message)) => return Some(message),
                Some(Err(_)) | None => return None,
            }
        }
    }

    /// The next text.
    pub async fn text(&mut self) -> String {
        match self.frame().await {
            Some(Message::Text(text)) => text.to_string(),
            other => panic!("no text but {other:?}"),
        }
    }

    /// The next text as JSON.
    pub async fn json(&mut self) -> Value {
        serde_json::from_str(&self.text().await).unwrap()
    }

    /// Waits until the gateway closes it, and returns the code; 0 when it gave none.
    pub async fn closed(&mut self) -> u16 {
        match self.frame().await {
            Some(Message::Close(frame)) => frame.map_or(0, |frame| frame.code.into()),
            None => 0,
            Some(other) => panic!("not closed but {other:?}"),
        }
    }

    /// Whether nothing arrives within `span`; answers pings meanwhile.
    pub async fn is_quiet(&mut self, span: Duration) -> bool {
        let message = async {
            loop {
                match self.0.next().await {
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                    other => return other,
                }
            }
        };
        timeout(span, message).await.is_err()
    }

    /// Sends a text.
    pub async fn send(&mut self, text: &str) {
        self.0.send(Message::Text(text.into())).await.unwrap();
    }

    /// Sends a ping and waits for its pong.
    pub async fn ping(&mut self) {
        self.0.send(Message::Ping(b"are you there".to_vec())).await.unwrap();
        let pong = async {
            loop {
                match self.0.next().await {
                    // On a slow machine the gateway may ask the same meanwhile.
                    Some(Ok(Message::Ping(_))) => {}
                    other => return other,
                }
            }
        };
        let pong = timeout(scaled(PATIENCE), pong).await.expect("no pong in time");
        assert!(matches!(pong, Some(Ok(Message::Pong(_)))), "{pong:?}");
    }
}
