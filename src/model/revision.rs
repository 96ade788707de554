//! The `rev` of the v4 API: what a client holds to say which answer it has already seen.
//!
//! Forty hex digits, as clients expect, in three parts: 16 of the zxid of the last change that the answer can
//! depend on, 16 of a digest of the answer, and 8 that prove the first 32 are ours. Every part is derived from
//! znode stats and contents, so all replicas compute the same. The zxid lets a replica that is behind notice it;
//! the digest decides whether a client's answer is still good; the proof keeps a `rev` of another registry
//! (a plain SHA-1) from being mistaken for a zxid of the far future.

use std::fmt;

use super::short_digest;

/// The revision of one answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revision {
    /// zxid of the last change that the answer can depend on; 0 when there was none.
    pub zxid: i64,
    /// Digest of the answer's content.
    pub digest: u64,
}

impl Revision {
    /// How many digits it has.
    pub const LENGTH: usize = 40;

    /// The revision of the answer whose bytes are `content`.
    pub fn of(zxid: i64, content: &[u8]) -> Self {
        Self { zxid, digest: short_digest(content) }
    }

    /// Reads what a client sent; `None` for anything that no zoogate gave out ("", "0", another registry's).
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != Self::LENGTH || !text.is_ascii() {
            return None;
        }
        let zxid = i64::from_str_radix(&text[..16], 16).ok()?;
        let digest = u64::from_str_radix(&text[16..32], 16).ok()?;
        let revision = Self { zxid, digest };
        (revision.to_string() == text).then_some(revision)
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body = format!("{:016x}{:016x}", self.zxid, self.digest);
        let proof = short_digest(format!("zoogate {body}").as_bytes()) >> 32;
        write!(formatter, "{body}{proof:08x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revision_is_forty_hex_digits_and_reads_back() {
        let revision = Revision::of(0x1_0000_002a, b"[]");
        let text = revision.to_string();
        assert_eq!(text.len(), 40);
        assert!(text.bytes().all(|byte| byte.is_ascii_hexdigit()));
        assert_eq!(Revision::parse(&text), Some(revision));
    }

    #[test]
    fn the_revision_of_another_registry_is_not_taken_for_ours() {
        for foreign in ["", "0", "0feb784798bca7b2fb4de8351578c4437b516c4b", &"f".repeat(40), "äöü"] {
            assert_eq!(Revision::parse(foreign), None, "{foreign}");
        }
    }
}
