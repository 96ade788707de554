//! A clock that is set while gateways run.

use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::FutureExt;
use rand::rngs::StdRng;

use super::{Fault, Step, Trouble};
use crate::checker::expectations::Expectations;
use crate::random::choose;
use crate::support::eventually::{ensure, eventually};
use crate::support::scratch::Scratch;
use crate::world::{SESSION, Setup, World};

/// F14: the time of day jumps by an hour, forth or back, while nothing else does. Needs libfaketime, which tells programs
/// the time that a file names; without it, a test of the sources covers that leases never look at the time of day.
pub struct SetClock {
    library: Option<PathBuf>,
    forth: bool,
    scratch: Scratch,
}

/// Where distributions put the library.
const PLACES: [&str; 4] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib64/faketime/libfaketimeMT.so.1",
    "/usr/lib/faketime/libfaketimeMT.so.1",
];

impl SetClock {
    /// Forth or back.
    pub fn drawn(random: &mut StdRng) -> Self {
        let given = std::env::var_os("ZOOGATE_TEST_LIBFAKETIME").map(PathBuf::from);
        let library = given.or_else(|| PLACES.iter().map(PathBuf::from).find(|path| path.exists()));
        Self { library, forth: choose(random, &[true, false]), scratch: Scratch::new("clock") }
    }

    fn file(&self) -> PathBuf {
        self.scratch.path().join("time")
    }

    fn set(&self, offset: &str) -> Result<(), Trouble> {
        // Replaced, so that nobody reads half of it.
        let new = self.scratch.path().join("new");
        let written = std::fs::write(&new, offset).and_then(|()| std::fs::rename(&new, self.file()));
        written.map_err(|error| Trouble::Unobserved(format!("{}: {error}", new.display())))
    }
}

impl Fault for SetClock {
    fn id(&self) -> &'static str {
        "F14"
    }

    fn title(&self) -> String {
        format!("set the clock of the gateways {} by an hour", if self.forth { "forward" } else { "back" })
    }

    fn expectations(&self) -> Expectations {
        Expectations { writes_may_fail_during: false, lasts: 3 * SESSION, ..Expectations::default() }
    }

    fn covered_elsewhere(&self) -> Option<String> {
        let without = "libfaketime is not installed; covered by \
                       architecture::the_time_of_day_is_asked_for_only_where_people_read_it";
        self.library.is_none().then(|| without.into())
    }

    fn prepare(&self, setup: &mut Setup) {
        let Some(library) = &self.library else { return };
        let variable = |name: &str, value: &Path| format!("{name}={}", value.display()).into();
        let _ = self.set("+0");
        setup.gateway_prefix = vec![
            "env".into(),
            variable("LD_PRELOAD", library),
            variable("FAKETIME_TIMESTAMP_FILE", &self.file()),
            "FAKETIME_NO_CACHE=1".into(),
            // The clock that a machine counts by cannot be set, and libfaketime is not to set it either.
            "FAKETIME_DONT_FAKE_MONOTONIC=1".into(),
            "DONT_FAKE_MONOTONIC=1".into(),
        ];
    }

    fn inject<'a>(&'a mut self, world: &'a mut World, _random: &'a mut StdRng) -> Step<'a> {
        async move {
            let before = log_hour(&world.gateways[0].process.output());
            self.set(if self.forth { "+1h" } else { "-1h" })?;
            // A restart of a connection makes the gateways say something, with the time that they believe in.
            world.gateways.iter().for_each(|gateway| gateway.wires.iter().for_each(|wire| wire.cut()));
            let now = eventually("the gateways believe it", Duration::from_secs(20), async || {
                let now = log_hour(&world.gateways[0].process.output());
                ensure(now != before, || format!("their log still says {now}")).map(|()| now)
            })
            .await;
            Ok(vec![format!("the log of gateway 0 went from {before} to {now}")])
        }
        .boxed_local()
    }

    fn heal<'a>(&'a mut self, _world: &'a mut World) -> Step<'a> {
        async move {
            self.set("+0")?;
            Ok(vec![])
        }
        .boxed_local()
    }
}

/// Day and hour of the last line of a log.
fn log_hour(output: &str) -> String {
    let last = output.lines().rfind(|line| line.starts_with("20")).unwrap_or_default();
    last.split(':').next().unwrap_or_default().to_owned()
}
