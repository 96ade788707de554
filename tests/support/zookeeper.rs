//! Real ZooKeeper servers: one or three Java processes on loopback, with every fault that a test wants.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::Signal;
use tokio::sync::OnceCell;

use super::eventually::{ensure, eventually};
use super::ports::free_port;
use super::process::Process;
use super::scratch::Scratch;
use super::znodes::Znodes;

pub use super::four_letters::four_letters;

/// The jars that a server of Debian's package needs: no admin server, no client shell.
const DEBIAN_JARS: [&str; 15] = [
    "zookeeper",
    "zookeeper-jute",
    "slf4j-api",
    "slf4j-simple",
    "netty-buffer",
    "netty-codec",
    "netty-common",
    "netty-handler",
    "netty-resolver",
    "netty-transport",
    "netty-transport-native-epoll",
    "netty-transport-native-unix-common",
    "metrics-core",
    "snappy-java",
    "commons-cli",
];

/// How long a server may take to start, or an ensemble to elect a leader.
const START: Duration = Duration::from_secs(60);

/// How an ensemble is to run.
#[derive(Clone)]
pub struct Options {
    /// 1 or 3.
    pub servers: usize,
    /// Length of a tick. Sessions last two of them to a minute, unless `lines` say something else.
    pub tick: Duration,
    /// Class path of the server; by default what the machine has.
    pub class_path: Option<OsString>,
    /// Lines to add to every server's configuration.
    pub lines: Vec<String>,
    /// Where the servers keep their files; they stay when the ensemble ends. By default a place that goes with it.
    pub directory: Option<PathBuf>,
}

/// One fast server.
impl Default for Options {
    fn default() -> Self {
        Self {
            servers: 1,
            tick: Duration::from_millis(250),
            class_path: None,
            lines: Vec::new(),
            directory: None,
        }
    }
}

/// A running ensemble. Dropping it ends it.
pub struct ZooKeeper {
    servers: Vec<Server>,
    class_path: OsString,
    options: Options,
    /// Removed last, after the processes.
    _scratch: Option<Scratch>,
}

struct Server {
    port: u16,
    /// Where the other servers reach it: for the quorum and for elections.
    peer: (u16, u16),
    directory: PathBuf,
    /// What its command line begins with, before `java`.
    prefix: Vec<OsString>,
    process: Option<Process>,
    /// Remove the directory when the test process ends (the shared server is never dropped).
    guarded: bool,
}

impl ZooKeeper {
    /// Starts the server that a whole test binary shares; it, and its directory, is gone when the binary ends. With
    /// `ZOOGATE_TEST_ZOOKEEPER_SERVERS=3` it is an ensemble.
    async fn start_shared() -> Self {
        let servers = std::env::var("ZOOGATE_TEST_ZOOKEEPER_SERVERS").map_or(1, |text| text.parse().unwrap());
        let name = format!("zookeeper-shared-{}", std::process::id());
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let mut ensemble = Self::prepare(&Options { servers, ..Options::default() }, &directory, true);
        ensemble.start_all().await;
        ensemble
    }

    /// Starts one server with the defaults.
    pub async fn single() -> Self {
        Self::start(Options::default()).await
    }

    /// Starts three servers with the defaults.
    pub async fn ensemble() -> Self {
        Self::start(Options { servers: 3, ..Options::default() }).await
    }

    /// Starts an ensemble and waits until it serves.
    pub async fn start(options: Options) -> Self {
        let mut ensemble = Self::prepared(&options);
        ensemble.start_all().await;
        ensemble
    }

    /// An ensemble whose servers have all their files, and none of which runs.
    pub fn prepared(options: &Options) -> Self {
        if let Some(directory) = &options.directory {
            return Self::prepare(options, directory, false);
        }
        let scratch = Scratch::new("zookeeper");
        let mut ensemble = Self::prepare(options, scratch.path(), false);
        ensemble._scratch = Some(scratch);
        ensemble
    }

    fn prepare(options: &Options, base: &Path, guarded: bool) -> Self {
        let servers = (1..=options.servers)
            .map(|id| {
                // A guarded one is removed by the guard of its own process.
                let directory = if guarded {
                    PathBuf::from(format!("{}-{id}", base.display()))
                } else {
                    base.join(id.to_string())
                };
                std::fs::create_dir_all(directory.join("data")).unwrap();
                std::fs::write(directory.join("data/myid"), id.to_string()).unwrap();
                let (port, peer) = (free_port(), (free_port(), free_port()));
                Server { port, peer, directory, prefix: Vec::new(), process: None, guarded }
            })
            .collect();
        let class_path = options.class_path.clone().unwrap_or_else(class_path);
        let ensemble = Self { servers, class_path, options: options.clone(), _scratch: None };
        let peers: Vec<_> = ensemble.servers.iter().map(|server| server.peer).collect();
        (0..options.servers).for_each(|index| ensemble.configure(index, &peers));
        ensemble
    }

    /// Writes the configuration of server `index`, who is to reach the others at the ports `peers`; its own must stand
    /// among them. It counts from its next start.
    pub fn configure(&self, index: usize, peers: &[(u16, u16)]) {
        let Server { port, directory, .. } = &self.servers[index];
        let peers: String = match peers {
            [_] => String::new(),
            several => (1..)
                .zip(several)
                .map(|(id, (quorum, election))| format!("server.{id}=127.0.0.1:{quorum}:{election}\n"))
                .collect(),
        };
        let configuration = format!(
            "tickTime={}\ninitLimit=40\nsyncLimit=20\ndataDir={}\nclientPort={port}\n\
             maxSessionTimeout=60000\nclientPortAddress=127.0.0.1\nmaxClientCnxns=0\nforceSync=no\n4lw.commands.whitelist=*\n\
             admin.enableServer=false\n{}\n{peers}",
            self.options.tick.as_millis(),
            directory.join("data").display(),
            self.options.lines.join("\n"),
        );
        std::fs::write(directory.join("zoo.cfg"), configuration).unwrap();
    }

    /// Where the other servers reach server `index`: for the quorum, and for elections.
    pub fn peer_ports(&self, index: usize) -> (u16, u16) {
        self.servers[index].peer
    }

    /// Where server `index` keeps what it has been told.
    pub fn data_directory(&self, index: usize) -> PathBuf {
        self.servers[index].directory.join("data")
    }

    /// Puts something before the command line of server `index`, from its next start.
    pub fn run_under(&mut self, index: usize, prefix: Vec<OsString>) {
        self.servers[index].prefix = prefix;
    }

    /// How many servers there are.
    pub fn count(&self) -> usize {
        self.servers.len()
    }

    /// Starts every server and waits until all serve.
    pub async fn start_all(&mut self) {
        for index in 0..self.servers.len() {
            self.launch(index);
        }
        for index in 0..self.servers.len() {
            self.ready(index).await;
        }
    }

    /// Starts server `index` again, with the data and the port that it had, and waits until it serves.
    pub async fn restart(&mut self, index: usize) {
        self.launch(index);
        self.ready(index).await;
    }

    /// Starts the servers `indexes` again, all at once: a quorum needs more than the first of them.
    pub async fn restart_all(&mut self, indexes: &[usize]) {
        for &index in indexes {
            self.launch(index);
        }
        for &index in indexes {
            self.ready(index).await;
        }
    }

    /// Starts server `index` again and does not wait for it.
    pub fn launch(&mut self, index: usize) {
        let server = &mut self.servers[index];
        assert!(server.process.is_none(), "server {index} runs already");
        let mut command = server.prefix.clone();
        command.extend([
            "java".into(),
            "-Xmx512m".into(),
            "-XX:+UseSerialGC".into(),
            "-XX:TieredStopAtLevel=1".into(),
            "-Dzookeeper.forceSync=no".into(),
            "-cp".into(),
            self.class_path.clone(),
            "org.apache.zookeeper.server.quorum.QuorumPeerMain".into(),
            server.directory.join("zoo.cfg").into(),
        ]);
        let log = server.directory.join("server.log");
        let remove = server.guarded.then_some(server.directory.as_path());
        server.process = Some(Process::spawn_guarded(&command[0], &command[1..], &log, remove));
    }

    /// Waits until server `index` serves.
    pub async fn ready(&mut self, index: usize) {
        let server = &mut self.servers[index];
        let port = server.port;
        let process = server.process.as_mut().unwrap();
        eventually("a ZooKeeper server serves", START, async || {
            if let Some(code) = process.exit_code() {
                panic!("ZooKeeper ended with code {code}:\n{}", process.output());
            }
            let answer = four_letters(port, "srvr").await?;
            ensure(answer.contains("Mode: "), || format!("it says {answer:?}"))
        })
        .await;
    }

    /// Kills server `index` as a power cut would.
    pub fn kill(&mut self, index: usize) {
        self.servers[index].process = None;
    }

    /// Kills every server.
    pub fn kill_all(&mut self) {
        (0..self.servers.len()).for_each(|index| self.kill(index));
    }

    /// Whether server `index` was started and has neither been killed nor ended by itself.
    pub fn runs(&mut self, index: usize) -> bool {
        self.servers[index].process.as_mut().is_some_and(|process| process.exit_code().is_none())
    }

    /// Sends server `index` a signal; [`ZooKeeper::kill`] must follow one that ends it.
    pub fn signal(&self, index: usize, signal: Signal) {
        self.running(index).signal(signal);
    }

    /// Everything that server `index` has printed.
    pub fn output(&self, index: usize) -> String {
        std::fs::read_to_string(self.servers[index].directory.join("server.log")).unwrap_or_default()
    }

    /// `leader`, `follower` or `standalone`; `None` when server `index` does not serve.
    pub async fn role(&self, index: usize) -> Option<String> {
        let answer = four_letters(self.servers[index].port, "srvr").await.ok()?;
        let role = answer.lines().find_map(|line| line.strip_prefix("Mode: "))?;
        Some(role.to_owned())
    }

    /// Pauses server `index`: it stays reachable and does not answer.
    pub fn pause(&self, index: usize) {
        self.running(index).signal(Signal::STOP);
    }

    /// Lets a paused server go on.
    pub fn go_on(&self, index: usize) {
        self.running(index).signal(Signal::CONT);
    }

    fn running(&self, index: usize) -> &Process {
        self.servers[index].process.as_ref().unwrap_or_else(|| panic!("server {index} does not run"))
    }

    /// The index of the server that leads now.
    pub async fn leader(&self) -> usize {
        eventually("a leader is elected", START, async || {
            for (index, server) in self.servers.iter().enumerate() {
                let answer = four_letters(server.port, "srvr").await.unwrap_or_default();
                if answer.contains("Mode: leader") || answer.contains("Mode: standalone") {
                    return Ok(index);
                }
            }
            Err("no server leads".to_owned())
        })
        .await
    }

    /// `host:port` of every server, with commas.
    pub fn connect_string(&self) -> String {
        let addresses: Vec<_> =
            self.servers.iter().map(|server| format!("127.0.0.1:{}", server.port)).collect();
        addresses.join(",")
    }

    /// The client port of server `index`.
    pub fn port_of(&self, index: usize) -> u16 {
        self.servers[index].port
    }

    /// The client port of the only, or first, server.
    pub fn port(&self) -> u16 {
        self.servers[0].port
    }

    /// A part of the tree that nobody else uses: the connect string with a new, existing, random chroot.
    pub async fn chroot(&self) -> String {
        let path = format!("/test-{}", uuid::Uuid::new_v4().simple());
        Znodes::connect(&self.connect_string()).await.create_all(&path).await;
        format!("{}{path}", self.connect_string())
    }
}

/// A place of its own in the one server that all tests of this binary share: for tests that do it no harm.
pub async fn shared() -> String {
    static SHARED: OnceCell<ZooKeeper> = OnceCell::const_new();
    SHARED.get_or_init(ZooKeeper::start_shared).await.chroot().await
}

/// Where this machine has ZooKeeper: `ZOOGATE_TEST_ZOOKEEPER_CLASSPATH`, else the binary distribution in
/// `ZOOKEEPER_HOME`, else Debian's package.
fn class_path() -> OsString {
    if let Some(given) = std::env::var_os("ZOOGATE_TEST_ZOOKEEPER_CLASSPATH") {
        return given;
    }
    if let Some(home) = std::env::var_os("ZOOKEEPER_HOME") {
        let home = Path::new(&home);
        return join(&[home.join("lib/*"), home.join("*")]);
    }
    let jars = DEBIAN_JARS.map(|name| PathBuf::from(format!("/usr/share/java/{name}.jar")));
    assert!(
        jars[0].exists(),
        "no ZooKeeper found: install Debian's package zookeeper, or set ZOOKEEPER_HOME to an unpacked \
         distribution, or ZOOGATE_TEST_ZOOKEEPER_CLASSPATH"
    );
    join(&jars)
}

/// A Java class path.
pub fn join(entries: &[PathBuf]) -> OsString {
    let mut path = OsString::new();
    for (index, entry) in entries.iter().enumerate() {
        if index > 0 {
            path.push(":");
        }
        path.push(entry);
    }
    path
}
