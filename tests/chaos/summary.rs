//! The table of many runs, as it is printed and kept.

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use crate::faults;
use crate::report::summary;
use crate::run::Verdict;

/// What one run came to.
pub struct Row {
    /// Id of the fault.
    pub fault: String,
    /// Its seed.
    pub seed: u64,
    /// How it ended.
    pub verdict: Verdict,
    /// How long after the heal every gateway was ready.
    pub recovery: Duration,
}

/// All runs so far.
#[derive(Default)]
pub struct Summary {
    rows: Vec<Row>,
}

impl Summary {
    /// Adds a run, and writes the table of all so far to `summary.md` in `directory`, so that what was done is kept if the
    /// rest is not.
    ///
    /// # Errors
    /// Those of the file.
    pub fn add(&mut self, row: Row, directory: &Path) -> std::io::Result<()> {
        self.rows.push(row);
        std::fs::create_dir_all(directory)?;
        std::fs::write(directory.join("summary.md"), self.table())
    }

    /// A line for each fault, and one for each run that did not pass.
    pub fn table(&self) -> String {
        let mut text =
            "| fault | runs | failures | invalid | worst recovery |\n| --- | --- | --- | --- | --- |\n"
                .to_owned();
        for id in faults::IDS {
            let rows: Vec<_> = self.rows.iter().filter(|row| row.fault == id).collect();
            let count = |wanted: fn(&Verdict) -> bool| rows.iter().filter(|row| wanted(&row.verdict)).count();
            let impossible = count(|verdict| matches!(verdict, Verdict::Impossible(_)));
            if rows.is_empty() {
                continue;
            }
            if impossible == rows.len() {
                // Writing to a string cannot fail.
                let _ = writeln!(text, "| {id} | 0 | | | {} |", summary(&rows[0].verdict));
                continue;
            }
            let failed = count(|verdict| matches!(verdict, Verdict::Failed(_)));
            let invalid = count(|verdict| matches!(verdict, Verdict::Invalid(_)));
            let judged =
                rows.iter().filter(|row| matches!(row.verdict, Verdict::Passed | Verdict::Failed(_)));
            let worst = judged.map(|row| row.recovery).max();
            let worst = worst.map_or(String::new(), |worst| format!("{:.1} s", worst.as_secs_f64()));
            let _ = writeln!(text, "| {id} | {} | {failed} | {invalid} | {worst} |", rows.len() - impossible);
        }
        for row in self.rows.iter().filter(|row| !matches!(row.verdict, Verdict::Passed)) {
            let _ = write!(text, "\n{} seed {}: {}\n", row.fault, row.seed, summary(&row.verdict));
        }
        text
    }

    /// 0 when every run passed, 1 when one failed, 2 when none failed and one proves nothing.
    pub fn exit_code(&self) -> ExitCode {
        let any = |wanted: fn(&Verdict) -> bool| self.rows.iter().any(|row| wanted(&row.verdict));
        if any(|verdict| matches!(verdict, Verdict::Failed(_))) {
            ExitCode::FAILURE
        } else if any(|verdict| matches!(verdict, Verdict::Invalid(_))) {
            ExitCode::from(2)
        } else {
            ExitCode::SUCCESS
        }
    }
}
