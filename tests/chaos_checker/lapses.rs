//! When silence explains that somebody is gone. The time to live is 3 s, and somebody listens as long as signs of life
//! of anybody are acknowledged.

use crate::checker::Rule;
use crate::history::Outcome;
use crate::script::Script;

/// `a` is registered and beats until `last`, `b` for 60 s.
fn silent_after(last: u64) -> Script {
    Script::new()
        .sync("a", Some("1"), 0..1, Outcome::Ok)
        .beats("a", 10, last)
        .sync("b", Some("1"), 0..1, Outcome::Ok)
        .beats("b", 10, 600)
}

#[test]
fn who_was_silent_for_its_time_to_live_may_be_gone_and_may_be_there() {
    for found in [&[("b", "1")][..], &[("a", "1"), ("b", "1")]] {
        assert_eq!(silent_after(100).find(0, found, 150..151).broken(), [], "{found:?}");
    }
}

#[test]
fn nobody_is_gone_before_its_time_to_live_is_over() {
    assert_eq!(silent_after(100).find(0, &[("b", "1")], 110..111).broken(), [Rule::LostAcknowledged]);
}

#[test]
fn silence_is_no_excuse_while_nobody_listens() {
    let nobody = || {
        Script::new()
            .trouble(95, 160)
            .sync("a", Some("1"), 0..1, Outcome::Ok)
            .beats("a", 10, 100)
            .sync("b", Some("1"), 0..1, Outcome::Ok)
            .beats("b", 10, 100)
            .beats("b", 150, 400)
    };
    let returned = || nobody().beats("a", 160, 400);
    assert_eq!(returned().find(0, &[("a", "1"), ("b", "1")], 190..191).broken(), []);
    assert_eq!(returned().find(0, &[("b", "1")], 190..191).broken(), [Rule::LostAcknowledged]);
    // Who does not return has a whole time to live from then, and no more.
    assert_eq!(nobody().find(0, &[("b", "1")], 170..171).broken(), [Rule::LostAcknowledged]);
    assert_eq!(nobody().find(0, &[("b", "1")], 190..191).broken(), []);
}

#[test]
fn who_fell_silent_for_good_must_be_gone_in_the_end() {
    let silent = |at: u64| silent_after(100).silent("a", 100).find(0, &[("a", "1"), ("b", "1")], at..at + 1);
    assert_eq!(silent(250).broken(), []);
    assert_eq!(silent(500).broken(), [Rule::Resurrected]);
}

#[test]
fn a_fault_that_may_take_registrations_with_it_excuses_their_loss() {
    let lost = || silent_after(600).trouble(200, 300).find(0, &[("b", "1")], 250..251);
    assert_eq!(lost().broken(), [Rule::MassLoss]);
    assert_eq!(lost().expecting(|expectations| expectations.registrations_survive = false).broken(), []);
}
