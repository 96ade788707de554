//! Providers that a fault puts into the tree itself, as Dubbo applications would, and how gateways show them.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::future::join_all;
use reqwest::Method;
use serde_json::Value;

use super::{OWN, Trouble};
use crate::support::client::Request;
use crate::support::eventually::scaled;
use crate::support::gateway::registry_path;
use crate::support::znodes::{Znodes, escape, unescape};
use crate::world::World;

/// Time within which every gateway of an idle machine shows what stands in the tree.
const AGREE: Duration = Duration::from_secs(20);

/// The name of an interface that belongs to a fault.
pub fn interface(name: &str) -> String {
    format!("{OWN}{name}")
}

/// The folder of its providers.
pub fn folder(interface: &str) -> String {
    format!("/dubbo/{interface}/providers")
}

/// The znode of its provider with this number; as short as Dubbo's own can be.
pub fn provider(interface: &str, number: usize) -> String {
    let host = format!("10.{}.{}.{}", 64 + number / 62_500, number / 250 % 250, 1 + number % 250);
    format!(
        "{}/{}",
        folder(interface),
        escape(&format!("dubbo://{host}:20880/{interface}?application=chaos"))
    )
}

/// The endpoints of the providers that stand in the tree.
pub async fn standing(znodes: &Znodes, interface: &str) -> BTreeSet<String> {
    let names = znodes.children(&folder(interface)).await;
    names.iter().map(|name| host(&unescape(name))).collect()
}

/// Waits until every gateway shows exactly what stands in the tree, and answers how many providers that are.
///
/// # Errors
/// [`Trouble::Broken`] when one still shows something else after a long time.
pub async fn agreed(world: &World, interface: &str) -> Result<usize, Trouble> {
    let znodes = world.znodes().await;
    let deadline = tokio::time::Instant::now() + scaled(AGREE);
    loop {
        let tree = standing(&znodes, interface).await;
        let shown = join_all(world.http().into_iter().map(|gateway| shown(gateway, interface))).await;
        let Some(index) = shown.iter().position(|shown| *shown != tree) else { return Ok(tree.len()) };
        if tokio::time::Instant::now() > deadline {
            let missing: Vec<_> = tree.difference(&shown[index]).take(5).collect();
            let extra: Vec<_> = shown[index].difference(&tree).take(5).collect();
            return Err(Trouble::Broken(format!(
                "gateway {index} shows {} providers of {interface} instead of {}: {missing:?} are missing, {extra:?} are too many",
                shown[index].len(),
                tree.len()
            )));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The endpoints of the providers that a gateway shows; none when it does not answer.
async fn shown(gateway: std::net::SocketAddr, interface: &str) -> BTreeSet<String> {
    let path = registry_path(&format!("/instances?appId=chaos&serviceName={interface}"));
    let Ok(answer) = Request::new(Method::GET, gateway, &path).try_send().await else {
        return BTreeSet::new();
    };
    let body: Value = serde_json::from_str(&answer.body).unwrap_or_default();
    let instances = body["instances"].as_array().into_iter().flatten();
    let endpoints = instances.flat_map(|instance| instance["endpoints"].as_array().into_iter().flatten());
    endpoints.filter_map(Value::as_str).map(host).collect()
}

/// The address in a URL.
fn host(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', '?']).next().unwrap_or_default().to_owned()
}
