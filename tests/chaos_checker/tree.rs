//! What an observer of ZooKeeper may see.

use crate::checker::Rule;
use crate::history::Outcome;
use crate::script::Script;

fn registered() -> Script {
    Script::new().sync("a", Some("1"), 0..1, Outcome::Ok).beats("a", 10, 300).znode(true, "a", "1", 1)
}

#[test]
fn a_provider_that_goes_while_its_registrant_beats_is_lost() {
    assert_eq!(registered().znode(false, "a", "1", 100).broken(), [Rule::LostAcknowledged]);
}

#[test]
fn a_provider_goes_when_its_registrant_changes_or_gives_up_even_if_nobody_acknowledged_that() {
    let changed = |outcome| registered().sync("a", Some("2"), 90..95, outcome);
    let seen = |script: Script| script.znode(false, "a", "1", 93).znode(true, "a", "2", 93);
    assert_eq!(seen(changed(Outcome::Ok)).broken(), []);
    assert_eq!(seen(changed(Outcome::Unknown)).broken(), []);
    let given_up = registered().sync("a", None, 90..95, Outcome::Ok).znode(false, "a", "1", 93);
    assert_eq!(given_up.broken(), []);
}

#[test]
fn a_change_that_came_before_does_not_excuse_that_a_provider_goes() {
    let twice = registered().sync("a", Some("2"), 90..95, Outcome::Ok).znode(true, "a", "2", 93);
    assert_eq!(twice.znode(false, "a", "2", 150).broken(), [Rule::LostAcknowledged]);
}

#[test]
fn a_provider_goes_when_a_change_that_was_still_on_its_way_overtakes_it() {
    let late =
        registered().sync("a", Some("2"), 90..120, Outcome::Ok).sync("a", Some("3"), 100..105, Outcome::Ok);
    assert_eq!(
        late.znode(true, "a", "3", 104).znode(false, "a", "3", 115).znode(true, "a", "2", 115).broken(),
        []
    );
}

#[test]
fn a_provider_goes_after_silence() {
    let silent =
        Script::new().sync("a", Some("1"), 0..1, Outcome::Ok).sync("b", Some("1"), 0..1, Outcome::Ok);
    let silent = silent.beats("b", 10, 300).znode(true, "a", "1", 1);
    assert_eq!(silent.znode(false, "a", "1", 40).broken(), []);
}

#[test]
fn a_provider_that_comes_back_after_it_was_given_up_is_a_resurrection() {
    let given_up = || registered().sync("a", None, 90..95, Outcome::Ok).znode(false, "a", "1", 93);
    assert_eq!(given_up().znode(true, "a", "1", 140).broken(), [Rule::Resurrected]);
    assert_eq!(given_up().znode(true, "a", "9", 140).broken(), [Rule::Phantom]);
}

#[test]
fn a_provider_of_nobody_is_a_phantom() {
    assert_eq!(registered().znode(true, "x", "1", 50).broken(), [Rule::Phantom]);
}

#[test]
fn what_a_fault_deletes_by_itself_is_not_held_against_anybody() {
    let deleted = registered().znode(false, "a", "1", 100).znode(true, "a", "1", 101);
    assert_eq!(deleted.broken(), [Rule::LostAcknowledged]);
    assert_eq!(deleted.expecting(|expectations| expectations.foreign_writes = true).broken(), []);
}

#[test]
fn a_list_lacks_what_somebody_deleted_until_it_is_put_back_and_nothing_else() {
    let missing = |who: &str| {
        let deleted = registered().trouble(90, 120).znode(false, who, "1", 100).znode(true, who, "1", 101);
        deleted.find(0, &[], 100..101).expecting(|expectations| expectations.foreign_writes = true).broken()
    };
    assert_eq!(missing("a"), []);
    assert_eq!(missing("b"), [Rule::MassLoss]);
}

#[test]
fn what_is_acknowledged_has_come_also_during_a_fault() {
    let changed = |came: u64| {
        let script = registered().trouble(90, 200).sync("a", Some("2"), 100..101, Outcome::Ok);
        script.znode(true, "a", "2", came).znode(false, "a", "1", came)
    };
    assert_eq!(changed(110).broken(), []);
    assert_eq!(changed(120).broken(), [Rule::LostAcknowledged]);
    let late = changed(120).expecting(|expectations| expectations.observer_late = true);
    assert_eq!(late.broken(), []);
}
