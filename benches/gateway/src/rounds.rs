//! Rounds on a machine that others share. A guest gets its processors from a host, which may give them to somebody else;
//! the kernel counts what it wanted and did not get. A round that lost much of it tells how busy the neighbours were, so
//! it is made again, and the least disturbed ones count. Which ones those are is told by the clock of the kernel, never
//! by what a round came to.

use serde::Serialize;

/// The part of the wanted processor time that a round may lose.
const LIMIT: f64 = 0.03;
/// So many rounds are made for each one that counts, at most.
const ATTEMPTS: usize = 3;

/// The rounds that count.
#[derive(Debug)]
pub struct Rounds<T> {
    /// What each of them came to, in the order in which they were made.
    pub each: Vec<T>,
    /// How much they were disturbed.
    pub disturbance: Disturbance,
}

/// What others took while something was measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Disturbance {
    /// The part of the wanted processor time that others got, in the most disturbed round that counts.
    pub stolen: f64,
    /// Rounds that do not count.
    pub discarded: usize,
}

impl<T> Rounds<T> {
    /// Makes rounds until so many were hardly disturbed, but at most three times as many.
    ///
    /// # Errors
    /// With the first one that fails.
    pub async fn of(count: usize, mut one: impl AsyncFnMut() -> anyhow::Result<T>) -> anyhow::Result<Self> {
        let mut made = Vec::new();
        while made.iter().filter(|(stolen, _)| *stolen <= LIMIT).count() < count
            && made.len() < count * ATTEMPTS
        {
            let began = Clock::now();
            let round = one().await?;
            made.push((began.stolen(), round));
        }
        Ok(Self::least_disturbed(count, made))
    }

    /// The `count` that lost the least.
    fn least_disturbed(count: usize, made: Vec<(f64, T)>) -> Self {
        let discarded = made.len().saturating_sub(count);
        let mut made: Vec<_> = made.into_iter().enumerate().collect();
        made.sort_by(|(_, (one, _)), (_, (other, _))| one.total_cmp(other));
        made.truncate(count);
        let stolen = made.last().map_or(0.0, |(_, (stolen, _))| *stolen);
        made.sort_unstable_by_key(|(number, _)| *number);
        let each = made.into_iter().map(|(_, (_, round))| round).collect();
        Self { each, disturbance: Disturbance { stolen, discarded } }
    }
}

impl<T, U> Rounds<(T, U)> {
    /// The two sides of every round apart, and how much the rounds were disturbed.
    pub fn sides(self) -> (Vec<T>, Vec<U>, Disturbance) {
        let (one, other) = self.each.into_iter().unzip();
        (one, other, self.disturbance)
    }
}

impl Disturbance {
    /// Of something that was measured once, since `began`.
    pub fn since(began: Clock) -> Self {
        Self { stolen: began.stolen(), discarded: 0 }
    }

    /// Of what consists of both.
    pub fn and(self, other: Self) -> Self {
        Self { stolen: self.stolen.max(other.stolen), discarded: self.discarded + other.discarded }
    }

    /// Whether what was measured says something all the same.
    pub fn is_small(self) -> bool {
        self.stolen <= LIMIT
    }
}

/// What the kernel has counted since the machine started, in ticks of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Clock {
    stolen: u64,
    wanted: u64,
}

impl Clock {
    /// The time now; where nothing is counted, nothing is stolen.
    pub fn now() -> Self {
        Self::read(&std::fs::read_to_string("/proc/stat").unwrap_or_default())
    }

    fn read(stat: &str) -> Self {
        let line = stat.lines().find_map(|line| line.strip_prefix("cpu ")).unwrap_or_default();
        let mut ticks = [0; 8];
        for (tick, word) in ticks.iter_mut().zip(line.split_whitespace()) {
            *tick = word.parse().unwrap_or_default();
        }
        // What guests of this machine use is part of the first two.
        let [user, nice, system, _idle, _waiting, hard, soft, stolen] = ticks;
        Self { stolen, wanted: user + nice + system + hard + soft + stolen }
    }

    /// The part of the processor time wanted since then that others got.
    pub fn stolen(self) -> f64 {
        Self::now().since(self)
    }

    fn since(self, before: Self) -> f64 {
        let wanted = self.wanted.saturating_sub(before.wanted);
        self.stolen.saturating_sub(before.stolen) as f64 / wanted.max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_stolen_is_a_part_of_what_was_wanted() {
        let before = Clock::read("cpu  10 1 5 1000 20 1 2 0 7 7\ncpu0 1 1 1 1 1 1 1 1 0 0\n");
        let after = Clock::read("cpu  70 1 25 1900 30 1 2 20 7 7\ncpu0 9 9 9 9 9 9 9 9 0 0\n");
        assert_eq!((before.since(before), after.since(before)), (0.0, 0.2));
        assert_eq!(Clock::read("").since(Clock::default()), 0.0, "nothing is counted");
    }

    #[test]
    fn the_least_disturbed_rounds_count_in_their_order() {
        let chosen = |made: &[(f64, char)]| {
            let rounds = Rounds::least_disturbed(2, made.to_vec());
            (rounds.each.into_iter().collect::<String>(), rounds.disturbance)
        };
        let disturbance = |stolen, discarded| Disturbance { stolen, discarded };
        assert_eq!(
            chosen(&[(0.5, 'a'), (0.01, 'b'), (0.2, 'c'), (0.0, 'd')]),
            ("bd".into(), disturbance(0.01, 2))
        );
        assert_eq!(chosen(&[(0.2, 'a'), (0.2, 'b'), (0.0, 'c')]), ("ac".into(), disturbance(0.2, 1)));
        assert_eq!(chosen(&[(0.0, 'a'), (0.0, 'b')]), ("ab".into(), disturbance(0.0, 0)));
    }

    #[tokio::test]
    async fn there_are_as_many_rounds_as_asked_for_and_none_after_one_that_failed() {
        let mut made = 0;
        let rounds = Rounds::of(2, async || {
            made += 1;
            Ok(made)
        });
        let rounds = rounds.await.unwrap();
        assert_eq!((rounds.each.len(), made), (2, 2 + rounds.disturbance.discarded));
        let failed = Rounds::of(2, async || anyhow::bail!("no")).await;
        assert!(failed.map(|rounds: Rounds<()>| rounds.each).is_err());
    }
}
