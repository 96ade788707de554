//! The whole gateway in one process, without a ZooKeeper to talk to.

use tokio::sync::oneshot;

use super::*;
use crate::config::Sources;

/// Nothing listens on port 1 of this machine.
fn config(more: &[(&str, &str)]) -> Config {
    let own = [
        ("http.listen", "127.0.0.1:0,127.0.0.1:0"),
        ("ops.listen", "127.0.0.1:0"),
        ("zookeeper.connect", "127.0.0.1:1"),
        ("http.workers", "1"),
    ];
    let flags = own.iter().chain(more).map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    Config::load(&Sources { flags, ..Sources::default() }).unwrap()
}

struct Gateway {
    addresses: Addresses,
    ask_to_stop: oneshot::Sender<()>,
    running: JoinHandle<anyhow::Result<()>>,
}

fn start(more: &[(&str, &str)]) -> Gateway {
    let app = App::build(config(more)).unwrap();
    let addresses = app.addresses();
    let (ask_to_stop, asked) = oneshot::channel();
    let running = tokio::spawn(app.run(async {
        let _ = asked.await;
    }));
    Gateway { addresses, ask_to_stop, running }
}

async fn get(address: SocketAddr, path: &str) -> reqwest::Result<(u16, String)> {
    let client = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build()?;
    let response = client.get(format!("http://{address}{path}")).send().await?;
    Ok((response.status().as_u16(), response.text().await?))
}

#[tokio::test(flavor = "multi_thread")]
async fn without_zookeeper_it_is_alive_and_answers_but_is_not_ready() {
    let gateway = start(&[]);
    assert_eq!(get(gateway.addresses.ops, "/livez").await.unwrap().0, 200);
    assert_eq!(get(gateway.addresses.ops, "/readyz").await.unwrap().0, 503);
    for address in &gateway.addresses.http {
        let answer = get(*address, "/nowhere").await.unwrap();
        assert_eq!(answer, (404, "404 page not found".to_owned()));
    }
    gateway.ask_to_stop.send(()).unwrap();
    gateway.running.await.unwrap().unwrap();
    assert!(get(gateway.addresses.ops, "/livez").await.is_err());
    assert!(get(gateway.addresses.http[0], "/nowhere").await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_goes_before_the_listeners_do() {
    let gateway = start(&[("http.shutdown_delay", "1s")]);
    get(gateway.addresses.http[0], "/nowhere").await.unwrap();
    gateway.ask_to_stop.send(()).unwrap();
    // The ops listener outlives the others, so this ends either with the reason or with the gateway.
    while !get(gateway.addresses.ops, "/readyz").await.unwrap().1.contains("shutdown: shutting down") {}
    assert_eq!(get(gateway.addresses.http[0], "/nowhere").await.unwrap().0, 404);
    gateway.running.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_connection_does_not_hold_the_shutdown_up() {
    let gateway = start(&[("http.shutdown_timeout", "1m")]);
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("http://{}/nowhere", gateway.addresses.http[0]);
    client.get(url).send().await.unwrap().bytes().await.unwrap();
    gateway.ask_to_stop.send(()).unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(20), gateway.running).await;
    ended.expect("must not wait for the connection").unwrap().unwrap();
}

#[test]
fn an_address_in_use_stops_the_start_with_the_name_of_its_key() {
    let first = App::build(config(&[])).unwrap();
    let taken = first.addresses().http[0].to_string();
    let error = App::build(config(&[("ops.listen", &taken)])).err().unwrap();
    assert!(error.to_string().contains("ops.listen") && error.to_string().contains(&taken), "{error}");
}
