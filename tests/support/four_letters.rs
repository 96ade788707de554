//! The commands of four letters that a ZooKeeper server answers to whoever connects.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A server that stands still takes the connection and never answers.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the server at `port` of this machine answers to `command`.
///
/// # Errors
/// When it does not answer, as a text that says why.
pub async fn four_letters(port: u16, command: &str) -> Result<String, String> {
    let exchange = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.write_all(command.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    match tokio::time::timeout(PATIENCE, exchange).await {
        Ok(answer) => answer.map_err(|error| error.to_string()),
        Err(_) => Err(format!("no answer to {command} within {PATIENCE:?}")),
    }
}
