//! When a registrant can rightly have been taken down for silence.
//!
//! Only silence removes, and only while somebody listened. The checker takes it that somebody listens as long as any
//! registrant's sign of life is acknowledged; after a break of that everybody has a whole time to live anew.

use super::bounds::Bounds;
use super::states::Span;
use crate::history::{History, Moment, Outcome, SECOND};

/// Nobody is taken to listen when no sign of life of anybody was acknowledged for this long.
const BREAK: Moment = 3 * SECOND / 2;

/// Share of the time to live, in percent, after which a lapse is excused: clocks tick in steps.
const SHARE: Moment = 90;

/// The spans in which `who` can have been taken down: in each, it was silent for its time to live before.
pub fn lapses(history: &History, who: &str, bounds: &Bounds) -> Vec<Span> {
    let signs: Vec<Span> = history
        .operations
        .iter()
        .filter(|operation| operation.outcome == Outcome::Ok && operation.who.as_deref() == Some(who))
        .map(|operation| Span { from: operation.start, until: operation.end })
        .collect();
    let limit = bounds.time_to_live * SHARE / 100;
    let mut lapses = Vec::new();
    for (index, sign) in signs.iter().enumerate() {
        // The gateway may have heard it as early as its start, and the next one as late as its end.
        let next = signs.get(index + 1).map_or(Moment::MAX, |next| next.until);
        if next.saturating_sub(sign.from) <= limit {
            continue;
        }
        if let Some(from) = silent_from(history, sign.from, next, limit) {
            lapses.push(Span { from, until: next });
        }
    }
    lapses
}

/// The first instant of `[from, until]` by which somebody has listened for `limit` without a break.
fn silent_from(history: &History, from: Moment, until: Moment, limit: Moment) -> Option<Moment> {
    let mut since = from;
    let mut last = from;
    let heard = history
        .operations
        .iter()
        .filter(|operation| operation.outcome == Outcome::Ok && operation.who.is_some())
        .map(|operation| operation.end);
    let mut heard: Vec<Moment> = heard.filter(|end| (from..=until).contains(end)).collect();
    heard.sort_unstable();
    for end in heard {
        if end - last > BREAK {
            since = end;
        }
        last = end;
        if end - since >= limit {
            return Some(since + limit);
        }
    }
    // At the end of the history there may be nobody else left whose signs of life tell that somebody listened.
    (until == Moment::MAX).then_some(since.saturating_add(limit))
}
