//! How each znode of the application level changes the catalog.

use super::applications::{MappingRecord, StoredInstance};
use super::state::{Loss, State, unreadable};
use super::topics::Topic;
use crate::dubbo::{InstanceError, applications_in};
use crate::telemetry::Metrics;
use crate::zookeeper::{ApplicationPlace, Layout, MetadataHome, MetadataKey, Stat};

impl State {
    /// Takes a znode of the application level as it was read.
    pub(super) fn application(
        &mut self,
        layout: &Layout,
        metrics: &Metrics,
        place: ApplicationPlace,
        state: Option<(&[u8], &Stat)>,
    ) {
        let folder = state.map(|(_, stat)| stat.pzxid);
        self.services.topics.touch(topic_of(&place));
        match place {
            ApplicationPlace::Root => self.applications.root = folder.unwrap_or(0),
            ApplicationPlace::Folder(application) => self.applications.folder(&application, folder),
            ApplicationPlace::MetadataFolder(application) => {
                self.applications.metadata_folder(&application, folder.unwrap_or(0));
            }
            ApplicationPlace::Instance { application, name } => {
                self.application_instance(layout, metrics, &application, &name, state);
            }
            ApplicationPlace::Metadata(key) => self.application_metadata(layout, metrics, &key, state),
            ApplicationPlace::Mapping(interface) => self.application_mapping(metrics, &interface, state),
        }
    }

    fn application_instance(
        &mut self,
        layout: &Layout,
        metrics: &Metrics,
        application: &str,
        name: &str,
        state: Option<(&[u8], &Stat)>,
    ) {
        let known = self.applications.instance(application, name);
        let is_same = |(_, stat): &(&[u8], &Stat)| known.is_some_and(|known| known.stat.mzxid == stat.mzxid);
        if state.as_ref().is_some_and(is_same) {
            return;
        }
        let reported = known.is_some_and(|known| known.instance.is_err());
        let now = state.map(|(data, stat)| StoredInstance::read(application, name, data, stat));
        if let Some(StoredInstance { instance: Err(InstanceError::Malformed(reason)), .. }) = &now {
            unreadable(metrics, reported, "application_instance", application, name, reason);
        }
        let owners = now.as_ref().map(|now| now.node.owners.clone()).unwrap_or_default();
        let before = self.applications.replace(layout, application, name, now);
        let lost =
            before.iter().flat_map(|before| &before.node.owners).filter(|owner| !owners.contains(owner));
        self.losses.extend(lost.cloned().map(Loss::Registration));
        let before = self.withdraw(application, name, before);
        let after = self.offer(application, name);
        self.note_views(before, after);
    }

    fn application_metadata(
        &mut self,
        layout: &Layout,
        metrics: &Metrics,
        key: &MetadataKey,
        state: Option<(&[u8], &Stat)>,
    ) {
        let changed = self.applications.document(layout, key, state);
        let known = self.applications.metadata.get(key);
        if changed && known.is_some_and(|known| known.malformed) {
            let reason = &"it is no document of Dubbo's";
            unreadable(metrics, false, "application_metadata", &key.application, &key.revision, reason);
        }
        let is_lost = key.home == MetadataHome::Report && known.is_none_or(|known| known.read && !known.own);
        if !changed {
            return;
        }
        for name in self.applications.naming(&key.application, &key.revision) {
            let owners = self.applications.instance(&key.application, &name);
            let owners = owners.map(|stored| stored.node.owners.clone()).unwrap_or_default();
            if is_lost {
                self.losses.extend(owners.into_iter().map(Loss::Registration));
            }
            self.offer_again(&key.application, &name);
        }
    }

    fn application_mapping(&mut self, metrics: &Metrics, interface: &str, state: Option<(&[u8], &Stat)>) {
        let now = state.map(|(data, stat)| MappingRecord {
            text: std::str::from_utf8(data).ok().map(str::to_owned),
            version: stat.version,
        });
        if now.as_ref().is_some_and(|now| now.text.is_none()) {
            unreadable(metrics, false, "application_mapping", "", interface, &"it is no text");
        }
        let before = match &now {
            Some(now) => self.applications.mappings.insert(interface.to_owned(), now.clone()),
            None => self.applications.mappings.remove(interface),
        };
        let text = |record: Option<MappingRecord>| record.and_then(|record| record.text).unwrap_or_default();
        let (before, now) = (text(before), text(now));
        for application in applications_in(&before) {
            if !applications_in(&now).any(|name| name == application) {
                self.losses.extend(self.applications.owners(application).into_iter().map(Loss::Registration));
            }
        }
    }
}

/// What finds by name look at of a place.
fn topic_of(place: &ApplicationPlace) -> Topic<'_> {
    match place {
        ApplicationPlace::Root => Topic::Applications,
        ApplicationPlace::Folder(application)
        | ApplicationPlace::MetadataFolder(application)
        | ApplicationPlace::Instance { application, .. } => Topic::Application(application),
        ApplicationPlace::Metadata(key) => Topic::Application(&key.application),
        ApplicationPlace::Mapping(interface) => Topic::Name(interface),
    }
}
