//! The shape of the code, as the design promises it: imports point downwards, and every file is easy to read.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Most lines that a file may have.
const LINES: usize = 400;

/// Which rooms of the crate a room may name. A room that is not listed here is an error: give it its place.
const MAY_NAME: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("dubbo", &["model"]),
    ("zookeeper", &["model", "telemetry", "background"]),
    ("catalog", &["zookeeper", "dubbo", "model", "telemetry"]),
    ("registry", &["catalog", "zookeeper", "dubbo", "model", "telemetry", "background", "failpoints"]),
    ("api", &["registry", "catalog", "zookeeper", "dubbo", "model", "telemetry", "config", "auth"]),
    ("ops", &["api", "registry", "catalog", "zookeeper", "dubbo", "model", "telemetry", "config", "auth"]),
    ("telemetry", &[]),
    ("background", &[]),
    ("failpoints", &[]),
    ("config", &["model"]),
    ("auth", &["model", "config"]),
];

/// The rooms that put the others together and may name everything.
const WIRING: [&str; 10] =
    ["main", "lib", "app", "cli", "wiring", "listeners", "files", "fuzzing", "pieces", "shutdown"];

/// Crates that only some rooms may name.
const GUARDED: &[(&str, &[&str])] = &[
    ("zookeeper_client", &["zookeeper"]),
    ("actix_web", &["api", "ops", "app", "wiring"]),
    ("actix_http", &["api"]),
    ("utoipa", &["api", "ops", "model"]),
];

#[test]
fn the_sources_keep_to_the_shape_of_the_design() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    assert!(files.len() > 5, "no sources in {}", root.display());
    let mut faults = Vec::new();
    for file in &files {
        let name = file.strip_prefix(&root).unwrap().to_str().unwrap();
        faults.extend(faults_of(name, &std::fs::read_to_string(file).unwrap()));
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

/// Who may ask for the time of day: the log, and what people read of a registration. All else counts by clocks that
/// cannot be set, so that nobody is early or late when the time of day jumps.
const TELL_THE_TIME: [&str; 2] = ["registry/clock.rs", "telemetry/logging.rs"];

#[test]
fn the_time_of_day_is_asked_for_only_where_people_read_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    let asking = files.iter().filter(|file| std::fs::read_to_string(file).unwrap().contains("SystemTime"));
    let names: BTreeSet<&str> =
        asking.map(|file| file.strip_prefix(&root).unwrap().to_str().unwrap()).collect();
    assert_eq!(names, BTreeSet::from(TELL_THE_TIME));
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// Everything that is wrong with the file `name` (relative to `src`).
fn faults_of(name: &str, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let mut fault = |what: String| faults.push(format!("src/{name}: {what}"));
    let lines = text.lines().count();
    if lines > LINES {
        fault(format!("{lines} lines, more than {LINES}"));
    }
    if !text.starts_with("//!") {
        fault("does not begin with a `//!` that says why it exists".into());
    }
    // What a test feeds to the code may be in any script; the code itself may not.
    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    if let Some((number, line)) = (1..).zip(code.lines()).find(|(_, line)| !is_plain(line)) {
        fault(format!("line {number} is not ASCII: {line}"));
    }
    let room = room_of(name);
    if !WIRING.contains(&room) {
        let Some((_, allowed)) = MAY_NAME.iter().find(|(known, _)| *known == room) else {
            fault(format!("the room {room} has no place among the imports"));
            return faults;
        };
        for other in rooms_named_in(code).iter().filter(|other| *other != room) {
            if !allowed.contains(&other.as_str()) {
                fault(format!("{room} must not name {other}"));
            }
        }
    }
    for (dialect, other) in [("mosn", "servicecomb"), ("servicecomb", "mosn")] {
        let inside = name.starts_with(&format!("api/{dialect}/")) || name == format!("api/{dialect}.rs");
        if inside && words(code).any(|path| path.contains(&format!("::{other}"))) {
            fault(format!("the dialect {dialect} must not name {other}"));
        }
    }
    for (guarded, rooms) in GUARDED {
        let named = words(code).any(|path| path.starts_with(&format!("{guarded}::")))
            || code.lines().any(|line| line.trim_start().starts_with(&format!("use {guarded}")));
        if named && !rooms.contains(&room) {
            fault(format!("only {} may name {guarded}", rooms.join(", ")));
        }
    }
    faults
}

/// The marks that prose may use beside ASCII: those of arithmetic.
fn is_plain(line: &str) -> bool {
    line.chars().all(|character| character.is_ascii() || "\u{d7}\u{2264}\u{2265}".contains(character))
}

/// The top module that a file belongs to.
fn room_of(name: &str) -> &str {
    name.split('/').next().unwrap_or_default().trim_end_matches(".rs")
}

/// The top modules of the crate that `code` names, in `use` declarations (also nested ones) and in paths.
fn rooms_named_in(code: &str) -> BTreeSet<String> {
    let mut rooms = BTreeSet::new();
    for line in code.lines().filter(|line| !line.trim_start().starts_with("//")) {
        for (at, _) in line.match_indices("crate::") {
            rooms.insert(identifier(&line[at + "crate::".len()..]));
        }
    }
    // `use crate::{a, b::{c, d}}`: the names at the first level of braces.
    for (at, opening) in code.match_indices("crate::{") {
        let mut depth = 1;
        let mut start = true;
        let rest = &code[at + opening.len()..];
        for (offset, character) in rest.char_indices() {
            match character {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 1 => start = true,
                letter if start && depth == 1 && letter.is_alphabetic() => {
                    rooms.insert(identifier(&rest[offset..]));
                    start = false;
                }
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
    }
    // `$crate` and paths through names of other crates give nothing that is a room.
    rooms.remove("");
    rooms
}

fn identifier(text: &str) -> String {
    text.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect()
}

/// Paths and identifiers of the code, without its comments.
fn words(code: &str) -> impl Iterator<Item = &str> {
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.flat_map(|line| {
        line.split(|letter: char| !(letter.is_alphanumeric() || letter == '_' || letter == ':'))
    })
}

#[test]
fn a_file_without_fault_passes() {
    let text =
        "//! Why.\nuse crate::catalog::Catalog;\nuse crate::{model::Tenant, zookeeper};\n// crate::api\n";
    assert_eq!(faults_of("registry/mod.rs", text), [""; 0]);
}

#[test]
fn an_import_that_points_upwards_is_found() {
    for line in ["use crate::api::Gateway;", "use crate::{model, api};", "fn f() -> crate::api::Gateway {}"] {
        let faults = faults_of("registry/mod.rs", &format!("//! Why.\n{line}\n"));
        assert_eq!(faults, ["src/registry/mod.rs: registry must not name api"], "{line}");
    }
    let nested = "//! Why.\nuse crate::{\n    model::{Tenant, api},\n    ops,\n};\n";
    assert_eq!(
        faults_of("zookeeper/feed.rs", nested),
        ["src/zookeeper/feed.rs: zookeeper must not name ops"]
    );
}

#[test]
fn a_dialect_that_names_the_other_is_found() {
    for line in ["use crate::api::mosn::sync;", "use super::super::mosn::sync;"] {
        let faults = faults_of("api/servicecomb/find.rs", &format!("//! Why.\n{line}\n"));
        assert_eq!(faults, ["src/api/servicecomb/find.rs: the dialect servicecomb must not name mosn"]);
    }
}

#[test]
fn a_guarded_crate_in_the_wrong_room_is_found() {
    let faults = faults_of("catalog/mod.rs", "//! Why.\nfn f(_: &zookeeper_client::Client) {}\n");
    assert_eq!(faults, ["src/catalog/mod.rs: only zookeeper may name zookeeper_client"]);
    let faults = faults_of("config.rs", "//! Why.\nuse actix_web::web;\n");
    assert_eq!(faults, ["src/config.rs: only api, ops, app, wiring may name actix_web"]);
    assert_eq!(faults_of("zookeeper/mod.rs", "//! Why.\nuse zookeeper_client as zk;\n"), [""; 0]);
}

#[test]
fn a_long_file_a_silent_one_and_a_foreign_script_are_found() {
    let long = format!("//! Why.\n{}", "\n".repeat(LINES));
    assert_eq!(faults_of("model/mod.rs", &long), ["src/model/mod.rs: 401 lines, more than 400"]);
    let silent = faults_of("model/mod.rs", "pub mod a;\n");
    assert_eq!(silent, ["src/model/mod.rs: does not begin with a `//!` that says why it exists"]);
    let foreign = faults_of("model/mod.rs", "//! Why.\n// \u{670d}\u{52a1}\n");
    assert_eq!(foreign.len(), 1, "{foreign:?}");
    let in_test = "//! Why.\n#[cfg(test)]\nmod tests {\n    // \u{670d}\n}\n";
    assert_eq!(faults_of("model/mod.rs", in_test), [""; 0]);
}

#[test]
fn a_room_without_a_place_is_found() {
    let faults = faults_of("helpers/mod.rs", "//! Why.\n");
    assert_eq!(faults, ["src/helpers/mod.rs: the room helpers has no place among the imports"]);
}
