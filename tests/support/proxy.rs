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
        Self::start_at(0, port, None).await
    }

    /// Starts a proxy in front of the last server of a connect string, and answers the connect string that leads through it.
    pub async fn in_front_of(connect: &str) -> (Self, String) {
        let (servers, chroot) = connect.split_at(connect.find('/').unwrap());
        let proxy = Self::start(servers.rsplit(':').next().unwrap().parse().unwrap()).await;
        let through = format!("{}{chroot}", proxy.address());
        (proxy, through)
    }

    /// Starts a proxy that listens on `at` in front of 127.0.0.1:`port`, and that replaces one text by another, of the same
    /// length, in the first bytes that a client sends: for protocols that begin by telling an address.
    pub async fn start_at(at: u16, port: u16, translation: Option<(String, String)>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", at)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, receiver) = watch::channel(State { mode: Mode::Pass, generation: 0 });
        let task = tokio::spawn(accept(listener, port, receiver, translation.map(Arc::new)));
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

type Translation = Option<Arc<(String, String)>>;

async fn accept(listener: TcpListener, port: u16, state: watch::Receiver<State>, translation: Translation) {
    while let Ok((client, _)) = listener.accept().await {
        let now = *state.borrow();
        if now.mode != Mode::Refuse {
            tokio::spawn(connection(client, port, state.clone(), now.generation, translation.clone()));
        }
    }
}

async fn connection(
    client: TcpStream,
    port: u16,
    mut state: watch::Receiver<State>,
    generation: u64,
    translation: Translation,
) {
    let Ok(server) = TcpStream::connect(("127.0.0.1", port)).await else { return };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let forth = copy(from_client, to_server, state.clone(), translation);
    let back = copy(from_server, to_client, state.clone(), None);
    let mut silence = state.clone();
    let carry = async {
        tokio::select! {
            () = forth => {}
            () = back => {}
        }
        // That one side has closed is not heard during silence either.
        let _ = silence.wait_for(|state| state.mode != Mode::Silence).await;
    };
    tokio::select! {
        () = carry => {}
        _ = state.wait_for(|state| state.generation != generation) => {}
    }
}

async fn copy(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut state: watch::Receiver<State>,
    mut translation: Translation,
) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        if let Some(translation) = translation.take() {
            translate(&mut buffer[..count], translation.0.as_bytes(), translation.1.as_bytes());
        }
        // Bytes that arrive during silence wait, as in the buffers of a network that will retransmit them.
        if state.wait_for(|state| state.mode != Mode::Silence).await.is_err() {
            return;
        }
        if to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}

fn translate(bytes: &mut [u8], from: &[u8], to: &[u8]) {
    assert_eq!(from.len(), to.len());
    if let Some(at) = bytes.windows(from.len()).position(|window| window == from) {
        bytes[at..at + to.len()].copy_from_slice(to);
    }
}
