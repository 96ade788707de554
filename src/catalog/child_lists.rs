//! How long the lists of providers and consumers are. ZooKeeper answers a list in one packet, and a Java client breaks
//! its connection over one that exceeds its `jute.maxbuffer`, again and again: it must be known before it is too late.

use std::collections::HashMap;

use crate::dubbo::Side;

/// What each name takes in the packet besides its own bytes: its length.
const LENGTH_BYTES: usize = 4;

/// The lists of every interface.
#[derive(Default)]
pub(super) struct ChildLists {
    warning_bytes: usize,
    /// By the interface as paths spell it; providers and consumers.
    lists: HashMap<String, [List; 2]>,
}

#[derive(Clone, Copy, Default)]
struct List {
    bytes: usize,
    is_reported: bool,
}

impl ChildLists {
    /// Lists that are reported when they exceed `warning_bytes`.
    pub fn new(warning_bytes: usize) -> Self {
        Self { warning_bytes, lists: HashMap::new() }
    }

    /// Counts a name in; reports the list when this takes it over the line.
    pub fn add(&mut self, interface: &str, side: Side, name: &str) {
        if !self.lists.contains_key(interface) {
            self.lists.insert(interface.to_owned(), <[List; 2]>::default());
        }
        let Some(lists) = self.lists.get_mut(interface) else { return };
        let list = &mut lists[index(side)];
        list.bytes += name.len() + LENGTH_BYTES;
        if list.bytes > self.warning_bytes && !list.is_reported {
            list.is_reported = true;
            log::warn!(
                "the names of the {} of {interface} have grown to {} bytes: past jute.maxbuffer, 1048575 bytes by \
                 default, Java clients lose the interface",
                side.folder_name(),
                list.bytes,
            );
        }
    }

    /// Counts a name out.
    pub fn remove(&mut self, interface: &str, side: Side, name: &str) {
        let Some(lists) = self.lists.get_mut(interface) else { return };
        let list = &mut lists[index(side)];
        list.bytes = list.bytes.saturating_sub(name.len() + LENGTH_BYTES);
        // A tenth below the line, so that one provider that comes and goes does not fill the log.
        if list.is_reported && list.bytes <= self.warning_bytes - self.warning_bytes / 10 {
            list.is_reported = false;
            log::info!(
                "the names of the {} of {interface} are down to {} bytes",
                side.folder_name(),
                list.bytes
            );
        }
        if lists.iter().all(|list| list.bytes == 0) {
            self.lists.remove(interface);
        }
    }

    /// Bytes of the longest list.
    pub fn longest(&self) -> usize {
        self.lists.values().flatten().map(|list| list.bytes).max().unwrap_or_default()
    }

    /// How many interfaces have a list that exceeds the line.
    pub fn interfaces_over_warning(&self) -> usize {
        let is_over = |list: &List| list.bytes > self.warning_bytes;
        self.lists.values().filter(|lists| lists.iter().any(is_over)).count()
    }
}

fn index(side: Side) -> usize {
    match side {
        Side::Provider => 0,
        Side::Consumer => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_list_counts_by_itself_and_an_empty_one_is_forgotten() {
        let mut lists = ChildLists::new(20);
        for (interface, side) in [("a", Side::Provider), ("a", Side::Consumer), ("b", Side::Provider)] {
            lists.add(interface, side, "0123456789");
        }
        assert_eq!((lists.longest(), lists.interfaces_over_warning()), (14, 0));
        lists.add("a", Side::Consumer, "01");
        assert_eq!((lists.longest(), lists.interfaces_over_warning()), (20, 0));
        lists.add("a", Side::Consumer, "0");
        lists.add("a", Side::Provider, "012");
        assert_eq!((lists.longest(), lists.interfaces_over_warning()), (25, 1), "one interface, two lists");
        for name in ["0123456789", "01", "0"] {
            lists.remove("a", Side::Consumer, name);
        }
        for name in ["0123456789", "012"] {
            lists.remove("a", Side::Provider, name);
        }
        lists.remove("b", Side::Provider, "0123456789");
        lists.remove("c", Side::Provider, "what was never there");
        assert!(lists.lists.is_empty());
    }

    #[test]
    fn a_list_is_reported_anew_only_after_it_was_clearly_below_the_line() {
        let mut lists = ChildLists::new(100);
        let is_reported = |lists: &ChildLists| lists.lists.get("a").is_some_and(|lists| lists[0].is_reported);
        for _ in 0..11 {
            lists.add("a", Side::Provider, "012345");
        }
        assert!(is_reported(&lists), "110 bytes");
        lists.remove("a", Side::Provider, "012345");
        assert!(is_reported(&lists), "100 bytes");
        lists.remove("a", Side::Provider, "012345");
        assert!(!is_reported(&lists), "90 bytes");
    }
}
