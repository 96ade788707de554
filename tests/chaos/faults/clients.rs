//! Clients that mean no good.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::FutureExt;
use rand::Rng;
use rand::rngs::StdRng;
use rustix::process::{Resource, Rlimit, prlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::{Fault, Step, Trouble, kept};
use crate::checker::expectations::{Expectations, GatewaysDown};
use crate::support::eventually::{ensure, eventually};
use crate::world::World;

/// F20: a gateway may open few files only, and clients who send next to nothing take them all.
#[derive(Default)]
pub struct Starvation {
    victim: usize,
    before: Option<Rlimit>,
    attackers: JoinSet<()>,
    cut: Arc<AtomicUsize>,
}

/// What the gateway may open.
const DESCRIPTORS: u64 = 256;
/// Connections that the attackers keep.
const ATTACKERS: usize = 320;

impl Fault for Starvation {
    fn id(&self) -> &'static str {
        "F20"
    }

    fn title(&self) -> String {
        format!("{DESCRIPTORS} descriptors, and {ATTACKERS} clients who send a byte a second or nothing")
    }

    fn expectations(&self) -> Expectations {
        Expectations {
            gateways_down: GatewaysDown::One,
            lasts: Duration::from_secs(10),
            ..Expectations::default()
        }
    }

    fn inject<'a>(&'a mut self, world: &'a mut World, random: &'a mut StdRng) -> Step<'a> {
        async move {
            self.victim = random.gen_range(0..world.gateways.len());
            let process = world.gateways[self.victim].process.process_id();
            let old = rustix::process::getrlimit(Resource::Nofile);
            let limit = Rlimit { current: Some(DESCRIPTORS), maximum: old.maximum };
            let before = prlimit(Some(process), Resource::Nofile, limit)
                .map_err(|error| Trouble::Impossible(format!("cannot limit descriptors: {error}")))?;
            self.before = Some(before);
            let address = world.http()[self.victim];
            for number in 0..ATTACKERS {
                self.attackers.spawn(attack(address, number, self.cut.clone()));
            }
            let folder = format!("/proc/{}/fd", process.as_raw_nonzero());
            let most = eventually("the descriptors are used up", Duration::from_secs(30), async || {
                let open = std::fs::read_dir(&folder).map_or(0, Iterator::count) as u64;
                ensure(open + 2 >= DESCRIPTORS, || format!("{open} are open")).map(|()| open)
            })
            .await;
            Ok(vec![format!("gateway {} has {most} of {DESCRIPTORS} descriptors open", self.victim)])
        }
        .boxed_local()
    }

    fn heal<'a>(&'a mut self, world: &'a mut World) -> Step<'a> {
        async move {
            let cut = self.cut.load(Ordering::Relaxed);
            self.attackers.abort_all();
            while self.attackers.join_next().await.is_some() {}
            if let Some(before) = self.before.take() {
                let process = world.gateways[self.victim].process.process_id();
                prlimit(Some(process), Resource::Nofile, before)
                    .map_err(|error| Trouble::Unobserved(format!("cannot give descriptors back: {error}")))?;
            }
            let runs = world.gateways[self.victim].process.runs();
            kept(runs, || format!("gateway {} ended for want of descriptors", self.victim))?;
            Ok(vec![format!("the gateway has cut {cut} connections of those who sent too little")])
        }
        .boxed_local()
    }
}

/// Keeps a connection for as long as it gets, and then another.
async fn attack(address: SocketAddr, number: usize, cut: Arc<AtomicUsize>) {
    let start: &[u8] = match number % 3 {
        0 => b"",
        1 => b"GET /v4/default/registry/microservices HTTP/1.1\r\nHost: gateway\r\nX-Slow: ",
        _ => {
            b"POST /registry/info/sync HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\n\
               Content-Length: 100000\r\n\r\n{"
        }
    };
    loop {
        if let Ok(mut stream) = TcpStream::connect(address).await {
            let mut alive = stream.write_all(start).await.is_ok();
            while alive {
                let mut byte = [0];
                let closed = timeout(Duration::from_secs(1), stream.read(&mut byte)).await;
                alive = closed.is_err() && (start.is_empty() || stream.write_all(b" ").await.is_ok());
            }
            cut.fetch_add(1, Ordering::Relaxed);
        }
        sleep(Duration::from_millis(100)).await;
    }
}
