//! Log lines: one event, one line, on standard error.

use std::io::Write;
use std::panic;
use std::time::SystemTime;

use env_logger::{Builder, Target};
use log::{LevelFilter, Record};

/// Modules whose word is worth less than ours: they log every packet, span and worker. A filter that names them wins.
const QUIET: [&str; 4] = ["zookeeper_client", "tracing", "actix_server", "actix_http"];

/// Starts logging by `filter`, or by `RUST_LOG` if that is set, and has panics logged as one line too. The ZooKeeper
/// client reports through `tracing`, which hands its events on as long as nothing subscribes to them.
///
/// # Errors
/// When something else has taken over logging in this process already.
pub fn init(filter: &str) -> Result<(), log::SetLoggerError> {
    let from_environment = std::env::var("RUST_LOG").ok().filter(|text| !text.trim().is_empty());
    builder(from_environment.as_deref().unwrap_or(filter)).target(Target::Stderr).try_init()?;
    panic::set_hook(Box::new(|info| log::error!("{info}")));
    Ok(())
}

fn builder(filter: &str) -> Builder {
    let mut builder = Builder::new();
    for module in QUIET {
        builder.filter_module(module, LevelFilter::Warn);
    }
    builder.parse_filters(filter).format(|out, record| writeln!(out, "{}", line(record, SystemTime::now())));
    builder
}

fn line(record: &Record<'_>, now: SystemTime) -> String {
    let message = record.args().to_string();
    // A message may carry what a client sent; it must not be able to forge a second line.
    let message = if message.contains(char::is_control) {
        message.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
    } else {
        message
    };
    let time = humantime::format_rfc3339_micros(now);
    format!("{time} {:<5} {} {message}", record.level(), record.target())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use log::{Level, Log, Metadata};

    use super::*;

    fn enabled(filter: &str, target: &str, level: Level) -> bool {
        builder(filter).build().enabled(&Metadata::builder().target(target).level(level).build())
    }

    #[test]
    fn an_event_is_one_line_with_utc_time_level_target_and_message() {
        let record = Record::builder()
            .level(Level::Info)
            .target("zoogate::app")
            .args(format_args!("two\nlines"))
            .build();
        let now = SystemTime::UNIX_EPOCH + Duration::from_micros(1_500_000);
        assert_eq!(line(&record, now), "1970-01-01T00:00:01.500000Z INFO  zoogate::app two lines");
    }

    #[test]
    fn the_zookeeper_client_is_quiet_unless_it_is_asked_to_speak() {
        assert!(enabled("debug", "zoogate::registry", Level::Debug));
        assert!(!enabled("debug", "zookeeper_client::session", Level::Info));
        assert!(enabled("debug", "zookeeper_client::session", Level::Warn));
        assert!(enabled("info,zookeeper_client=debug", "zookeeper_client::session", Level::Debug));
    }
}
