//! The real gateway binary as a child process, as an operator would run it.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use reqwest::Method;
use rustix::process::{Pid, Signal};
use serde_json::Value;

use super::client::{Answer, Request};
use super::eventually::{ensure, eventually, scaled};
use super::ports::free_port;
use super::process::Process;
use super::scratch::Scratch;

/// The binary under test.
const BINARY: &str = env!("CARGO_BIN_EXE_zoogate");

/// Length of a session whose end a test waits for. A busy machine may lose it now and then while it should last.
pub const SHORT_SESSION: Duration = Duration::from_secs(4);

/// How long a gateway may take to start and be ready.
const START: Duration = Duration::from_secs(20);

/// How long a gateway may take to end after SIGTERM.
const STOP: Duration = Duration::from_secs(15);

/// How a gateway is to run.
#[derive(Clone)]
pub struct Options {
    /// Where its ZooKeeper is; may end in a chroot.
    pub connect: String,
    /// Length of its ZooKeeper session.
    pub session: Duration,
    /// How long a sidecar may be silent.
    pub time_to_live: Duration,
    /// Lines of configuration to add: section, key and value in TOML.
    pub extra: Vec<(String, String, String)>,
    /// Listen on ports that the system chooses. Such a gateway cannot be restarted on the same ports.
    pub any_port: bool,
    /// Where its files are; they stay, with the log of every start. By default a place that goes with it.
    pub directory: Option<PathBuf>,
    /// What its command line begins with, before the binary.
    pub prefix: Vec<OsString>,
}

impl Options {
    /// A gateway with short times in front of `connect`. Only its session is long enough to last on a machine that has
    /// other things to do for seconds.
    pub fn new(connect: &str) -> Self {
        Self {
            connect: connect.into(),
            session: Duration::from_secs(15),
            time_to_live: Duration::from_secs(15),
            extra: Vec::new(),
            any_port: false,
            directory: None,
            prefix: Vec::new(),
        }
    }

    /// Sets the time that a sidecar may be silent.
    pub fn time_to_live(mut self, span: Duration) -> Self {
        self.time_to_live = span;
        self
    }

    /// Sets the length of its ZooKeeper session.
    pub fn session(mut self, span: Duration) -> Self {
        self.session = span;
        self
    }

    /// Adds a setting; `value` is TOML.
    pub fn set(mut self, section: &str, key: &str, value: &str) -> Self {
        self.extra.push((section.into(), key.into(), value.into()));
        self
    }

    /// Starts it under this limit of open files.
    pub fn open_files(mut self, limit: u64) -> Self {
        let script = format!("ulimit -n {limit} && exec \"$0\" \"$@\"");
        self.prefix.extend(["sh".into(), "-c".into(), script.into()]);
        self
    }

    /// Lets the system choose the ports.
    pub fn any_port(mut self) -> Self {
        self.any_port = true;
        self
    }

    /// Starts the gateway and waits until it is ready.
    pub async fn start(self) -> Gateway {
        let mut gateway = self.launch().await;
        gateway.ready().await;
        gateway
    }

    /// Starts the gateway and waits only until it listens.
    pub async fn launch(self) -> Gateway {
        let mut gateway = self.prepared();
        gateway.spawn().await;
        gateway
    }

    /// A gateway that has all its files and does not run. Unless the system chooses its ports, their numbers are known.
    pub fn prepared(self) -> Gateway {
        let scratch = self.directory.is_none().then(|| Scratch::new("gateway"));
        let directory =
            scratch.as_ref().map(Scratch::path).or(self.directory.as_deref()).unwrap_or(Path::new(""));
        std::fs::create_dir_all(directory).unwrap();
        let port = || if self.any_port { 0 } else { free_port() };
        let (http, ops) = (port(), port());
        let config = directory.join("zoogate.toml");
        std::fs::write(&config, self.render(http, ops)).unwrap();
        let log = directory.join("gateway.log");
        let here = |port| SocketAddr::from(([127, 0, 0, 1], port));
        Gateway {
            http: here(http),
            ops: here(ops),
            config,
            log,
            prefix: self.prefix,
            process: None,
            starts: 0,
            scratch,
        }
    }

    /// The connect string, and the roots of a gateway that is to keep away from chroots: then a place of its own in
    /// ZooKeeper is one that its roots stand in.
    fn place(&self) -> (&str, Vec<(&'static str, &'static str, String)>) {
        let everywhere = (self.connect.as_str(), Vec::new());
        let Some(start) = self.connect.find('/') else { return everywhere };
        let (servers, chroot) = self.connect.split_at(start);
        // Other chroots are what a test is about.
        let is_place = chroot.starts_with("/test-") && chroot.rfind('/') == Some(0);
        if !is_place || std::env::var_os("ZOOGATE_TEST_NO_CHROOT").is_none() {
            return everywhere;
        }
        let root = |section, key, name: &str| (section, key, format!("{chroot}/{name}"));
        let roots = [
            ("dubbo", "root", "dubbo"),
            ("dubbo", "services_root", "services"),
            ("registry", "root", "zoogate"),
        ];
        (servers, roots.map(|(section, key, name)| root(section, key, name)).to_vec())
    }

    /// The configuration file.
    fn render(&self, http: u16, ops: u16) -> String {
        let quoted = |text: &str| Value::from(text).to_string();
        let span = |span: Duration| quoted(&format!("{}ms", span.as_millis()));
        let (connect, roots) = self.place();
        let mut settings = vec![
            ("http", "listen", format!("[\"127.0.0.1:{http}\"]")),
            ("ops", "listen", format!("\"127.0.0.1:{ops}\"")),
            ("zookeeper", "connect", quoted(connect)),
            ("zookeeper", "session_timeout", span(self.session)),
            ("zookeeper", "operation_timeout", span(self.session)),
            ("mosn", "ttl", span(self.time_to_live)),
        ];
        settings.extend(roots.iter().map(|(section, key, root)| (*section, *key, quoted(root))));
        for (section, key, value) in &self.extra {
            settings.retain(|(old_section, old_key, _)| {
                (old_section, old_key) != (&section.as_str(), &key.as_str())
            });
            // A root that a test chooses stands in its place as well.
            let place =
                roots.iter().find(|(own_section, own_key, _)| own_section == section && own_key == key);
            let place = place.and_then(|(_, _, root)| Some(&root[..root.rfind('/')?])).unwrap_or_default();
            let value = match value.strip_prefix("\"/") {
                Some(root) => format!("\"{place}/{root}"),
                None => value.clone(),
            };
            settings.push((section, key, value));
        }
        // One heading for each section: TOML knows no second one of the same name.
        settings.sort_by_key(|(section, _, _)| *section);
        let mut text = String::new();
        let mut current = "";
        for (section, key, value) in settings {
            if section != current {
                text.push_str(&format!("[{section}]\n"));
                current = section;
            }
            text.push_str(&format!("{key} = {value}\n"));
        }
        text
    }
}

/// A running (or killed) gateway. Dropping it kills it.
pub struct Gateway {
    /// Where it serves both dialects.
    pub http: SocketAddr,
    /// Where it serves health and metrics.
    pub ops: SocketAddr,
    config: PathBuf,
    log: PathBuf,
    prefix: Vec<OsString>,
    process: Option<Process>,
    starts: usize,
    /// Removed last, after the process.
    scratch: Option<Scratch>,
}

impl Gateway {
    /// Starts the process and waits until it listens.
    pub async fn spawn(&mut self) {
        if self.scratch.is_none() {
            // Logs are kept: that of the first start as gateway.1.log and so on, that of the last as gateway.log.
            let _ = std::fs::rename(&self.log, self.log.with_extension(format!("{}.log", self.starts)));
        }
        self.starts += 1;
        let _ = std::fs::remove_file(&self.log);
        let mut command = self.prefix.clone();
        command.extend([BINARY.into(), "serve".into(), "--config".into(), self.config.clone().into()]);
        let process = self.process.insert(Process::spawn(&command[0], &command[1..], &self.log));
        let (http, ops) = eventually("the gateway listens", START, async || {
            if let Some(code) = process.exit_code() {
                panic!("the gateway ended with code {code}:\n{}", process.output());
            }
            let output = process.output();
            let address = |purpose: &str| {
                bound_address(&output, purpose)
                    .ok_or_else(|| format!("no address for {purpose} in:\n{output}"))
            };
            Ok::<_, String>((address("http")?, address("ops")?))
        })
        .await;
        (self.http, self.ops) = (http, ops);
    }

    /// Waits until `/readyz` answers 200.
    pub async fn ready(&mut self) {
        let ops = self.ops;
        let process = self.process.as_mut().unwrap();
        eventually("the gateway is ready", START, async || {
            if let Some(code) = process.exit_code() {
                panic!("the gateway ended with code {code}:\n{}", process.output());
            }
            let answer = Request::new(Method::GET, ops, "/readyz").try_send().await;
            let answer = answer.map_err(|error| error.to_string())?;
            ensure(answer.status == 200, || answer.body)
        })
        .await;
    }

    /// Kills it as a power cut would.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Whether it was started and has neither been killed nor ended by itself.
    pub fn runs(&mut self) -> bool {
        self.ended().is_none() && self.process.is_some()
    }

    /// Its exit code, once it has ended.
    pub fn ended(&mut self) -> Option<i32> {
        self.process.as_mut().and_then(Process::exit_code)
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        self.running().signal(signal);
    }

    /// The id of its process.
    pub fn process_id(&self) -> Pid {
        self.running().id()
    }

    /// Pauses it: it stays reachable and does not answer.
    pub fn pause(&self) {
        self.running().signal(Signal::STOP);
    }

    /// Lowers the limit of open files of the running process.
    pub fn limit_open_files(&self, limit: u64) {
        self.running().limit_open_files(limit);
    }

    /// Lets a paused gateway go on.
    pub fn go_on(&self) {
        self.running().signal(Signal::CONT);
    }

    /// Asks it to end (SIGTERM), and returns its exit code and everything that it printed.
    pub fn terminate(&mut self) -> (i32, String) {
        let mut process = self.process.take().unwrap();
        process.signal(Signal::TERM);
        let code = process.wait(STOP);
        (code, process.output())
    }

    /// Waits until it has ended, for at most `patience` (scaled), and answers its exit code.
    pub async fn ends(&mut self, patience: Duration) -> Option<i32> {
        let deadline = Instant::now() + scaled(patience);
        loop {
            let code = self.ended();
            if code.is_some() || Instant::now() > deadline {
                return code;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Starts it again after it ended, on the same ports, and waits until it is ready.
    pub async fn restart(&mut self) {
        assert!(self.process.is_none(), "the gateway runs already");
        let before = (self.http, self.ops);
        self.spawn().await;
        assert_eq!(before, (self.http, self.ops), "restarted on other ports");
        self.ready().await;
    }

    /// Time of processors that it has used since it was started last.
    pub fn cpu_time(&self) -> Duration {
        self.running().cpu_time()
    }

    /// Everything that it printed since it was started last.
    pub fn output(&self) -> String {
        self.running().output()
    }

    fn running(&self) -> &Process {
        self.process.as_ref().unwrap_or_else(|| panic!("the gateway does not run"))
    }

    /// A request to either dialect.
    pub fn request(&self, method: Method, path: &str) -> Request {
        Request::new(method, self.http, path)
    }

    /// A request to health, metrics or console.
    pub fn ops(&self, path: &str) -> Request {
        Request::new(Method::GET, self.ops, path)
    }

    /// Syncs a snapshot for `registrant`.
    pub async fn sync(&self, registrant: &str, snapshot: &Value) -> Answer {
        sync_request(self.http, registrant, snapshot).send().await
    }

    /// Like [`Gateway::sync`], of what must succeed; returns its version.
    #[track_caller]
    pub fn synced(&self, registrant: &str, snapshot: &Value) -> impl Future<Output = u64> {
        let request = sync_request(self.http, registrant, snapshot);
        async move { accepted(&request.send().await) }
    }

    /// GET of a v4 path below `/v4/default/registry`.
    pub async fn get(&self, path: &str) -> Answer {
        self.request(Method::GET, &registry_path(path)).send().await
    }

    /// POST of a v4 path below `/v4/default/registry`.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.request(Method::POST, &registry_path(path)).json(body).send().await
    }

    /// PUT without body of a v4 path below `/v4/default/registry`.
    pub async fn put(&self, path: &str) -> Answer {
        self.request(Method::PUT, &registry_path(path)).send().await
    }

    /// DELETE of a v4 path below `/v4/default/registry`.
    pub async fn delete(&self, path: &str) -> Answer {
        self.request(Method::DELETE, &registry_path(path)).send().await
    }
}

/// A v4 path of the tenant that applications without one belong to.
pub fn registry_path(path: &str) -> String {
    format!("/v4/default/registry{path}")
}

/// The sync of a snapshot for `registrant`.
pub fn sync_request(address: SocketAddr, registrant: &str, snapshot: &Value) -> Request {
    Request::new(Method::POST, address, "/registry/info/sync")
        .header("x-registrant-id", registrant)
        .json(snapshot)
}

/// The version of a sync that succeeded.
#[track_caller]
pub fn accepted(answer: &Answer) -> u64 {
    let body = answer.json();
    assert_eq!(body["code"], 0, "{answer:?}");
    body["service_list"]["version"].as_u64().unwrap_or_else(|| panic!("no version in {answer:?}"))
}

/// Runs the binary to its end with `arguments`.
pub fn run(arguments: &[&str]) -> Output {
    Command::new(BINARY).args(arguments).output().unwrap()
}

/// Runs `check-config` on a file with this text.
pub fn check_config(text: &str) -> Output {
    let scratch = Scratch::new("config");
    let file = scratch.path().join("zoogate.toml");
    std::fs::write(&file, text).unwrap();
    run(&["check-config", "--config", path_text(&file)])
}

fn path_text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The address in the last log line that ends in `listening on <address> for <purpose>`.
fn bound_address(output: &str, purpose: &str) -> Option<SocketAddr> {
    let ending = format!(" for {purpose}");
    let mut addresses = output.lines().filter_map(|line| {
        let (_, rest) = line.trim_end().split_once("listening on ")?;
        rest.strip_suffix(&ending)?.parse().ok()
    });
    addresses.next_back()
}
