//! A wire between a gateway and a ZooKeeper server that understands what it carries.
//!
//! ZooKeeper frames every message with its length. A connection begins with a request and a response about the session;
//! after that a request is `xid, opcode, ...` and a reply `xid, zxid, error, ...`, so that remembering requests tells what
//! a reply belongs to. Watch events come with xid -1. A wire can therefore be cut at the places that matter: after a
//! write was committed and before its reply arrives, or right after an event.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::link;
use crate::wire_format::Session;

/// What happens to the frames of one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// They go through at once.
    Pass,
    /// They wait, and so does the news that the other side has closed, as in a network that drops packets silently. What
    /// waited goes through when the flow changes.
    Hold,
    /// Each arrives this much later than it was sent.
    Delay(Duration),
}

/// What a wire does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// From the gateway to ZooKeeper.
    pub forth: Flow,
    /// From ZooKeeper to the gateway.
    pub back: Flow,
    /// Watch events alone wait, while replies overtake them.
    pub hold_events: bool,
    /// Connections of an earlier generation are reset.
    pub(crate) generation: u64,
}

impl Rules {
    const PASS: Self = Self { forth: Flow::Pass, back: Flow::Pass, hold_events: false, generation: 0 };
}

/// Where a connection is to be cut, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trap {
    /// A request has been carried out, and its reply is thrown away.
    BeforeReply {
        /// Which requests count; `None`: all but pings.
        opcode: Option<i32>,
        /// How many of them go through first.
        skip: u32,
    },
    /// A watch event has been delivered, and no request after it gets through.
    AfterEvent {
        /// How many events go through first.
        skip: u32,
    },
}

/// A trap that all wires of a gateway share: it does not matter over which of them the frame comes.
#[derive(Default)]
pub struct Traps {
    armed: Mutex<Option<Trap>>,
    sprung: AtomicU64,
    last: Mutex<String>,
}

impl Traps {
    /// Sets a trap, in the place of the one that is set. Answers how often one had sprung before.
    pub fn set(&self, trap: Trap) -> u64 {
        let mut armed = self.armed.lock();
        *armed = Some(trap);
        self.sprung()
    }

    /// Takes the trap away.
    pub fn clear(&self) {
        *self.armed.lock() = None;
    }

    /// How often one has sprung.
    pub fn sprung(&self) -> u64 {
        self.sprung.load(Ordering::Acquire)
    }

    /// What it caught last.
    pub fn last(&self) -> String {
        self.last.lock().clone()
    }

    /// Whether the reply to a request of this kind is to be thrown away.
    pub(crate) fn takes_reply(&self, opcode: i32) -> bool {
        self.springs(|trap| match trap {
            Trap::BeforeReply { opcode: wanted, skip } if wanted.is_none_or(|wanted| wanted == opcode) => {
                Some(skip)
            }
            _ => None,
        })
        .then(|| *self.last.lock() = format!("the reply to {}", crate::wire_format::name(opcode)))
        .is_some()
    }

    /// Whether the connection is to be cut after an event.
    pub(crate) fn takes_event(&self) -> bool {
        self.springs(|trap| match trap {
            Trap::AfterEvent { skip } => Some(skip),
            Trap::BeforeReply { .. } => None,
        })
        .then(|| *self.last.lock() = "what came after an event".into())
        .is_some()
    }

    fn springs(&self, left: impl for<'a> Fn(&'a mut Trap) -> Option<&'a mut u32>) -> bool {
        let mut armed = self.armed.lock();
        let Some(skip) = armed.as_mut().and_then(left) else { return false };
        if *skip > 0 {
            *skip -= 1;
            return false;
        }
        *armed = None;
        self.sprung.fetch_add(1, Ordering::AcqRel);
        true
    }
}

/// What the connections of a wire share.
pub(crate) struct Shared {
    pub(crate) rules: watch::Sender<Rules>,
    pub(crate) traps: Arc<Traps>,
    /// Sessions that have a connection over this wire now, by the number of the connection.
    pub(crate) sessions: Mutex<BTreeMap<u64, Session>>,
    /// Frames that had to wait.
    pub(crate) held: AtomicU64,
    /// Connections that were made: the number of the next one.
    connections: AtomicU64,
}

/// A wire in front of one port. Dropping it resets every connection.
pub struct Wire {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl Wire {
    /// Starts a wire in front of 127.0.0.1:`port`, with the traps of its gateway.
    ///
    /// # Errors
    /// When no port can be listened on.
    pub async fn start(port: u16, traps: Arc<Traps>) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            rules: watch::channel(Rules::PASS).0,
            traps,
            sessions: Mutex::default(),
            held: AtomicU64::default(),
            connections: AtomicU64::default(),
        });
        let task = tokio::spawn(accept(listener, port, shared.clone()));
        Ok(Self { address, shared, task })
    }

    /// Where the gateway connects to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes what happens to frames from now on.
    pub fn set(&self, forth: Flow, back: Flow) {
        self.shared.rules.send_modify(|rules| (rules.forth, rules.back) = (forth, back));
    }

    /// Holds watch events back, or lets them go.
    pub fn hold_events(&self, hold: bool) {
        self.shared.rules.send_modify(|rules| rules.hold_events = hold);
    }

    /// Lets everything through.
    pub fn pass(&self) {
        self.set(Flow::Pass, Flow::Pass);
        self.hold_events(false);
    }

    /// Resets every connection; new ones are accepted.
    pub fn cut(&self) {
        self.shared.rules.send_modify(|rules| rules.generation += 1);
    }

    /// The session that has a connection over this wire now.
    pub fn session(&self) -> Option<Session> {
        self.shared.sessions.lock().values().next_back().cloned()
    }

    /// How many frames had to wait so far.
    pub fn held(&self) -> u64 {
        self.shared.held.load(Ordering::Relaxed)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.cut();
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, port: u16, shared: Arc<Shared>) {
    loop {
        match listener.accept().await {
            Ok((client, _)) => {
                let number = shared.connections.fetch_add(1, Ordering::Relaxed);
                let generation = shared.rules.borrow().generation;
                tokio::spawn(connection(client, port, shared.clone(), number, generation));
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

async fn connection(client: TcpStream, port: u16, shared: Arc<Shared>, number: u64, generation: u64) {
    let mut rules = shared.rules.subscribe();
    // Whoever closes such a socket resets the connection.
    let reset = |stream: &TcpStream| drop(socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO)));
    reset(&client);
    let carry = async {
        // The packet that opens a connection is lost like every other, and its sender gives up before it is sent again.
        let mut rules = shared.rules.subscribe();
        let is_open = |rules: &Rules| rules.forth != Flow::Hold && rules.back != Flow::Hold;
        if !is_open(&rules.borrow_and_update()) {
            shared.held.fetch_add(1, Ordering::Relaxed);
            let _ = rules.wait_for(is_open).await;
            return;
        }
        if let Ok(server) = TcpStream::connect(("127.0.0.1", port)).await {
            reset(&server);
            // A wire holds nothing back by itself: with Nagle's algorithm, frames one by one wait for acknowledgements.
            for stream in [&client, &server] {
                let _ = stream.set_nodelay(true);
            }
            link::carry(client, server, &shared, number).await;
        }
    };
    tokio::select! {
        () = carry => {}
        _ = rules.wait_for(|rules| rules.generation != generation) => {}
    }
    shared.sessions.lock().remove(&number);
}
