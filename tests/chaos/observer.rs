//! An eye on ZooKeeper outside all gateways: notes every provider of the clients that comes or goes.

use std::sync::Arc;
use std::time::Duration;

use crate::clients::recorder::Recorder;
use crate::history::{Record, ZnodeEvent};
use crate::support::watcher::{Seen, Watcher};
use crate::support::znodes::unescape;

/// How often what was seen is given its time.
const TICK: Duration = Duration::from_millis(10);

/// Notes what comes and goes below `/dubbo` until it is dropped.
pub async fn observe(
    connect_string: String,
    recorder: Arc<Recorder>,
    ready: tokio::sync::oneshot::Sender<()>,
) {
    let watcher = Watcher::start(&connect_string, "/dubbo").await;
    let _ = ready.send(());
    let mut since = recorder.now();
    loop {
        tokio::time::sleep(TICK).await;
        let at = recorder.now();
        for seen in watcher.take() {
            let (created, path) = match seen {
                Seen::Created(path) => (true, path),
                Seen::Deleted(path) => (false, path),
            };
            if let Some(provider) = Provider::at(&path) {
                let Provider { who, payload, .. } = provider;
                recorder.add(Record::Znode(ZnodeEvent { at, since, created, who, payload, path }));
            }
        }
        since = at;
    }
}

/// What the path of a provider znode of one of the clients says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provider {
    /// The interface.
    pub interface: String,
    /// Whose it is.
    pub who: String,
    /// The payload of a sidecar; an instance has its payload elsewhere.
    pub payload: Option<String>,
}

impl Provider {
    /// Reads `/dubbo/<interface>/providers/<URL>`; `None` for what is none of the clients'.
    pub fn at(path: &str) -> Option<Self> {
        let rest = path.strip_prefix("/dubbo/")?;
        let (interface, name) = rest.split_once("/providers/")?;
        let url = unescape(name);
        let (_, query) = url.split_once('?')?;
        let parameter = |wanted: &str| {
            let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs.find(|(key, _)| *key == wanted).map(|(_, value)| value.to_owned())
        };
        let who = parameter("who").or_else(|| parameter("instance.id"))?;
        let is_client = interface.starts_with("chaos.Shop")
            || interface.starts_with("chaos.Own")
            || interface.starts_with("chaos-orders-");
        is_client.then(|| Self { interface: unescape(interface), who, payload: parameter("payload") })
    }
}
