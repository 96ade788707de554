//! Wakes those who wait for news of one sidecar: that its snapshot changed, or that an interface that it consumes got
//! its first provider or lost its last.
//!
//! A listener is told that there may be news and not which: it looks at the catalog itself, so nothing has to be kept
//! for it and nothing can be missed. It must begin to listen before it looks for the first time.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::state::State;
use super::watch::WatchError;
use crate::dubbo;
use crate::model::SidecarId;

/// What there may be news of.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum News {
    /// The snapshot of a sidecar.
    Sidecar(SidecarId),
    /// Whether an interface, as paths spell it, has a provider.
    Interface(String),
}

/// Those who listen to one thing, by their numbers.
type Bells = HashMap<u64, Arc<Notify>>;

#[derive(Default)]
struct Rooms {
    sidecars: HashMap<SidecarId, Bells>,
    interfaces: HashMap<Arc<str>, Bells>,
    next: u64,
}

/// Everybody who listens.
#[derive(Default)]
pub struct Listeners {
    rooms: Mutex<Rooms>,
    count: AtomicUsize,
    closing: AtomicBool,
}

/// One who listens; dropping it ends that.
pub struct Listener {
    listeners: Arc<Listeners>,
    bell: Arc<Notify>,
    number: u64,
    sidecar: SidecarId,
    /// As paths spell them; each text is shared by all who listen to it.
    interfaces: Vec<Arc<str>>,
}

impl Listeners {
    /// Begins to listen to news of `sidecar`, which consumes `interfaces`, unless `most` listen already.
    ///
    /// # Errors
    /// [`WatchError`] when nobody can listen now.
    pub fn listen(
        self: &Arc<Self>,
        sidecar: &SidecarId,
        interfaces: &[String],
        most: usize,
    ) -> Result<Listener, WatchError> {
        let bell = Arc::new(Notify::new());
        let mut rooms = self.rooms.lock();
        if self.is_closing() {
            return Err(WatchError::Closing);
        }
        if self.count() >= most {
            return Err(WatchError::TooMany);
        }
        self.count.fetch_add(1, Ordering::SeqCst);
        let number = rooms.next;
        rooms.next += 1;
        rooms.sidecars.entry(sidecar.clone()).or_default().insert(number, bell.clone());
        let mut known = Vec::with_capacity(interfaces.len());
        for interface in interfaces {
            let interface = dubbo::encode(interface);
            let interface = match rooms.interfaces.get_key_value(interface.as_str()) {
                Some((known, _)) => known.clone(),
                None => interface.into(),
            };
            rooms.interfaces.entry(interface.clone()).or_default().insert(number, bell.clone());
            known.push(interface);
        }
        drop(rooms);
        Ok(Listener { listeners: self.clone(), bell, number, sidecar: sidecar.clone(), interfaces: known })
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }

    /// Wakes everybody, and lets nobody in any more.
    pub fn close(&self) {
        self.closing.store(true, Ordering::SeqCst);
        self.wake_all();
    }

    /// Whether this replica is going.
    pub fn is_closing(&self) -> bool {
        self.closing.load(Ordering::SeqCst)
    }

    /// Wakes everybody.
    pub(super) fn wake_all(&self) {
        self.rooms.lock().sidecars.values().flat_map(HashMap::values).for_each(|bell| bell.notify_one());
    }

    /// Wakes whom the news may concern.
    pub(super) fn tell(&self, news: &[News]) {
        if news.is_empty() {
            return;
        }
        let rooms = self.rooms.lock();
        for one in news {
            let bells = match one {
                News::Sidecar(sidecar) => rooms.sidecars.get(sidecar),
                News::Interface(interface) => rooms.interfaces.get(interface.as_str()),
            };
            bells.into_iter().flat_map(HashMap::values).for_each(|bell| bell.notify_one());
        }
    }
}

impl Listener {
    /// Waits until there may be news, or this replica is going, or begins or ceases to follow ZooKeeper. What came
    /// since the last call counts.
    pub async fn woken(&self) {
        self.bell.notified().await;
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let mut rooms = self.listeners.rooms.lock();
        leave(&mut rooms.sidecars, &self.sidecar, self.number);
        for interface in &self.interfaces {
            leave(&mut rooms.interfaces, interface, self.number);
        }
        self.listeners.count.fetch_sub(1, Ordering::SeqCst);
    }
}

fn leave<K: Eq + Hash>(rooms: &mut HashMap<K, Bells>, room: &K, number: u64) {
    let Some(bells) = rooms.get_mut(room) else { return };
    bells.remove(&number);
    if bells.is_empty() {
        rooms.remove(room);
    }
}

impl State {
    /// Notes that there may be news, as far as anybody listens.
    pub(super) fn note_news(&mut self, news: impl FnOnce() -> News) {
        if self.listeners.count() > 0 {
            self.news.push(news());
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    fn id(text: &str) -> SidecarId {
        SidecarId::parse(text).unwrap()
    }

    fn is_woken(listener: &Listener) -> bool {
        listener.woken().now_or_never().is_some()
    }

    #[test]
    fn only_those_whom_news_concern_are_woken_and_only_once() {
        let listeners = Arc::new(Listeners::default());
        let listen =
            |name: &str, interface: &str| listeners.listen(&id(name), &[interface.to_owned()], 9).unwrap();
        let (one, other) = (listen("one", "a.B$C"), listen("other", "a.D"));
        listeners.tell(&[News::Interface("a.B%24C".into()), News::Interface("a.E".into())]);
        assert_eq!((is_woken(&one), is_woken(&other)), (true, false));
        assert!(!is_woken(&one));
        listeners.tell(&[News::Sidecar(id("other"))]);
        assert_eq!((is_woken(&one), is_woken(&other)), (false, true));
        listeners.wake_all();
        assert_eq!((is_woken(&one), is_woken(&other)), (true, true));
    }

    #[test]
    fn nothing_stays_behind_of_those_who_leave() {
        let listeners = Arc::new(Listeners::default());
        let many: Vec<_> =
            (0..3).map(|_| listeners.listen(&id("a"), &["x".into(), "y".into()], 3).unwrap()).collect();
        assert!(matches!(listeners.listen(&id("a"), &[], 3), Err(WatchError::TooMany)));
        assert_eq!(listeners.rooms.lock().interfaces.len(), 2);
        drop(many);
        let rooms = listeners.rooms.lock();
        assert!(rooms.sidecars.is_empty() && rooms.interfaces.is_empty());
        assert_eq!(listeners.count(), 0);
    }

    #[test]
    fn everybody_is_woken_and_nobody_let_in_when_the_replica_goes() {
        let listeners = Arc::new(Listeners::default());
        let listener = listeners.listen(&id("a"), &[], 9).unwrap();
        listeners.close();
        assert!(is_woken(&listener) && listeners.is_closing());
        assert!(matches!(listeners.listen(&id("a"), &[], 9), Err(WatchError::Closing)));
    }
}
