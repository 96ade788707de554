//! F19: a gateway ends, and very many registrants come to the other one in the same second.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::stream::{self, StreamExt};
use rand::Rng;
use rand::rngs::StdRng;
use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::{Fault, Scale, Step, Trouble, exactly, kept, own, refused_probe};
use crate::checker::expectations::{Expectations, GatewaysDown};
use crate::resources::Peak;
use crate::support::client::Request;
use crate::support::eventually::scaled;
use crate::support::gateway::registry_path;
use crate::support::watcher::Watcher;
use crate::world::World;

/// Registrants of one gateway that all move to another.
pub struct Herd {
    size: usize,
    service: String,
    watcher: Option<Watcher>,
}

impl Herd {
    /// Hundreds, or ten thousand.
    pub fn new(scale: Scale) -> Self {
        let size = if scale == Scale::Full { 10_000 } else { 300 };
        Self { size, service: String::new(), watcher: None }
    }
}

/// Registrations on their way at one time, before the herd comes.
const REGISTERING: usize = 64;
/// Within this time all of a herd come.
const COMING: Duration = Duration::from_secs(1);
/// Within this time an idle machine with two cores serves all of a herd, those included that it refused at first.
const SERVED: Duration = Duration::from_secs(15);
/// When a registrant that was never served gives up.
const GIVEN_UP: Duration = Duration::from_secs(60);
/// What each of a herd may cost the gateway in memory at most while it is served: a connection with its buffers, and what
/// is kept of a registration.
const MOST_MEMORY: u64 = 48 * 1024;

impl Fault for Herd {
    fn id(&self) -> &'static str {
        "F19"
    }

    fn title(&self) -> String {
        format!("kill a gateway, and let {} registrants come to the other one within a second", self.size)
    }

    fn expectations(&self) -> Expectations {
        Expectations {
            gateways_down: GatewaysDown::One,
            observer_late: true,
            may_shed: true,
            lasts: Duration::ZERO,
            settle_bound: Duration::from_secs(30),
            ..Expectations::default()
        }
    }

    fn inject<'a>(&'a mut self, world: &'a mut World, random: &'a mut StdRng) -> Step<'a> {
        async move {
            let to = random.gen_range(0..world.gateways.len());
            let from = (to + 1) % world.gateways.len();
            let (old, gateway) = (world.http()[from], world.http()[to]);
            self.register(old).await?;
            self.watcher =
                Some(Watcher::start(&world.connect_string(), &own::folder(&own::interface("herd"))).await);
            world.gateways[from].process.kill();
            refused_probe(old).await?;
            let peak = Peak::follow(world.gateways[to].process.process_id());
            let began = Instant::now();
            let herd = (0..self.size).map(|number| {
                let path = registry_path(&format!(
                    "/microservices/{}/instances/herd-{number}/heartbeat",
                    self.service
                ));
                let comes = COMING.mul_f64(random.gen_range(0.0..1.0));
                async move {
                    sleep(comes).await;
                    (until_served(gateway, "PUT", &path, "").await, began.elapsed())
                }
            });
            let served: Vec<((u16, usize), Duration)> = futures::future::join_all(herd).await;
            let slowest = served.iter().map(|(_, took)| *took).max().unwrap_or_default();
            let refused: usize = served.iter().map(|((_, refused), _)| *refused).sum();
            let statuses = tally(served.iter().map(|((status, _), _)| *status).collect());
            kept(statuses.keys().eq([&200]), || format!("the herd was answered with {statuses:?}"))?;
            kept(slowest <= scaled(SERVED), || format!("the last of the herd was served after {slowest:?}"))?;
            let (before, most) = peak.end();
            let allowed = before + (32 << 20) + self.size as u64 * MOST_MEMORY;
            kept(most <= allowed, || format!("memory rose from {before} to {most} bytes"))?;
            Ok(vec![format!(
                "all {} were served within {:.1} s, after {refused} refusals; memory rose from {} to {} MiB at most",
                self.size,
                slowest.as_secs_f64(),
                before >> 20,
                most >> 20
            )])
        }
        .boxed_local()
    }

    fn heal<'a>(&'a mut self, world: &'a mut World) -> Step<'a> {
        async move {
            world.start_gateways().await;
            let count = own::agreed(world, &own::interface("herd")).await?;
            kept(count == self.size, || format!("{count} of a herd of {} are left", self.size))?;
            let gone = self.watcher.take().map(|watcher| watcher.deleted("")).unwrap_or_default();
            kept(gone.is_empty(), || format!("{} of the herd went meanwhile", gone.len()))?;
            let path = registry_path(&format!("/microservices/{}?force=1", self.service));
            let status = until_served(world.http()[0], "DELETE", &path, "").await.0;
            exactly(status == 200, || format!("the herd stays: {status}"))?;
            Ok(vec![format!("all gateways show all {count}, and none of them ever went")])
        }
        .boxed_local()
    }
}

impl Herd {
    /// Registers all of the herd at one gateway.
    async fn register(&mut self, gateway: SocketAddr) -> Result<(), Trouble> {
        let service =
            json!({"service": {"appId": "chaos", "serviceName": own::interface("herd"), "version": "1.0.0"}});
        let path = registry_path("/microservices");
        let answer = Request::new(Method::POST, gateway, &path).json(&service).send().await;
        self.service = answer.json()["serviceId"].as_str().unwrap_or_default().to_owned();
        exactly(!self.service.is_empty(), || format!("the service of the herd was refused: {answer:?}"))?;
        let path = registry_path(&format!("/microservices/{}/instances", self.service));
        let registered = stream::iter(0..self.size).map(|number| {
            let path = &path;
            let body = json!({"instance": {
                "instanceId": format!("herd-{number}"), "hostName": "herd",
                "endpoints": [format!("rest://10.99.{}.{}:8080", number / 250, 1 + number % 250)],
                "healthCheck": {"mode": "push", "interval": 30, "times": 3},
            }});
            async move { until_served(gateway, "POST", path, &body.to_string()).await.0 }
        });
        let statuses: Vec<u16> = registered.buffer_unordered(REGISTERING).collect().await;
        exactly(statuses.iter().all(|status| *status == 200), || format!("registered: {:?}", tally(statuses)))
    }
}

fn tally(statuses: Vec<u16>) -> BTreeMap<u16, usize> {
    let mut tally = BTreeMap::new();
    statuses.into_iter().for_each(|status| *tally.entry(status).or_insert(0) += 1);
    tally
}

/// Repeats a request until it is answered with something else than a refusal that passes, as late as each refusal asks
/// for, and answers the status (0: never served) with the number of refusals before.
async fn until_served(gateway: SocketAddr, method: &str, path: &str, body: &str) -> (u16, usize) {
    let mut refused = 0;
    let served = async {
        loop {
            let wait = match once(gateway, method, path, body).await {
                Ok((status, _)) if ![429, 500, 503].contains(&status) => return status,
                Ok((_, retry_after)) => retry_after,
                Err(_) => None,
            };
            refused += 1;
            // Not all in the same moment again.
            let wait = wait.unwrap_or(Duration::from_millis(500));
            sleep(wait.mul_f64(rand::thread_rng().gen_range(0.5..1.5))).await;
        }
    };
    let status = timeout(scaled(GIVEN_UP), served).await.unwrap_or_default();
    (status, refused)
}

/// One request over a connection of its own: the status of its answer, and when to try again.
async fn once(
    gateway: SocketAddr,
    method: &str,
    path: &str,
    body: &str,
) -> std::io::Result<(u16, Option<Duration>)> {
    let mut stream = TcpStream::connect(gateway).await?;
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {gateway}\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    let answer = String::from_utf8_lossy(&answer).to_ascii_lowercase();
    let status = answer.get(9..12).and_then(|digits| digits.parse().ok());
    let retry_after = answer.lines().find_map(|line| line.strip_prefix("retry-after:")?.trim().parse().ok());
    let status = status.ok_or_else(|| std::io::Error::other("no answer"))?;
    Ok((status, retry_after.map(Duration::from_secs)))
}
