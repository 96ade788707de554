//! A wire between gateway and ZooKeeper that can be cut, blocked or silenced.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What the wire does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Bytes go through.
    Pass,
    /// New connections are closed at once, and so are those that exist.
    Refuse,
    /// Connections stay, and no byte arrives, as when packets are dropped silently.
    Silence,
}

#[derive(Clone, Copy)]
struct State {
    mode: Mode,
    /// Connections of an earlier generation are closed.
    generation: u64,
}

/// A TCP proxy on loopback. Dropping it closes every connection.
pub struct Proxy {
    address: SocketAddr,
    state: Arc<watch::Sender<State>>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Starts a proxy in front of 127.0.0.1:`port`.
    pub async fn start(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, receiver) = watch::channel(State { mode: Mode::Pass, generation: 0 });
        let task = tokio::spawn(accept(listener, port, receiver));
        Self { address, state: Arc::new(sender), task }
    }

    /// Where clients connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes what the wire does.
    pub fn set(&self, mode: Mode) {
        self.state.send_modify(|state| {
            state.mode = mode;
            state.generation += u64::from(mode == Mode::Refuse);
        });
    }

    /// Closes every connection once; new ones are accepted.
    pub fn cut(&self) {
        self.state.send_modify(|state| state.generation += 1);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.set(Mode::Refuse);
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, port: u16, state: watch::Receiver<State>) {
    while let Ok((client, _)) = listener.accept().await {
        let now = *state.borrow();
        if now.mode != Mode::Refuse {
            tokio::spawn(connection(client, port, state.clone(), now.generation));
        }
    }
}

async fn connection(client: TcpStream, port: u16, mut state: watch::Receiver<State>, generation: u64) {
    let Ok(server) = TcpStream::connect(("127.0.0.1", port)).await else { return };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let forth = copy(from_client, to_server, state.clone());
    let back = copy(from_server, to_client, state.clone());
    tokio::select! {
        () = forth => {}
        () = back => {}
        _ = state.wait_for(|state| state.generation != generation) => {}
    }
}

async fn copy(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut state: watch::Receiver<State>) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        // Bytes that arrive during silence wait, as in the buffers of a network that will retransmit them.
        if state.wait_for(|state| state.mode != Mode::Silence).await.is_err() {
            return;
        }
        if to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}
