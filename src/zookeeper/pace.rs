//! When the next transaction begins. A transaction costs the servers and the gateway far more than the changes in it: one
//! change at a time, a thousand a second, takes as much of two cores as eight thousand of them a second, five in each
//! transaction. Whoever comes alone goes at once; only while many come, they wait for one another.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Changes that come close together make a crowd when so many of them, one after the other, found others under way or
/// waiting, within so long. Who sends one change after the other never finds any.
const CROWD: usize = 8;
const CLOSE: Duration = Duration::from_millis(20);
/// In a crowd, the time from the beginning of one transaction to that of the next.
const INTERVAL: Duration = Duration::from_millis(10);
/// Nobody waits for more company than this: what a transaction costs is little for each of them.
pub(super) const ENOUGH: usize = 16;
/// When nobody has come for so long, those who wait are all who will come before they have their answers.
const QUIET: Duration = Duration::from_millis(2);
/// How often it is looked whether it has become quiet.
const LOOK: Duration = Duration::from_micros(2_500);

/// What is known of the changes that came last.
pub(super) struct Pace {
    interval: Duration,
    /// When the last of those who found others came, oldest first.
    met: VecDeque<Instant>,
    last_came: Option<Instant>,
    next: Option<Instant>,
}

impl Pace {
    /// For changes of which none may wait for longer than `patience`.
    pub fn new(patience: Duration) -> Self {
        let interval = INTERVAL.min(patience / 4);
        Self { interval, met: VecDeque::with_capacity(CROWD), last_came: None, next: None }
    }

    /// A change came at this time, and found others under way or waiting, or not.
    pub fn came(&mut self, at: Instant, has_met: bool) {
        self.last_came = Some(at);
        if has_met {
            if self.met.len() == CROWD {
                self.met.pop_front();
            }
            self.met.push_back(at);
        }
    }

    /// A transaction begins.
    pub fn begins(&mut self, now: Instant) {
        self.next = Some(now + self.interval);
    }

    /// Whether the `waiting` ones wait for company: when to look again.
    pub fn holds(&self, now: Instant, waiting: usize) -> Option<Instant> {
        let within = |at: Option<&Instant>, span| at.is_some_and(|at| now.duration_since(*at) < span);
        let is_crowd = self.met.len() == CROWD && within(self.met.front(), CLOSE);
        let is_quiet = !within(self.last_came.as_ref(), QUIET);
        let next = self.next.filter(|next| now < *next)?;
        (is_crowd && !is_quiet && waiting < ENOUGH).then(|| next.min(now + LOOK))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLISECOND: Duration = Duration::from_millis(1);

    /// As many changes as make a crowd, each a millisecond after the one before; a transaction began before the first.
    fn crowd(has_met: bool) -> (Pace, Instant) {
        let (mut pace, mut last) = (Pace::new(Duration::from_secs(1)), Instant::now());
        pace.begins(last);
        for _ in 0..CROWD {
            last += MILLISECOND;
            pace.came(last, has_met);
        }
        (pace, last)
    }

    #[test]
    fn whoever_comes_alone_or_after_one_another_goes_at_once() {
        let now = Instant::now();
        let mut pace = Pace::new(Duration::from_secs(1));
        pace.came(now, false);
        assert_eq!(pace.holds(now, 1), None);
        pace.begins(now);
        pace.came(now, true);
        assert_eq!(pace.holds(now, 1), None, "two are no crowd");
        let (pace, last) = crowd(false);
        assert_eq!(pace.holds(last, 1), None);
    }

    #[test]
    fn a_crowd_waits_until_it_is_time_or_nobody_else_comes_or_enough_have_come() {
        let (mut pace, last) = crowd(true);
        let next = last - MILLISECOND * CROWD as u32 + INTERVAL;
        assert_eq!(pace.holds(last, 1), Some(next));
        assert_eq!(pace.holds(last, ENOUGH), None);
        assert_eq!(pace.holds(next, 1), None, "it is time");
        pace.begins(last);
        assert_eq!(pace.holds(last, 1), Some(last + LOOK));
        assert_eq!(pace.holds(last + QUIET, 1), None, "nobody else comes");
    }

    #[test]
    fn it_is_no_crowd_any_more_when_they_come_further_apart() {
        let (mut pace, last) = crowd(true);
        let later = last + CLOSE;
        pace.came(later, true);
        pace.begins(later);
        assert_eq!(pace.holds(later, 1), None);
    }

    #[test]
    fn nobody_waits_for_a_large_part_of_his_patience() {
        let began = Instant::now();
        let mut pace = Pace::new(MILLISECOND * 4);
        (0..CROWD).for_each(|_| pace.came(began, true));
        pace.begins(began);
        assert_eq!(pace.holds(began, 1), Some(began + MILLISECOND));
    }
}
