//! Tells those who watch of every change of an instance, in order and each once, as soon as the catalog has it.
//!
//! A watcher has a queue with a limit. When it is full the watcher is let go, so that it reconnects and asks for
//! everything anew: a change that is left out silently would never be noticed.

mod changes;
mod queue;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use parking_lot::Mutex;
use tokio::sync::watch as signal;

use self::queue::{Queue, Wake};
use crate::model::Tenant;

pub(super) use self::changes::Change;
pub use self::queue::{Event, Lane};

/// Why nobody can watch now.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
pub enum WatchError {
    /// There are as many watchers as may be.
    #[error("there are too many watchers here, try another replica")]
    TooMany,
    /// This replica is going.
    #[error("this replica is shutting down, try another one")]
    Closing,
}

/// The watchers of one tenant, by the id of the consumer.
type Consumers = HashMap<String, HashMap<u64, Arc<Queue>>>;

/// Everybody who watches.
pub struct Watchers {
    tenants: Mutex<HashMap<Tenant, Consumers>>,
    next: AtomicU64,
    count: AtomicUsize,
    closing: signal::Sender<bool>,
}

impl Default for Watchers {
    fn default() -> Self {
        Self {
            tenants: Mutex::default(),
            next: AtomicU64::new(0),
            count: AtomicUsize::new(0),
            closing: signal::Sender::new(false),
        }
    }
}

/// One who watches. Dropping it ends the watching.
pub struct Watch {
    queue: Arc<Queue>,
    watchers: Arc<Watchers>,
    tenant: Tenant,
    consumer: String,
    number: u64,
}

impl Watch {
    /// Where the changes are taken from. Only one may take them.
    pub fn changes(&self) -> Changes {
        Changes(self.queue.clone())
    }

    /// Waits until no more changes will come, because this replica goes or the watcher was too slow.
    pub async fn ended(&self) {
        self.queue.ended().await;
    }

    /// Waits until no more changes will come and all have been taken.
    pub async fn drained(&self) {
        self.queue.drained().await;
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.queue.clear();
        self.watchers.count.fetch_sub(1, Ordering::Relaxed);
        let mut tenants = self.watchers.tenants.lock();
        let Some(consumers) = tenants.get_mut(&self.tenant) else { return };
        if let Some(watches) = consumers.get_mut(&self.consumer) {
            watches.remove(&self.number);
            if watches.is_empty() {
                consumers.remove(&self.consumer);
            }
        }
        if consumers.is_empty() {
            tenants.remove(&self.tenant);
        }
    }
}

/// The changes that one watcher is told of.
pub struct Changes(Arc<Queue>);

impl Changes {
    /// The next change. What it is called by is woken by the watcher's lane.
    pub fn poll_next(&self, context: &mut Context<'_>) -> Poll<Arc<Event>> {
        self.0.poll_next(context)
    }
}

impl Watchers {
    /// Watches the providers of a consumer, unless `most` do so already. Who takes the changes lives on the thread that
    /// `lane` runs on.
    ///
    /// # Errors
    /// [`WatchError`] when nobody can watch now.
    pub fn watch(
        self: &Arc<Self>,
        tenant: &Tenant,
        consumer: &str,
        most: usize,
        lane: &Arc<Lane>,
    ) -> Result<Watch, WatchError> {
        let queue = Arc::new(Queue::new(lane));
        let mut tenants = self.tenants.lock();
        if self.is_closing() {
            return Err(WatchError::Closing);
        }
        if self.count.load(Ordering::Relaxed) >= most {
            return Err(WatchError::TooMany);
        }
        self.count.fetch_add(1, Ordering::Relaxed);
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let consumers = tenants.entry(tenant.clone()).or_default();
        consumers.entry(consumer.to_owned()).or_default().insert(number, queue.clone());
        let (tenant, consumer) = (tenant.clone(), consumer.to_owned());
        Ok(Watch { queue, watchers: self.clone(), tenant, consumer, number })
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Lets everybody go, and nobody in any more.
    pub fn close(&self) {
        let mut tenants = self.tenants.lock();
        self.closing.send_replace(true);
        let watches = tenants.drain().flat_map(|(_, consumers)| consumers).flat_map(|(_, watches)| watches);
        for (_, queue) in watches {
            queue.end();
        }
    }

    /// Whether this replica is going.
    pub fn is_closing(&self) -> bool {
        *self.closing.borrow()
    }

    /// Waits until this replica is going.
    pub async fn closed(&self) {
        // It fails only when the sender is gone, which `self` holds.
        let _ = self.closing.subscribe().wait_for(|closing| *closing).await;
    }

    /// Tells consumers of events, in this order.
    fn tell<'e>(&self, told: impl IntoIterator<Item = (&'e Tenant, &'e str, &'e Arc<Event>)>) {
        let mut wake = Wake::default();
        let mut tenants = self.tenants.lock();
        for (tenant, consumer, event) in told {
            let watches = tenants.get_mut(tenant).and_then(|consumers| consumers.get_mut(consumer));
            if let Some(watches) = watches {
                // One whose queue is full loses it, and by that learns that it must begin anew.
                watches.retain(|_, queue| queue.push(event, &mut wake));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures::FutureExt;

    use super::queue::MOST_EVENTS;
    use super::*;

    fn event(bytes: usize) -> Arc<Event> {
        Arc::new(Event::new(vec![b' '; bytes].into()))
    }

    fn tell(watchers: &Watchers, event: &Arc<Event>) {
        watchers.tell([(&Tenant::default(), "c", event)]);
    }

    fn waiting(watch: &Watch) -> Vec<Arc<Event>> {
        let changes = watch.changes();
        let mut context = Context::from_waker(std::task::Waker::noop());
        let next = || match changes.poll_next(&mut context) {
            Poll::Ready(event) => Some(event),
            Poll::Pending => None,
        };
        std::iter::from_fn(next).collect()
    }

    #[tokio::test]
    async fn changes_are_told_in_order_and_encoded_once() {
        let (watchers, lane) = (Arc::new(Watchers::default()), Arc::new(Lane::default()));
        let watches = [(); 2].map(|()| watchers.watch(&Tenant::default(), "c", 2, &lane).unwrap());
        for size in 1..4 {
            tell(&watchers, &event(size));
        }
        let mut encodings = 0;
        for watch in &watches {
            let events = waiting(watch);
            let encoded = events.iter().map(|event| {
                event.encoded(|document| {
                    encodings += 1;
                    Bytes::copy_from_slice(document)
                })
            });
            assert_eq!(encoded.map(|encoded| encoded.len()).collect::<Vec<_>>(), [1, 2, 3]);
        }
        assert_eq!(encodings, 3);
    }

    #[tokio::test]
    async fn a_lane_wakes_those_who_have_been_told_something() {
        let (watchers, lane) = (Arc::new(Watchers::default()), Arc::new(Lane::default()));
        let watch = watchers.watch(&Tenant::default(), "c", 1, &lane).unwrap();
        let running = tokio::spawn(lane.clone().run());
        for size in 1..4 {
            let changes = watch.changes();
            let next = std::future::poll_fn(|context| changes.poll_next(context));
            let (event, ()) = tokio::join!(next, async { tell(&watchers, &event(size)) });
            assert_eq!(event.encoded(Bytes::copy_from_slice).len(), size);
        }
        running.abort();
    }

    #[tokio::test]
    async fn a_watcher_that_is_too_slow_is_let_go_after_what_it_has_queued() {
        let (watchers, lane) = (Arc::new(Watchers::default()), Arc::new(Lane::default()));
        for (size, most) in [(2, MOST_EVENTS), (1 << 20, 4), (5 << 20, 1)] {
            let slow = watchers.watch(&Tenant::default(), "c", 1, &lane).unwrap();
            let second = watchers.watch(&Tenant::default(), "c", 1, &lane);
            assert_eq!(second.err(), Some(WatchError::TooMany));
            for _ in 0..most {
                tell(&watchers, &event(size));
            }
            assert_eq!(slow.ended().now_or_never(), None, "{size}");
            tell(&watchers, &event(size));
            slow.ended().await;
            assert_eq!(slow.drained().now_or_never(), None, "{size}");
            tell(&watchers, &event(1));
            assert_eq!(waiting(&slow).len(), most);
            slow.drained().await;
            drop(slow);
            assert_eq!(watchers.count(), 0);
            assert!(watchers.tenants.lock().is_empty());
        }
    }

    #[tokio::test]
    async fn everybody_is_let_go_when_the_replica_goes() {
        let (watchers, lane) = (Arc::new(Watchers::default()), Arc::new(Lane::default()));
        let watch = watchers.watch(&Tenant::default(), "c", 9, &lane).unwrap();
        watchers.close();
        watch.drained().now_or_never();
        watch.ended().await;
        assert!(waiting(&watch).is_empty());
        watch.drained().await;
        watchers.closed().await;
        let late = watchers.watch(&Tenant::default(), "c", 9, &lane);
        assert_eq!(late.err(), Some(WatchError::Closing));
    }
}
