//! A program on ServiceComb's own Go client, unmodified, as go-chassis embeds it.

use std::time::Duration;

use crate::program::{Program, built, two_gateways};

/// What all operations take, some of which wait for the other gateway or for a ping.
const ALL: Duration = Duration::from_secs(60);

#[tokio::test]
async fn every_operation_of_the_go_client_is_answered_as_it_expects() {
    let (first, second) = two_gateways().await;
    let addresses = [&first, &second].map(|gateway| gateway.http.to_string().into());
    Program::start(&built("go-sc-client").join("go-sc-client"), &addresses).succeeds(ALL).await;
}
