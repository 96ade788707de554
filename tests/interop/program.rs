//! Programs of other languages that `scripts/interop` has built, and the gateways that they are run against.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::eventually::{ensure, eventually};
use crate::support::gateway::{Gateway, Options};
use crate::support::process::Process;
use crate::support::scratch::Scratch;
use crate::support::znodes::Znodes;
use crate::support::zookeeper;

/// Time for ZooKeeper to end the session of a gateway that was killed.
const SESSION: Duration = Duration::from_secs(60);

/// Where `scripts/interop` has put what it built of this program.
pub fn built(name: &str) -> PathBuf {
    let all = std::env::var("ZOOGATE_TEST_INTEROP").expect("run this through scripts/interop");
    Path::new(&all).join(name)
}

/// Two gateways in front of a ZooKeeper tree of their own.
pub async fn two_gateways() -> (Gateway, Gateway) {
    let connect = zookeeper::shared().await;
    let first = Options::new(&connect).start().await;
    let second = Options::new(&connect).start().await;
    (first, second)
}

/// Kills the only gateway of a ZooKeeper tree, and waits until its session has ended too.
pub async fn kill_with_session(gateway: &mut Gateway, connect: &str) {
    let znodes = Znodes::connect(connect).await;
    gateway.kill();
    eventually("the session of the gateway has ended", SESSION, async || {
        let replicas = znodes.children("/zoogate/replicas").await;
        ensure(replicas.is_empty(), || format!("{replicas:?}"))
    })
    .await;
}

/// The gateways as clients are told of them.
pub fn addresses(gateways: &[&Gateway]) -> Vec<String> {
    gateways.iter().map(|gateway| format!("http://{}", gateway.http)).collect()
}

/// A running program. Dropping it kills it.
pub struct Program {
    process: Process,
    _scratch: Scratch,
}

impl Program {
    /// Starts it, in a folder of its own, which it also takes for its home.
    pub fn start(program: &Path, arguments: &[OsString]) -> Self {
        Self::start_in(Scratch::new("program"), program, arguments)
    }

    /// Starts it with a folder that it may have been told of, and that goes with it.
    pub fn start_in(scratch: Scratch, program: &Path, arguments: &[OsString]) -> Self {
        let folder = scratch.path();
        let mut home = OsString::from("HOME=");
        home.push(folder);
        let mut command = vec!["-C".into(), folder.into(), home, program.into()];
        command.extend_from_slice(arguments);
        let process = Process::spawn("env", &command, &folder.join("program.log"));
        Self { process, _scratch: scratch }
    }

    /// Everything that it has printed so far.
    pub fn output(&self) -> String {
        self.process.output()
    }

    /// Panics with its output if it has ended.
    pub fn still_runs(&mut self) {
        if let Some(code) = self.process.exit_code() {
            panic!("the program ended with code {code}:\n{}", self.output());
        }
    }

    /// Waits until it has printed a line with `text` in it, and returns that line.
    pub async fn says(&mut self, text: &str, patience: Duration) -> String {
        eventually(&format!("the program says {text:?}"), patience, async || {
            self.still_runs();
            let output = self.output();
            output.lines().find(|line| line.contains(text)).map(str::to_owned).ok_or(output)
        })
        .await
    }

    /// Waits until it has said nothing new but `line`, of the lines that begin with `> `, for as long as `span`.
    pub async fn says_only(&mut self, line: &str, span: Duration, patience: Duration) {
        let mut before = String::new();
        let mut since = Instant::now();
        eventually(&format!("the program says {line:?} only"), patience, async || {
            self.still_runs();
            let output = self.output();
            if output != before {
                (before, since) = (output, Instant::now());
            }
            let last = before.lines().rfind(|said| said.starts_with("> "));
            ensure(last == Some(line) && since.elapsed() > span, || before.clone())
        })
        .await;
    }

    /// Asks it to end, as who stops a service does, and waits until it has ended.
    pub async fn stop(mut self, patience: Duration) {
        self.process.signal(Signal::TERM);
        eventually("the program ends", patience, async || {
            self.process.exit_code().ok_or_else(|| self.output())
        })
        .await;
    }

    /// Waits until it ends well.
    pub async fn succeeds(mut self, patience: Duration) {
        let code = eventually("the program ends", patience, async || {
            self.process.exit_code().ok_or_else(|| self.output())
        })
        .await;
        assert_eq!(0, code, "the program failed:\n{}", self.output());
    }
}
