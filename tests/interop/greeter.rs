//! What the tests with Dubbo's clients share: a service that greets, sidecars that register who offers it, and
//! consumers that call it on and on.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use crate::program::{Program, built};
use crate::support::eventually::{ensure, eventually};
use crate::support::gateway::{Gateway, sync_request};
use crate::support::ports::free_port;

/// The interface, and what its consumers ask for; the programs in the folders here say the same.
pub const INTERFACE: &str = "interop.Greeter";
/// The application of providers that register themselves.
pub const APPLICATION: &str = "interop";
/// See [`INTERFACE`].
pub const VERSION: &str = "1.0.0";
/// See [`INTERFACE`].
pub const GROUP: &str = "interop";

/// The name of the sidecar, and the application of what it registers.
const NAME: &str = "greeters";

/// Time between two syncs.
const BEAT: Duration = Duration::from_millis(500);

/// What a program takes to start, to find, and to call.
pub const START: Duration = Duration::from_secs(60);

/// What a consumer takes to follow a change: dubbo-go looks again for an interface that nobody has offered yet after
/// 3, 6 and 9 s.
pub const FOLLOW: Duration = Duration::from_secs(60);

/// A program on dubbo-go that offers the greeter.
pub struct Provider {
    /// The running program.
    pub program: Program,
    /// Where it listens.
    pub port: u16,
}

impl Provider {
    /// One that registers nowhere.
    pub async fn start() -> Self {
        Self::launch(&[]).await
    }

    /// One that registers its interface in ZooKeeper.
    pub async fn registered(zookeeper: &str) -> Self {
        Self::launch(&[format!("--zookeeper={zookeeper}").into()]).await
    }

    /// One that registers its application in ZooKeeper, and no interface.
    pub async fn registered_by_application(zookeeper: &str) -> Self {
        Self::launch(&[format!("--zookeeper={zookeeper}").into(), "--by-application".into()]).await
    }

    async fn launch(more: &[OsString]) -> Self {
        let port = free_port();
        let mut arguments = vec!["provider".into(), format!("--address=127.0.0.1:{port}").into()];
        arguments.extend_from_slice(more);
        let mut program = Program::start(&built("dubbo-go").join("dubbo-go"), &arguments);
        eventually("the provider listens", START, async || {
            program.still_runs();
            TcpStream::connect(("127.0.0.1", port)).await.map(drop)
        })
        .await;
        Self { program, port }
    }
}

/// Where a provider listens, as its greetings tell.
pub fn address(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

/// Such a provider with its color, as a consumer on dubbo-go tells of it.
pub fn colored(port: u16, color: &str) -> String {
    format!("{} {color}", address(port))
}

/// A sidecar that says again and again who offers the greeter. Dropping it makes it fall silent.
pub struct Sidecar {
    /// Whom it tells, and what. Held while it speaks: what it said before must not arrive after what it says now.
    said: Arc<Mutex<Option<(SocketAddr, Value)>>>,
    nowhere: u16,
    beat: JoinHandle<()>,
}

impl Sidecar {
    /// One that has said nothing yet.
    pub fn new() -> Self {
        let said = Arc::new(Mutex::new(None::<(SocketAddr, Value)>));
        let again = said.clone();
        let beat = tokio::spawn(async move {
            loop {
                tokio::time::sleep(BEAT).await;
                if let Some((gateway, snapshot)) = &*again.lock().await {
                    // Whatever comes of it: the gateway may be dead just now.
                    let _ = sync_request(*gateway, NAME, snapshot).try_send().await;
                }
            }
        });
        Self { said, nowhere: free_port(), beat }
    }

    /// Registers providers at these ports, each with a color, instead of those that it told of before, and goes on
    /// saying so. Besides, always, those of [`Sidecar::others`].
    pub async fn offers(&self, gateway: &Gateway, providers: &[(u16, &str)]) {
        let colored = providers.iter().map(|(port, color)| {
            let params = json!({"application": NAME, "version": VERSION, "group": GROUP, "color": color});
            entry(json!(["greet"]), params, *port)
        });
        let others = self.others().map(|(port, version, group)| {
            let params = json!({"application": NAME, "version": version, "group": group});
            entry(json!([]), params, port)
        });
        let list: Vec<_> = colored.chain(others).collect();
        let snapshot = json!({"provider_list": list, "consumer_list": []});
        let mut said = self.said.lock().await;
        gateway.synced(NAME, &snapshot).await;
        *said = Some((gateway.http, snapshot));
    }

    /// Ports, versions and groups of providers that nobody has asked for. They do not answer: whoever
    /// overlooks version or group fails.
    pub fn others(&self) -> [(u16, &'static str, &'static str); 2] {
        [(self.nowhere, "2.0.0", GROUP), (self.nowhere, VERSION, "others")]
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        self.beat.abort();
    }
}

fn entry(methods: Value, params: Value, port: u16) -> Value {
    let service = json!({"interface": INTERFACE, "methods": methods, "params": params});
    json!({"service": service, "host": "127.0.0.1", "port": port})
}

/// A consumer that calls the greeter on and on, and tells who has answered lately.
pub struct Caller {
    program: Program,
}

impl Caller {
    /// The program that was started.
    pub fn new(program: Program) -> Self {
        Self { program }
    }

    /// One on dubbo-go, which tells of colors, too.
    pub fn on_dubbo_go(zookeeper: &str) -> Self {
        let arguments = ["consumer".into(), format!("--zookeeper={zookeeper}").into()];
        Self::new(Program::start(&built("dubbo-go").join("dubbo-go"), &arguments))
    }

    /// Waits until exactly these answer.
    pub async fn hears(&mut self, who: &[String]) {
        let mut who = who.to_vec();
        who.sort();
        let line = format!("> answered by {}", who.join(", "));
        eventually(&format!("the consumer says {line:?}"), FOLLOW, async || {
            self.program.still_runs();
            let output = self.program.output();
            let last = output.lines().rfind(|said| said.starts_with("> ")).map(str::to_owned);
            ensure(last.as_deref() == Some(&line), || output)
        })
        .await;
    }

    /// Waits until it says that nobody answers.
    pub async fn hears_nobody(&mut self) {
        eventually("nobody answers the consumer", FOLLOW, async || {
            self.program.still_runs();
            let output = self.program.output();
            let last = output.lines().rfind(|said| said.starts_with("> "));
            ensure(last.is_some_and(|said| said.starts_with("> no answer")), || output)
        })
        .await;
    }

    /// The calls so far that nobody answered, with the reasons; several after one another are one.
    pub fn unanswered(&mut self) -> Vec<String> {
        self.program.still_runs();
        let output = self.program.output();
        output.lines().filter(|said| said.starts_with("> no answer")).map(str::to_owned).collect()
    }
}
