//! Starts the bare handler with an answer that was captured from the gateway, and sees to it that both say the same.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};

use super::server::Script;
use crate::support::process::Process;
use crate::world::client::{Answer, Call, Connection};
use crate::world::listening;

/// What differs between two answers of the same server, or is written by every server.
const OWN: [&str; 3] = ["date", "content-length", "x-request-id"];

/// A running bare handler. Dropping it ends it.
pub struct Bare {
    /// Where it serves.
    pub address: SocketAddr,
    /// Its process.
    pub process: Process,
    _directory: Directory,
}

struct Directory(PathBuf);

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Bare {
    /// Captures what the gateway answers to `call` and serves it from a process of its own.
    ///
    /// # Errors
    /// When the two do not answer the same.
    pub async fn of(gateway: SocketAddr, call: &Call, directory: &Path) -> anyhow::Result<Self> {
        let captured = Connection::open(gateway).await?.send(call).await?;
        ensure!(captured.status < 400, "the gateway refuses {} {}: {captured}", call.method, call.path);
        let bare = Self::start(&captured, call.body.is_some(), directory).await?;
        let repeated = Connection::open(bare.address).await?.send(call).await?;
        ensure!(same(&captured, &repeated), "the bare server says {repeated}, the gateway {captured}");
        Ok(bare)
    }

    async fn start(answer: &Answer, reads_body: bool, directory: &Path) -> anyhow::Result<Self> {
        let directory = Directory(directory.to_owned());
        std::fs::create_dir_all(&directory.0)?;
        let own =
            |name: &str| name.eq_ignore_ascii_case("date") || name.eq_ignore_ascii_case("content-length");
        let headers = answer.headers.iter().filter(|(name, _)| !own(name)).cloned().collect();
        let camel_case =
            answer.headers.iter().any(|(name, _)| name.starts_with(|first: char| first.is_uppercase()));
        let script = Script { status: answer.status, headers, camel_case, reads_body };
        std::fs::write(directory.0.join("answer.json"), serde_json::to_vec(&script)?)?;
        std::fs::write(directory.0.join("body"), &answer.body)?;
        let program = std::env::current_exe().context("the path of this program")?;
        let arguments = ["bare".into(), directory.0.clone().into()];
        let mut process = Process::spawn(program, &arguments, &directory.0.join("log"));
        let address = listening(&mut process, "http").await;
        Ok(Self { address, process, _directory: directory })
    }
}

/// Whether two answers are byte for byte the same, apart from what differs between any two of one server. The order of
/// headers is the server's.
fn same(one: &Answer, other: &Answer) -> bool {
    let headers = |answer: &Answer| {
        let kept =
            answer.headers.iter().filter(|(name, _)| !OWN.contains(&name.to_ascii_lowercase().as_str()));
        let mut kept: Vec<_> = kept.cloned().collect();
        kept.sort();
        kept
    };
    one.status == other.status && one.body == other.body && headers(one) == headers(other)
}
