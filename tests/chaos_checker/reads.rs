//! What answers may say of registrants.

use crate::checker::Rule;
use crate::history::{Kind, Outcome};
use crate::script::Script;

/// `a` is registered with payload 1 from the beginning, and beats for 30 s.
fn registered() -> Script {
    Script::new().sync("a", Some("1"), 0..1, Outcome::Ok).beats("a", 10, 300)
}

#[test]
fn what_was_acknowledged_may_be_late_by_the_staleness_that_is_promised() {
    assert_eq!(registered().find(0, &[], 2..3).find(1, &[("a", "1")], 2..3).broken(), []);
}

#[test]
fn what_was_acknowledged_and_is_not_found_later_is_lost() {
    assert_eq!(registered().find(1, &[], 40..41).broken(), [Rule::LostAcknowledged]);
}

#[test]
fn a_list_that_shrinks_because_of_a_fault_is_mass_loss_however_stale_it_says_it_is() {
    let stale = registered().find_with(0, &[], 40..41, |find| find.stale = 1_000_000);
    assert_eq!(stale.broken(), [Rule::MassLoss]);
    assert_eq!(registered().trouble(35, 60).find(0, &[], 40..41).broken(), [Rule::MassLoss]);
}

#[test]
fn a_registration_whose_outcome_is_unknown_may_come_at_any_time_or_never() {
    let unknown = Script::new().sync("a", Some("1"), 0..1, Outcome::Unknown);
    assert_eq!(unknown.find(0, &[], 40..41).find(1, &[("a", "1")], 200..201).broken(), []);
}

#[test]
fn a_registration_that_was_refused_must_not_be_found() {
    let refused = Script::new().sync("a", Some("1"), 0..1, Outcome::Fail);
    assert_eq!(refused.find(0, &[("a", "1")], 2..3).broken(), [Rule::Phantom]);
}

#[test]
fn what_was_given_up_may_be_seen_for_a_while_and_not_longer() {
    let gone = || registered().sync("a", None, 40..41, Outcome::Ok);
    assert_eq!(gone().find(0, &[("a", "1")], 50..51).broken(), []);
    assert_eq!(gone().find(0, &[("a", "1")], 70..71).broken(), [Rule::Resurrected]);
}

#[test]
fn what_was_given_up_and_asked_for_again_is_no_resurrection() {
    let again =
        registered().sync("a", None, 40..41, Outcome::Ok).sync("a", Some("2"), 50..55, Outcome::Unknown);
    assert_eq!(again.find(0, &[("a", "2")], 90..91).find(0, &[], 92..93).broken(), []);
}

#[test]
fn what_nobody_registered_is_a_phantom() {
    assert_eq!(registered().find(0, &[("a", "7")], 40..41).broken(), [Rule::Phantom]);
    assert_eq!(registered().find(0, &[("a", "1"), ("x", "1")], 40..41).broken(), [Rule::Phantom]);
}

#[test]
fn an_old_state_is_found_no_longer_than_the_staleness_that_is_promised() {
    let changed = || registered().sync("a", Some("2"), 40..41, Outcome::Ok);
    assert_eq!(changed().find(0, &[("a", "1")], 55..56).find(1, &[("a", "2")], 55..56).broken(), []);
    assert_eq!(changed().find(0, &[("a", "1")], 70..71).broken(), [Rule::Torn]);
}

#[test]
fn while_there_is_trouble_answers_may_be_as_old_as_its_beginning_and_not_afterwards() {
    let changed = || registered().trouble(35, 90).sync("a", Some("2"), 40..41, Outcome::Ok);
    assert_eq!(changed().find(0, &[("a", "1")], 80..81).broken(), []);
    assert_eq!(changed().find(0, &[("a", "1")], 91..92).broken(), [Rule::Torn]);
}

#[test]
fn an_answer_that_says_how_old_it_may_be_is_taken_at_its_word() {
    let changed = || registered().sync("a", Some("2"), 40..41, Outcome::Ok);
    let stale =
        |seconds: u64| changed().find_with(0, &[("a", "1")], 90..91, |find| find.stale = seconds * 1_000_000);
    assert_eq!(stale(4).broken(), []);
    assert_eq!(stale(2).broken(), [Rule::Torn]);
}

#[test]
fn a_registrant_that_is_listed_twice_is_left_over() {
    assert_eq!(registered().find(0, &[("a", "1"), ("a", "1")], 40..41).broken(), [Rule::LeftOver]);
}

#[test]
fn two_writes_at_the_same_time_may_take_effect_in_either_order() {
    let both =
        || registered().sync("a", Some("2"), 40..50, Outcome::Ok).sync("a", Some("3"), 45..55, Outcome::Ok);
    assert_eq!(both().find(0, &[("a", "2")], 99..100).broken(), []);
    assert_eq!(both().find(0, &[("a", "3")], 99..100).broken(), []);
    assert_eq!(both().find(0, &[("a", "1")], 99..100).broken(), [Rule::Torn]);
}

#[test]
fn who_is_told_that_it_is_not_registered_while_it_is_was_lost() {
    let denied = registered().operation("a", Kind::Heartbeat, 60..61, Outcome::Fail, |beat| {
        beat.denies = true;
        beat.status = 400;
    });
    assert_eq!(denied.broken(), [Rule::LostAcknowledged]);
}

#[test]
fn what_a_sync_says_of_others_is_judged_too() {
    let told = |present, at: u64| {
        registered().operation("b", Kind::Sync, at..at + 1, Outcome::Ok, |sync| {
            sync.dispatched.push(("a".into(), present));
        })
    };
    assert_eq!(told(true, 60).broken(), []);
    assert_eq!(told(false, 60).broken(), [Rule::LostAcknowledged]);
    let gone = |present| {
        registered().sync("a", None, 40..41, Outcome::Ok).operation(
            "b",
            Kind::Sync,
            70..71,
            Outcome::Ok,
            |sync| {
                sync.dispatched.push(("a".into(), present));
            },
        )
    };
    assert_eq!(gone(false).broken(), []);
    assert_eq!(gone(true).broken(), [Rule::Resurrected]);
}
