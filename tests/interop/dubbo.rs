//! Programs on Dubbo's own jars, as they are published, and the providers among them.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::program::{Program, built};
use crate::support::ports::free_port;
use crate::support::scratch::Scratch;
use crate::support::zookeeper::{self, Options, ZooKeeper};

/// The interface that is called, and the same under a name with a dollar sign.
pub const ECHO: &str = "interop.Echo";
pub const NESTED: &str = "interop.Echo$Nested";

/// The application that the providers belong to.
pub const APPLICATION: &str = "echo-provider";

/// Where providers stand.
pub const LOOPBACK: &str = "127.0.0.1";

/// What Dubbo takes to start, and to follow changes, which 3.3 does at intervals of 5 s.
pub const PATIENCE: Duration = Duration::from_secs(240);

/// A line of releases of Dubbo.
#[derive(Clone, Copy, Debug)]
pub enum Dubbo {
    TwoSeven,
    ThreeThree,
}

pub const BOTH: [Dubbo; 2] = [Dubbo::TwoSeven, Dubbo::ThreeThree];

impl Dubbo {
    /// Runs a class of `tests/interop/dubbo`, with all that Dubbo keeps in files in a folder of its own.
    pub fn start(
        self,
        registry: &Registry,
        settings: &[&str],
        class: &str,
        arguments: Vec<String>,
    ) -> Program {
        let (home, opened): (_, &[&str]) = match self {
            // It looks into classes of Java by reflection, to make its proxies and to read numbers.
            Self::TwoSeven => (built("dubbo-2.7"), &["java.lang", "java.math"]),
            Self::ThreeThree => (built("dubbo-3.3"), &[]),
        };
        let scratch = Scratch::new("dubbo");
        let mut all: Vec<OsString> = vec!["-Xmx256m".into(), "-XX:+UseSerialGC".into()];
        all.push("-XX:TieredStopAtLevel=1".into());
        all.push("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn".into());
        for property in ["user.home", "java.io.tmpdir"] {
            all.push(format!("-D{property}={}", scratch.path().display()).into());
        }
        all.extend(
            opened.iter().map(|package| format!("--add-opens=java.base/{package}=ALL-UNNAMED").into()),
        );
        all.extend(registry.group.iter().map(|group| format!("-Ddubbo.registry.group={group}").into()));
        all.extend(settings.iter().map(OsString::from));
        all.extend(["-cp".into(), zookeeper::join(&[home.join("classes"), home.join("jars/*")])]);
        all.push(class.into());
        all.extend(arguments.into_iter().map(OsString::from));
        Program::start_in(scratch, Path::new("java"), &all)
    }
}

/// Where providers and consumers look: a ZooKeeper of their own, since Dubbo itself knows no chroot.
pub struct Registry {
    zookeeper: ZooKeeper,
    /// What Dubbo calls the group of a registry: the path of its root, without the first slash.
    group: Option<String>,
}

impl Registry {
    /// One that grants sessions that outlive the pauses of a busy machine.
    pub async fn start() -> Self {
        let options = Options { tick: Duration::from_secs(1), ..Options::default() };
        Self { zookeeper: ZooKeeper::start(options).await, group: None }
    }

    /// The same in a group.
    pub fn in_group(self, group: &str) -> Self {
        Self { group: Some(group.to_owned()), ..self }
    }

    /// Below a new chroot, which is told too: `host:port/chroot`.
    pub async fn below_a_chroot(self) -> (Self, String) {
        let connect = self.zookeeper.chroot().await;
        let (_, chroot) = connect.split_once('/').unwrap();
        (self.in_group(&format!("{chroot}/dubbo")), connect)
    }

    /// `host:port` of ZooKeeper.
    pub fn address(&self) -> String {
        self.zookeeper.connect_string()
    }
}

/// A running provider.
pub struct Provider {
    program: Program,
    /// Where it listens.
    pub port: u16,
}

impl Provider {
    /// One that is silent about itself, and answers with `tag` to calls of `services`.
    pub async fn silent(dubbo: Dubbo, registry: &Registry, tag: &str, services: &[&str]) -> Self {
        Self::start(dubbo, registry, "silent", tag, services).await
    }

    /// One that registers its services itself.
    pub async fn registering(dubbo: Dubbo, registry: &Registry, tag: &str, services: &[&str]) -> Self {
        Self::start(dubbo, registry, "registers", tag, services).await
    }

    async fn start(dubbo: Dubbo, registry: &Registry, way: &str, tag: &str, services: &[&str]) -> Self {
        let port = free_port();
        let own = [APPLICATION, &registry.address(), way, &port.to_string(), tag];
        let arguments = own.iter().chain(services).map(|argument| (*argument).to_owned()).collect();
        let mut program = dubbo.start(registry, &[], "interop.Provider", arguments);
        program.says("> serves", PATIENCE).await;
        Self { program, port }
    }

    /// What its sidecar says of it: `service` is `[group/]interface[:version]`, `host` where it stands.
    pub fn entry(&self, service: &str, host: &str) -> Value {
        let (group, rest) = service.split_once('/').unwrap_or(("", service));
        let (interface, version) = rest.split_once(':').unwrap_or((rest, ""));
        let mut params = json!({"application": APPLICATION});
        for (key, value) in [("group", group), ("version", version)] {
            if !value.is_empty() {
                params[key] = value.into();
            }
        }
        let service = json!({"interface": interface, "methods": ["add", "tag"], "params": params});
        json!({"service": service, "host": host, "port": self.port})
    }

    /// Lets it end as it does when its host is shut down, and waits until it has.
    pub async fn stop(self) {
        self.program.stop(PATIENCE).await;
    }
}
