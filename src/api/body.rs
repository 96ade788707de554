//! Receives the body of a request within bounds: its own length, the time that its client takes, and the memory of all
//! bodies together.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actix_web::error::PayloadError;
use actix_web::http::header::CONTENT_LENGTH;
use actix_web::{HttpRequest, web};
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use tokio::time::timeout;

use crate::telemetry::Metrics;

/// What bodies have to share.
#[derive(Clone)]
pub struct Bodies {
    deadline: Duration,
    most: usize,
    held: Arc<AtomicUsize>,
    metrics: Option<Arc<Metrics>>,
}

/// A minute, and as much memory as it takes.
impl Default for Bodies {
    fn default() -> Self {
        Self::new(Duration::from_secs(60), usize::MAX, None)
    }
}

/// Why there is no body.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// It is longer than it may be.
    #[error("is longer than the {0} bytes accepted")]
    TooLong(usize),
    /// Its client took too long.
    #[error("did not arrive within {}", humantime::format_duration(*.0))]
    Late(Duration),
    /// The bodies of other requests take all the memory that there is for them.
    #[error("does not fit beside those of other requests, repeat the request later")]
    NoRoom,
    /// It broke off, or is malformed.
    #[error("could not be read: {0}")]
    Broken(#[from] PayloadError),
}

/// A whole body. Its memory counts until it is dropped.
#[derive(Debug)]
pub struct Body {
    bytes: Bytes,
    _share: Share,
}

impl std::ops::Deref for Body {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Bodies {
    /// Bodies of `most` bytes together, each of which has to arrive within `deadline`; in `metrics` is counted what
    /// does not.
    #[must_use]
    pub fn new(deadline: Duration, most: usize, metrics: Option<Arc<Metrics>>) -> Self {
        Self { deadline, most, held: Arc::default(), metrics }
    }

    /// Receives the body of `request`, of at most `limit` bytes, within the bounds that the application was given as
    /// plain `app_data`; the defaults hold without.
    ///
    /// # Errors
    /// [`BodyError`], as soon as it is certain.
    pub async fn read(request: &HttpRequest, payload: web::Payload, limit: usize) -> Result<Body, BodyError> {
        match request.app_data::<Self>() {
            Some(bodies) => bodies.receive(request, payload, limit).await,
            None => Self::default().receive(request, payload, limit).await,
        }
    }

    async fn receive(
        &self,
        request: &HttpRequest,
        payload: web::Payload,
        limit: usize,
    ) -> Result<Body, BodyError> {
        let announced = request
            .headers()
            .get(CONTENT_LENGTH)
            .and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
        if announced.is_some_and(|length| length > limit) {
            return Err(BodyError::TooLong(limit));
        }
        let body = timeout(self.deadline, self.collect(payload, limit)).await;
        let body = body.unwrap_or(Err(BodyError::Late(self.deadline)));
        let reason = match &body {
            Err(BodyError::NoRoom) => "body_memory",
            Err(BodyError::Late(_)) => "body_time",
            _ => return body,
        };
        if let Some(metrics) = &self.metrics {
            metrics.shed.with_label_values(&[reason]).inc();
        }
        body
    }

    async fn collect(&self, mut payload: web::Payload, limit: usize) -> Result<Body, BodyError> {
        let mut share = Share { held: self.held.clone(), bytes: 0 };
        let mut first = Bytes::new();
        let mut joined = BytesMut::new();
        while let Some(chunk) = payload.next().await {
            let chunk = chunk?;
            if share.bytes + chunk.len() > limit {
                return Err(BodyError::TooLong(limit));
            }
            share.grow(chunk.len(), self.most)?;
            // Most bodies come in one piece, which need not be copied.
            if first.is_empty() && joined.is_empty() {
                first = chunk;
            } else {
                joined.extend_from_slice(&std::mem::take(&mut first));
                joined.extend_from_slice(&chunk);
            }
        }
        let bytes = if joined.is_empty() { first } else { joined.freeze() };
        Ok(Body { bytes, _share: share })
    }
}

/// What one body takes of the memory of all.
#[derive(Debug)]
struct Share {
    held: Arc<AtomicUsize>,
    bytes: usize,
}

impl Share {
    fn grow(&mut self, bytes: usize, most: usize) -> Result<(), BodyError> {
        self.bytes += bytes;
        let before = self.held.fetch_add(bytes, Ordering::Relaxed);
        if before.saturating_add(bytes) > most { Err(BodyError::NoRoom) } else { Ok(()) }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use actix_web::FromRequest;
    use actix_web::test::TestRequest;

    use super::*;

    async fn receive(bodies: &Bodies, text: &'static str, limit: usize) -> Result<Body, BodyError> {
        let (request, mut payload) = TestRequest::put().set_payload(text).to_http_parts();
        let payload = web::Payload::from_request(&request, &mut payload).await.unwrap();
        bodies.receive(&request, payload, limit).await
    }

    #[actix_web::test]
    async fn bodies_share_their_memory_until_they_are_dropped() {
        let bodies = Bodies::new(Duration::from_secs(60), 10, None);
        let first = receive(&bodies, "123456", 10).await.unwrap();
        assert_eq!(&*first, b"123456");
        assert!(matches!(receive(&bodies, "12345", 10).await, Err(BodyError::NoRoom)));
        assert!(receive(&bodies, "1234", 10).await.is_ok());
        drop(first);
        assert!(receive(&bodies, "1234567890", 10).await.is_ok());
        assert_eq!(bodies.held.load(Ordering::Relaxed), 0);
    }

    #[actix_web::test]
    async fn a_body_may_be_as_long_as_the_limit_and_not_a_byte_longer() {
        let bodies = Bodies::default();
        assert!(receive(&bodies, "12345", 5).await.is_ok());
        assert!(matches!(receive(&bodies, "12345", 4).await, Err(BodyError::TooLong(4))));
    }
}
