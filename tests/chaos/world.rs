//! What a run happens in: an ensemble of ZooKeeper servers, gateways, and the wires between them, all of its own.
//!
//! Every process dies with this program, however it ends (see `support::process`), and nothing stays but logs, in the
//! directory of the run.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, setrlimit};

use crate::disks::Disk;
use crate::faults::Trouble;
use crate::peers::PeerWires;
use crate::proxy::{Flow, Traps, Wire};
use crate::support::eventually::{ensure, eventually};
use crate::support::gateway::{Gateway, Options};
use crate::support::znodes::Znodes;
use crate::support::zookeeper::{self, ZooKeeper};
use crate::wire_format;

/// Length of a gateway's session, and of a tick of the servers.
pub const SESSION: Duration = Duration::from_secs(2);
const TICK: Duration = Duration::from_millis(200);

/// How long a sidecar, and an instance with the shortest interval that is accepted, may be silent.
pub const TIME_TO_LIVE: Duration = Duration::from_secs(3);

/// How long an idle machine takes to get all servers and gateways going again.
const START: Duration = Duration::from_secs(30);

/// What a world is to be like.
#[derive(Clone, Debug)]
pub struct Setup {
    /// How many gateways there are.
    pub gateways: usize,
    /// Servers reach one another over wires, so that they can be parted.
    pub peer_wires: bool,
    /// Each server keeps its data on a disk of its own of so many megabytes.
    pub small_disks: Option<u32>,
    /// Lines for the configuration of every server.
    pub server_lines: Vec<String>,
    /// What the command lines of the gateways begin with.
    pub gateway_prefix: Vec<OsString>,
    /// Settings of the gateways: section, key, and value in TOML.
    pub settings: Vec<(&'static str, &'static str, String)>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            gateways: 2,
            peer_wires: false,
            small_disks: None,
            server_lines: Vec::new(),
            gateway_prefix: Vec::new(),
            settings: vec![
                ("servicecomb", "min_interval", "\"1s\"".into()),
                ("servicecomb", "min_times", "2".into()),
                // As short as everything else here, so that a hold ends within a run.
                ("mass_silence", "window", "\"3s\"".into()),
                ("mass_silence", "longest_hold", "\"6s\"".into()),
            ],
        }
    }
}

/// One gateway, and how it reaches each server.
pub struct Replica {
    /// The process, which keeps its ports over restarts.
    pub process: Gateway,
    /// A wire to each server, by its index.
    pub wires: Vec<Wire>,
    /// Where its connection is to be cut, over whatever wire it runs.
    pub traps: Arc<Traps>,
}

impl Replica {
    /// The index of the server that it has a session with now.
    pub fn attached(&self) -> Option<usize> {
        self.wires.iter().position(|wire| wire.session().is_some())
    }

    /// Changes what happens on all its wires.
    pub fn set(&self, forth: Flow, back: Flow) {
        self.wires.iter().for_each(|wire| wire.set(forth, back));
    }

    /// How many frames have waited on its wires so far.
    pub fn held(&self) -> u64 {
        self.wires.iter().map(Wire::held).sum()
    }

    /// Starts the process again if it does not run, and waits until it listens.
    pub async fn start(&mut self) {
        if !self.process.runs() {
            self.process.kill();
            self.process.spawn().await;
        }
    }
}

/// A running world. Dropping it ends everything in it.
pub struct World {
    /// The servers.
    pub zookeeper: ZooKeeper,
    /// The gateways.
    pub gateways: Vec<Replica>,
    /// The wires between the servers, if there are any.
    pub peers: Option<PeerWires>,
    /// The disks of the servers, if they have their own.
    pub disks: Vec<Disk>,
    /// Up to where the log of each gateway is of no interest any more.
    read: Vec<usize>,
}

impl World {
    /// Starts everything, and returns when all gateways are ready.
    ///
    /// # Errors
    /// [`Trouble::Impossible`] when this machine cannot make such a world.
    pub async fn start(setup: &Setup, directory: &Path) -> Result<Self, Trouble> {
        raise_descriptor_limit();
        let servers = zookeeper::Options {
            servers: 3,
            tick: TICK,
            lines: setup.server_lines.clone(),
            directory: Some(directory.join("zookeeper")),
            ..Default::default()
        };
        let mut zookeeper = ZooKeeper::prepared(&servers);
        let mut disks = Vec::new();
        if let Some(megabytes) = setup.small_disks {
            for index in 0..zookeeper.count() {
                let disk = Disk::mount(&zookeeper.data_directory(index), megabytes)?;
                zookeeper.run_under(index, disk.command_prefix());
                disks.push(disk);
            }
        }
        let peers = if setup.peer_wires { Some(PeerWires::start(&zookeeper).await) } else { None };
        zookeeper.start_all().await;
        let mut gateways = Vec::new();
        for index in 0..setup.gateways {
            gateways.push(replica(setup, &zookeeper, directory.join(format!("gateway-{index}"))).await);
        }
        let read = vec![0; gateways.len()];
        let mut world = Self { zookeeper, gateways, peers, disks, read };
        world.start_gateways().await;
        world.gateways_ready().await;
        Ok(world)
    }

    /// `http://host:port` of every gateway's dialects.
    pub fn gateway_urls(&self) -> Vec<String> {
        self.gateways.iter().map(|gateway| format!("http://{}", gateway.process.http)).collect()
    }

    /// Where every gateway serves its dialects.
    pub fn http(&self) -> Vec<SocketAddr> {
        self.gateways.iter().map(|gateway| gateway.process.http).collect()
    }

    /// Where every gateway serves health and metrics.
    pub fn ops(&self) -> Vec<SocketAddr> {
        self.gateways.iter().map(|gateway| gateway.process.ops).collect()
    }

    /// The servers themselves, without a wire in between.
    pub fn connect_string(&self) -> String {
        self.zookeeper.connect_string()
    }

    /// A session with the ensemble that no fault is aimed at.
    pub async fn znodes(&self) -> Znodes {
        Znodes::connect(&self.connect_string()).await
    }

    /// Starts every gateway that does not run, and waits until they listen.
    pub async fn start_gateways(&mut self) {
        for gateway in &mut self.gateways {
            gateway.start().await;
        }
    }

    /// Starts every server that does not run, and does not wait for them.
    pub fn launch_servers(&mut self) {
        for index in 0..self.zookeeper.count() {
            if !self.zookeeper.runs(index) {
                self.zookeeper.kill(index);
                self.zookeeper.launch(index);
            }
        }
    }

    /// Starts every server that does not run, and waits until all serve.
    pub async fn start_servers(&mut self) {
        self.launch_servers();
        for index in 0..self.zookeeper.count() {
            self.zookeeper.ready(index).await;
        }
    }

    /// Waits until every gateway answers that it is ready.
    pub async fn gateways_ready(&mut self) {
        for gateway in &mut self.gateways {
            gateway.process.ready().await;
        }
    }

    /// Waits until gateway `index` has a session with a server, and says which server.
    pub async fn attached(&self, index: usize) -> usize {
        let what = format!("gateway {index} has a session");
        eventually(&what, START, async || self.gateways[index].attached().ok_or("none yet")).await
    }

    /// Ends the session of gateway `index` at the servers, as if it had been silent for too long, while the gateway still
    /// believes in it. Answers the session's id.
    ///
    /// # Errors
    /// [`Trouble::Unobserved`] when no server did it.
    pub async fn expire_session(&self, index: usize) -> Result<i64, Trouble> {
        let server = self.attached(index).await;
        let Some(session) = self.gateways[index].wires[server].session() else {
            return Err(Trouble::Unobserved(format!("gateway {index} lost its session by itself")));
        };
        wire_format::end_session(self.zookeeper.port_of(server), &session)
            .await
            .map_err(Trouble::Unobserved)?;
        Ok(session.id)
    }

    /// What was logged so far is evidence of nothing any more.
    pub fn forget_logs(&mut self) {
        self.read = self.gateways.iter().map(|gateway| gateway.process.output().len()).collect();
    }

    /// Waits until the log of gateway `index`, since its last start, has a line with `text` in it.
    pub async fn logged(&self, index: usize, text: &str) -> String {
        eventually(&format!("gateway {index} says {text:?}"), START, async || {
            let output = self.gateways[index].process.output();
            // A log that is shorter is of another start.
            let output = output.get(self.read[index]..).unwrap_or(&output);
            let line = output.lines().rfind(|line| line.contains(text)).map(str::to_owned);
            line.ok_or_else(|| format!("it has not, in {} lines", output.lines().count()))
        })
        .await
    }

    /// Waits until server `index` is known by none, or one, of the roles that `srvr` tells.
    pub async fn has_role(&self, index: usize, wanted: Option<&str>) {
        eventually(&format!("server {index} is {wanted:?}"), START, async || {
            let role = self.zookeeper.role(index).await;
            ensure(role.as_deref() == wanted, || format!("it is {role:?}"))
        })
        .await;
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.zookeeper.kill_all();
        for index in 0..self.zookeeper.count() {
            // Nobody reads them afterwards, and each has many megabytes.
            let _ = std::fs::remove_dir_all(self.zookeeper.data_directory(index));
        }
    }
}

async fn replica(setup: &Setup, zookeeper: &ZooKeeper, directory: PathBuf) -> Replica {
    let traps = Arc::new(Traps::default());
    let mut wires = Vec::new();
    for index in 0..zookeeper.count() {
        let wire = Wire::start(zookeeper.port_of(index), traps.clone()).await;
        wires.push(wire.unwrap_or_else(|error| panic!("no wire to server {index}: {error}")));
    }
    let addresses: Vec<_> = wires.iter().map(|wire| wire.address().to_string()).collect();
    let mut options = Options::new(&addresses.join(",")).session(SESSION).time_to_live(TIME_TO_LIVE);
    options.directory = Some(directory);
    options.prefix.clone_from(&setup.gateway_prefix);
    for (section, key, value) in &setup.settings {
        options = options.set(section, key, value);
    }
    Replica { process: options.prepared(), wires, traps }
}

/// Lets this process, and all that it starts, open as many files as the system allows: herds need a socket each.
fn raise_descriptor_limit() {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    // Not allowed: then a herd that is too large will say so.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}
