//! The real gateway binary as an operator runs it: the defaults, but for limits that a benchmark would run into and for
//! how long a registrant may be silent.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::client::{Call, Connection};
use super::{listening, resident};
use crate::support::eventually::{ensure, eventually};
use crate::support::process::Process;

const READY: Duration = Duration::from_secs(120);
/// For how long memory must not have fallen by a hundredth, and how long that is waited for.
const STEADY: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_secs(40);

/// A gateway. Dropping it kills it.
pub struct Gateway {
    /// Where both dialects are served.
    pub http: SocketAddr,
    ops: SocketAddr,
    binary: PathBuf,
    directory: PathBuf,
    process: Option<Process>,
}

impl Gateway {
    /// Starts one in front of the ZooKeeper at `connect` and waits until it is ready.
    ///
    /// # Errors
    /// When its files cannot be written.
    pub async fn start(binary: &Path, connect: &str, directory: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(directory)?;
        let text = format!(
            "[http]\nlisten = [\"127.0.0.1:0\"]\n[ops]\nlisten = \"127.0.0.1:0\"\n[zookeeper]\nconnect = \
             \"{connect}\"\nsession_timeout = \"30s\"\noperation_timeout = \"30s\"\n[mosn]\nttl = \
             \"1h\"\n[servicecomb]\nquota_services = 1000000\nquota_instances = 10000000\n"
        );
        std::fs::write(directory.join("zoogate.toml"), text)?;
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let directory = directory.to_owned();
        let mut gateway =
            Self { http: nowhere, ops: nowhere, binary: binary.to_owned(), directory, process: None };
        gateway.start_again().await;
        Ok(gateway)
    }

    /// Starts it, or starts it again, and tells how long it took from the start of the process until it was ready.
    pub async fn start_again(&mut self) -> Duration {
        self.stop();
        let log = self.directory.join("log");
        let _ = std::fs::remove_file(&log);
        let configuration = self.directory.join("zoogate.toml");
        let arguments = ["serve".into(), "--config".into(), configuration.into()];
        let started = Instant::now();
        let mut process = Process::spawn(&self.binary, &arguments, &log);
        self.http = listening(&mut process, "http").await;
        self.ops = listening(&mut process, "ops").await;
        let ops = self.ops;
        eventually("the gateway is ready", READY, async || {
            if let Some(code) = process.exit_code() {
                panic!("the gateway ended with code {code}:\n{}", process.output());
            }
            let mut connection = Connection::open(ops).await.map_err(|error| error.to_string())?;
            let answer = connection.send(&Call::new("GET", "/readyz")).await;
            let answer = answer.map_err(|error| error.to_string())?;
            ensure(answer.status == 200, || answer.to_string())
        })
        .await;
        self.process = Some(process);
        started.elapsed()
    }

    /// Ends it as a power cut would.
    pub fn stop(&mut self) {
        self.process = None;
    }

    /// Its process.
    ///
    /// # Panics
    /// When it was stopped.
    pub fn process(&self) -> &Process {
        self.process.as_ref().expect("the gateway runs")
    }

    /// Resident memory in bytes.
    pub fn resident(&self) -> f64 {
        resident(self.process())
    }

    /// Resident memory once it no longer falls: what is free after a start is given back over ten seconds.
    pub async fn settled(&self) -> f64 {
        let (mut least, mut since, began) = (self.resident(), Instant::now(), Instant::now());
        while since.elapsed() < STEADY && began.elapsed() < LONGEST {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let now = self.resident();
            if now < least * 0.99 {
                (least, since) = (now, Instant::now());
            }
        }
        least
    }

    /// The text of its metrics.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn metrics(&self) -> anyhow::Result<String> {
        let answer = Connection::open(self.ops).await?.succeed(&Call::new("GET", "/metrics")).await?;
        Ok(String::from_utf8_lossy(&answer.body).into_owned())
    }
}
