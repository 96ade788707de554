//! Znodes taken apart as far as that is possible without the catalog, which then only has to take them in.

use std::sync::Arc;

use super::Catalog;
use super::instances::KeptInstance;
use super::nodes::ReadNode;
use crate::zookeeper::{Batch, Node, Place, Stat};

/// A znode, taken apart.
pub(super) struct TakenApart {
    pub path: String,
    pub place: Place,
    pub content: Content,
}

/// What a znode holds.
pub(super) enum Content {
    /// It is not there.
    Nothing,
    /// A provider or consumer.
    Node(ReadNode),
    /// An instance, or why it makes no sense.
    Instance(Result<KeptInstance, String>, Stat),
    /// The data of any other.
    Data(Vec<u8>, Stat),
}

impl Content {
    /// The stat of the znode, if it is there.
    pub fn stat(&self) -> Option<&Stat> {
        match self {
            Self::Nothing => None,
            Self::Node(read) => Some(&read.stat),
            Self::Instance(_, stat) | Self::Data(_, stat) => Some(stat),
        }
    }
}

impl Catalog {
    /// Takes apart what stands at `place`.
    pub(super) fn apart(&self, Node { path, state }: Node, place: Place) -> TakenApart {
        let content = match (state, &place) {
            (None, _) => Content::Nothing,
            (Some((data, stat)), Place::Provider { interface, name }) => {
                Content::Node(ReadNode::new(interface, name, &data, stat))
            }
            (Some((data, stat)), Place::Consumer) => Content::Node(ReadNode::consumer(&path, &data, stat)),
            (Some((data, stat)), Place::Instance(key)) => {
                Content::Instance(KeptInstance::read(key, &data, &stat, &self.hasher), stat)
            }
            (Some((data, stat)), _) => Content::Data(data, stat),
        };
        TakenApart { path, place, content }
    }
}

/// What one reply of a full reading brought.
pub(super) struct Reply {
    pub catalog: Arc<Catalog>,
    pub nodes: Vec<TakenApart>,
}

impl Batch for Reply {
    fn paths(&self) -> Vec<&str> {
        self.nodes.iter().map(|node| node.path.as_str()).collect()
    }

    fn leave_out(&mut self, is_left_out: &dyn Fn(&str) -> bool) {
        self.nodes.retain(|node| !is_left_out(&node.path));
    }

    fn apply(self: Box<Self>) -> Vec<String> {
        self.catalog.take(self.nodes)
    }
}
