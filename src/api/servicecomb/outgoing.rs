//! What goes out over the WebSocket of a watcher.
//!
//! A change is one frame, the same for all who watch, and is encoded once. The body hands over every frame that waits,
//! so that all of them go out with one write.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use actix_http::ws::{OpCode, Parser};
use actix_web::body::{BodySize, BoxBody, MessageBody};
use bytes::{Bytes, BytesMut};

use crate::catalog::{Changes, Event};

/// The body of the answer that opens a watcher's WebSocket.
pub struct Outgoing {
    /// Pings, pongs and the end, as the library makes them.
    control: BoxBody,
    changes: Changes,
}

impl Outgoing {
    /// Sends the changes beside what `control` has to send.
    pub fn new(control: BoxBody, changes: Changes) -> Self {
        Self { control, changes }
    }
}

impl MessageBody for Outgoing {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        match Pin::new(&mut self.control).poll_next(context) {
            Poll::Pending => self.changes.poll_next(context).map(|change| Some(Ok(frame(&change)))),
            control => control,
        }
    }
}

fn frame(change: &Arc<Event>) -> Bytes {
    change.encoded(|document| {
        let mut frame = BytesMut::new();
        // The last of the message, and not masked, which only clients do.
        Parser::write_message(&mut frame, document, OpCode::Text, true, false);
        frame.freeze()
    })
}
