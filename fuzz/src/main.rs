//! Every target in one program, since linking takes longer than a short run: `ZOOGATE_FUZZ_TARGET` names the one to run.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use zoogate::fuzzing::{TARGETS, Target};

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let name = std::env::var("ZOOGATE_FUZZ_TARGET").unwrap_or_default();
    let known = TARGETS.iter().find(|(known, _)| *known == name);
    let names: Vec<&str> = TARGETS.iter().map(|(known, _)| *known).collect();
    known.unwrap_or_else(|| panic!("ZOOGATE_FUZZ_TARGET={name} is none of {}", names.join(", "))).1
});

fuzz_target!(|input: &[u8]| TARGET(input));
