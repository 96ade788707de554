//! A digest of a document inside of the document: it proves that nothing of it was changed since it was written,
//! whatever version of zoogate wrote it.

use crate::model::hex_digest;

/// Digits of a seal: those of a SHA-1.
const DIGITS: usize = 40;

/// Seals a document that `write` makes with its seal, and answers the seal and the document. The seal is the digest of
/// the document with an empty one.
pub(super) fn sealed(write: impl Fn(&str) -> String) -> (String, String) {
    let seal = hex_digest(write("").as_bytes());
    let document = write(&seal);
    (seal, document)
}

/// The seal that stands behind the first `key` of a JSON text, if it is that of the text.
pub(super) fn seal_of<'t>(text: &'t str, key: &str) -> Option<&'t str> {
    let opening = format!("\"{key}\":\"");
    let start = text.find(&opening)? + opening.len();
    let (before, rest) = text.split_at(start);
    let (seal, after) = rest.split_at_checked(DIGITS)?;
    let is_intact = after.starts_with('"') && hex_digest(format!("{before}{after}").as_bytes()) == seal;
    is_intact.then_some(seal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seal_breaks_with_any_change() {
        let (seal, text) = sealed(|seal| format!(r#"{{"a":1,"seal":"{seal}","b":[2]}}"#));
        assert_eq!(seal_of(&text, "seal"), Some(seal.as_str()));
        assert_eq!(seal_of(&text, "other"), None);
        for changed in [
            text.replace("[2]", "[3]"),
            text.replace(&seal, &"0".repeat(DIGITS)),
            text.replace(&seal, ""),
            format!("{text} "),
        ] {
            assert_eq!(seal_of(&changed, "seal"), None, "{changed}");
        }
        for short in ["", "{}", r#"{"seal":"#, r#"{"seal":"abc"#, "{\"seal\":\"\u{e9}"] {
            assert_eq!(seal_of(short, "seal"), None, "{short}");
        }
    }
}
