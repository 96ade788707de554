//! Numbers that never step back, and answers that come in time.

use crate::checker::Rule;
use crate::checker::expectations::GatewaysDown;
use crate::history::{Kind, Outcome};
use crate::script::Script;

fn rev(number: u64) -> String {
    format!("{number:016x}{:024x}", 0)
}

/// Finds with these revs by these gateways, one after the other.
fn finds(revs: &[(usize, u64)]) -> Script {
    let at = |step: usize| u64::try_from(step).unwrap() * 10;
    revs.iter().enumerate().fold(Script::new(), |script, (step, (gateway, number))| {
        script.find_with(*gateway, &[], at(step)..at(step) + 1, |find| find.views[0].rev = rev(*number))
    })
}

#[test]
fn a_rev_that_steps_back_is_found() {
    assert_eq!(finds(&[(0, 5), (1, 3), (0, 5), (1, 4), (0, 7)]).broken(), []);
    assert_eq!(finds(&[(0, 5), (0, 4)]).broken(), [Rule::SteppedBack]);
}

#[test]
fn a_gateway_that_was_started_again_begins_anew() {
    let restarted = || finds(&[(0, 5), (0, 4)]).trouble(5, 8);
    assert_eq!(restarted().broken(), [Rule::SteppedBack]);
    let excused = restarted().expecting(|expectations| expectations.gateways_down = GatewaysDown::One);
    assert_eq!(excused.broken(), []);
}

#[test]
fn an_answer_that_is_older_than_what_the_client_sent_is_found() {
    let carried = |sent: u64| {
        Script::new().find_with(0, &[], 0..1, |find| {
            find.views[0].rev = rev(5);
            find.views[0].sent_rev = rev(sent);
        })
    };
    assert_eq!(carried(5).broken(), []);
    assert_eq!(carried(6).broken(), [Rule::SteppedBack]);
}

/// Syncs of `a` with these payloads and versions, one after the other.
fn versions(steps: &[(&str, u64)]) -> Script {
    steps.iter().zip(0..).fold(Script::new(), |script, ((payload, version), step)| {
        script.sync("a", Some(payload), step * 10..step * 10 + 1, Outcome::Ok).operation(
            "a",
            Kind::Sync,
            step * 10..step * 10 + 1,
            Outcome::Ok,
            |sync| {
                sync.version = Some(*version);
                sync.writes = vec![crate::history::Write {
                    field: crate::history::Field::Payload,
                    value: Some((*payload).to_owned()),
                }];
            },
        )
    })
}

#[test]
fn a_version_grows_with_every_change_and_never_shrinks() {
    assert_eq!(versions(&[("1", 1), ("1", 1), ("2", 2), ("3", 5)]).broken(), []);
    assert_eq!(versions(&[("1", 2), ("2", 2)]).broken(), [Rule::SteppedBack]);
    assert_eq!(versions(&[("1", 2), ("1", 1)]).broken(), [Rule::SteppedBack]);
    assert_eq!(versions(&[("1", 0)]).broken(), [Rule::SteppedBack]);
}

#[test]
fn another_gateway_may_not_know_a_version_yet_that_was_just_answered() {
    let moved = |to: usize, after: u64| {
        let answered = |number: u64, gateway: usize| {
            move |sync: &mut crate::history::Operation| (sync.version, sync.gateway) = (Some(number), gateway)
        };
        let (first, second) = (0..1, after..after + 1);
        let script = Script::new().operation("a", Kind::Sync, first, Outcome::Ok, answered(5, 0));
        script.operation("a", Kind::Sync, second, Outcome::Ok, answered(4, to)).broken()
    };
    assert_eq!(moved(1, 15), []);
    assert_eq!(moved(1, 40), [Rule::SteppedBack]);
    assert_eq!(moved(0, 15), [Rule::SteppedBack]);
}

fn refused(status: u16, error: &str) -> Script {
    Script::new().operation("a", Kind::Heartbeat, 0..1, Outcome::Unknown, |beat| {
        beat.status = status;
        beat.error = error.into();
    })
}

#[test]
fn a_refusal_needs_a_reason() {
    assert_eq!(refused(500, "500 500011 zk not connected.").broken(), []);
    assert_eq!(refused(500, "500 500003 oh").broken(), [Rule::Dishonest]);
    assert_eq!(refused(400, "400 400001 no").broken(), [Rule::Dishonest]);
}

#[test]
fn no_answer_is_excused_only_where_the_fault_takes_gateways_away() {
    assert_eq!(refused(0, "timeout").broken(), [Rule::Dishonest]);
    let down =
        || refused(0, "timeout").expecting(|expectations| expectations.gateways_down = GatewaysDown::All);
    assert_eq!(down().broken(), [Rule::Dishonest]);
    assert_eq!(down().trouble(0, 10).broken(), []);
}

#[test]
fn an_answer_that_takes_too_long_is_found() {
    let slow =
        |tenths| Script::new().operation("a", Kind::Find, 0..tenths, Outcome::Ok, |find| find.who = None);
    assert_eq!(slow(40).broken(), []);
    assert_eq!(slow(60).broken(), [Rule::Dishonest]);
}

#[test]
fn a_gateway_that_refuses_reads_during_a_fault_is_found() {
    let failing = |gateways: usize| {
        let mut script = Script::new().trouble(0, 1000).expecting(|expectations| {
            expectations.gateways_down = GatewaysDown::One;
        });
        for gateway in 0..gateways {
            for step in 0..30 {
                script = script.operation("f", Kind::Find, step..step + 1, Outcome::Fail, |find| {
                    (find.who, find.gateway, find.status) = (None, gateway, 500);
                    find.error = "500 500011".into();
                });
            }
        }
        script
    };
    assert_eq!(failing(1).broken(), []);
    assert_eq!(failing(2).broken(), [Rule::Dishonest]);
}
