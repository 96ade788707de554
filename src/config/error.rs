//! Why a configuration is refused; each message names the key, so that nobody has to guess.

use std::path::PathBuf;

/// Why a configuration is refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file that was named cannot be read.
    #[error("{key}: cannot read {}: {source}", path.display())]
    Unreadable {
        /// The key or flag that names the file.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// An environment variable of ours is not text.
    #[error("environment variable {0} is not valid UTF-8")]
    NotText(String),
    /// A key that there is not.
    #[error("{place}: there is no key {key}")]
    Unknown {
        /// The file, the environment variable or the kind of flag.
        place: String,
        /// The key, `section.key`.
        key: String,
    },
    /// A file is no TOML, or a key has a value of the wrong kind; the message names it.
    #[error("{place}{source}")]
    Malformed {
        /// Where, with a colon behind it, or nothing.
        place: String,
        /// What the reader says; boxed because it is large.
        source: Box<config::ConfigError>,
    },
    /// A value is out of bounds or contradicts another.
    #[error("{key}: {reason}")]
    Invalid {
        /// The key, `section.key`.
        key: &'static str,
        /// What is wrong and what would be right.
        reason: String,
    },
}

impl ConfigError {
    /// The value of `key` is refused for `reason`.
    pub(super) fn invalid(key: &'static str, reason: impl Into<String>) -> Self {
        Self::Invalid { key, reason: reason.into() }
    }
}
