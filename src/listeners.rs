//! Sockets that are bound before anything else starts, so that an address in use is known at once and port 0 works.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use anyhow::Context;
use socket2::{Domain, Socket, Type};

/// Connections that may wait to be accepted: many sidecars reconnect at once after an outage.
const BACKLOG: i32 = 4096;

/// A bound socket and the address that it really has.
#[derive(Debug)]
pub struct Listener {
    /// The address, its port never 0.
    pub address: SocketAddr,
    /// The socket, listening.
    pub socket: TcpListener,
}

impl Listener {
    /// Listens on `address`; `key` is the configuration's key that names it. A connection is cut whose client takes
    /// nothing of what it is sent for about `send_timeout`.
    ///
    /// # Errors
    /// When the address is in use or not this machine's; the message names the key and the address.
    pub fn bind(key: &str, address: SocketAddr, send_timeout: Duration) -> anyhow::Result<Self> {
        Self::listen(address, send_timeout).with_context(|| format!("{key}: cannot listen on {address}"))
    }

    fn listen(address: SocketAddr, send_timeout: Duration) -> std::io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        // A replica that restarts must not wait for the connections of the one before to be forgotten.
        socket.set_reuse_address(true)?;
        // Connections inherit it. Only the kernel can do it: a task that waits for room to write waits for ever.
        socket.set_tcp_user_timeout(Some(send_timeout))?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        let socket = TcpListener::from(socket);
        Ok(Self { address: socket.local_addr()?, socket })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_in_use_is_refused_with_the_name_of_its_key() {
        let bind = |key, address| Listener::bind(key, address, Duration::from_secs(1));
        let first = bind("http.listen", "127.0.0.1:0".parse().unwrap()).unwrap();
        assert_ne!(first.address.port(), 0);
        let error = bind("ops.listen", first.address).unwrap_err();
        assert_eq!(error.to_string(), format!("ops.listen: cannot listen on {}", first.address));
    }
}
