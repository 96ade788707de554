//! How much there is of everything, counted when somebody asks.

use std::collections::BTreeSet;

use super::applications::{MappingRecord, is_revision, looks_own};
use super::state::State;
use super::{Catalog, Standing, services};
use crate::dubbo::{InstanceError, applications_in};
use crate::zookeeper::MetadataHome;

impl Catalog {
    /// Brings the gauges up to date; called when they are read.
    pub fn update_gauges(&self) {
        let state = self.state.read();
        let services = || state.services.tenants.values().flat_map(|tenant| tenant.services.values());
        let shown = services().filter(|service| service.microservice().is_some()).count();
        let instances: usize = services().map(services::Service::count).sum();
        self.metrics.mirror_services.set(i64::try_from(shown).unwrap_or(i64::MAX));
        self.metrics.mirror_instances.set(i64::try_from(instances).unwrap_or(i64::MAX));
        self.metrics.leases.set(i64::try_from(state.leases.count()).unwrap_or(i64::MAX));
        self.metrics.mirror_revision.set(state.zxid);
        let lists = &state.nodes.lists;
        self.metrics.longest_list.set(i64::try_from(lists.longest()).unwrap_or(i64::MAX));
        let long_lists = lists.interfaces_over_warning();
        self.metrics.long_lists.set(i64::try_from(long_lists).unwrap_or(i64::MAX));
        for (kind, count) in state.foreign_znodes() {
            let gauge = self.metrics.foreign_znodes.with_label_values(&[kind]);
            gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        self.metrics.waiting_polls.set(i64::try_from(self.listeners.count()).unwrap_or(i64::MAX));
        self.metrics.watch_subscribers.set(i64::try_from(self.watchers.count()).unwrap_or(i64::MAX));
        drop(state);
        self.metrics.mirror_staleness.set(self.stale_for().map_or(0.0, |time| time.as_secs_f64()));
    }
}

impl State {
    /// How many znodes of others there are, by kind.
    pub(super) fn foreign_znodes(&self) -> [(&'static str, usize); 9] {
        let applications = &self.applications;
        let (providers, consumers) = self.nodes.malformed();
        let (mut payloads, mut senseless) = (0, 0);
        let mut ours = BTreeSet::new();
        for (application, known) in &applications.known {
            for stored in known.instances.values() {
                match &stored.instance {
                    Err(InstanceError::Payload(_)) => payloads += 1,
                    Err(InstanceError::Malformed(_)) => senseless += 1,
                    Ok(_) if stored.node.standing == Standing::Own => {
                        ours.insert(application.as_str());
                    }
                    Ok(_) => {}
                }
            }
        }
        let (mut revisions, mut definitions, mut unknown) = (0, 0, 0);
        for (key, known) in &applications.metadata {
            let is_document = applications.is_named(&key.application, &key.revision);
            match key.home {
                // Not read yet: most likely its own.
                MetadataHome::Report if known.own || (!known.read && looks_own(key)) => {}
                MetadataHome::Report if is_document || is_revision(&key.revision) => revisions += 1,
                MetadataHome::Report => definitions += 1,
                MetadataHome::Application if is_document => revisions += 1,
                MetadataHome::Application => unknown += 1,
            }
        }
        let has_others = |mapping: &&MappingRecord| {
            mapping.text.as_ref().is_none_or(|text| applications_in(text).any(|name| !ours.contains(name)))
        };
        let mappings = applications.mappings.values().filter(has_others).count();
        [
            ("provider_name", providers),
            ("consumer_name", consumers),
            ("unknown_child", unknown),
            ("config", self.foreign.len()),
            ("metadata_revision", revisions),
            ("service_definition", definitions),
            ("mapping", mappings),
            ("instance_payload", payloads),
            ("instance_malformed", senseless),
        ]
    }
}
