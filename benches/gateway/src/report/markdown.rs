//! The table for people.

use std::fmt::Write as _;

use super::{Goal, Report, Row, Side};
use crate::rounds::Disturbance;

/// More than this before anything was started is somebody else's.
const QUIET: f64 = 0.5;

/// The whole report.
pub fn render(report: &Report) -> String {
    let mut text = String::from("# Benchmark\n\n");
    let _ = writeln!(
        text,
        "{} processors, shared by everything; {}. The load before was {:.2}{}. Of the processor time that was wanted \
         until the end, others got {:.1} %.\n",
        report.processors,
        report.settings,
        report.load_before,
        if report.load_before > QUIET {
            ": **the machine was busy, and the figures say little**"
        } else {
            ""
        },
        report.began.stolen() * 100.0,
    );
    text.push_str(
        "| scenario | | gateway | ceiling | ratio | goal | p50 / p99 / p99.9 ms | of the ceiling | processor us a \
         request | of the ceiling | memory MB | stolen % |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    for row in &report.rows {
        write_row(&mut text, row);
    }
    text.push_str("\n## Notes\n\n");
    for row in &report.rows {
        let _ = write!(text, "- {}: held against {}", row.name, row.ceiling.what);
        if row.failures > 0 {
            let _ = write!(text, "; **{} requests without a good answer**", row.failures);
        }
        if let Some(Disturbance { discarded: discarded @ 1.., .. }) = row.disturbance {
            let _ = write!(text, "; {discarded} rounds were made again");
        }
        if row.disturbance.is_some_and(|it| !it.is_small()) {
            text.push_str("; **others took so much of the processors that the figure says little**");
        }
        if !row.notes.is_empty() {
            let _ = write!(text, "; {}", row.notes);
        }
        text.push('\n');
    }
    for (scenario, reason) in &report.failed {
        let _ = writeln!(text, "- **{scenario} could not be measured**: {}", reason.replace('\n', " "));
    }
    text
}

fn write_row(text: &mut String, row: &Row) {
    let goal = match row.goal {
        Some(Goal::AtLeast(least)) => format!(">= {least:.2}"),
        Some(Goal::AtMost(most)) => format!("<= {most:.2}"),
        None => String::new(),
    };
    let verdict = match row.met {
        Some(true) => " met",
        Some(false) => " **missed**",
        None => "",
    };
    let _ = writeln!(
        text,
        "| {} | {} | {} | {} | {:.2} | {goal}{verdict} | {} | {} | {} | {} | {} | {} |",
        row.name,
        row.unit,
        number(row.gateway.figure),
        number(row.ceiling.figure),
        row.ratio,
        latency(&row.gateway),
        latency(&row.ceiling),
        optional(row.gateway.processor),
        optional(row.ceiling.processor),
        optional(row.memory.map(|bytes| bytes / 1e6)),
        row.disturbance.map(|it| format!("{:.1}", it.stolen * 100.0)).unwrap_or_default(),
    );
}

fn latency(side: &Side) -> String {
    side.latency.map(|[p50, p99, p999]| format!("{p50:.2} / {p99:.2} / {p999:.2}")).unwrap_or_default()
}

fn optional(value: Option<f64>) -> String {
    value.map(number).unwrap_or_default()
}

/// Three digits at least, and thousands apart.
fn number(value: f64) -> String {
    if value.is_nan() {
        return "?".into();
    }
    if value.abs() < 100.0 {
        return format!("{value:.2}");
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_easy_to_read() {
        assert_eq!(number(1_234_567.8), "1,234,568");
        assert_eq!(number(123.4), "123");
        assert_eq!(number(0.5), "0.50");
    }

    #[test]
    fn a_missed_goal_stands_out() {
        let side = |figure| Side::figures("bare", vec![figure]);
        let row = Row::new("find", "requests/s", side(50.0), side(100.0)).goal(Some(Goal::AtLeast(0.8)));
        let mut text = String::new();
        write_row(&mut text, &row);
        assert!(
            text.starts_with("| find | requests/s | 50.00 | 100 | 0.50 | >= 0.80 **missed** |"),
            "{text}"
        );
    }
}
