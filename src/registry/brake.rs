//! The brake on mass silence: when far more registrations than usual would be taken down at once, the fault is more
//! likely on the way to this replica than with all of them, so they are held until it passes.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// When registrations are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BrakeOptions {
    /// The most, in percent of those that this replica looks after, that may be taken down within `window`; with 100
    /// nothing is ever held.
    pub percent: u32,
    /// As many may always be taken down within `window`, whatever share of all that is.
    pub at_least: usize,
    /// The span over which those that were taken down are counted.
    pub window: Duration,
    /// How long registrations are held at most; zero: until an operator releases them.
    pub longest_hold: Duration,
}

/// What is to be done with those who are silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// They are taken down.
    Go,
    /// They are held.
    Hold,
}

/// What has just begun or ended, for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// The brake is on.
    On,
    /// Those who are silent are few again.
    Passed,
    /// It was held for as long as is allowed.
    Expired,
    /// An operator released it.
    Released,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Off,
    Holding {
        since: Instant,
    },
    /// Released with `asked`, by an operator, or because it took too long: all go until few are left.
    Releasing {
        asked: bool,
        told: bool,
    },
}

struct State {
    phase: Phase,
    /// When how many were taken down, within the window.
    taken_down: VecDeque<(Instant, usize)>,
}

/// Decides whether silence is believed.
pub(super) struct Brake {
    options: BrakeOptions,
    state: Mutex<State>,
}

impl Brake {
    pub fn new(options: BrakeOptions) -> Self {
        Self { options, state: Mutex::new(State { phase: Phase::Off, taken_down: VecDeque::new() }) }
    }

    /// Notes that a registration was taken down because of silence.
    pub fn note_taken_down(&self, now: Instant) {
        let mut state = self.state.lock();
        match state.taken_down.back_mut() {
            // One entry for each tick or so is precise enough, and bounds the queue.
            Some((when, count)) if now.saturating_duration_since(*when) < self.options.window / 100 => {
                *count += 1
            }
            _ => state.taken_down.push_back((now, 1)),
        }
    }

    /// Whether `silent` of the `kept` registrations that this replica looks after may be taken down now, and whether
    /// that has just changed.
    pub fn judge(&self, now: Instant, silent: usize, kept: usize) -> (Verdict, Option<Turn>) {
        let mut state = self.state.lock();
        let BrakeOptions { percent, at_least, window, longest_hold } = self.options;
        while state.taken_down.front().is_some_and(|(when, _)| now.saturating_duration_since(*when) > window)
        {
            state.taken_down.pop_front();
        }
        let recent: usize = state.taken_down.iter().map(|(_, count)| count).sum();
        let share = (kept + recent).saturating_mul(percent as usize) / 100;
        let allowed = share.max(at_least);
        let (phase, verdict, turn) = match state.phase {
            Phase::Off if percent < 100 && silent + recent > allowed && silent > 0 => {
                (Phase::Holding { since: now }, Verdict::Hold, Some(Turn::On))
            }
            Phase::Off => (Phase::Off, Verdict::Go, None),
            holding @ Phase::Holding { .. } if does_wrong!("brake-stuck") => (holding, Verdict::Hold, None),
            // Those taken down before the hold began do not keep it up: what counts is who is silent still.
            Phase::Holding { .. } if silent <= allowed => (Phase::Off, Verdict::Go, Some(Turn::Passed)),
            Phase::Holding { since }
                if !longest_hold.is_zero() && now.saturating_duration_since(since) >= longest_hold =>
            {
                (Phase::Releasing { asked: false, told: true }, Verdict::Go, Some(Turn::Expired))
            }
            holding @ Phase::Holding { .. } => (holding, Verdict::Hold, None),
            Phase::Releasing { .. } if silent == 0 => {
                // What was released on purpose must not put the brake on again.
                state.taken_down.clear();
                (Phase::Off, Verdict::Go, None)
            }
            Phase::Releasing { asked, told } => {
                let turn = (asked && !told).then_some(Turn::Released);
                (Phase::Releasing { asked, told: true }, Verdict::Go, turn)
            }
        };
        state.phase = phase;
        (verdict, turn)
    }

    /// Ends a hold on the word of an operator; false when nothing is held.
    pub fn release(&self) -> bool {
        let mut state = self.state.lock();
        let held = matches!(state.phase, Phase::Holding { .. });
        if held {
            state.phase = Phase::Releasing { asked: true, told: false };
        }
        held
    }

    /// How much longer a hold that is on may last, `None` without a bound.
    pub fn longest(&self) -> Option<Duration> {
        (!self.options.longest_hold.is_zero()).then_some(self.options.longest_hold)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn brake() -> Brake {
        Brake::new(BrakeOptions { percent: 30, at_least: 5, window: 60 * SECOND, longest_hold: 600 * SECOND })
    }

    #[test]
    fn few_go_whatever_share_of_all_they_are() {
        assert_eq!(brake().judge(Instant::now(), 5, 5), (Verdict::Go, None));
    }

    #[test]
    fn many_are_held_and_go_on_when_most_have_returned() {
        let (brake, now) = (brake(), Instant::now());
        assert_eq!(brake.judge(now, 30, 100), (Verdict::Go, None));
        assert_eq!(brake.judge(now, 31, 100), (Verdict::Hold, Some(Turn::On)));
        assert_eq!(brake.judge(now + SECOND, 100, 100), (Verdict::Hold, None));
        assert_eq!(brake.judge(now + 2 * SECOND, 10, 100), (Verdict::Go, Some(Turn::Passed)));
    }

    #[test]
    fn those_that_trickle_away_are_counted_over_the_window() {
        let (brake, now) = (brake(), Instant::now());
        for second in 0..30 {
            assert_eq!(brake.judge(now + second * SECOND, 1, 100 - second as usize).0, Verdict::Go);
            brake.note_taken_down(now + second * SECOND);
        }
        assert_eq!(brake.judge(now + 30 * SECOND, 1, 70), (Verdict::Hold, Some(Turn::On)));
    }

    #[test]
    fn what_went_long_ago_does_not_count() {
        let (brake, now) = (brake(), Instant::now());
        (0..30).for_each(|_| brake.note_taken_down(now));
        assert_eq!(brake.judge(now + 61 * SECOND, 20, 70), (Verdict::Go, None));
    }

    #[test]
    fn a_hold_ends_by_itself_in_the_end() {
        let (brake, now) = (brake(), Instant::now());
        assert_eq!(brake.judge(now, 90, 100).0, Verdict::Hold);
        assert_eq!(brake.judge(now + 600 * SECOND, 90, 100), (Verdict::Go, Some(Turn::Expired)));
        assert_eq!(brake.judge(now + 601 * SECOND, 50, 60), (Verdict::Go, None));
        assert_eq!(brake.judge(now + 602 * SECOND, 0, 10), (Verdict::Go, None));
        assert_eq!(brake.judge(now + 603 * SECOND, 9, 10).0, Verdict::Hold);
    }

    #[test]
    fn an_operator_ends_a_hold_and_nothing_else() {
        let (brake, now) = (brake(), Instant::now());
        assert!(!brake.release());
        assert_eq!(brake.judge(now, 90, 100).0, Verdict::Hold);
        assert!(brake.release());
        assert_eq!(brake.judge(now, 90, 100), (Verdict::Go, Some(Turn::Released)));
        assert_eq!(brake.judge(now, 80, 100), (Verdict::Go, None));
        assert!(!brake.release());
    }

    #[test]
    fn without_a_bound_it_holds_until_an_operator_speaks() {
        let options = BrakeOptions { percent: 30, at_least: 5, window: SECOND, longest_hold: Duration::ZERO };
        let (brake, now) = (Brake::new(options), Instant::now());
        assert_eq!(brake.judge(now, 90, 100).0, Verdict::Hold);
        assert_eq!(brake.judge(now + 1_000_000 * SECOND, 90, 100), (Verdict::Hold, None));
    }

    #[test]
    fn with_all_allowed_nothing_is_held() {
        let options =
            BrakeOptions { percent: 100, at_least: 0, window: SECOND, longest_hold: Duration::ZERO };
        assert_eq!(Brake::new(options).judge(Instant::now(), 100, 100), (Verdict::Go, None));
    }
}
