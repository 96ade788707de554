//! A WebSocket that only listens, cheaply: a crowd of them must not be what limits a test.
//!
//! It reads large chunks and finds the frames in them itself. Everything else about web sockets is tested with a library,
//! through [`super::socket`].

use std::cell::RefCell;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::eventually::scaled;

/// Longest time that a listener waits for a frame.
const PATIENCE: Duration = Duration::from_secs(60);
/// Bytes that are read at once.
const CHUNK: usize = 64 << 10;

const TEXT: u8 = 0x81;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;

thread_local! {
    /// Where all listeners of a thread read to.
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; CHUNK]);
}

/// An open WebSocket.
pub struct Listener {
    stream: TcpStream,
    /// The beginning of a frame whose end has not arrived.
    rest: Vec<u8>,
}

impl Listener {
    /// Opens the WebSocket at `path`.
    pub async fn open(address: SocketAddr, path: &str) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            // One at a time, so that nothing of the first frame is taken.
            head.push(timeout(scaled(PATIENCE), stream.read_u8()).await.expect("no answer in time").unwrap());
        }
        assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
        Self { stream, rest: Vec::new() }
    }

    /// Listens to a stream that has no head.
    #[cfg(feature = "measurements")]
    pub fn bare(stream: TcpStream) -> Self {
        Self { stream, rest: Vec::new() }
    }

    /// Waits until something arrives and shows every text in it to `hear`.
    ///
    /// # Panics
    /// When nothing arrives in time, or the gateway ends it.
    pub async fn hear(&mut self, mut hear: impl FnMut(&[u8])) {
        let mut pings = 0;
        loop {
            timeout(scaled(PATIENCE), self.stream.readable()).await.expect("no frame in time").unwrap();
            let read: std::io::Result<usize> = BUFFER.with_borrow_mut(|buffer| {
                let read = self.stream.try_read(buffer)?;
                if read > 0 {
                    pings += take(&mut self.rest, &buffer[..read], &mut hear);
                }
                Ok(read)
            });
            match read {
                Ok(0) => panic!("the gateway ended the connection"),
                Ok(_) => break,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => panic!("{error}"),
            }
        }
        for _ in 0..pings {
            // A pong without content, masked with zeros.
            self.stream.write_all(&[0x8a, 0x80, 0, 0, 0, 0]).await.unwrap();
        }
    }
}

/// Shows the texts in what has arrived, keeps the beginning of the next one, and counts the pings.
fn take(rest: &mut Vec<u8>, chunk: &[u8], hear: &mut impl FnMut(&[u8])) -> usize {
    let joined;
    let mut bytes = if rest.is_empty() {
        chunk
    } else {
        rest.extend_from_slice(chunk);
        joined = std::mem::take(rest);
        &joined
    };
    let mut pings = 0;
    while let Some((kind, content, after)) = frame(bytes) {
        match kind {
            TEXT => hear(content),
            PING => pings += 1,
            CLOSE => panic!("the gateway ended it: {}", String::from_utf8_lossy(content)),
            other => panic!("a frame of kind {other:#x}"),
        }
        bytes = after;
    }
    rest.extend_from_slice(bytes);
    pings
}

/// The first frame: its kind, what it holds, and what comes after it; `None` while it is not whole.
fn frame(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&kind, rest) = bytes.split_first()?;
    let (&length, rest) = rest.split_first()?;
    let (length, rest) = match length {
        126 => {
            let (length, rest) = rest.split_first_chunk()?;
            (usize::from(u16::from_be_bytes(*length)), rest)
        }
        127 => {
            let (length, rest) = rest.split_first_chunk()?;
            (usize::try_from(u64::from_be_bytes(*length)).unwrap(), rest)
        }
        length => (usize::from(length), rest),
    };
    let (content, after) = rest.split_at_checked(length)?;
    Some((kind, content, after))
}
