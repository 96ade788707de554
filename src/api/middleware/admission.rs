//! Who is let in: so many requests at a time, of which so many that change something, and so many a second from one
//! address. Whoever is not is told at once, before anything of the request is read.

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actix_web::dev::ServiceRequest;
use actix_web::http::Method;
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::api::peer::PeerPolicy;

/// When to come back once all places are taken.
const SOON: Duration = Duration::from_secs(1);

/// Time between two looks at which addresses have not asked for a while.
const FORGETTING: Duration = Duration::from_secs(10);

/// Limits for all requests of a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Requests at a time.
    pub requests: usize,
    /// Those of them that may change something.
    pub changes: usize,
    /// Requests a second from one address; 0: any number.
    pub peer_rate: u32,
    /// How many of them may come at once.
    pub peer_burst: u32,
}

/// Lets requests in.
pub struct Admission {
    bounds: Bounds,
    requests: AtomicUsize,
    changes: AtomicUsize,
    peers: Option<(PeerPolicy, DefaultKeyedRateLimiter<IpAddr>)>,
}

/// Why a request is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shed {
    /// There are as many requests as may be.
    Requests,
    /// There are as many requests that change something as may be.
    Changes,
    /// Its address has sent as many as it may; when it may again.
    Peer(Duration),
}

impl Shed {
    /// The `reason` label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Changes => "changes",
            Self::Peer(_) => "peer_rate",
        }
    }

    /// What the client is told.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Requests => "too many requests at a time, repeat the request later",
            Self::Changes => "too many changes at a time, repeat the request later",
            Self::Peer(_) => "too many requests from this address, repeat the request later",
        }
    }

    /// When to come back.
    pub const fn retry_after(self) -> Duration {
        match self {
            Self::Requests | Self::Changes => SOON,
            Self::Peer(span) => span,
        }
    }
}

impl Admission {
    /// Holds requests to `bounds`; `policy` tells from whom they come.
    #[must_use]
    pub fn new(bounds: Bounds, policy: PeerPolicy) -> Self {
        let quota = NonZeroU32::new(bounds.peer_rate).map(|rate| {
            let burst = NonZeroU32::new(bounds.peer_burst).unwrap_or(NonZeroU32::MIN);
            Quota::per_second(rate).allow_burst(burst)
        });
        let peers = quota.map(|quota| (policy, RateLimiter::keyed(quota)));
        Self { bounds, requests: AtomicUsize::new(0), changes: AtomicUsize::new(0), peers }
    }

    /// Lets `request` in, until what is returned is dropped.
    ///
    /// # Errors
    /// Why it is not let in.
    pub fn admit(self: &Arc<Self>, request: &ServiceRequest) -> Result<Admitted, Shed> {
        if let Some((policy, rates)) = &self.peers
            && let Some(address) = policy.address_of(request.request())
            && let Err(denied) = rates.check_key(&neighbourhood(address))
        {
            return Err(Shed::Peer(denied.wait_time_from(DefaultClock::default().now())));
        }
        let is_change = may_change(request.method(), request.path());
        // Dropped, and so given back, when the request is not let in after all.
        let mut admitted = Admitted { admission: Arc::clone(self), is_change: false };
        if self.requests.fetch_add(1, Ordering::Relaxed) >= self.bounds.requests {
            return Err(Shed::Requests);
        }
        if is_change {
            admitted.is_change = true;
            if self.changes.fetch_add(1, Ordering::Relaxed) >= self.bounds.changes {
                return Err(Shed::Changes);
            }
        }
        Ok(admitted)
    }

    /// Forgets addresses that have not asked for a while, for as long as this is polled.
    pub async fn forget_peers(self: Arc<Self>) {
        let Some((_, rates)) = &self.peers else { return };
        let mut ticks = tokio::time::interval(FORGETTING);
        loop {
            ticks.tick().await;
            rates.retain_recent();
            rates.shrink_to_fit();
        }
    }
}

/// A request that was let in, and counts until this is dropped.
pub struct Admitted {
    admission: Arc<Admission>,
    is_change: bool,
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.admission.requests.fetch_sub(1, Ordering::Relaxed);
        if self.is_change {
            self.admission.changes.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// Whether a request may have to wait for a change in ZooKeeper.
fn may_change(method: &Method, path: &str) -> bool {
    // A query with a body.
    let is_query = || path.starts_with("/v4/") && path.ends_with("/instances/action");
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) && !is_query()
}

/// Whoever has one address of IPv6 has 2^64.
fn neighbourhood(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => Ipv6Addr::from(u128::from(address) >> 64 << 64).into(),
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    const BOUNDS: Bounds = Bounds { requests: 2, changes: 1, peer_rate: 0, peer_burst: 1 };

    fn from(address: &str) -> ServiceRequest {
        TestRequest::get().peer_addr(format!("{address}:1").parse().unwrap()).to_srv_request()
    }

    #[test]
    fn what_is_refused_takes_no_place_and_what_ends_gives_it_back() {
        let admission = Arc::new(Admission::new(BOUNDS, PeerPolicy::default()));
        let (read, change) = (TestRequest::get().to_srv_request(), TestRequest::put().to_srv_request());
        let first = admission.admit(&change).ok().unwrap();
        for _ in 0..3 {
            assert_eq!(admission.admit(&change).err(), Some(Shed::Changes));
        }
        let second = admission.admit(&read).ok().unwrap();
        for _ in 0..3 {
            assert_eq!(admission.admit(&read).err(), Some(Shed::Requests));
            assert_eq!(admission.admit(&change).err(), Some(Shed::Requests));
        }
        drop((first, second));
        assert_eq!(admission.requests.load(Ordering::Relaxed), 0);
        assert_eq!(admission.changes.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_query_with_a_body_is_no_change() {
        let query = "/v4/default/registry/instances/action";
        assert!(!may_change(&Method::POST, query));
        assert!(!may_change(&Method::GET, "/v4/default/registry/microservices"));
        assert!(may_change(&Method::POST, "/registry/info/sync"));
        assert!(may_change(&Method::PUT, "/v4/default/registry/heartbeats"));
    }

    #[test]
    fn each_address_has_a_rate_of_its_own() {
        let bounds = Bounds { requests: 100, changes: 100, peer_rate: 1, peer_burst: 2 };
        let admission = Arc::new(Admission::new(bounds, PeerPolicy::default()));
        for address in ["192.0.2.1", "[2001:db8::1]"] {
            assert!(admission.admit(&from(address)).is_ok());
            assert!(admission.admit(&from(address)).is_ok());
            let Some(Shed::Peer(wait)) = admission.admit(&from(address)).err() else { panic!("let in") };
            assert!(wait <= Duration::from_secs(1), "{wait:?}");
        }
        assert!(admission.admit(&from("192.0.2.2")).is_ok());
        // The same network as one of those above.
        assert!(admission.admit(&from("[2001:db8::2]")).is_err());
        assert!(admission.admit(&from("[2001:db8:0:1::1]")).is_ok());
    }

    #[test]
    fn a_connection_without_an_address_has_no_rate() {
        let bounds = Bounds { peer_rate: 1, ..BOUNDS };
        let admission = Arc::new(Admission::new(bounds, PeerPolicy::default()));
        for _ in 0..3 {
            assert!(admission.admit(&TestRequest::get().to_srv_request()).is_ok());
        }
    }
}
