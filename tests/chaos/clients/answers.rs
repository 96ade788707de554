//! What the answers of both dialects mean.

use serde_json::Value;

use super::call::{Meaning, Reply};
use super::{APPLICATION, owner_of};
use crate::history::{Entry, Outcome};

/// No answer: nobody knows, unless nothing was sent.
fn silence(reply: &Reply) -> Option<Meaning> {
    (reply.status == 0).then(|| {
        let outcome = if reply.not_sent { Outcome::Fail } else { Outcome::Unknown };
        Meaning::plain(outcome, reply.error.clone())
    })
}

/// The answer to a sync of who consumes `consumed`.
pub fn synced(reply: &Reply, consumed: &[String]) -> Meaning {
    if let Some(silence) = silence(reply) {
        return silence;
    }
    let body = &reply.body;
    if reply.status == 200 && body["code"] == 0 {
        let list = &body["service_list"];
        let mut meaning = Meaning::plain(Outcome::Ok, "");
        meaning.version = Some(list["version"].as_u64().unwrap_or(0));
        let dispatched = list["dispatched_interface_list"].as_array().cloned().unwrap_or_default();
        let has = |interface: &String| dispatched.iter().any(|one| one == interface.as_str());
        let owners = consumed.iter().filter_map(|interface| Some((owner_of(interface)?, has(interface))));
        meaning.dispatched = owners.collect();
        return meaning;
    }
    let why = body["msg"].as_str().unwrap_or_default();
    let certain = reply.status == 200 && why == "zk not connected.";
    Meaning::plain(if certain { Outcome::Fail } else { Outcome::Unknown }, format!("{} {why}", reply.status))
}

/// The answer to a change, or a sign of life, of an instance.
pub fn changed(reply: &Reply) -> Meaning {
    if let Some(silence) = silence(reply) {
        return silence;
    }
    if reply.status == 200 {
        return Meaning::plain(Outcome::Ok, "");
    }
    let error = why(&reply.body, reply.status);
    let certain = reply.status < 500 || error.contains("zk not connected");
    let mut meaning = Meaning::plain(if certain { Outcome::Fail } else { Outcome::Unknown }, &error);
    meaning.denies = error.contains("400017");
    meaning
}

/// The code and the words of a refusal of the v4 dialect.
pub fn why(body: &Value, status: u16) -> String {
    let text = |key: &str| body[key].as_str().unwrap_or_default();
    format!("{status} {} {}", text("errorCode"), text("detail"))
}

/// Whether a refusal says that the service does not exist, which is what an empty group looks like.
pub fn is_empty_group(body: &Value) -> bool {
    body["errorCode"] == "400012"
}

/// The registrants in a list of instances.
pub fn entries(list: &Value) -> Vec<Entry> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let entries = list.as_array().into_iter().flatten().map(|instance| {
        let properties = &instance["properties"];
        Entry {
            who: text(&properties["who"]),
            payload: text(&properties["payload"]),
            status: text(&instance["status"]),
        }
    });
    let mut entries: Vec<Entry> = entries.collect();
    entries.sort();
    entries
}

/// The path that finds a group.
pub fn find_path(group: &str, rev: &str) -> String {
    format!("/v4/default/registry/instances?appId={APPLICATION}&serviceName={group}&rev={rev}")
}

/// A find that failed.
pub fn not_found(reply: &Reply) -> Meaning {
    silence(reply).unwrap_or_else(|| Meaning::plain(Outcome::Fail, why(&reply.body, reply.status)))
}
