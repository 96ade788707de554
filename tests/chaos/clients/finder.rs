//! A client that looks for others, group by group and gateway by gateway, and carries its `rev` from one to the next.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::{MissedTickBehavior, interval};

use super::call::{Caller, Draft, Meaning, Reply};
use super::{APPLICATION, Orders, answers, groups};
use crate::history::{Kind, Outcome, View};

/// Of all finds, how many in a hundred ask for several groups at once.
const BATCHES: u32 = 15;

/// The `rev` that is sent after an answer without one.
const NOTHING: &str = "0";

/// A running client.
pub struct Finder {
    name: String,
    caller: Arc<Caller>,
    orders: Arc<Orders>,
    random: StdRng,
    groups: Vec<String>,
    /// The last answer for each group.
    held: BTreeMap<String, View>,
}

impl Finder {
    /// Client `number`.
    pub fn new(number: usize, caller: Arc<Caller>, orders: Arc<Orders>, random: StdRng) -> Self {
        let groups = groups().into_keys().collect();
        Self { name: format!("f{number}"), caller, orders, random, groups, held: BTreeMap::new() }
    }

    /// Asks every `pause` until it is told to stop. A gateway that hangs holds up nobody: as real clients do, it goes on
    /// with another one meanwhile.
    pub async fn run(mut self, pause: Duration) {
        let mut clock = interval(pause);
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !self.orders.stop.load(Ordering::SeqCst) {
            clock.tick().await;
            let gateway = self.random.gen_range(0..self.caller.gateways());
            let is_batch = self.random.gen_range(0..100) < BATCHES;
            let draft = if is_batch { self.batch() } else { self.find() };
            let Some(operation) = self.caller.try_call(gateway, draft).await else { continue };
            if operation.outcome == Outcome::Ok {
                // What has not changed is held already; the answer to a batch does not repeat its `rev`.
                let news = operation.views.into_iter().filter(|view| !view.rev.is_empty());
                for view in news {
                    self.held.insert(view.group.clone(), view);
                }
            }
        }
    }

    fn held(&self, group: &str) -> View {
        let held = self.held.get(group).cloned().unwrap_or_default();
        View { group: group.to_owned(), sent_rev: held.rev.clone(), ..held }
    }

    fn draft(&self, kind: Kind, read: Box<dyn FnOnce(&Reply) -> Meaning + Send>) -> Draft {
        Draft {
            client: self.name.clone(),
            kind,
            who: None,
            writes: Vec::new(),
            line: (Method::GET, String::new()),
            headers: Vec::new(),
            body: None,
            read,
        }
    }

    fn find(&mut self) -> Draft {
        let group = self.groups[self.random.gen_range(0..self.groups.len())].clone();
        let held = self.held(&group);
        let path = answers::find_path(&group, &held.rev);
        let mut draft = self.draft(Kind::Find, Box::new(move |reply| found(reply, held)));
        draft.line.1 = path;
        draft
    }

    fn batch(&mut self) -> Draft {
        let some: Vec<String> =
            self.groups.iter().filter(|_| self.random.gen_range(0..2) == 0).cloned().collect();
        let some = if some.is_empty() { self.groups.clone() } else { some };
        let held: Vec<View> = some.iter().map(|group| self.held(group)).collect();
        let services = held.iter().map(|view| {
            let service = json!({"appId": APPLICATION, "serviceName": view.group});
            json!({"service": service, "rev": view.rev})
        });
        let body = json!({"services": services.collect::<Vec<_>>()});
        let mut draft = self.draft(Kind::Batch, Box::new(move |reply| found_many(reply, &held)));
        draft.line = (Method::POST, "/v4/default/registry/instances/action?type=query".into());
        draft.body = Some(body);
        draft
    }
}

fn found(reply: &Reply, held: View) -> Meaning {
    let mut view = View { rev: reply.rev.clone(), ..held };
    match reply.status {
        304 => {}
        200 => view.entries = answers::entries(&reply.body["instances"]),
        _ if answers::is_empty_group(&reply.body) => {
            view = View { entries: Vec::new(), rev: NOTHING.into(), ..view };
        }
        _ => return answers::not_found(reply),
    }
    let mut meaning = Meaning::plain(Outcome::Ok, "");
    meaning.views.push(view);
    meaning
}

fn found_many(reply: &Reply, held: &[View]) -> Meaning {
    if reply.status != 200 {
        return answers::not_found(reply);
    }
    let services = &reply.body["services"];
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let view = |index: &Value| {
        let index = index.as_u64().and_then(|index| usize::try_from(index).ok());
        index.and_then(|index| held.get(index)).cloned()
    };
    let mut meaning = Meaning::plain(Outcome::Ok, "");
    for updated in list(&services["updated"]) {
        let Some(mut view) = view(&updated["index"]) else { continue };
        view.rev = updated["rev"].as_str().unwrap_or_default().to_owned();
        view.entries = answers::entries(&updated["instances"]);
        meaning.views.push(view);
    }
    let same = list(&services["notModified"]);
    meaning.views.extend(same.iter().filter_map(view).map(|held| View { rev: String::new(), ..held }));
    for failed in list(&services["failed"]) {
        if answers::is_empty_group(&failed["error"]) {
            let empty = list(&failed["indexes"]).iter().filter_map(view).collect::<Vec<_>>();
            meaning.views.extend(empty.into_iter().map(|held| View {
                entries: Vec::new(),
                rev: NOTHING.into(),
                ..held
            }));
        } else {
            return Meaning::plain(Outcome::Fail, answers::why(&failed["error"], reply.status));
        }
    }
    meaning
}
