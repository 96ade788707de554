//! The persistent recursive watches on all roots, as one stream of what they see.

use futures::FutureExt;
use tokio::task::unconstrained;
use zookeeper_client::{
    AddWatchMode, Client, Error, EventType, PersistentWatcher, SessionState, WatchedEvent,
};

use super::layout::Layout;

/// What the watches see.
pub(super) enum Seen {
    /// Something happened to the znode at this path.
    Change(String),
    /// The session has a new state.
    Session(SessionState),
}

/// One watch on each root. A root need not exist: the watch sees it coming.
pub(super) struct Watches {
    own: PersistentWatcher,
    dubbo: PersistentWatcher,
    /// Unless applications stand among the interfaces, or are not read.
    services: Option<PersistentWatcher>,
}

impl Watches {
    /// Watches every root.
    ///
    /// # Errors
    /// When ZooKeeper does not allow it, or cannot be reached.
    pub async fn start(client: &Client, layout: &Layout) -> Result<Self, Error> {
        let watch = async |root: &str| client.watch(root, AddWatchMode::PersistentRecursive).await;
        let apart = layout.reads_applications() && layout.services_root != layout.dubbo_root;
        let services = async {
            match apart {
                true => watch(&layout.services_root).await.map(Some),
                false => Ok(None),
            }
        };
        let (own, dubbo, services) =
            futures::try_join!(watch(&layout.registry_root), watch(&layout.dubbo_root), services)?;
        Ok(Self { own, dubbo, services })
    }

    /// Waits for the next thing to be seen.
    pub async fn next(&mut self) -> Seen {
        loop {
            let seen = tokio::select! {
                event = self.own.changed() => seen_by_first(event),
                event = self.dubbo.changed() => seen_by_other(event),
                event = changed(&mut self.services) => seen_by_other(event),
            };
            if let Some(seen) = seen {
                return seen;
            }
        }
    }

    /// Takes the changes that have already arrived, up to a new state of the session, which it answers. All of them: the
    /// runtime would otherwise say after some that there are no more, for the sake of other tasks.
    pub fn drain(&mut self, mut on_change: impl FnMut(String)) -> Option<SessionState> {
        for watcher in self.services.iter_mut().chain([&mut self.dubbo]) {
            while let Some(event) = unconstrained(watcher.changed()).now_or_never() {
                match seen_by_other(event) {
                    Some(Seen::Change(path)) => on_change(path),
                    Some(Seen::Session(state)) => return Some(state),
                    None => {}
                }
            }
        }
        while let Some(event) = unconstrained(self.own.changed()).now_or_never() {
            match seen_by_first(event) {
                Some(Seen::Change(path)) => on_change(path),
                Some(Seen::Session(state)) => return Some(state),
                None => {}
            }
        }
        None
    }
}

async fn changed(watcher: &mut Option<PersistentWatcher>) -> WatchedEvent {
    match watcher {
        Some(watcher) => watcher.changed().await,
        None => std::future::pending().await,
    }
}

fn seen_by_first(event: WatchedEvent) -> Option<Seen> {
    Some(match event.event_type {
        EventType::Session => Seen::Session(event.session_state),
        _ => Seen::Change(event.path),
    })
}

/// All watchers are told of the session; one is enough to act on it, but that it is over counts from whom it is heard.
fn seen_by_other(event: WatchedEvent) -> Option<Seen> {
    match event.event_type {
        EventType::Session if event.session_state.is_terminated() => Some(Seen::Session(event.session_state)),
        EventType::Session => None,
        _ => Some(Seen::Change(event.path)),
    }
}
