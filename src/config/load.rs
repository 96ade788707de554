//! Reads and merges the sources of the configuration.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use config::{File, FileFormat, FileSourceString, Source, ValueKind};

use super::{Config, ConfigError, Secret};

/// Every key with its default and its documentation.
pub const DEFAULTS: &str = include_str!("../../config/default.toml");

const PREFIX: &str = "ZOOGATE__";
const SEPARATOR: &str = "__";

/// Larger files are no credentials but a mistake.
const MAX_AUTH_FILE_BYTES: usize = 4096;

/// Where the configuration comes from, besides the defaults; later fields override earlier ones.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// A TOML file.
    pub file: Option<PathBuf>,
    /// The environment; only `ZOOGATE__SECTION__KEY` is looked at.
    pub environment: Vec<(OsString, OsString)>,
    /// `section.key` and its value; later ones override earlier ones.
    pub flags: Vec<(String, String)>,
}

impl Sources {
    /// `file` and `flags`, and the environment of this process.
    #[must_use]
    pub fn of_process(file: Option<PathBuf>, flags: Vec<(String, String)>) -> Self {
        Self { file, environment: std::env::vars_os().collect(), flags }
    }
}

/// Merges the sources; bounds are not checked yet.
pub(super) fn merge(sources: &Sources) -> Result<Config, ConfigError> {
    let Some(path) = &sources.file else { return merge_text(sources, None) };
    let unreadable = |source| ConfigError::Unreadable { key: "--config", path: path.clone(), source };
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    merge_text(sources, Some((path, &text)))
}

/// The same, with the text of the file.
pub(super) fn merge_text(sources: &Sources, text: Option<(&Path, &str)>) -> Result<Config, ConfigError> {
    let known = Known::new()?;
    let mut builder = config::Config::builder().add_source(File::from_str(DEFAULTS, FileFormat::Toml));
    if let Some((path, text)) = text {
        let file = File::from_str(text, FileFormat::Toml);
        known.check_file(path, file.clone())?;
        builder = builder.add_source(file);
    }
    for (name, key, value) in variables(sources)? {
        known.check(&format!("environment variable {name}"), &key)?;
        builder = override_with(builder, &key, &value)?;
    }
    for (key, value) in &sources.flags {
        known.check("flag", key)?;
        builder = override_with(builder, key, value)?;
    }
    builder.build().and_then(config::Config::try_deserialize).map_err(|error| malformed(String::new(), error))
}

type Builder = config::ConfigBuilder<config::builder::DefaultState>;

fn override_with(builder: Builder, key: &str, value: &str) -> Result<Builder, ConfigError> {
    builder.set_override(key, value).map_err(|error| malformed(format!("{key}: "), error))
}

/// The keys that there are. The sections would refuse others too, but could not tell where they came from.
struct Known(BTreeSet<String>);

impl Known {
    fn new() -> Result<Self, ConfigError> {
        let defaults = collect(File::from_str(DEFAULTS, FileFormat::Toml))
            .map_err(|error| malformed("defaults: ".to_owned(), error))?;
        Ok(Self(defaults.into_iter().collect()))
    }

    fn check(&self, place: &str, key: &str) -> Result<(), ConfigError> {
        if self.0.contains(key) {
            return Ok(());
        }
        Err(ConfigError::Unknown { place: place.to_owned(), key: key.to_owned() })
    }

    fn check_file(&self, path: &Path, file: File<FileSourceString, FileFormat>) -> Result<(), ConfigError> {
        let place = path.display().to_string();
        let keys = collect(file).map_err(|error| malformed(format!("{place}: "), error))?;
        keys.iter().try_for_each(|key| self.check(&place, key))
    }
}

/// Every `section.key` of a source; what stands outside of a section, by its bare name.
fn collect(source: impl Source) -> Result<Vec<String>, config::ConfigError> {
    let mut keys = Vec::new();
    for (section, value) in source.collect()? {
        match value.kind {
            ValueKind::Table(entries) => keys.extend(entries.keys().map(|key| format!("{section}.{key}"))),
            _ => keys.push(section),
        }
    }
    Ok(keys)
}

fn malformed(place: String, error: config::ConfigError) -> ConfigError {
    ConfigError::Malformed { place, source: Box::new(error) }
}

/// Our own variables: name, key and value.
fn variables(sources: &Sources) -> Result<Vec<(String, String, String)>, ConfigError> {
    let mut variables = Vec::new();
    for (name, value) in &sources.environment {
        let Some(name) = name.to_str() else { continue };
        let Some(key) = name.strip_prefix(PREFIX) else { continue };
        let value = value.to_str().ok_or_else(|| ConfigError::NotText(name.to_owned()))?;
        let key = key.to_ascii_lowercase().replace(SEPARATOR, ".");
        variables.push((name.to_owned(), key, value.to_owned()));
    }
    Ok(variables)
}

/// Puts the content of `zookeeper.auth_file` where a secret in the configuration itself would stand.
pub(super) fn read_auth_file(config: &mut Config) -> Result<(), ConfigError> {
    const KEY: &str = "zookeeper.auth_file";
    let zookeeper = &mut config.zookeeper;
    if zookeeper.auth_file.as_os_str().is_empty() {
        return Ok(());
    }
    if !zookeeper.auth.is_empty() {
        return Err(ConfigError::invalid(KEY, "must be empty when zookeeper.auth is set"));
    }
    let text = std::fs::read_to_string(&zookeeper.auth_file).map_err(|source| ConfigError::Unreadable {
        key: KEY,
        path: zookeeper.auth_file.clone(),
        source,
    })?;
    if text.len() > MAX_AUTH_FILE_BYTES {
        return Err(ConfigError::invalid(
            KEY,
            format!("the file is larger than {MAX_AUTH_FILE_BYTES} bytes"),
        ));
    }
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() {
        return Err(ConfigError::invalid(KEY, "the file is empty"));
    }
    zookeeper.auth = Secret::new(text);
    Ok(())
}
