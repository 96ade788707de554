//! A wire between gateway and ZooKeeper that reads what passes, so that a test can stop it between any two messages.
//!
//! Nothing overtakes anything, as in a real connection: from the message on that was waited for, everything in its
//! direction waits as well. Hold a wire for less than the session lasts: pings wait, too.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A request by what it asks for and something that must stand in it, such as a part of a path.
pub type Request = (Operation, &'static str);

/// What a request asks for, with its number in ZooKeeper's protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// `sync`: the server is asked to catch up.
    CatchingUp = 9,
    /// `multi`: a change.
    Transaction = 14,
    /// `multiRead`: znodes that are read.
    Reading = 22,
}

#[derive(Default)]
struct State {
    /// What has to be met, one after the other; the last one is held.
    expected: VecDeque<Request>,
    /// Whether it is the reply to the last one that is held.
    expects_reply: bool,
    requests_wait: bool,
    replies_wait: bool,
    /// The number of the request whose reply is to be held.
    awaited: Option<i32>,
    /// All that was asked for.
    requests: Vec<Vec<u8>>,
}

/// A TCP proxy on loopback that knows where ZooKeeper's messages begin. Dropping it closes every connection.
pub struct Wire {
    state: Arc<watch::Sender<State>>,
    task: JoinHandle<()>,
}

impl Wire {
    /// Starts a wire to the first server of `connect`, and answers the connect string that leads through it.
    pub async fn start(connect: &str) -> (Self, String) {
        let (servers, chroot) = connect.split_at(connect.find('/').unwrap_or(connect.len()));
        let server: SocketAddr = servers.split(',').next().unwrap().parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(watch::Sender::new(State::default()));
        let task = tokio::spawn(accept(listener, server, state.clone()));
        (Self { state, task }, format!("{address}{chroot}"))
    }

    /// Holds the last of `requests` once they have been met in this order, and all that follow it.
    pub fn hold_requests(&self, requests: &[Request]) {
        self.expect(requests, false);
    }

    /// Holds the reply to the last of `requests` once they have been met in this order, and all that follows it.
    pub fn hold_replies(&self, requests: &[Request]) {
        self.expect(requests, true);
    }

    /// Holds whatever ZooKeeper says from now on: replies and news.
    pub fn hold_news(&self) {
        self.state.send_modify(|state| state.replies_wait = true);
    }

    /// Whether something is being held, or may be from now on.
    pub fn is_holding(&self) -> bool {
        let state = self.state.borrow();
        state.requests_wait || state.replies_wait
    }

    /// How often this has been asked for.
    pub fn count(&self, request: Request) -> usize {
        self.state.borrow().requests.iter().filter(|message| is(message, request)).count()
    }

    /// Lets everything go on.
    pub fn release(&self) {
        self.state.send_modify(|state| {
            state.expected.clear();
            (state.requests_wait, state.replies_wait, state.awaited) = (false, false, None);
        });
    }

    fn expect(&self, requests: &[Request], reply: bool) {
        self.state.send_modify(|state| {
            state.expected = requests.iter().copied().collect();
            // What waits goes on, and is looked at with the eyes of now.
            (state.expects_reply, state.requests_wait) = (reply, false);
        });
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl State {
    fn on_request(&mut self, message: &[u8]) {
        self.requests.push(message.to_vec());
        let is_next = self.expected.front().is_some_and(|expected| is(message, *expected));
        if is_next && self.expected.pop_front().is_some() && self.expected.is_empty() {
            if self.expects_reply {
                self.awaited = word(message, 0);
            } else {
                self.requests_wait = true;
            }
        }
    }

    fn on_reply(&mut self, message: &[u8]) {
        self.replies_wait |= self.awaited.is_some() && self.awaited == word(message, 0);
    }
}

fn is(message: &[u8], (operation, part): Request) -> bool {
    let part = part.as_bytes();
    word(message, 4) == Some(operation as i32)
        && (part.is_empty() || message.windows(part.len()).any(|window| window == part))
}

fn word(message: &[u8], at: usize) -> Option<i32> {
    Some(i32::from_be_bytes(message.get(at..at + 4)?.try_into().ok()?))
}

async fn accept(listener: TcpListener, server: SocketAddr, state: Arc<watch::Sender<State>>) {
    // They end with the wire.
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let state = state.clone();
        connections.spawn(async move {
            let Ok(server) = TcpStream::connect(server).await else { return };
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = server.into_split();
            let forth = pass(from_client, to_server, &state, State::on_request, |state| state.requests_wait);
            let back = pass(from_server, to_client, &state, State::on_reply, |state| state.replies_wait);
            tokio::select! {
                () = forth => {}
                () = back => {}
            }
        });
    }
}

async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    state: &watch::Sender<State>,
    look: impl Fn(&mut State, &[u8]),
    waits: impl Fn(&State) -> bool,
) {
    // The first message opens the session and is made otherwise.
    let mut is_first = true;
    while let Ok(length) = from.read_u32().await {
        let mut message = vec![0; length as usize];
        if from.read_exact(&mut message).await.is_err() {
            return;
        }
        if !std::mem::take(&mut is_first) {
            state.send_modify(|state| look(state, &message));
        }
        if state.subscribe().wait_for(|state| !waits(state)).await.is_err()
            || to.write_u32(length).await.is_err()
            || to.write_all(&message).await.is_err()
        {
            return;
        }
    }
}
