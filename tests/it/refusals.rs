//! ZooKeeper is there and cannot be used as configured: alive, not ready, and the reason in plain words.

use std::time::Duration;

use zookeeper_client::{Acls, CreateMode};

use crate::support::eventually::{ensure, eventually};
use crate::support::gateway::{Gateway, Options};
use crate::support::znodes::Znodes;
use crate::support::zookeeper::{self, ZooKeeper, four_letters};

/// Time within which the reason must be known.
const SOON: Duration = Duration::from_secs(15);

/// Waits until the gateway is alive, not ready, and names one of `words` on `/readyz`, then looks into its log.
async fn says(gateway: &Gateway, words: &[&str]) {
    let has = |text: &str| words.iter().any(|word| text.to_lowercase().contains(word));
    eventually("/readyz gives the reason", SOON, async || {
        let answer = gateway.ops("/readyz").send().await;
        ensure(answer.status == 503 && has(&answer.body), || format!("{answer:?}"))
    })
    .await;
    assert!(gateway.output().lines().any(has), "{}", gateway.output());
    assert_eq!(gateway.ops("/livez").send().await.status, 200);
}

#[tokio::test]
async fn a_chroot_that_does_not_exist_is_named_until_somebody_creates_it() {
    let root = zookeeper::shared().await;
    let mut gateway = Options::new(&format!("{root}/not/there")).launch().await;
    says(&gateway, &["/not/there"]).await;
    Znodes::connect(&root).await.create_all("/not/there").await;
    gateway.ready().await;
}

#[tokio::test]
async fn a_tree_that_others_own_is_refused_with_the_reason() {
    let root = zookeeper::shared().await;
    let owner = Znodes::connect(&root).await;
    owner.client().auth("digest", b"owner:secret").await.unwrap();
    let private = CreateMode::Persistent.with_acls(Acls::creator_all());
    owner.client().create("/private", b"", &private).await.unwrap();
    let connect = format!("{root}/private");
    let stranger =
        Options::new(&connect).set("zookeeper", "auth", "\"digest:stranger:other\"").launch().await;
    says(&stranger, &["auth", "permission", "acl"]).await;
    let output = stranger.output();
    assert!(!output.contains("other"), "the password is in the log:\n{output}");

    let known = Options::new(&connect).set("zookeeper", "auth", "\"digest:owner:secret\"");
    known.set("zookeeper", "acl", "\"creator\"").start().await;
}

#[tokio::test]
async fn a_server_that_asks_for_another_authentication_is_named_as_the_reason() {
    let lines = [
        "authProvider.1=org.apache.zookeeper.server.auth.SASLAuthenticationProvider",
        "enforce.auth.enabled=true",
        "enforce.auth.schemes=sasl",
    ];
    let lines = lines.map(str::to_owned).to_vec();
    let server = ZooKeeper::start(zookeeper::Options { lines, ..Default::default() }).await;
    if four_letters(server.port(), "srvr").await.unwrap().contains("Zookeeper version: 3.6.") {
        eprintln!("ZooKeeper 3.6 cannot enforce an authentication");
        return;
    }
    let gateway = Options::new(&server.connect_string()).launch().await;
    says(&gateway, &["refused the authentication"]).await;
}
