//! Asks a running gateway whether it is ready, so that containers need no other program for their probe.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use anyhow::{Context, bail};

/// How long connecting, and each wait for bytes, may take.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Most bytes of an answer that are read: a few reasons.
const MAX_ANSWER_BYTES: u64 = 16 * 1024;

/// Where to ask.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// `host:port`.
    authority: String,
    path: String,
}

impl Target {
    /// Takes `http://host[:port][/path]`; without a path, `/readyz`.
    pub(super) fn from_url(url: &str) -> anyhow::Result<Self> {
        let Some(rest) = url.strip_prefix("http://") else {
            bail!("--url: {url:?} must begin with http://");
        };
        let (authority, path) = match rest.find('/') {
            Some(start) => rest.split_at(start),
            None => (rest, "/readyz"),
        };
        if authority.is_empty() || url.contains(|c: char| c.is_control() || c.is_whitespace()) {
            bail!("--url: {url:?} must name a host, without white space");
        }
        let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let authority = if has_port { authority.to_owned() } else { format!("{authority}:80") };
        Ok(Self { authority, path: path.to_owned() })
    }

    /// The gateway of this machine that is configured to listen on `address`.
    pub(super) fn of_listener(mut address: SocketAddr) -> Self {
        // Listening everywhere is nowhere to connect to.
        match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
            IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
            _ => {}
        }
        Self { authority: address.to_string(), path: "/readyz".to_owned() }
    }

    /// Asks, and is content only with 200.
    ///
    /// # Errors
    /// When nobody answers in time, or the answer is another: then with what it says.
    pub(super) fn ask(&self) -> anyhow::Result<()> {
        let Self { authority, path } = self;
        let answer = self.exchange().with_context(|| format!("http://{authority}{path}"))?;
        let mut words = answer.split(' ');
        match (words.next(), words.next()) {
            (Some(version), Some("200")) if version.starts_with("HTTP/1.") => Ok(()),
            (Some(version), Some(status)) if version.starts_with("HTTP/1.") => {
                let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
                bail!("http://{authority}{path}: status {status}: {}", body.trim().replace('\n', "; "));
            }
            _ => bail!("http://{authority}{path}: the answer is no HTTP"),
        }
    }

    fn exchange(&self) -> anyhow::Result<String> {
        let address = self.authority.to_socket_addrs()?.next().context("the host has no address")?;
        let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        let Self { authority, path } = self;
        write!(stream, "GET {path} HTTP/1.1\r\nhost: {authority}\r\nconnection: close\r\n\r\n")?;
        let mut answer = Vec::new();
        stream.take(MAX_ANSWER_BYTES).read_to_end(&mut answer)?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn target(authority: &str, path: &str) -> Target {
        Target { authority: authority.to_owned(), path: path.to_owned() }
    }

    /// Answers one connection with `answer` and returns what asking it came to.
    fn ask(answer: &'static str) -> anyhow::Result<()> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let asked = Target::of_listener(listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            // The head may arrive in several pieces.
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                head.extend(byte);
            }
            stream.write_all(answer.as_bytes()).unwrap();
            assert!(head.starts_with(b"GET /readyz HTTP/1.1\r\n"));
        });
        let outcome = asked.ask();
        server.join().unwrap();
        outcome
    }

    #[test]
    fn a_url_needs_a_host_and_may_leave_out_the_rest() {
        assert_eq!(Target::from_url("http://a:1/health").unwrap(), target("a:1", "/health"));
        assert_eq!(Target::from_url("http://a").unwrap(), target("a:80", "/readyz"));
        assert_eq!(Target::from_url("http://[::1]").unwrap(), target("[::1]:80", "/readyz"));
        for wrong in ["https://a", "a:1", "http://", "http:///x", "http://a/ b", "http://a/\r\nx: y"] {
            assert!(Target::from_url(wrong).unwrap_err().to_string().contains("--url"), "{wrong}");
        }
    }

    #[test]
    fn a_gateway_that_listens_everywhere_is_asked_over_loopback() {
        let of = |address: &str| Target::of_listener(address.parse().unwrap()).authority;
        assert_eq!(of("0.0.0.0:1"), "127.0.0.1:1");
        assert_eq!(of("[::]:1"), "[::1]:1");
        assert_eq!(of("10.0.0.1:1"), "10.0.0.1:1");
    }

    #[test]
    fn only_200_is_ready() {
        ask("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok\n").unwrap();
        let error = ask("HTTP/1.1 503 Service Unavailable\r\n\r\nzookeeper: away\n").unwrap_err();
        assert!(error.to_string().contains("status 503: zookeeper: away"), "{error}");
        assert!(ask("hello").unwrap_err().to_string().contains("no HTTP"));
        assert!(ask("").is_err());
    }

    #[test]
    fn nobody_there_is_not_ready() {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert!(Target::of_listener(address).ask().is_err());
    }
}
