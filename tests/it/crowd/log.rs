//! What the watchers of one replica are told: the same events in the same order, each of them checked.

use std::sync::RwLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::script::{INSTANCES, check};
use crate::support::listener::Listener;

/// What the watchers of one replica are told.
pub struct Log {
    started: Instant,
    told: RwLock<Vec<Told>>,
    /// How many changes of each instance have been told.
    rounds: Vec<watch::Sender<usize>>,
}

/// One event.
struct Told {
    frame: Box<[u8]>,
    change: usize,
    /// When the last watcher heard of it, in microseconds after the start.
    last: AtomicU64,
}

impl Log {
    /// Nothing has been told.
    pub fn new(started: Instant) -> Self {
        let rounds = (0..INSTANCES).map(|_| watch::Sender::new(0)).collect();
        Self { started, told: RwLock::default(), rounds }
    }

    /// Listens until `changes` have been told. The first listener that hears an event looks at what it says. For all
    /// others every byte must be the same.
    pub async fn listen(&self, mut listener: Listener, changes: usize) -> Listener {
        let mut heard = 0;
        while heard < changes {
            let mut now = None;
            listener
                .hear(|frame| {
                    let now = *now.get_or_insert_with(|| self.elapsed());
                    self.hear(heard, frame, now);
                    heard += 1;
                })
                .await;
        }
        assert_eq!(heard, changes, "there were more");
        listener
    }

    fn elapsed(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_micros()).unwrap()
    }

    fn hear(&self, position: usize, frame: &[u8], now: u64) {
        {
            let told = self.told.read().unwrap();
            if let Some(told) = told.get(position) {
                return told.again(frame, now);
            }
        }
        let mut told = self.told.write().unwrap();
        if let Some(told) = told.get(position) {
            return told.again(frame, now);
        }
        let event = serde_json::from_slice(frame).unwrap();
        let rounds: Vec<usize> = self.rounds.iter().map(|round| *round.borrow()).collect();
        let instance = check(&event, &rounds).unwrap_or_else(|error| panic!("{error}"));
        let change = rounds[instance] * INSTANCES + instance;
        told.push(Told { frame: frame.into(), change, last: AtomicU64::new(now) });
        self.rounds[instance].send_modify(|round| *round += 1);
    }

    /// Waits until every change of an instance before this one has been told.
    pub async fn before(&self, change: usize) {
        let mut round = self.rounds[change % INSTANCES].subscribe();
        round.wait_for(|&round| round >= change / INSTANCES).await.unwrap();
    }

    /// By change: the time from the start until the last watcher had heard of it.
    pub fn heard_at(&self) -> Vec<Duration> {
        let told = self.told.read().unwrap();
        let mut times = vec![Duration::MAX; told.len()];
        for told in &*told {
            times[told.change] = Duration::from_micros(told.last.load(Ordering::Relaxed));
        }
        assert!(!times.contains(&Duration::MAX), "each is told once, none is left out");
        times
    }

    /// Every event, in the order in which they were told.
    pub fn frames(&self) -> Vec<Box<[u8]>> {
        self.told.read().unwrap().iter().map(|told| told.frame.clone()).collect()
    }
}

impl Told {
    fn again(&self, frame: &[u8], now: u64) {
        if *self.frame != *frame {
            let [one, other] = [&self.frame, frame].map(String::from_utf8_lossy);
            panic!("two watchers of one replica are told differently:\n{one}\n{other}");
        }
        self.last.fetch_max(now, Ordering::Relaxed);
    }
}
