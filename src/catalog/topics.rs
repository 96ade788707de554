//! What finds by name tell of, and when each of it last changed: so that who keeps the answer to many finds can see
//! whether it is still true without finding anew.
//!
//! Whatever changes a thing that such a find looks at has to touch its topic. Too much may be touched, never too little:
//! `topics_tests` applies changes of every kind and compares what is said to stand with what is found.

use ahash::RandomState;

use super::Catalog;
use crate::model::{ServiceKeyView, Tenant};

/// How many places the topics share. Two at the same place only make an answer count as changed that is not, as often as
/// there are services for each place: in a registry of 10,000 services one change in seven looks like that of another.
const PLACES: usize = 1 << 16;

/// Something that finds by name tell of, or look at.
#[derive(Clone, Copy, Debug, Hash)]
pub(super) enum Topic<'t> {
    /// Every service of this name, of whatever tenant, environment and application: its versions, their instances, tags
    /// and properties, providers of the interface of this name, who is mapped to it, and that a consumer no longer uses it.
    Name(&'t str),
    /// The microservice at this id, which is what a consumer is.
    Service(&'t str),
    /// The application of this name at the application level.
    Application(&'t str),
    /// When an application last came or went.
    Applications,
}

/// When each topic last changed, counted in changes.
pub(super) struct Topics {
    /// How many changes there have been.
    count: u64,
    /// The last one of each place.
    last: Box<[u64]>,
    /// Keyed, so that nobody can choose names that share a place.
    hasher: RandomState,
}

impl Default for Topics {
    fn default() -> Self {
        let last = vec![0; PLACES].into_boxed_slice();
        Self { count: 0, last, hasher: RandomState::new() }
    }
}

impl Topics {
    /// Takes that something of a topic has changed, or may have.
    pub fn touch(&mut self, topic: Topic<'_>) {
        self.count += 1;
        let place = self.place(topic);
        self.last[place as usize] = self.count;
    }

    fn place(&self, topic: Topic<'_>) -> u32 {
        // invariant: less than PLACES
        (self.hasher.hash_one(topic) % PLACES as u64) as u32
    }
}

/// A state of the catalog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment(u64);

/// What the answers to finds by name rest on.
#[derive(Debug)]
pub struct Basis {
    moment: Moment,
    places: Box<[u32]>,
}

impl Basis {
    /// About how many bytes it takes.
    #[must_use]
    pub fn size(&self) -> usize {
        size_of_val(&*self.places) + size_of::<Self>()
    }
}

impl Catalog {
    /// Now.
    pub fn moment(&self) -> Moment {
        Moment(self.state.read().services.topics.count)
    }

    /// What the answers to these rest on: to [`super::Asker::find`] without tags and aliases for each of `services`, asked by
    /// this consumer at `moment` or later, and that [`super::Asker::new_dependency`] had none for it.
    pub fn basis<'k>(
        &self,
        moment: Moment,
        tenant: &Tenant,
        consumer_id: Option<&str>,
        services: impl Iterator<Item = ServiceKeyView<'k>>,
    ) -> Basis {
        let state = self.state.read();
        let topics = &state.services.topics;
        let mut places: Vec<u32> = Vec::with_capacity(services.size_hint().0 + 2);
        places.extend(consumer_id.map(|id| topics.place(Topic::Service(id))));
        let mut last_application = None;
        for service in services {
            places.push(topics.place(Topic::Name(service.service_name)));
            // Only the default tenant has an application level.
            if !tenant.is_default() {
                continue;
            }
            // Most services of a list are of one application.
            if last_application != Some(service.app_id) {
                last_application = Some(service.app_id);
                places.push(topics.place(Topic::Application(service.app_id)));
            }
            if state.is_of_unknown_application(service.app_id, service.service_name) {
                places.push(topics.place(Topic::Applications));
            }
        }
        Basis { moment, places: places.into() }
    }

    /// Whether nothing has changed of what answers rest on: each of them would be the same now.
    pub fn stands(&self, basis: &Basis) -> bool {
        let state = self.state.read();
        let (topics, Moment(then)) = (&state.services.topics, basis.moment);
        let is_unchanged = |place: &u32| topics.last[*place as usize] <= then;
        topics.count == then || basis.places.iter().all(is_unchanged)
    }
}
