//! What the documentation says about the tests is true.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use regex::Regex;

/// How many faults of the original there are.
const FAULTS: usize = 27;

/// Every test, as the components of its file and its name.
fn tests() -> Vec<(Vec<String>, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in ["src", "tests"] {
        collect(&root.join(folder), &mut files);
    }
    let test = Regex::new(r"#\[(?:\w+::)?test(?:\([^)]*\))?\]\s*(?:async )?fn (\w+)\(").unwrap();
    let mut found = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let inside = file.strip_prefix(root).unwrap().with_extension("");
        let mut places: Vec<String> =
            inside.iter().map(|part| part.to_str().unwrap().trim_end_matches("_tests").to_owned()).collect();
        // Tests that stand in the file itself.
        places.push("tests".into());
        found.extend(test.captures_iter(&text).map(|captured| (places.clone(), captured[1].to_owned())));
    }
    found
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

/// Whether there is the test that `name` says, as in `file::test`.
fn exists(tests: &[(Vec<String>, String)], name: &str) -> bool {
    let (place, name) = name.rsplit_once("::").unwrap();
    let is_there =
        |places: &Vec<String>| place.split("::").all(|part| places.iter().any(|there| there == part));
    tests.iter().any(|(places, there)| there == name && is_there(places))
}

#[test]
fn every_fault_of_the_original_has_a_test_that_is_there_or_a_reason() {
    let tests = tests();
    assert!(tests.len() > 200, "{} tests", tests.len());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/mosn-faults.md");
    let text = std::fs::read_to_string(path).unwrap();
    let named = Regex::new(r"`(\w+(?:::\w+)+)`").unwrap();
    let mut faults = BTreeSet::new();
    for row in text.lines().filter(|line| line.starts_with("| W")) {
        let cells: Vec<_> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [number, fault, answer] = cells[..] else { panic!("not three cells: {row}") };
        assert!(faults.insert(number.trim_start_matches('W').parse::<usize>().unwrap()), "{number} twice");
        assert!(!fault.is_empty() && !answer.is_empty(), "{row}");
        let names: Vec<_> = named.captures_iter(answer).map(|captured| captured[1].to_owned()).collect();
        assert!(!names.is_empty() || answer.contains("Does not apply"), "{number}: neither test nor reason");
        for name in names {
            assert!(exists(&tests, &name), "{number} names {name}, which is not there");
        }
    }
    assert_eq!(faults, (1..=FAULTS).collect());
}

#[test]
fn a_test_that_is_not_there_or_stands_elsewhere_is_noticed() {
    let tests = tests();
    assert!(exists(&tests, "sync::reading_never_changes_anything"));
    assert!(exists(&tests, "mosn::snapshot::an_empty_snapshot_has_to_be_meant"));
    for name in
        ["outage::reading_never_changes_anything", "sync::no_such_test", "sync::gateway", "documents::exists"]
    {
        assert!(!exists(&tests, name), "{name}");
    }
}
