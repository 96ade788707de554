//! What all sources must agree on in the end.

use crate::checker::Rule;
use crate::history::{Outcome, Record};
use crate::script::Script;

fn registered() -> Script {
    Script::new()
        .sync("a", Some("1"), 0..1, Outcome::Ok)
        .sync("a", Some("2"), 20..21, Outcome::Ok)
        .beats("a", 30, 300)
}

#[test]
fn all_agree_on_what_was_acknowledged_last() {
    let agreed = registered().finally("tree", &[("a", "2")], 250).finally("gateway 0", &[("a", "2")], 250);
    assert_eq!(agreed.broken(), []);
}

#[test]
fn a_gateway_that_has_not_seen_the_last_change_disagrees() {
    for behind in [&[][..], &[("a", "1")], &[("a", "2"), ("b", "1")]] {
        let script = registered().finally("tree", &[("a", "2")], 250).finally("gateway 0", behind, 250);
        assert_eq!(script.broken(), [Rule::Disagreement], "{behind:?}");
    }
}

#[test]
fn what_all_have_lost_is_lost_all_the_same() {
    assert_eq!(
        registered().finally("tree", &[], 250).finally("gateway 0", &[], 250).broken(),
        [Rule::Disagreement]
    );
}

#[test]
fn an_unknown_change_may_have_been_made_but_all_must_agree_whether_it_was() {
    let unknown = || registered().sync("a", Some("3"), 40..41, Outcome::Unknown);
    for end in ["2", "3"] {
        let agreed = unknown().finally("tree", &[("a", end)], 250).finally("gateway 0", &[("a", end)], 250);
        assert_eq!(agreed.broken(), []);
    }
    let split = unknown().finally("tree", &[("a", "2")], 250).finally("gateway 0", &[("a", "3")], 250);
    assert_eq!(split.broken(), [Rule::Disagreement]);
}

#[test]
fn a_record_reads_back_as_it_was_written() {
    let script = registered().finally("tree", &[("a", "2")], 250);
    for record in script.records() {
        let line = serde_json::to_string(record).unwrap();
        assert_eq!(serde_json::from_str::<Record>(&line).unwrap(), *record, "{line}");
    }
}
