//! The command line: what can be asked of the program, and with which code it ends.

mod healthcheck;

use std::path::PathBuf;
use std::pin::pin;

use clap::{Args, Parser, Subcommand};
use tokio::sync::oneshot;

use crate::app::App;
use crate::config::{Config, ConfigError, Sources};
use crate::shutdown::Signals;
use crate::telemetry::logging;
use crate::wiring;

/// A registry gateway in front of ZooKeeper for MOSN sidecars, ServiceComb applications and Dubbo.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true)]
#[command(after_help = "Exit codes: 0 ok, 64 wrong usage, 78 wrong configuration, 1 anything else.")]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What the program can be asked to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve until SIGTERM or SIGINT; a second signal ends it at once
    Serve(ConfigArguments),
    /// Check the configuration and print what would be in effect, secrets masked
    CheckConfig(ConfigArguments),
    /// Ask a running gateway whether it is ready: exit code 0 if so, 1 if not
    Healthcheck(HealthcheckArguments),
    /// Print the description of everything that is served, as /openapi.json answers it
    Openapi,
}

/// Where the configuration comes from; every key can be set in the environment too, as `ZOOGATE__SECTION__KEY`.
#[derive(Clone, Debug, Default, Args)]
pub struct ConfigArguments {
    /// Read this TOML file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Serve both dialects here (http.listen); repeat it or separate with commas
    #[arg(long, value_name = "ADDRESS")]
    listen: Vec<String>,
    /// Serve probes and metrics here (ops.listen)
    #[arg(long, value_name = "ADDRESS")]
    ops_listen: Option<String>,
    /// The ensemble: host:port, more with commas between, and a chroot at the end (zookeeper.connect)
    #[arg(long, value_name = "CONNECT")]
    zookeeper: Option<String>,
    /// Set any key, such as mosn.ttl=30s; can be repeated
    #[arg(long, value_name = "SECTION.KEY=VALUE", value_parser = assignment)]
    set: Vec<(String, String)>,
}

/// Which gateway to ask.
#[derive(Clone, Debug, Default, Args)]
pub struct HealthcheckArguments {
    /// Ask this URL instead of the configured ops.listen; without a path, /readyz
    #[arg(long, value_name = "URL", conflicts_with_all = ["config", "listen", "ops_listen", "zookeeper", "set"])]
    url: Option<String>,
    #[command(flatten)]
    config: ConfigArguments,
}

impl ConfigArguments {
    fn load(self) -> Result<Config, ConfigError> {
        let mut flags = self.set;
        if !self.listen.is_empty() {
            flags.push(("http.listen".to_owned(), self.listen.join(",")));
        }
        flags.extend(self.ops_listen.map(|address| ("ops.listen".to_owned(), address)));
        flags.extend(self.zookeeper.map(|connect| ("zookeeper.connect".to_owned(), connect)));
        Config::load(&Sources::of_process(self.config, flags))
    }
}

fn assignment(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if key.contains('.') => Ok((key.trim().to_owned(), value.to_owned())),
        _ => Err("must have the form section.key=value".to_owned()),
    }
}

/// Why the program ends without having done what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The configuration is wrong.
    #[error("configuration: {0}")]
    Config(#[from] ConfigError),
    /// Anything else.
    #[error("{0:#}")]
    Other(#[from] anyhow::Error),
}

impl Failure {
    /// The exit code for a wrong command line.
    pub const USAGE: u8 = 64;

    /// The exit code: 78 for a wrong configuration, else 1.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_) => 78,
            Self::Other(_) => 1,
        }
    }
}

/// Does what was asked and returns what is to be printed.
///
/// # Errors
/// Why it could not be done.
pub fn run(cli: Cli) -> Result<String, Failure> {
    match cli.command {
        Command::Serve(arguments) => serve(arguments.load()?).map(|()| String::new()).map_err(Failure::Other),
        Command::CheckConfig(arguments) => Ok(arguments.load()?.to_toml().map_err(anyhow::Error::new)?),
        Command::Openapi => Ok(wiring::description()?),
        Command::Healthcheck(HealthcheckArguments { url, config }) => {
            let target = match url {
                Some(url) => healthcheck::Target::from_url(&url)?,
                None => healthcheck::Target::of_listener(config.load()?.ops.listen),
            };
            target.ask().map(|()| String::new()).map_err(Failure::Other)
        }
    }
}

/// Serves until a signal comes.
fn serve(config: Config) -> anyhow::Result<()> {
    logging::init(&config.log.filter)?;
    log::info!("zoogate {} starts with zookeeper {}", env!("CARGO_PKG_VERSION"), config.zookeeper.connect);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let outcome = runtime.block_on(async {
        let mut signals = Signals::install()?;
        let (ask, asked) = oneshot::channel::<()>();
        let mut running = pin!(App::build(config)?.run(async {
            // A sender that is gone without a word has never asked.
            if asked.await.is_err() {
                std::future::pending().await
            }
        }));
        let signal = tokio::select! {
            ended = &mut running => return ended,
            signal = signals.next() => signal,
        };
        log::info!("{signal}: shutting down");
        let _ = ask.send(());
        tokio::select! {
            ended = &mut running => ended,
            signal = signals.next() => Err(anyhow::anyhow!("{signal} while shutting down: ended at once")),
        }
    });
    // Whatever still runs has been given its time; the process ends with it.
    runtime.shutdown_background();
    outcome
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(arguments: &[&str]) -> Result<Cli, clap::Error> {
        Cli::try_parse_from([&["zoogate"], arguments].concat())
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn flags_of_their_own_name_win_over_set() {
        let cli = parse(&[
            "serve",
            "--set",
            "http.listen=127.0.0.1:1",
            "--listen=127.0.0.1:2,127.0.0.1:3",
            "--listen",
            "127.0.0.1:4",
            "--ops-listen=127.0.0.1:5",
            "--zookeeper=zk:2181/x",
            "--set=mosn.ttl=20s",
        ])
        .unwrap();
        let Command::Serve(arguments) = cli.command else { panic!("not serve") };
        let config = arguments.load().unwrap();
        assert_eq!(config.http.listen.iter().map(|a| a.port()).collect::<Vec<_>>(), [2, 3, 4]);
        assert_eq!(config.ops.listen.port(), 5);
        assert_eq!(config.zookeeper.connect, "zk:2181/x");
        assert_eq!(config.mosn.ttl.as_secs(), 20);
    }

    #[test]
    fn a_wrong_configuration_has_a_code_of_its_own() {
        let wrong = run(parse(&["check-config", "--set", "mosn.ttl=0s"]).unwrap()).unwrap_err();
        assert_eq!(wrong.exit_code(), 78);
        assert!(wrong.to_string().contains("mosn.ttl"));
        assert_eq!(Failure::Other(anyhow::anyhow!("x")).exit_code(), 1);
    }

    #[test]
    fn the_effective_configuration_is_printed_without_secrets() {
        let cli = parse(&["check-config", "--set", "zookeeper.auth=digest:gate:hidden"]).unwrap();
        let printed = run(cli).unwrap();
        assert!(printed.contains("auth = \"***\"") && !printed.contains("hidden"), "{printed}");
    }

    #[test]
    fn an_assignment_without_a_section_or_a_value_is_wrong_usage() {
        for wrong in ["mosn.ttl", "ttl=1s", "="] {
            assert!(parse(&["serve", "--set", wrong]).is_err(), "{wrong}");
        }
        assert!(parse(&["healthcheck", "--url", "http://a:1", "--config", "b"]).is_err());
    }
}
