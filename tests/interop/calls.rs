//! Consumers on Dubbo that call again and again, and what they tell of their calls.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;

use crate::dubbo::{Dubbo, PATIENCE, Registry};
use crate::program::Program;
use crate::support::eventually::{ensure, eventually};

/// So many calls, one after the other, show who is called; each provider gets its turn among them.
const SOME: usize = 40;

/// What came of a call.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Who answered, and the address and weight that the consumer knows of him.
    Answered { tag: String, address: String, weight: String },
    /// Why nobody did.
    Failed(String),
}

/// A running consumer, which calls again and again.
pub struct Consumer {
    program: Program,
    name: String,
}

impl Consumer {
    /// One that calls `services`; `settings` are options of Java.
    pub fn start(dubbo: Dubbo, registry: &Registry, settings: &[&str], services: &[&str]) -> Self {
        let name = format!("echo-consumer-{dubbo:?}").to_lowercase();
        let own = [name.as_str(), &registry.address()];
        let arguments = own.iter().chain(services).map(|argument| (*argument).to_owned()).collect();
        Self { program: dubbo.start(registry, settings, "interop.Consumer", arguments), name }
    }

    /// The outcomes of all its calls of `service` so far, in order, not one left out.
    pub fn calls(&self, service: &str) -> Vec<Outcome> {
        self.all_calls().remove(service).unwrap_or_default()
    }

    /// The outcomes of all its calls so far, for each service that it calls.
    fn all_calls(&self) -> BTreeMap<String, Vec<Outcome>> {
        let mut all = BTreeMap::<_, Vec<_>>::new();
        let output = self.program.output();
        // What is behind the last end of a line may still be in the writing.
        let whole = output.rsplit_once('\n').map_or("", |(whole, _)| whole);
        for (number, service, outcome) in whole.lines().filter_map(read_call) {
            let calls = all.entry(service.to_owned()).or_default();
            calls.push(outcome);
            assert_eq!(number, calls.len(), "a call of {service} is missing:\n{output}");
        }
        all
    }

    /// Waits until some more calls of each of the services, one after the other, came to nothing but what `fits`.
    pub async fn come_to(&mut self, what: &str, services: &[&str], fits: impl Fn(&[Outcome]) -> bool) {
        let before = self.all_calls();
        let count = |calls: &BTreeMap<_, Vec<_>>, service| calls.get(service).map_or(0, Vec::len);
        let what = format!("calls of {services:?} by {}: {what}", self.name);
        eventually(&what, PATIENCE, async || {
            self.program.still_runs();
            let calls = self.all_calls();
            let mut all = services.iter().map(|&service| {
                let made = count(&calls, service);
                made >= count(&before, service) + SOME && fits(&calls[service][made - SOME..])
            });
            ensure(all.all(|fit| fit), || self.program.output())
        })
        .await;
    }

    /// Waits until exactly these providers answer its calls of each of the services, in turns.
    pub async fn are_answered_by(&mut self, tags: &[&str], services: &[&str]) {
        let expected: BTreeSet<_> = tags.iter().copied().map(Some).collect();
        let fits = |calls: &[Outcome]| calls.iter().map(tag).collect::<BTreeSet<_>>() == expected;
        self.come_to(&format!("answered by {tags:?}"), services, fits).await;
    }

    /// Waits until nobody answers its calls of these services, and Dubbo says that it knows of nobody.
    pub async fn find_nobody(&mut self, services: &[&str]) {
        self.come_to("nobody is found", services, |calls| calls.iter().all(is_nobody)).await;
    }

    /// Asserts that since the first call of `service` that was answered none has failed; returns how many there were.
    #[track_caller]
    pub fn never_failed(&self, service: &str) -> usize {
        let calls = self.calls(service);
        let mut calls = calls.iter().enumerate().skip_while(|(_, call)| tag(call).is_none());
        let answered = calls.clone().count();
        let failed = calls.find(|(_, call)| tag(call).is_none());
        assert!(failed.is_none(), "{}: {failed:?} of {service} in\n{}", self.name, self.program.output());
        answered
    }
}

/// [`Consumer::are_answered_by`] for each of them.
pub async fn all_are_answered_by(tags: &[&str], consumers: &mut [Consumer], services: &[&str]) {
    join_all(consumers.iter_mut().map(|consumer| consumer.are_answered_by(tags, services))).await;
}

/// [`Consumer::find_nobody`] for each of them.
pub async fn all_find_nobody(consumers: &mut [Consumer], services: &[&str]) {
    join_all(consumers.iter_mut().map(|consumer| consumer.find_nobody(services))).await;
}

/// Reads what `Consumer.java` says of a call: its number, the service and what came of it.
fn read_call(line: &str) -> Option<(usize, &str, Outcome)> {
    let mut words = line.strip_prefix("> ")?.splitn(4, ' ');
    let (number, service) = (words.next()?.parse().ok()?, words.next()?);
    let outcome = match (words.next()?, words.next()?) {
        ("answered", rest) => {
            let mut words = rest.split(' ').map(str::to_owned);
            Outcome::Answered { tag: words.next()?, address: words.next()?, weight: words.next()? }
        }
        (_, why) => Outcome::Failed(why.to_owned()),
    };
    Some((number, service, outcome))
}

/// Who answered.
pub fn tag(call: &Outcome) -> Option<&str> {
    match call {
        Outcome::Answered { tag, .. } => Some(tag),
        Outcome::Failed(_) => None,
    }
}

/// Whether it failed because the consumer knows of no provider.
pub fn is_nobody(call: &Outcome) -> bool {
    matches!(call, Outcome::Failed(why) if why.contains("No provider available"))
}
