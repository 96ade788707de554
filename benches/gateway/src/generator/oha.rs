//! Runs `oha` at a constant rate. Latencies count from when a request was due, so that a server that stands still is not
//! asked less.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::Context;
use serde_json::Value;

use super::{Load, Measured, printed};
use crate::world::client::Call;

/// Sends `call` to `address`, `rate` times a second; without end as fast as answers come.
///
/// # Errors
/// When `oha` fails.
pub async fn run(
    program: &Path,
    address: SocketAddr,
    call: &Call,
    rate: f64,
    load: Load,
    log: &Path,
) -> anyhow::Result<Measured> {
    let mut arguments: Vec<OsString> = Vec::new();
    let mut add = |some: &[&str]| arguments.extend(some.iter().map(OsString::from));
    add(&[
        "--no-tui",
        "--output-format",
        "json",
        "--wait-ongoing-requests-after-deadline",
        "--redirect",
        "0",
    ]);
    add(&["-c", &load.connections.to_string(), "-z", &format!("{}s", load.span.as_secs().max(1))]);
    add(&["-m", call.method]);
    if rate.is_finite() {
        add(&["--latency-correction", "-q", &format!("{:.0}", rate.max(1.0))]);
    }
    for (name, value) in &call.headers {
        add(&["-H", &format!("{name}: {value}")]);
    }
    if !call.headers.iter().any(|(name, _)| *name == "accept-encoding") {
        // Its own would ask for everything that it can read.
        add(&["--disable-compression"]);
    }
    if let Some(body) = &call.body {
        add(&["-d", body]);
    }
    add(&[&format!("http://{address}{}", call.path)]);
    let text = printed(program, &arguments, log).await?;
    let report: Value = serde_json::from_str(&text).with_context(|| format!("oha says {text}"))?;
    let seconds = |path: &str| report.pointer(path).and_then(Value::as_f64);
    let count = |path: &str, of: fn(&str) -> bool| -> u64 {
        let map = report.pointer(path).and_then(Value::as_object);
        let counts =
            map.into_iter().flatten().filter(|(key, _)| of(key)).filter_map(|(_, count)| count.as_u64());
        counts.sum()
    };
    let refused = |code: &str| !(code.starts_with('2') || code.starts_with('3'));
    let broken = |error: &str| !error.contains("aborted due to deadline");
    let requests = count("/statusCodeDistribution", |_| true);
    let percentile = |name: &str| {
        let found = seconds(&format!("/latencyPercentiles/{name}"));
        found.map(|seconds| seconds * 1e3).with_context(|| format!("no {name} in {report}"))
    };
    Ok(Measured {
        requests,
        rate: seconds("/summary/requestsPerSec").context("no rate in the report of oha")?,
        p50: percentile("p50")?,
        p99: percentile("p99")?,
        p999: percentile("p99.9")?,
        failures: count("/statusCodeDistribution", refused) + count("/errorDistribution", broken),
    })
}
