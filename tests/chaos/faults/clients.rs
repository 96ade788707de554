//! Clients that are too many, or that mean no good.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::stream::{self, StreamExt};
use rand::Rng;
use rand::rngs::StdRng;
use reqwest::Method;
use rustix::process::{Resource, Rlimit, prlimit};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::{Fault, Scale, Step, Trouble, exactly, kept, own};
use crate::checker::expectations::{Expectations, GatewaysDown};
use crate::support::client::Request;
use crate::support::eventually::{ensure, eventually, scaled};
use crate::support::gateway::registry_path;
use crate::world::World;

/// F19: very many registrants come to one gateway in the same moment.
pub struct Herd {
    size: usize,
    service: String,
}

impl Herd {
    /// Hundreds, or thousands.
    pub fn new(scale: Scale) -> Self {
        Self { size: if scale == Scale::Full { 2_000 } else { 300 }, service: String::new() }
    }
}

/// Registrations on their way at one time, before the herd comes.
const REGISTERING: usize = 64;
/// Time within which an idle machine has served all of a herd.
const SERVED: Duration = Duration::from_secs(30);

impl Fault for Herd {
    fn id(&self) -> &'static str {
        "F19"
    }

    fn title(&self) -> String {
        format!("{} registrants reconnect to one gateway at once", self.size)
    }

    fn expectations(&self) -> Expectations {
        Expectations {
            lasts: Duration::ZERO,
            settle_bound: Duration::from_secs(30),
            ..Expectations::default()
        }
    }

    fn inject<'a>(&'a mut self, world: &'a mut World, random: &'a mut StdRng) -> Step<'a> {
        async move {
            let gateways = world.http();
            let service =
                json!({"service": {"appId": "chaos", "serviceName": own::interface("herd"), "version": "1.0.0"}});
            let path = registry_path("/microservices");
            let answer = Request::new(Method::POST, gateways[0], &path).json(&service).send().await;
            self.service = answer.json()["serviceId"].as_str().unwrap_or_default().to_owned();
            exactly(!self.service.is_empty(), || format!("the service of the herd was refused: {answer:?}"))?;
            let path = registry_path(&format!("/microservices/{}/instances", self.service));
            let registered = stream::iter(0..self.size).map(|number| {
                let (path, gateway) = (&path, gateways[number % gateways.len()]);
                let body = json!({"instance": {
                    "instanceId": format!("herd-{number}"), "hostName": "herd",
                    "endpoints": [format!("rest://10.99.{}.{}:8080", number / 250, 1 + number % 250)],
                    "healthCheck": {"mode": "push", "interval": 30, "times": 3},
                }});
                async move { until_served(gateway, "POST", path, &body.to_string()).await.0 }
            });
            let statuses: Vec<u16> = registered.buffer_unordered(REGISTERING).collect().await;
            exactly(statuses.iter().all(|status| *status == 200), || format!("registered: {:?}", tally(statuses)))?;
            // Now all of them at once, each over a new connection.
            let gateway = gateways[random.gen_range(0..gateways.len())];
            let began = Instant::now();
            let herd = (0..self.size).map(|number| {
                let path = registry_path(&format!(
                    "/microservices/{}/instances/herd-{number}/heartbeat",
                    self.service
                ));
                async move { (until_served(gateway, "PUT", &path, "").await, began.elapsed()) }
            });
            let served: Vec<((u16, usize), Duration)> = futures::future::join_all(herd).await;
            let slowest = served.iter().map(|(_, took)| *took).max().unwrap_or_default();
            let refused: usize = served.iter().map(|((_, refused), _)| *refused).sum();
            let statuses = tally(served.iter().map(|((status, _), _)| *status).collect());
            kept(statuses.keys().eq([&200]), || format!("the herd was answered with {statuses:?}"))?;
            Ok(vec![format!("all {} were served within {slowest:?}, after {refused} refusals", self.size)])
        }
        .boxed_local()
    }

    fn heal<'a>(&'a mut self, world: &'a mut World) -> Step<'a> {
        async move {
            let path = registry_path(&format!("/microservices/{}?force=1", self.service));
            let status = until_served(world.http()[0], "DELETE", &path, "").await.0;
            exactly(status == 200, || format!("the herd stays: {status}"))?;
            Ok(vec![])
        }
        .boxed_local()
    }
}

fn tally(statuses: Vec<u16>) -> BTreeMap<u16, usize> {
    let mut tally = BTreeMap::new();
    statuses.into_iter().for_each(|status| *tally.entry(status).or_insert(0) += 1);
    tally
}

/// Repeats a request until it is answered with something else than 503 or 500, and answers that (0: nothing in time),
/// with the number of refusals before.
async fn until_served(gateway: SocketAddr, method: &str, path: &str, body: &str) -> (u16, usize) {
    let mut refused = 0;
    let served = async {
        loop {
            match once(gateway, method, path, body).await {
                Ok(status) if status != 503 && status != 500 => return status,
                _ => refused += 1,
            }
            sleep(Duration::from_millis(200)).await;
        }
    };
    let status = timeout(scaled(SERVED), served).await.unwrap_or_default();
    (status, refused)
}

/// One request over a connection of its own; the status of its answer.
async fn once(gateway: SocketAddr, method: &str, path: &str, body: &str) -> std::io::Result<u16> {
    let mut stream = TcpStream::connect(gateway).await?;
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {gateway}\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    let status = answer.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
    status.ok_or_else(|| std::io::Error::other("no answer"))
}

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
