//! SHA-1 in the three forms in which it is used here: ids, revisions, and shards.

use sha1::{Digest, Sha1};

/// Lower-case hex of the SHA-1 of `content`, 40 digits.
pub fn hex_digest(content: &[u8]) -> String {
    Sha1::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The first eight bytes of the SHA-1 of `content`, as a number.
pub fn short_digest(content: &[u8]) -> u64 {
    Sha1::digest(content).iter().take(8).fold(0, |value, byte| value << 8 | u64::from(*byte))
}
