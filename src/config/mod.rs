//! The configuration: defaults, then a file, then the environment, then flags, each overriding what came before.
//!
//! Whatever is unknown, malformed or out of bounds stops the start with the name of the key: a gateway that runs with
//! half of what its operator meant is worse than one that does not run.

mod check;
mod error;
mod load;
mod sections;
#[cfg(test)]
mod tests;
mod values;

use serde::{Deserialize, Serialize};

pub use error::ConfigError;
pub use load::{DEFAULTS, Sources};
pub use sections::{
    Acl, Dubbo, Http, Log, MassSilence, Mosn, Network, Ops, Registry, ServiceComb, ZooKeeper,
};
pub use values::Secret;

/// Everything that can be configured; the keys are told in `config/default.toml`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The listeners of both dialects.
    pub http: Http,
    /// The listener of probes and metrics.
    pub ops: Ops,
    /// The ensemble and the session with it.
    pub zookeeper: ZooKeeper,
    /// Rules for sidecars.
    pub mosn: Mosn,
    /// When silence is not believed.
    pub mass_silence: MassSilence,
    /// Rules for the v4 API.
    pub servicecomb: ServiceComb,
    /// Where Dubbo looks.
    pub dubbo: Dubbo,
    /// Where zoogate keeps its own.
    pub registry: Registry,
    /// What is logged.
    pub log: Log,
}

impl Config {
    /// Reads every source, each overriding the one before, and checks the result.
    ///
    /// # Errors
    /// An unreadable file, an unknown key, a malformed value or one out of bounds; the message names the key.
    pub fn load(sources: &Sources) -> Result<Self, ConfigError> {
        let mut config = load::merge(sources)?;
        load::read_auth_file(&mut config)?;
        check::check(&config)?;
        Ok(config)
    }

    /// Reads the text of a file over the defaults, and checks the result.
    ///
    /// # Errors
    /// As [`Config::load`].
    #[cfg(feature = "fuzzing")]
    pub fn load_text(text: &str) -> Result<Self, ConfigError> {
        let config = load::merge_text(&Sources::default(), Some((std::path::Path::new("text"), text)))?;
        check::check(&config)?;
        Ok(config)
    }

    /// The effective configuration as TOML, secrets masked; one that was read from a file is told by its file only.
    ///
    /// # Errors
    /// When a value has no form in TOML: never for one that was loaded from TOML and strings.
    pub fn to_toml(&self) -> Result<String, toml::ser::Error> {
        let mut printed = self.clone();
        if !printed.zookeeper.auth_file.as_os_str().is_empty() {
            printed.zookeeper.auth = Secret::default();
        }
        toml::to_string(&printed)
    }
}
