//! Whose request it is: the address behind the TCP peer, as far as the peer may be believed. A sidecar that names no
//! host stands at this address, so whoever can forge it can register somebody else.

use std::net::{IpAddr, SocketAddr};

use actix_web::HttpRequest;
use ipnet::IpNet;

const FORWARDED_FOR: &str = "X-Forwarded-For";

/// A trusted proxy that is neither an IP address nor a network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is neither an IP address nor a network such as 10.0.0.0/8")]
pub struct NotANetwork(pub String);

/// Which proxies are believed when they say for whom they speak. By default none is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerPolicy {
    trusted: Vec<IpNet>,
}

impl PeerPolicy {
    /// Trusts the given IP addresses and networks (`10.0.0.0/8`, `fd00::/8`).
    ///
    /// # Errors
    /// [`NotANetwork`] with the first text that is neither.
    pub fn parse<T: AsRef<str>>(proxies: impl IntoIterator<Item = T>) -> Result<Self, NotANetwork> {
        let network = |text: &str| {
            text.parse::<IpAddr>()
                .map(IpNet::from)
                .or_else(|_| text.parse::<IpNet>())
                .map_err(|_| NotANetwork(text.to_owned()))
        };
        let trusted =
            proxies.into_iter().map(|text| network(text.as_ref().trim())).collect::<Result<_, _>>()?;
        Ok(Self { trusted })
    }

    /// The IP address that `request` comes from: the TCP peer or, when that is a trusted proxy, the rightmost address
    /// in `X-Forwarded-For` that is none. IPv6 without brackets, IPv4 in its own form; `-` for a connection that has
    /// no address.
    pub fn peer_of(&self, request: &HttpRequest) -> String {
        self.address_of(request).map_or_else(|| "-".to_owned(), |address| address.to_string())
    }

    /// The same as an address; `None` for a connection that has none.
    pub fn address_of(&self, request: &HttpRequest) -> Option<IpAddr> {
        let tcp_peer = request.peer_addr()?;
        if self.trusted.is_empty() {
            return Some(tcp_peer.ip().to_canonical());
        }
        let forwarded: Vec<&[u8]> = request
            .headers()
            .get_all(FORWARDED_FOR)
            .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
            .collect();
        Some(self.effective(tcp_peer.ip(), &forwarded))
    }

    fn effective(&self, tcp_peer: IpAddr, forwarded: &[&[u8]]) -> IpAddr {
        let mut peer = tcp_peer.to_canonical();
        let mut from_the_right = forwarded.iter().rev();
        while self.trusts(peer) {
            // Left of what cannot be read stands nothing that a trusted proxy vouches for.
            let Some(next) = from_the_right.next().and_then(|text| address(text)) else { break };
            peer = next;
        }
        peer
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(&address))
    }
}

/// Some proxies add the port.
fn address(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let without_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    text.parse::<IpAddr>().ok().or_else(without_port).map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn peer(trusted: &[&str], tcp_peer: &str, forwarded: &[&str]) -> String {
        let mut request = TestRequest::default().peer_addr(tcp_peer.parse().unwrap());
        for value in forwarded {
            request = request.append_header((FORWARDED_FOR, *value));
        }
        PeerPolicy::parse(trusted).unwrap().peer_of(&request.to_http_request())
    }

    #[test]
    fn without_trusted_proxies_the_tcp_peer_counts() {
        assert_eq!(peer(&[], "192.0.2.1:5000", &["198.51.100.9"]), "192.0.2.1");
        assert_eq!(peer(&["10.0.0.0/8"], "192.0.2.1:5000", &["198.51.100.9"]), "192.0.2.1");
    }

    #[test]
    fn behind_trusted_proxies_the_rightmost_other_address_counts() {
        let trusted = ["10.0.0.0/8", "192.0.2.1"];
        assert_eq!(peer(&trusted, "192.0.2.1:5000", &["198.51.100.9"]), "198.51.100.9");
        assert_eq!(peer(&trusted, "10.1.1.1:5000", &["6.6.6.6, 198.51.100.9 ,10.2.2.2"]), "198.51.100.9");
        assert_eq!(peer(&trusted, "10.1.1.1:5000", &["6.6.6.6", "198.51.100.9", "10.2.2.2"]), "198.51.100.9");
        assert_eq!(peer(&trusted, "10.1.1.1:5000", &["10.3.3.3,10.2.2.2"]), "10.3.3.3");
        assert_eq!(peer(&trusted, "10.1.1.1:5000", &[]), "10.1.1.1");
    }

    #[test]
    fn what_stands_left_of_nonsense_is_not_believed() {
        for nonsense in ["unknown", "", "10.0.0", "\u{e9}"] {
            assert_eq!(
                peer(&["10.0.0.0/8"], "10.1.1.1:5000", &[&format!("6.6.6.6,{nonsense},10.2.2.2")]),
                "10.2.2.2"
            );
        }
    }

    #[test]
    fn addresses_are_written_in_one_form() {
        assert_eq!(peer(&[], "[::ffff:192.0.2.1]:5000", &[]), "192.0.2.1");
        assert_eq!(peer(&[], "[2001:db8::1]:5000", &[]), "2001:db8::1");
        assert_eq!(peer(&["::1"], "[::1]:5000", &["[2001:db8::1]:443"]), "2001:db8::1");
        assert_eq!(peer(&["::1"], "[::1]:5000", &["192.0.2.7:443"]), "192.0.2.7");
    }

    #[test]
    fn a_connection_without_an_address_is_a_dash() {
        assert_eq!(PeerPolicy::default().peer_of(&TestRequest::default().to_http_request()), "-");
    }

    #[test]
    fn a_proxy_that_is_no_network_is_refused() {
        assert_eq!(PeerPolicy::parse(["10.0.0.1", "proxy.local"]), Err(NotANetwork("proxy.local".into())));
        assert!(PeerPolicy::parse(["10.0.0.0/33"]).is_err());
    }
}
