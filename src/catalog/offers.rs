//! What of the application level appears in the v4 API: each application with its instances, and each interface that
//! they offer as the provider URL that it stands for.
//!
//! The interface level wins: an offer is shown only as long as no provider URL of the same interface, group, version,
//! protocol and address stands there.

use std::collections::BTreeMap;
use std::sync::Arc;

use ahash::HashMap;
use bytes::Bytes;

use super::applications::{Standing, StoredInstance};
use super::providers::{application_instance, provider_instance};
use super::services::ProviderInstance;
use super::state::State;
use crate::dubbo::{self, EntryKeyView};
use crate::model::{Microservice, Tenant, short_digest};
use crate::zookeeper::Stat;

/// One interface that an instance offers.
pub(super) struct Offer {
    /// What the interface level would have to have, see [`address`].
    address: u64,
    interface: String,
    /// Its place in the document that says so.
    service: usize,
    /// The microservice and instance that it is shown as.
    shown: Option<(String, String)>,
}

/// Every offer, shown or not.
#[derive(Default)]
pub(super) struct Offers {
    /// By address: nearly always one.
    by_address: HashMap<u64, Vec<OfferPlace>>,
    /// How many offers of an application there are, by interface.
    by_interface: HashMap<String, HashMap<String, usize>>,
    /// Grows whenever an interface is offered first, or no longer.
    pub availability: u64,
}

/// Application, znode of the instance, and place among its offers.
type OfferPlace = (Arc<str>, Arc<str>, usize);

/// What was shown, by microservice and instance.
type Views = BTreeMap<(String, String), (Arc<Microservice>, Bytes)>;

/// What makes a provider URL and an offer the same, as a digest: `interface` is what consumers go by, which is the name
/// of the folder for a URL.
pub(super) fn address(interface: &str, entry: &EntryKeyView<'_>) -> u64 {
    let EntryKeyView { group, version, protocol, host, port, .. } = entry;
    let port = port.unwrap_or(0).to_string();
    short_digest([interface, group, version, protocol, host, &port].join("\n").as_bytes())
}

impl Offers {
    /// Whether an application offers an interface, or any does.
    pub fn has(&self, interface: &str, application: Option<&str>) -> bool {
        let applications = self.by_interface.get(interface);
        applications.is_some_and(|known| application.is_none_or(|name| known.contains_key(name)))
    }

    fn add(&mut self, application: &Arc<str>, name: &Arc<str>, index: usize, offer: &Offer) {
        let place = (application.clone(), name.clone(), index);
        self.by_address.entry(offer.address).or_default().push(place);
        let applications = self.by_interface.entry(offer.interface.clone()).or_default();
        if applications.is_empty() {
            self.availability += 1;
        }
        *applications.entry(application.to_string()).or_default() += 1;
    }

    fn remove(&mut self, application: &str, name: &str, index: usize, offer: &Offer) {
        if let Some(places) = self.by_address.get_mut(&offer.address) {
            places.retain(|place| (&*place.0, &*place.1, place.2) != (application, name, index));
            if places.is_empty() {
                self.by_address.remove(&offer.address);
            }
        }
        let Some(applications) = self.by_interface.get_mut(&offer.interface) else { return };
        if let Some(count) = applications.get_mut(application) {
            *count -= 1;
            if *count == 0 {
                applications.remove(application);
            }
        }
        if applications.is_empty() {
            self.by_interface.remove(&offer.interface);
            self.availability += 1;
        }
    }
}

impl State {
    /// Takes away everything that an instance, which is no longer there, has shown.
    pub(super) fn withdraw(
        &mut self,
        application: &str,
        name: &str,
        before: Option<StoredInstance>,
    ) -> Views {
        let mut views = Views::new();
        let Some(StoredInstance { offers, appears, .. }) = before else { return views };
        for (index, offer) in offers.iter().enumerate() {
            self.offers.remove(application, name, index, offer);
        }
        for shown in offers.into_iter().filter_map(|offer| offer.shown).chain(appears) {
            self.hide(shown, &mut views);
        }
        views
    }

    /// Shows an instance, and what it offers as far as that is known and the interface level does not show it.
    pub(super) fn offer(&mut self, application: &str, name: &str) -> Views {
        let mut views = Views::new();
        let Some(stored) = self.applications.instance(application, name) else { return views };
        let Ok(instance) = &stored.instance else { return views };
        let appearance = application_instance(application, name, instance, &stored.node.owners, &stored.stat);
        let offered =
            instance.stored_revision().and_then(|revision| self.applications.offered(application, revision));
        let services = offered.as_ref().map(|(services, _)| services.as_slice()).unwrap_or_default();
        // What zoogate wrote stands at the interface level in the same breath.
        let services = if stored.node.standing == Standing::Own { &[] } else { services };
        let offers = services.iter().enumerate().filter_map(|(service, info)| {
            let key = info.url(application, instance)?.entry_key();
            let address = address(&info.name, &key.view());
            Some(Offer { address, interface: info.name.clone(), service, shown: None })
        });
        let mut offers: Vec<Offer> = offers.collect();
        let appears = self.show(appearance, &mut views);
        let place: (Arc<str>, Arc<str>) = (application.into(), name.into());
        for (index, offer) in offers.iter_mut().enumerate() {
            self.offers.add(&place.0, &place.1, index, offer);
            if !self.nodes.has_address(offer.address)
                && let Some(appearance) = self.appearance(application, name, offer.service)
            {
                offer.shown = Some(self.show(appearance, &mut views));
            }
        }
        let known = self.applications.known.get_mut(application);
        if let Some(stored) = known.and_then(|known| known.instances.get_mut(name)) {
            stored.offers = offers;
            stored.appears = Some(appears);
        }
        views
    }

    /// Shows an instance anew, after what it offers has changed.
    pub(super) fn offer_again(&mut self, application: &str, name: &str) {
        let known = self.applications.known.get_mut(application);
        let Some(stored) = known.and_then(|known| known.instances.get_mut(name)) else { return };
        let offers = std::mem::take(&mut stored.offers);
        let appears = stored.appears.take();
        let (node, instance, stat) = (stored.node.clone(), stored.instance.clone(), stored.stat);
        let before = StoredInstance { node, instance, stat, offers, appears };
        let before = self.withdraw(application, name, Some(before));
        let after = self.offer(application, name);
        self.note_views(before, after);
    }

    /// Hides or shows what stands at an address, after the interface level has changed there.
    pub(super) fn reconsider(&mut self, address: u64) {
        let places = self.offers.by_address.get(&address).cloned().unwrap_or_default();
        let hidden = self.nodes.has_address(address);
        for (application, name, index) in places {
            let shown = self.offer_at(&application, &name, index).and_then(|offer| offer.shown.take());
            let (mut before, mut after) = (Views::new(), Views::new());
            match (shown, hidden) {
                (Some(shown), true) => self.hide(shown, &mut before),
                (None, false) => {
                    let service = self.offer_at(&application, &name, index).map_or(0, |offer| offer.service);
                    if let Some(appearance) = self.appearance(&application, &name, service) {
                        let shown = Some(self.show(appearance, &mut after));
                        if let Some(offer) = self.offer_at(&application, &name, index) {
                            offer.shown = shown;
                        }
                    }
                }
                (shown, _) => {
                    if let Some(offer) = self.offer_at(&application, &name, index) {
                        offer.shown = shown;
                    }
                }
            }
            self.note_views(before, after);
        }
    }

    fn offer_at(&mut self, application: &str, name: &str, index: usize) -> Option<&mut Offer> {
        self.applications.known.get_mut(application)?.instances.get_mut(name)?.offers.get_mut(index)
    }

    /// How the `service`th of what an instance offers appears.
    fn appearance(
        &self,
        application: &str,
        name: &str,
        service: usize,
    ) -> Option<(String, String, ProviderInstance)> {
        let stored = self.applications.instance(application, name)?;
        let instance = stored.instance.as_ref().ok()?;
        let (services, zxid) = self.applications.offered(application, instance.stored_revision()?)?;
        let service = services.get(service)?;
        let url = service.url(application, instance)?;
        let identity = format!("{application}/{name} {}", service.match_key());
        let stat = Stat { mzxid: stored.stat.mzxid.max(zxid), ..stored.stat };
        let (text, owners) = (url.to_string(), &stored.node.owners);
        Some(provider_instance(&identity, &service.name, "", &text, &url, owners, &stat))
    }

    fn show(
        &mut self,
        (service, instance, provider): (String, String, ProviderInstance),
        views: &mut Views,
    ) -> (String, String) {
        let view = (provider.microservice.clone(), provider.json.clone());
        self.services.change(&Tenant::default(), &service, |known| {
            known.providers.insert(instance.clone(), provider);
            known.describe();
        });
        views.insert((service.clone(), instance.clone()), view);
        (service, instance)
    }

    fn hide(&mut self, (service, instance): (String, String), views: &mut Views) {
        let hidden = self.services.change(&Tenant::default(), &service, |known| {
            let hidden = known.providers.remove(&instance);
            known.describe();
            hidden
        });
        views.extend(hidden.map(|hidden| ((service, instance), (hidden.microservice, hidden.json))));
    }

    pub(super) fn note_views(&mut self, mut before: Views, after: Views) {
        for (shown, view) in after {
            self.note_provider(before.remove(&shown), Some(view));
        }
        for view in before.into_values() {
            self.note_provider(Some(view), None);
        }
    }

    /// The least zxid that the answer about a service of `application` can have: that of the application level, as far
    /// as the service is, or ever was, something of it.
    /// `providers` is the zxid of the service's providers.
    pub(super) fn application_zxid(&self, application: &str, service: &str, providers: i64) -> i64 {
        if self.is_of_application(application, service) {
            self.applications.zxid(application).max(providers)
        } else {
            0
        }
    }

    /// Whether a service is, or ever was, something of an application.
    fn is_of_application(&self, application: &str, service: &str) -> bool {
        let is_mapped = || {
            let mapping = self.applications.mappings.get(service).and_then(|mapping| mapping.text.as_deref());
            mapping.is_some_and(|text| dubbo::applications_in(text).any(|name| name == application))
        };
        (application == service && self.applications.known.contains_key(application))
            || self.offers.has(service, Some(application))
            || is_mapped()
    }

    /// Whether a service is, or ever was, something of an application of which only the root of all can tell when it went.
    pub(super) fn is_of_unknown_application(&self, application: &str, service: &str) -> bool {
        self.is_of_application(application, service) && !self.applications.has_folder(application)
    }
}
