//! Places where a gateway can be made to do wrong, to test that the tests notice.
//!
//! Only with the feature `failpoints`, and only where the environment variable `FAILPOINTS` says so: see
//! `scripts/chaos --mutants`. Without the feature `does_wrong!` is the constant `false`, and what it guards is not there.

/// Whether the gateway is to do wrong here and now.
#[cfg(feature = "failpoints")]
macro_rules! does_wrong {
    ($name:literal) => {
        $crate::failpoints::is_on($name)
    };
}

/// Never: the feature is off.
#[cfg(not(feature = "failpoints"))]
macro_rules! does_wrong {
    ($name:literal) => {
        false
    };
}

#[cfg(feature = "failpoints")]
pub use enabled::{Active, begin, is_on, is_on_later};

#[cfg(feature = "failpoints")]
mod enabled {
    use std::sync::LazyLock;
    use std::time::{Duration, Instant};

    /// What `FAILPOINTS` says, until it is dropped.
    pub struct Active {
        _scenario: fail::FailScenario<'static>,
    }

    /// Reads `FAILPOINTS`.
    pub fn begin() -> Active {
        LazyLock::force(&STARTED);
        Active { _scenario: fail::FailScenario::setup() }
    }

    static STARTED: LazyLock<Instant> = LazyLock::new(Instant::now);

    /// Whether the fail point `name` is to do wrong this time.
    pub fn is_on(name: &str) -> bool {
        let look = || {
            fail::fail_point!(name, |_| true);
            false
        };
        look()
    }

    /// Likewise, once the process has run for `span`.
    pub fn is_on_later(name: &str, span: Duration) -> bool {
        STARTED.elapsed() >= span && is_on(name)
    }
}
