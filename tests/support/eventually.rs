//! The one way in which a test waits: for a condition, never for a span of time.

use std::time::{Duration, Instant};

/// Time between two looks at the condition.
const INTERVAL: Duration = Duration::from_millis(20);

/// Repeats `attempt` until it succeeds, and returns what it found.
///
/// # Panics
/// With the last error, once `patience` (scaled, see [`scaled`]) is over.
pub async fn eventually<T, E: std::fmt::Display>(
    what: &str,
    patience: Duration,
    mut attempt: impl AsyncFnMut() -> Result<T, E>,
) -> T {
    let started = Instant::now();
    let patience = scaled(patience);
    loop {
        match attempt().await {
            Ok(found) => {
                eprintln!("{what}: after {:?}", started.elapsed());
                return found;
            }
            Err(error) if started.elapsed() > patience => {
                panic!("{what}: not within {patience:?}: {error}")
            }
            Err(_) => tokio::time::sleep(INTERVAL).await,
        }
    }
}

/// Lets `span` pass while `holds` is asked again and again: for what must *not* happen.
///
/// # Panics
/// With the error, as soon as the condition does not hold.
pub async fn throughout<E: std::fmt::Display>(
    what: &str,
    span: Duration,
    mut holds: impl AsyncFnMut() -> Result<(), E>,
) {
    let started = Instant::now();
    loop {
        if let Err(error) = holds().await {
            panic!("{what}: broken after {:?}: {error}", started.elapsed());
        }
        if started.elapsed() >= span {
            return;
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

/// What patience is multiplied by. The spans that tests name are those of an idle machine; no busy one may fail a test
/// for being slow.
const PATIENCE: f64 = 10.0;

/// `patience` as a busy machine needs it: multiplied by `ZOOGATE_TEST_PATIENCE` (a number, default 10). With 1 the tests
/// hold the gateway to the spans that they name, which only makes sense on a machine with nothing else to do.
pub fn scaled(patience: Duration) -> Duration {
    let factor =
        std::env::var("ZOOGATE_TEST_PATIENCE").ok().and_then(|text| text.parse().ok()).unwrap_or(PATIENCE);
    patience.mul_f64(factor)
}

/// `Ok` when `condition` holds, else the error that `message` makes.
pub fn ensure(condition: bool, message: impl FnOnce() -> String) -> Result<(), String> {
    if condition { Ok(()) } else { Err(message()) }
}
