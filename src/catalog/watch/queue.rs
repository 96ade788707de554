//! What waits for one watcher, and how its thread is woken.
//!
//! To wake a task of another thread costs a system call, and a crowd has thousands of tasks. The feed therefore only
//! wakes the lane of a thread, once for many watchers, and the lane wakes those who live on its own thread. What
//! changes before they get their turn is told together.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::task::AtomicWaker;
use parking_lot::Mutex;
use tokio::sync::Notify;

/// Changes that may wait for one watcher, and their bytes; one change may always wait.
pub(super) const MOST_EVENTS: usize = 1_024;
const MOST_BYTES: usize = 4 << 20;
/// Room for changes that a watcher keeps while nothing waits for him.
const KEPT_ROOM: usize = 16;

/// How long a lane gathers changes for each watcher that it has just woken: a few times what it takes to send him
/// something, so that telling a crowd never takes more than a part of a thread's time, and the more there are to tell
/// the more they are told at once. Below the least, timers are not worth it; more than the most would be a delay that
/// somebody notices.
const GATHER: Duration = Duration::from_micros(40);
const LEAST_GATHER: Duration = Duration::from_millis(1);
const MOST_GATHER: Duration = Duration::from_millis(50);

/// A change, shared by all who are told of it.
#[derive(Debug)]
pub struct Event {
    /// A JSON document in the v4 form.
    document: Bytes,
    encoded: OnceLock<Bytes>,
}

impl Event {
    pub(super) fn new(document: Bytes) -> Self {
        Self { document, encoded: OnceLock::new() }
    }

    /// The document in the form in which it is sent; `encode` is the same for all watchers, and called once.
    pub fn encoded(&self, encode: impl FnOnce(&[u8]) -> Bytes) -> Bytes {
        self.encoded.get_or_init(|| encode(&self.document)).clone()
    }
}

/// Wakes the watchers of one thread.
#[derive(Default)]
pub struct Lane {
    told: Mutex<Vec<Arc<Queue>>>,
    wake: Notify,
}

impl Lane {
    /// Wakes those who are told something, on the thread that this runs on, until it is dropped.
    pub async fn run(self: Arc<Self>) {
        loop {
            self.wake.notified().await;
            let told = std::mem::take(&mut *self.told.lock());
            let watchers = u32::try_from(told.len()).unwrap_or(u32::MAX);
            for queue in told {
                queue.reader.wake();
            }
            let gather = GATHER.saturating_mul(watchers).min(MOST_GATHER);
            if gather >= LEAST_GATHER {
                tokio::time::sleep(gather).await;
            }
        }
    }
}

/// The lanes whose watchers have been told something and are to be woken.
#[derive(Default)]
pub(super) struct Wake(Vec<Arc<Lane>>);

impl Drop for Wake {
    fn drop(&mut self) {
        for lane in &self.0 {
            lane.wake.notify_one();
        }
    }
}

/// What waits for one watcher.
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    lane: Arc<Lane>,
    reader: AtomicWaker,
    /// Told when nothing more will come, and once more when nothing waits any more.
    over: Notify,
}

#[derive(Default)]
struct Waiting {
    events: VecDeque<Arc<Event>>,
    bytes: usize,
    is_over: bool,
}

impl Queue {
    pub(super) fn new(lane: &Arc<Lane>) -> Self {
        let (waiting, reader, over) = (Mutex::default(), AtomicWaker::new(), Notify::new());
        Self { waiting, lane: lane.clone(), reader, over }
    }

    /// Adds a change; false when it is over or too many wait, which makes it over.
    pub(super) fn push(self: &Arc<Self>, event: &Arc<Event>, wake: &mut Wake) -> bool {
        let mut waiting = self.waiting.lock();
        if waiting.is_over {
            return false;
        }
        let bytes = waiting.bytes + event.document.len();
        let is_first = waiting.events.is_empty();
        if waiting.events.len() >= MOST_EVENTS || (bytes > MOST_BYTES && !is_first) {
            drop(waiting);
            self.end();
            return false;
        }
        waiting.events.push_back(event.clone());
        waiting.bytes = bytes;
        drop(waiting);
        if is_first {
            self.lane.told.lock().push(self.clone());
            if !wake.0.iter().any(|lane| Arc::ptr_eq(lane, &self.lane)) {
                wake.0.push(self.lane.clone());
            }
        }
        true
    }

    /// Lets nothing more in.
    pub(super) fn end(&self) {
        self.waiting.lock().is_over = true;
        self.over.notify_one();
    }

    /// Lets nothing more in and forgets what waits.
    pub(super) fn clear(&self) {
        *self.waiting.lock() = Waiting { is_over: true, ..Waiting::default() };
    }

    /// Waits until nothing more is let in.
    pub(super) async fn ended(&self) {
        self.until(|waiting| waiting.is_over).await;
    }

    /// Waits until nothing more is let in and everything has been taken.
    pub(super) async fn drained(&self) {
        self.until(|waiting| waiting.is_over && waiting.events.is_empty()).await;
    }

    /// Only one may wait.
    async fn until(&self, holds: impl Fn(&Waiting) -> bool) {
        while !holds(&self.waiting.lock()) {
            self.over.notified().await;
        }
    }

    pub(super) fn poll_next(&self, context: &mut Context<'_>) -> Poll<Arc<Event>> {
        let mut waiting = self.waiting.lock();
        if let Some(event) = waiting.events.pop_front() {
            waiting.bytes -= event.document.len();
            return Poll::Ready(event);
        }
        if waiting.events.capacity() > KEPT_ROOM {
            waiting.events = VecDeque::new();
        }
        if waiting.is_over {
            self.over.notify_one();
        }
        self.reader.register(context.waker());
        Poll::Pending
    }
}
