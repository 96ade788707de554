//! Why a request of this dialect failed: one text, because `msg` is all that its clients see.

use std::fmt;

use crate::registry::RegistryError;

/// Longest text, in bytes: it may quote what the caller sent.
const MAX_BYTES: usize = 1000;

/// Why a request failed, as it stands in `msg`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Refusal(String);

impl Refusal {
    pub(super) fn new(text: impl Into<String>) -> Self {
        let mut text = text.into();
        if text.len() > MAX_BYTES {
            let end = (0..=MAX_BYTES).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
            text.truncate(end);
            text.push_str("...");
        }
        Self(text)
    }

    /// A refusal of what stands at `place`.
    pub(super) fn at(place: impl fmt::Display, reason: impl fmt::Display) -> Self {
        Self::new(format!("{place}: {reason}"))
    }
}

impl From<RegistryError> for Refusal {
    fn from(error: RegistryError) -> Self {
        Self::new(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_does_not_echo_a_whole_body() {
        let text = Refusal::at("body", "\u{e9}".repeat(MAX_BYTES)).to_string();
        assert!(text.len() < MAX_BYTES + 8 && text.ends_with("\u{e9}..."), "{text}");
    }

    #[test]
    fn a_lost_session_is_told_in_the_words_that_clients_know() {
        assert_eq!(Refusal::from(RegistryError::NotConnected).to_string(), "zk not connected.");
    }
}
