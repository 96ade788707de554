//! A tester's own view of ZooKeeper: reads and damages znodes through a session of its own.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::{join_all, try_join_all};
use zookeeper_client::{Acls, Client, CreateMode, CreateOptions, Error, Stat};

use super::eventually::eventually;

/// Time within which a running server must accept a session.
const CONNECT: Duration = Duration::from_secs(20);

/// Requests on their way at one time.
const AT_ONCE: usize = 500;

const PERSISTENT: CreateOptions<'static> = CreateMode::Persistent.with_acls(Acls::anyone_all());

/// A session under the root that the connect string names.
#[derive(Clone)]
pub struct Znodes {
    client: Client,
}

impl Znodes {
    /// Opens a session; `connect_string` may end in a chroot.
    pub async fn connect(connect_string: &str) -> Self {
        let client = eventually("a tester's ZooKeeper session", CONNECT, async || {
            Client::connector().with_session_timeout(Duration::from_secs(20)).connect(connect_string).await
        });
        Self { client: client.await }
    }

    /// The client itself, for what the methods here do not cover.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Creates the znode and its parents, all empty, where they do not exist.
    pub async fn create_all(&self, path: &str) {
        self.client.mkdir(path, &PERSISTENT).await.unwrap();
    }

    /// Creates one znode, and its parents.
    pub async fn create(&self, path: &str, data: &str) {
        if let Some((parent, _)) = path.rsplit_once('/')
            && !parent.is_empty()
        {
            self.create_all(parent).await;
        }
        self.client.create(path, data.as_bytes(), &PERSISTENT).await.unwrap();
    }

    /// Creates many empty znodes in folders that exist, some hundreds at a time.
    pub async fn create_many(&self, paths: &[String]) {
        for some in paths.chunks(AT_ONCE) {
            let created = some.iter().map(|path| self.client.create(path, b"", &PERSISTENT));
            try_join_all(created).await.unwrap();
        }
    }

    /// Deletes many znodes.
    pub async fn delete_many(&self, paths: &[String]) {
        for some in paths.chunks(AT_ONCE) {
            try_join_all(some.iter().map(|path| self.client.delete(path, None))).await.unwrap();
        }
    }

    /// Overwrites the data of a znode.
    pub async fn set(&self, path: &str, data: &str) {
        self.client.set_data(path, data.as_bytes(), None).await.unwrap();
    }

    /// Deletes one znode.
    pub async fn delete(&self, path: &str) {
        self.client.delete(path, None).await.unwrap();
    }

    /// The names below `path`, sorted; none when it does not exist.
    pub async fn children(&self, path: &str) -> Vec<String> {
        let mut children = match self.client.list_children(path).await {
            Err(Error::NoNode) => Vec::new(),
            children => children.unwrap(),
        };
        children.sort();
        children
    }

    /// Whether the znode exists.
    pub async fn exists(&self, path: &str) -> bool {
        self.client.check_stat(path).await.unwrap().is_some()
    }

    /// The data of a znode as text.
    pub async fn data(&self, path: &str) -> String {
        let (data, _) = self.client.get_data(path).await.unwrap_or_else(|error| panic!("{path}: {error}"));
        String::from_utf8(data).unwrap()
    }

    /// Every znode below `path`, with what ZooKeeper knows of it.
    pub async fn tree(&self, path: &str) -> BTreeMap<String, Stat> {
        tree(&self.client, path).await.unwrap()
    }

    /// Whether and when each znode was changed last. What says that a replica lives may come and go.
    pub async fn history(&self) -> BTreeMap<String, (i64, i64)> {
        let tree = self.tree("/").await.into_iter();
        let tree = tree.filter(|(path, _)| !path.starts_with("/zoogate/replicas"));
        tree.map(|(path, stat)| (path, (stat.mzxid, stat.pzxid))).collect()
    }

    /// The decoded provider (or consumer) URLs of an interface, sorted.
    pub async fn urls(&self, interface: &str, category: &str) -> Vec<String> {
        let names = self.children(&format!("/dubbo/{}/{category}", escape(interface))).await;
        let mut urls: Vec<_> = names.iter().map(|name| unescape(name)).collect();
        urls.sort();
        urls
    }

    /// Full paths of the provider znodes of an interface.
    pub async fn providers(&self, interface: &str) -> Vec<String> {
        let folder = format!("/dubbo/{}/providers", escape(interface));
        self.children(&folder).await.into_iter().map(|name| format!("{folder}/{name}")).collect()
    }
}

/// Every znode below `path`, level by level; what vanishes meanwhile is left out.
pub async fn tree(client: &Client, path: &str) -> Result<BTreeMap<String, Stat>, Error> {
    let mut found = BTreeMap::new();
    let mut level = vec![path.trim_end_matches('/').to_owned()];
    while !level.is_empty() {
        let lists = join_all(
            level.iter().map(|parent| client.get_children(if parent.is_empty() { "/" } else { parent })),
        );
        let mut next = Vec::new();
        for (parent, list) in level.iter().zip(lists.await) {
            match list {
                Ok((children, stat)) => {
                    next.extend(children.iter().map(|child| format!("{parent}/{child}")));
                    if parent != path {
                        found.insert(parent.clone(), stat);
                    }
                }
                Err(Error::NoNode) => {}
                Err(error) => return Err(error),
            }
        }
        level = next;
    }
    Ok(found)
}

/// The Java form of percent-encoding, as Dubbo names its znodes.
pub fn escape(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// The inverse of [`escape`].
pub fn unescape(name: &str) -> String {
    let spaces = name.replace('+', " ");
    percent_encoding::percent_decode_str(&spaces).decode_utf8().unwrap().into_owned()
}
