//! Runs `wrk`. It is told what to send by a script that is written for each run, and tells what it saw as one line of
//! JSON, since its own report knows no 99.9 %.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::Context;
use serde::Deserialize;

use super::{Load, Measured, Requests, printed};
use crate::world::client::Call;

const DONE: &str = r#"
done = function(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '\nRESULT {"requests":%d,"micros":%d,"p50":%d,"p99":%d,"p999":%d,"failures":%d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), latency:percentile(99.9),
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
"#;

const CYCLE: &str = r#"
local ready = {}
init = function(args)
  for i, call in ipairs(calls) do ready[i] = wrk.format(call[1], call[2], call[3], call[4]) end
end
local at = 0
request = function()
  at = at % #ready + 1
  return ready[at]
end
"#;

// Filled in where they are marked: `string.gsub` for three marks would be slower than joining the pieces between them.
const GROWING: &str = r#"
local floor = math.floor
request = function()
  local number = next_number
  next_number = number + 1
  local call = calls[number % #calls + 1]
  local values = {
    address = string.format("10.%d.%d.%d", floor(number / 65536) % 256, floor(number / 256) % 256, number % 256),
    number = tostring(number), id = string.format("%032x", number),
  }
  local pieces = {}
  for i, piece in ipairs(call[4]) do
    if i % 2 == 1 then pieces[i] = piece else pieces[i] = values[piece] end
  end
  return wrk.format(call[1], call[2], call[3], table.concat(pieces))
end
"#;

#[derive(Deserialize)]
struct Line {
    requests: u64,
    micros: u64,
    p50: f64,
    p99: f64,
    p999: f64,
    failures: u64,
}

/// Sends `requests` to `address` for as long as `load` says.
///
/// # Errors
/// When `wrk` fails.
pub async fn run(
    address: SocketAddr,
    requests: &Requests,
    load: Load,
    script: &Path,
) -> anyhow::Result<Measured> {
    std::fs::write(script, lua(requests))?;
    let (connections, span) = (load.connections.to_string(), load.span.as_secs().max(1));
    let arguments = [
        "--threads".into(),
        "1".into(),
        "--timeout".into(),
        "60s".into(),
        "--connections".into(),
        connections.into(),
        "--duration".into(),
        format!("{span}s").into(),
        "--script".into(),
        script.into(),
        format!("http://{address}/").into(),
    ];
    let text = printed(Path::new("wrk"), &arguments, &script.with_extension("log")).await?;
    let line = text.lines().find_map(|line| line.strip_prefix("RESULT "));
    let line: Line = serde_json::from_str(line.with_context(|| format!("wrk says {text}"))?)?;
    Ok(Measured {
        requests: line.requests,
        rate: line.requests as f64 / (line.micros as f64 / 1e6),
        p50: line.p50 / 1e3,
        p99: line.p99 / 1e3,
        p999: line.p999 / 1e3,
        failures: line.failures,
    })
}

fn lua(requests: &Requests) -> String {
    let mut text = String::new();
    match requests {
        Requests::Same(call) => {
            let _ = writeln!(text, "wrk.method = {}\nwrk.path = {}", quoted(call.method), quoted(&call.path));
            for (name, value) in &call.headers {
                let _ = writeln!(text, "wrk.headers[{}] = {}", quoted(name), quoted(value));
            }
            if let Some(body) = &call.body {
                let _ = writeln!(text, "wrk.body = {}", quoted(body));
            }
        }
        Requests::Cycle(calls) => {
            write_calls(&mut text, calls, |body| body.map_or("nil".into(), quoted));
            text.push_str(CYCLE);
        }
        Requests::Growing { calls, first } => {
            write_calls(&mut text, calls, |body| {
                // Odd ones are texts, even ones name what stands between them.
                let pieces = body.unwrap_or_default().split(['<', '>']).map(quoted);
                format!("{{{}}}", pieces.collect::<Vec<_>>().join(","))
            });
            let _ = writeln!(text, "local next_number = {first}");
            text.push_str(GROWING);
        }
    }
    text.push_str(DONE);
    text
}

fn write_calls(text: &mut String, calls: &[Call], body: impl Fn(Option<&str>) -> String) {
    text.push_str("local calls = {\n");
    for call in calls {
        let headers =
            call.headers.iter().map(|(name, value)| format!("[{}]={}", quoted(name), quoted(value)));
        let headers = headers.collect::<Vec<_>>().join(",");
        let (method, path) = (quoted(call.method), quoted(&call.path));
        let _ = writeln!(text, "{{{method},{path},{{{headers}}},{}}},", body(call.body.as_deref()));
    }
    text.push_str("}\n");
}

/// A Lua text.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => quoted.extend(['\\', char::from(byte)]),
            b' '..=b'~' => quoted.push(char::from(byte)),
            other => {
                let _ = write!(quoted, "\\{other:03}");
            }
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_quoted_as_lua_reads_them() {
        assert_eq!(quoted("a\"b\\c\nd"), r#""a\"b\\c\010d""#);
    }

    #[test]
    fn what_grows_is_split_at_its_marks() {
        let mut call = Call::new("POST", "/p").header("x-a", "b");
        call.body = Some(r#"{"id":"<id>"}"#.into());
        let text = lua(&Requests::Growing { calls: vec![call], first: 7 });
        assert!(text.contains(r#"{"POST","/p",{["x-a"]="b"},{"{\"id\":\"","id","\"}"}},"#), "{text}");
        assert!(text.contains("local next_number = 7\n"), "{text}");
    }
}
