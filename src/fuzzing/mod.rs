//! What the targets of `fuzz/` call: every reader of what others write. Each takes any bytes, and panics when what was
//! made of them breaks a promise. Only with the feature `fuzzing`.
#![expect(clippy::expect_used, reason = "a finding ends the target")]

mod catalog;
mod tree;
mod urls;
mod znodes;

use crate::api::{mosn, servicecomb};
use crate::config::Config;

/// One reader.
pub type Target = fn(&[u8]);

/// Every target by name.
pub const TARGETS: [(&str, Target); 8] = [
    ("catalog", catalog::follows),
    ("configuration", configuration),
    ("edit", mosn::fuzzing::edit),
    ("query", query),
    ("servicecomb", servicecomb::fuzzing::body),
    ("sync", mosn::fuzzing::sync),
    ("url", urls::read),
    ("znode", znodes::read),
];

/// Runs the target of this name.
///
/// # Panics
/// When there is none, or what it promises does not hold.
pub fn run(name: &str, input: &[u8]) {
    let (_, target) = TARGETS.iter().find(|(known, _)| *known == name).expect("a target of this name");
    target(input);
}

/// What is accepted as a configuration is printed as one that is the same.
fn configuration(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let Ok(config) = Config::load_text(text) else { return };
    let printed = config.to_toml().expect("what was loaded can be printed");
    if config.zookeeper.auth.is_empty() && config.zookeeper.auth_file.as_os_str().is_empty() {
        assert_eq!(Config::load_text(&printed).expect("what is printed can be loaded"), config);
    }
}

/// Queries of both dialects.
fn query(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    mosn::fuzzing::query(text);
    servicecomb::fuzzing::query(text);
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn every_target_takes_its_seeds_and_the_beginnings_of_them() {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
        for (name, target) in TARGETS {
            let seeds: Vec<_> = corpus.join(name).read_dir().expect(name).collect();
            assert!(!seeds.is_empty(), "{name}");
            for seed in seeds {
                let input = std::fs::read(seed.expect(name).path()).expect(name);
                (0..=input.len()).step_by(7).for_each(|end| target(&input[..end]));
                target(&input);
            }
        }
    }
}
