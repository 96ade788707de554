//! The gateway beside software of others in versions that the machine does not bring; run by `scripts/interop`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a test ends at the first surprise, and tells where its files are"
)]

#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "tests/it uses all of it, this binary only a part")]
mod support;

mod calls;
mod dubbo;
mod dubbo_applications;
mod dubbo_go;
mod dubbo_go_native;
mod dubbo_js;
mod dubbo_native;
mod dubbo_python;
mod dubbo_synced;
mod dubbo_urls;
mod generated;
mod go_chassis;
mod go_client;
mod greeter;
mod java_chassis;
mod java_client;
mod old_zookeeper;
mod program;
mod sidecar;
