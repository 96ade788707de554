//! As much of ZooKeeper's wire format as it takes to tell one frame from another, and to end a session that is not one's
//! own. The messages are those of `zookeeper.jute` in Apache ZooKeeper.

use std::io::{Error, ErrorKind};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// `create`
pub const CREATE: i32 = 1;
/// `setData`
pub const SET_DATA: i32 = 5;
/// `sync`
pub const SYNC: i32 = 9;
/// `ping`
pub const PING: i32 = 11;
/// `multi`: a transaction
pub const MULTI: i32 = 14;
/// `create2`: like `create`, answered with the stat
pub const CREATE_2: i32 = 15;
/// `multiRead`
pub const MULTI_READ: i32 = 22;
/// `addWatch`
pub const ADD_WATCH: i32 = 106;
/// `closeSession`
const CLOSE: i32 = -11;

/// The xid of watch events.
pub const EVENT: i32 = -1;

/// No frame is larger: more than any `jute.maxbuffer` in the tests.
const MAX_FRAME: usize = 64 << 20;

/// How long ending a session may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a server said about a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its id; never 0.
    pub id: i64,
    /// What proves that one may take it over.
    pub password: Vec<u8>,
}

/// The name of an operation.
pub fn name(opcode: i32) -> String {
    match opcode {
        CREATE => "create".into(),
        SET_DATA => "setData".into(),
        SYNC => "sync".into(),
        PING => "ping".into(),
        MULTI => "multi".into(),
        CREATE_2 => "create2".into(),
        MULTI_READ => "multiRead".into(),
        ADD_WATCH => "addWatch".into(),
        other => format!("operation {other}"),
    }
}

/// One frame with its length before it; `None` at the end of the stream.
///
/// # Errors
/// A broken stream, or a length that cannot be.
pub async fn read_frame(from: &mut (impl AsyncRead + Unpin)) -> std::io::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    match from.read_exact(&mut length).await {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let size = usize::try_from(i32::from_be_bytes(length)).ok().filter(|size| *size <= MAX_FRAME);
    let size = size.ok_or_else(|| Error::new(ErrorKind::InvalidData, "no frame of ZooKeeper"))?;
    let mut frame = vec![0; 4 + size];
    frame[..4].copy_from_slice(&length);
    from.read_exact(&mut frame[4..]).await?;
    Ok(Some(frame))
}

/// The number at `offset` of what a frame holds.
pub fn number(frame: &[u8], offset: usize) -> Option<i32> {
    let bytes = frame.get(4 + offset..8 + offset)?;
    Some(i32::from_be_bytes(bytes.try_into().ok()?))
}

/// The session that the first frame from a server speaks of: version, timeout, id, password. `None` when it refuses the
/// session, which it does by an id of 0.
pub fn session(frame: &[u8]) -> Option<Session> {
    let id = i64::from_be_bytes(frame.get(12..20)?.try_into().ok()?);
    let length = usize::try_from(number(frame, 16)?).ok()?;
    let password = frame.get(24..24 + length)?.to_vec();
    (id != 0).then_some(Session { id, password })
}

/// Ends a session that somebody else has: takes it over with its password, and closes it.
///
/// # Errors
/// When the server at `port` does not do it, for whatever reason.
pub async fn end_session(port: u16, session: &Session) -> Result<(), String> {
    let exchange = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        let mut request = Vec::new();
        request.extend(0_i32.to_be_bytes());
        request.extend(0_i64.to_be_bytes());
        request.extend(4000_i32.to_be_bytes());
        request.extend(session.id.to_be_bytes());
        request.extend((session.password.len() as i32).to_be_bytes());
        request.extend(&session.password);
        request.push(0);
        write_frame(&mut stream, &request).await?;
        let answer = read_frame(&mut stream).await?.and_then(|frame| self::session(&frame));
        if answer.is_none_or(|answer| answer.id != session.id) {
            return Err(Error::other("the server does not know the session"));
        }
        let mut request = Vec::new();
        request.extend(1_i32.to_be_bytes());
        request.extend(CLOSE.to_be_bytes());
        write_frame(&mut stream, &request).await?;
        read_frame(&mut stream).await
    };
    match tokio::time::timeout(PATIENCE, exchange).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {PATIENCE:?}")),
    }
}

async fn write_frame(to: &mut TcpStream, content: &[u8]) -> std::io::Result<()> {
    let mut frame = (content.len() as u32).to_be_bytes().to_vec();
    frame.extend(content);
    to.write_all(&frame).await
}
