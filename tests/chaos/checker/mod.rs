//! Judges the history of a run.

pub mod expectations;
