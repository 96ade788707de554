//! What the machine can do at most: the same bytes written to as many sockets, and nothing else.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::support::listener::Listener;

/// Threads that write, each with its own share of the sockets.
const WRITERS: usize = 2;

/// Time from the first write until every listener has heard all frames, when each frame is written by itself.
pub async fn ceiling(frames: Vec<Box<[u8]>>, listeners: usize) -> Duration {
    let frames: Arc<[Box<[u8]>]> = frames.into();
    let mut hearing = JoinSet::new();
    let mut starts = Vec::new();
    for _ in 0..WRITERS {
        let (address, start) = write(frames.clone(), listeners / WRITERS).await;
        for _ in 0..listeners / WRITERS {
            let stream = TcpStream::connect(address).await.unwrap();
            hearing.spawn(listen(Listener::bare(stream), frames.clone()));
        }
        starts.push(start);
    }
    let started = Instant::now();
    for start in starts {
        start.send(()).unwrap();
    }
    hearing.join_all().await;
    started.elapsed()
}

async fn listen(mut listener: Listener, frames: Arc<[Box<[u8]>]>) {
    let mut heard = 0;
    while heard < frames.len() {
        listener
            .hear(|frame| {
                assert_eq!(*frame, *frames[heard]);
                heard += 1;
            })
            .await;
    }
}

/// A thread that accepts `sockets` connections and, when told to, writes every frame to each of them.
async fn write(frames: Arc<[Box<[u8]>]>, sockets: usize) -> (SocketAddr, oneshot::Sender<()>) {
    let (start, is_started) = oneshot::channel::<()>();
    let (listening, address) = oneshot::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            listening.send(listener.local_addr().unwrap()).unwrap();
            let mut streams = Vec::new();
            for _ in 0..sockets {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                streams.push(stream);
            }
            is_started.await.unwrap();
            for frame in frames.iter().map(|frame| encode(frame)) {
                for stream in &mut streams {
                    stream.write_all(&frame).await.unwrap();
                }
            }
        });
    });
    (address.await.unwrap(), start)
}

fn encode(content: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x81, 126];
    frame.extend(u16::try_from(content.len()).unwrap().to_be_bytes());
    frame.extend_from_slice(content);
    frame
}
