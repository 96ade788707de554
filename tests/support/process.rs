//! Child processes that never outlive the tests.
//!
//! Each runs under a small shell that holds one end of a pipe. When the test process ends, in whatever way (also
//! by `kill -9`, and for servers in a `static`, which are never dropped), the pipe closes and the shell kills its
//! child. Nothing is ever ended by name: only by the id of what was started here.

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};

use super::eventually::scaled;

/// Starts the child, tells its id, kills it when standard input ends, and exits with its code. With a directory
/// in `$2`, removes it once the child was killed, unless it holds a file `keep`.
const GUARD: &str = r#"
log=$1; remove=$2; shift 2
trap '' INT
exec 3<&0
"$@" </dev/null >>"$log" 2>&1 3<&- &
child=$!
echo "$child"
exec >/dev/null
{ read -r _ <&3; kill -9 "$child"; } 2>/dev/null &
guard=$!
exec 3<&-
wait "$child"
code=$?
kill "$guard" 2>/dev/null
if [ "$code" = 137 ] && [ -n "$remove" ] && [ ! -e "$remove/keep" ]; then
  rm -rf -- "$remove"
fi
exit "$code"
"#;

/// A running child process, whose output goes to a log file. Dropping it kills it.
pub struct Process {
    shell: Child,
    pid: Pid,
    log: PathBuf,
    /// Only held: its closing is what tells the shell to end the child.
    _lifeline: Option<ChildStdin>,
}

impl Process {
    /// Starts `program` with `arguments`, appending what it prints to `log`.
    pub fn spawn(program: impl Into<OsString>, arguments: &[OsString], log: &Path) -> Self {
        Self::spawn_guarded(program, arguments, log, None)
    }

    /// Like [`Process::spawn`], for a process that lives as long as the test process: `remove` is the directory
    /// that is to be removed after it.
    pub fn spawn_guarded(
        program: impl Into<OsString>,
        arguments: &[OsString],
        log: &Path,
        remove: Option<&Path>,
    ) -> Self {
        // There from the beginning, so that it can be read at any time.
        File::options().create(true).append(true).open(log).unwrap();
        let mut shell = Command::new("/bin/sh")
            .args(["-c", GUARD, "guard"])
            .arg(log)
            .arg(remove.unwrap_or(Path::new("")))
            .arg(program.into())
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lifeline = shell.stdin.take();
        let mut line = String::new();
        BufReader::new(shell.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let pid = line.trim().parse().ok().and_then(Pid::from_raw);
        let pid = pid.unwrap_or_else(|| panic!("the guard told no process id but {line:?}"));
        Self { shell, pid, log: log.to_owned(), _lifeline: lifeline }
    }

    /// Time of processors that it has used.
    pub fn cpu_time(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid.as_raw_nonzero())).unwrap();
        // After the name, which may hold anything: user and system time are the 14th and 15th field, in hundredths.
        let (_, fields) = stat.rsplit_once(')').unwrap();
        let ticks = fields.split_whitespace().skip(11).take(2).map(|field| field.parse::<u64>().unwrap());
        Duration::from_millis(10 * ticks.sum::<u64>())
    }

    /// Lowers the limit of open files of the child.
    pub fn limit_open_files(&self, limit: u64) {
        let limit = Rlimit { current: Some(limit), maximum: Some(limit) };
        prlimit(Some(self.pid), Resource::Nofile, limit).unwrap();
    }

    /// The id of the child.
    pub fn id(&self) -> Pid {
        self.pid
    }

    /// Sends a signal to the child; a child that has ended is no error.
    pub fn signal(&self, signal: Signal) {
        let _ = kill_process(self.pid, signal);
    }

    /// Kills the child at once and waits until it is gone.
    pub fn kill(&mut self) {
        if self.exit_code().is_none() {
            self.signal(Signal::KILL);
            let _ = self.shell.wait();
        }
    }

    /// The exit code, once the child has ended: 128 and the number of the signal, if one ended it.
    pub fn exit_code(&mut self) -> Option<i32> {
        self.shell.try_wait().unwrap().map(|status| status.code().unwrap_or(-1))
    }

    /// Waits for the end of the child, for at most `patience`, and returns its exit code.
    pub fn wait(&mut self, patience: Duration) -> i32 {
        let deadline = Instant::now() + scaled(patience);
        loop {
            if let Some(code) = self.exit_code() {
                return code;
            }
            assert!(Instant::now() < deadline, "process {:?} did not end within {patience:?}", self.pid);
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Everything that it has printed so far.
    pub fn output(&self) -> String {
        let mut bytes = Vec::new();
        File::open(&self.log).unwrap().read_to_end(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
