//! Tasks that the gateway cannot do without.

use std::panic::AssertUnwindSafe;

use futures::FutureExt;
use tokio::task::JoinHandle;

/// Spawns a task that must not end by a panic: if it does, the process ends with it. Whoever supervises the process
/// starts a sound one, and the registrations stand meanwhile; a gateway that goes on without its feed or its leases
/// would answer, and be wrong.
pub fn spawn_vital(name: &'static str, task: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
    tokio::spawn(async move {
        if AssertUnwindSafe(task).catch_unwind().await.is_err() {
            log::error!("the task that {name} panicked: the process ends");
            std::process::abort();
        }
    })
}
