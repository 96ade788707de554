//! The state of everything at the end of a run, from each gateway and from the tree itself.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::Method;
use serde_json::Value;

use crate::clients::answers;
use crate::clients::call::Caller;
use crate::history::{Entry, Final};
use crate::observer::Provider;
use crate::support::znodes::Znodes;

/// What every source says now; a gateway that does not answer shows nothing, and says so.
pub async fn states(caller: &Caller, znodes: &Znodes, groups: &BTreeMap<String, Vec<String>>) -> Vec<Final> {
    let mut states = vec![tree(caller, znodes, groups).await];
    for gateway in 0..caller.gateways() {
        states.push(shown(caller, gateway, groups).await);
    }
    states
}

async fn shown(caller: &Caller, gateway: usize, groups: &BTreeMap<String, Vec<String>>) -> Final {
    let start = caller.recorder.now();
    let mut found = BTreeMap::new();
    let mut dirt = Vec::new();
    for group in groups.keys() {
        let line = (Method::GET, answers::find_path(group, ""));
        let reply = caller.send(gateway, &line, &[], None).await;
        if reply.status == 200 {
            found.insert(group.clone(), answers::entries(&reply.body["instances"]));
        } else if !answers::is_empty_group(&reply.body) {
            dirt.push(format!("it answers {group} with {} {}", reply.status, reply.error));
        }
        if reply.stale_ms > 0 {
            dirt.push(format!("it calls {group} out of date by {} ms", reply.stale_ms));
        }
    }
    Final { source: format!("gateway {gateway}"), start, end: caller.recorder.now(), groups: found, dirt }
}

/// What ZooKeeper holds, read without any gateway.
async fn tree(caller: &Caller, znodes: &Znodes, groups: &BTreeMap<String, Vec<String>>) -> Final {
    let start = caller.recorder.now();
    // Somebody else's session may be behind.
    let _ = znodes.client().sync("/").await;
    let own: Vec<String> = znodes.tree("/zoogate").await.into_keys().collect();
    let mut dirt = Vec::new();
    let leases = leases(&own, &mut dirt);
    let replicas: BTreeSet<&str> =
        own.iter().filter_map(|path| path.strip_prefix("/zoogate/replicas/")).collect();
    for (who, marks) in &leases {
        for mark in marks.iter().filter(|mark| !replicas.contains(mark.as_str())) {
            dirt.push(format!("the lease of {who} has a mark of {mark}, which is gone"));
        }
    }
    let mut found: BTreeMap<String, Vec<Entry>> = BTreeMap::new();
    let mut instances: BTreeMap<String, Entry> = BTreeMap::new();
    for path in own.iter().filter(|path| path.starts_with("/zoogate/instances/")) {
        let Ok((data, _)) = znodes.client().get_data(path).await else { continue };
        let document: Value = serde_json::from_slice(&data).unwrap_or_default();
        let list = Value::Array(vec![document["instance"].clone()]);
        for entry in answers::entries(&list).into_iter().filter(|entry| !entry.who.is_empty()) {
            instances.insert(entry.who.clone(), entry);
        }
    }
    let standing = standing(znodes).await;
    let mut seen: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for provider in &standing {
        *seen.entry((&provider.interface, &provider.who)).or_default() += 1;
        if !leases.contains_key(&provider.who) {
            dirt.push(format!("{} has a provider of {} and no lease", provider.who, provider.interface));
        }
        if !groups.contains_key(&provider.interface) {
            continue;
        }
        let entry = match &provider.payload {
            Some(payload) => {
                Entry { who: provider.who.clone(), payload: payload.clone(), status: "UP".into() }
            }
            None => match instances.get(&provider.who) {
                Some(entry) => entry.clone(),
                None => {
                    dirt.push(format!("{} has a provider and no document", provider.who));
                    continue;
                }
            },
        };
        found.entry(provider.interface.clone()).or_default().push(entry);
    }
    for ((interface, who), count) in seen.iter().filter(|(_, count)| **count > 1) {
        dirt.push(format!("{who} has {count} providers of {interface}"));
    }
    for who in instances.keys().filter(|who| !standing.iter().any(|provider| provider.who == **who)) {
        dirt.push(format!("{who} has a document and no provider"));
    }
    Final { source: "the tree".into(), start, end: caller.recorder.now(), groups: found, dirt }
}

/// Marks by registrant.
fn leases(own: &[String], dirt: &mut Vec<String>) -> BTreeMap<String, Vec<String>> {
    let mut leases: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for path in own {
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        let (lease, mark) = match parts.as_slice() {
            ["zoogate", "leases", "snapshots", _, who] => (who, None),
            ["zoogate", "leases", "snapshots", _, who, mark] => (who, Some(mark)),
            ["zoogate", "leases", "instances", _, _, _, who] => (who, None),
            ["zoogate", "leases", "instances", _, _, _, who, mark] => (who, Some(mark)),
            _ => continue,
        };
        let marks = leases.entry((*lease).to_owned()).or_default();
        marks.extend(mark.map(|mark| (*mark).to_owned()));
    }
    for (who, _) in leases.iter().filter(|(_, marks)| marks.is_empty()) {
        dirt.push(format!("the lease of {who} has no mark"));
    }
    leases
}

async fn standing(znodes: &Znodes) -> Vec<Provider> {
    let paths = znodes.tree("/dubbo").await.into_keys();
    paths.filter_map(|path| Provider::at(&path)).collect()
}
