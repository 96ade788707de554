//! One WebSocket with its keep-alive: who is silent, sends too much or takes nothing is let go.

use std::time::Duration;

use actix_web::body::BoxBody;
use actix_web::{HttpRequest, HttpResponse, web};
use actix_ws::{CloseCode, CloseReason, Message, MessageStream, Session};
use tokio::time::{Instant, sleep_until, timeout};

use super::error::ApiError;
use super::outgoing::Outgoing;
use crate::catalog::Changes;

/// Time between two pings, unless the client sends its own.
pub const PING: Duration = Duration::from_secs(30);
/// How long a client may be silent.
const SILENCE: Duration = Duration::from_secs(120);
/// How long a client may take to make room for what it is sent.
pub const WRITE: Duration = Duration::from_secs(5);
/// Bytes in a client's frame: it has nothing to say but ping and pong.
const MAX_FRAME: usize = 64;

/// One WebSocket.
pub struct Socket {
    session: Session,
    stream: MessageStream,
    interval: Duration,
    heard: Instant,
    next_ping: Instant,
}

/// What happened on a WebSocket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// The client answered a ping.
    Pong,
    /// It was time for a ping, and one was sent.
    Pinged,
    /// It is over, for this reason if the client is to be told one.
    Over(Option<CloseReason>),
}

impl Socket {
    /// Takes over the connection of `request`; the answer must be given at once. Pings go every `interval`, and
    /// `changes`, if there are any, as they come.
    ///
    /// # Errors
    /// 400001 when the request is no WebSocket handshake.
    pub fn open(
        request: &HttpRequest,
        payload: web::Payload,
        interval: Duration,
        changes: Option<Changes>,
    ) -> Result<(HttpResponse, Self), ApiError> {
        // What the library would answer itself is empty and says nothing.
        let (answer, session, stream) = actix_ws::handle(request, payload)
            .map_err(|error| ApiError::field("WebSocket handshake", error))?;
        let answer = match changes {
            Some(changes) => answer.map_body(|_, control| BoxBody::new(Outgoing::new(control, changes))),
            None => answer,
        };
        let now = Instant::now();
        let stream = stream.max_frame_size(MAX_FRAME);
        Ok((answer, Self { session, stream, interval, heard: now, next_ping: now + interval }))
    }

    /// Waits for the next thing to happen; does what keeps the connection alive meanwhile. May be dropped and called
    /// again at any time.
    pub async fn hear(&mut self) -> Heard {
        loop {
            tokio::select! {
                message = self.stream.recv() => {
                    self.heard = Instant::now();
                    match message {
                        Some(Ok(Message::Ping(bytes))) => {
                            // Who pings needs no pings.
                            self.next_ping = self.heard + self.interval;
                            if !written(self.session.pong(&bytes)).await {
                                return Heard::Over(None);
                            }
                        }
                        Some(Ok(Message::Pong(_))) => return Heard::Pong,
                        Some(Ok(Message::Close(reason))) => return Heard::Over(reason),
                        Some(Ok(_)) => {}
                        Some(Err(error)) => return over(CloseCode::Protocol, &error.to_string()),
                        None => return Heard::Over(None),
                    }
                }
                () = sleep_until(self.next_ping) => {
                    self.next_ping = Instant::now() + self.interval;
                    let is_written = written(self.session.ping(b"")).await;
                    return if is_written { Heard::Pinged } else { Heard::Over(None) };
                }
                () = sleep_until(self.heard + SILENCE) => return over(CloseCode::Policy, "silent for too long"),
            }
        }
    }

    /// Sends a text; false when the client is gone or makes no room for it.
    pub async fn send(&mut self, text: &str) -> bool {
        written(self.session.text(text)).await
    }

    /// Ends it.
    pub async fn close(self, reason: Option<CloseReason>) {
        // Who is gone or makes no room learns it by the connection.
        written(self.session.close(reason)).await;
    }
}

/// The reason of an end.
pub fn reason(code: CloseCode, description: &str) -> CloseReason {
    CloseReason { code, description: Some(description.to_owned()) }
}

fn over(code: CloseCode, description: &str) -> Heard {
    Heard::Over(Some(reason(code, description)))
}

async fn written(write: impl Future<Output = Result<(), actix_ws::Closed>>) -> bool {
    matches!(timeout(WRITE, write).await, Ok(Ok(())))
}
