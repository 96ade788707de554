//! A path taken apart, without a list of its own on the heap: that is done several times for each znode that is read.

/// The mark of an instance has the most.
const MOST: usize = 7;

/// What stands between the slashes of a path, as far as it can mean anything.
pub(super) struct Parts<'p> {
    parts: [&'p str; MOST],
    count: usize,
}

impl<'p> Parts<'p> {
    /// The parts of `path` that are not empty; `None` when they are more than any znode of interest has.
    pub fn of(path: &'p str) -> Option<Self> {
        let (mut parts, mut count) = ([""; MOST], 0);
        for part in path.split('/').filter(|part| !part.is_empty()) {
            *parts.get_mut(count)? = part;
            count += 1;
        }
        Some(Self { parts, count })
    }

    pub fn as_slice(&self) -> &[&'p str] {
        &self.parts[..self.count]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_its_parts_unless_they_are_too_many() {
        let parts = |path: &'static str| Parts::of(path).map(|parts| parts.as_slice().to_vec());
        assert_eq!(parts(""), Some(vec![]));
        assert_eq!(parts("/a//bc/"), Some(vec!["a", "bc"]));
        assert_eq!(parts("/1/2/3/4/5/6/7"), Some(vec!["1", "2", "3", "4", "5", "6", "7"]));
        assert_eq!(parts("/1/2/3/4/5/6/7/8"), None);
    }
}
