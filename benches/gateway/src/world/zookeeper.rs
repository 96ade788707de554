//! A real ZooKeeper server as it runs in service: it syncs its log to the disk, and has memory for a large tree. The one
//! of the tests is made to start fast instead.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use zookeeper_client::{Acls, Client, CreateMode, CreateOptions};

use crate::support::eventually::{ensure, eventually};
use crate::support::four_letters::four_letters;
use crate::support::ports::free_port;
use crate::support::process::Process;

const START: Duration = Duration::from_secs(60);
/// As long as the default tick allows.
const SESSION: Duration = Duration::from_secs(40);

/// Everybody may do everything, and it stays.
pub const PERSISTENT: CreateOptions<'static> = CreateMode::Persistent.with_acls(Acls::anyone_all());

/// A running server. Dropping it ends it.
pub struct ZooKeeper {
    port: u16,
    process: Process,
}

impl ZooKeeper {
    /// Starts a server with its files in `directory`, which must be empty or not exist.
    ///
    /// # Errors
    /// When its files cannot be written.
    pub async fn start(class_path: &str, directory: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(directory.join("data"))?;
        let port = free_port();
        let configuration: PathBuf = directory.join("zoo.cfg");
        let text = format!(
            "tickTime=2000\ndataDir={}\nclientPort={port}\nclientPortAddress=127.0.0.1\nmaxClientCnxns=0\n\
             4lw.commands.whitelist=*\nadmin.enableServer=false\n",
            directory.join("data").display(),
        );
        std::fs::write(&configuration, text)?;
        let main = "org.apache.zookeeper.server.quorum.QuorumPeerMain";
        let arguments = ["-Xmx4g".into(), "-cp".into(), class_path.into(), main.into(), configuration.into()];
        let process = Process::spawn("java", &arguments, &directory.join("log"));
        let mut server = Self { port, process };
        server.ready().await;
        Ok(server)
    }

    async fn ready(&mut self) {
        let (port, process) = (self.port, &mut self.process);
        eventually("ZooKeeper serves", START, async || {
            if let Some(code) = process.exit_code() {
                panic!("ZooKeeper ended with code {code}:\n{}", process.output());
            }
            let answer = four_letters(port, "srvr").await?;
            ensure(answer.contains("Mode: "), || format!("it says {answer:?}"))
        })
        .await;
    }

    /// `host:port`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// A new part of the tree that nobody else uses, as a connect string.
    ///
    /// # Errors
    /// When ZooKeeper refuses it.
    pub async fn part(&self, name: &str) -> anyhow::Result<String> {
        let client = connect(&self.address()).await?;
        client.create(&format!("/{name}"), b"", &PERSISTENT).await.context("a part of the tree")?;
        Ok(format!("{}/{name}", self.address()))
    }

    /// How large its tree is.
    ///
    /// # Errors
    /// When it does not say.
    pub async fn tree(&self) -> anyhow::Result<Tree> {
        let answer = self.ask("mntr").await?;
        let of = |name: &str| {
            let line = answer.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|count| count.trim().parse().ok()).with_context(|| format!("no {name} in {answer}"))
        };
        Ok(Tree { znodes: of("zk_znode_count")?, bytes: of("zk_approximate_data_size")? })
    }

    /// How many transactions it has taken, those that open and close sessions included.
    ///
    /// # Errors
    /// When it does not say.
    pub async fn transactions(&self) -> anyhow::Result<u64> {
        let answer = self.ask("srvr").await?;
        let line = answer.lines().find_map(|line| line.strip_prefix("Zxid: 0x"));
        let zxid = line.and_then(|zxid| u64::from_str_radix(zxid.trim(), 16).ok());
        // The upper half is the epoch, which does not change while the server runs.
        zxid.map(|zxid| zxid & 0xffff_ffff).with_context(|| format!("no zxid in {answer}"))
    }

    async fn ask(&self, command: &str) -> anyhow::Result<String> {
        four_letters(self.port, command).await.map_err(anyhow::Error::msg)
    }
}

/// How large a tree is.
#[derive(Clone, Copy, Debug)]
pub struct Tree {
    pub znodes: u64,
    /// Of paths and data.
    pub bytes: u64,
}

/// A session of its own; `connect_string` may end in a chroot.
///
/// # Errors
/// When there is none.
pub async fn connect(connect_string: &str) -> anyhow::Result<Client> {
    let connector = Client::connector().with_session_timeout(SESSION);
    connector.connect(connect_string).await.with_context(|| format!("connecting to {connect_string}"))
}
