//! The znode that names the applications which ever offered an interface: names with commas between.

use std::collections::BTreeSet;

/// The applications that a mapping names.
pub fn applications_in(mapping: &str) -> impl Iterator<Item = &str> {
    mapping.split(',').map(str::trim).filter(|name| !name.is_empty())
}

/// The mapping with `applications` appended as far as it does not name them, the rest of it untouched; `None` when it
/// names all of them already.
pub fn append_applications<'a>(
    mapping: &str,
    applications: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    let named: BTreeSet<&str> = applications_in(mapping).collect();
    let missing: BTreeSet<&str> = applications.into_iter().filter(|name| !named.contains(name)).collect();
    if missing.is_empty() {
        return None;
    }
    let mut appended = mapping.to_owned();
    for name in missing {
        if !appended.is_empty() && !appended.ends_with(',') {
            appended.push(',');
        }
        appended.push_str(name);
    }
    Some(appended)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_appended_and_nothing_else_changes() {
        assert_eq!(append_applications("", ["shop"]).as_deref(), Some("shop"));
        assert_eq!(append_applications("b,a", ["shop", "b"]).as_deref(), Some("b,a,shop"));
        assert_eq!(append_applications("b, a ,", ["z", "y"]).as_deref(), Some("b, a ,y,z"));
        assert_eq!(append_applications("b, shop", ["shop"]), None);
        assert_eq!(append_applications("shopper", ["shop"]).as_deref(), Some("shopper,shop"));
        assert_eq!(applications_in(" a,,b ").collect::<Vec<_>>(), ["a", "b"]);
    }
}
