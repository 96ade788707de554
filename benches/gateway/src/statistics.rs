//! Medians and percentiles of what this program times itself.

use std::time::Duration;

use crate::generator::Measured;

/// Times of single requests.
#[derive(Clone, Debug, Default)]
pub struct Latencies(Vec<Duration>);

impl Latencies {
    /// Adds one.
    pub fn add(&mut self, latency: Duration) {
        self.0.push(latency);
    }

    /// Adds those of another.
    pub fn merge(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// What a generator would have told of them.
    pub fn measured(mut self, span: Duration) -> Measured {
        self.0.sort_unstable();
        let percentile = |part: f64| {
            let at = (self.0.len() as f64 * part) as usize;
            self.0.get(at.min(self.0.len().saturating_sub(1))).map_or(f64::NAN, |it| it.as_secs_f64() * 1e3)
        };
        Measured {
            requests: self.0.len() as u64,
            rate: self.0.len() as f64 / span.as_secs_f64(),
            p50: percentile(0.5),
            p99: percentile(0.99),
            p999: percentile(0.999),
            failures: 0,
        }
    }
}

/// The one in the middle; of an even number the mean of the two.
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_unstable_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        count if count.is_multiple_of(2) => (values[count / 2 - 1] + values[count / 2]) / 2.0,
        count => values[count / 2],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median([3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median([4.0, 1.0]), 2.5);
        assert!(median([]).is_nan());
    }

    #[test]
    fn percentiles_are_milliseconds_of_the_slowest_of_so_many() {
        let mut latencies = Latencies::default();
        (1..=1000).rev().for_each(|milliseconds| latencies.add(Duration::from_millis(milliseconds)));
        let measured = latencies.measured(Duration::from_secs(2));
        assert_eq!((measured.p50, measured.p99, measured.p999), (501.0, 991.0, 1000.0));
        assert_eq!((measured.requests, measured.rate), (1000, 500.0));
    }
}
