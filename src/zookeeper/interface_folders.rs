//! The folders that every interface needs, whichever of them something is put into.

use super::layout::{Layout, below, parent};

/// The folders that an interface has once zoogate has put something into one of them. Java makes what it needs itself,
/// but old consumers in Python fail without `configurators`, those in JavaScript without `consumers`, and whoever lists
/// the providers of what is only consumed so far must find an empty folder.
const CATEGORIES: [&str; 3] = ["providers", "consumers", "configurators"];

impl Layout {
    /// The other folders that an interface must have when it has `folder`; none when that is no folder of an interface.
    pub fn beside(&self, folder: &str) -> Vec<String> {
        let Some((interface, category)) = below(folder, &self.dubbo_root).and(folder.rsplit_once('/')) else {
            return Vec::new();
        };
        if !CATEGORIES.contains(&category) || parent(interface) != self.dubbo_root {
            return Vec::new();
        }
        let others = CATEGORIES.iter().filter(|other| **other != category);
        others.map(|other| format!("{interface}/{other}")).collect()
    }
}
