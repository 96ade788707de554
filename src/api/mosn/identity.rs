//! Whose snapshot it is. The dialect has no field for it, so a header says it, or else the entries do; when neither
//! does, the address may only speak for the one sidecar that it is known for. A wrong guess would let one sidecar take
//! another's registrations down.

use actix_web::HttpRequest;

use super::entry::Entry;
use super::json::Place;
use super::refusal::Refusal;
use crate::model::SidecarId;

/// The header that names a sidecar.
const REGISTRANT_ID: &str = "X-Registrant-Id";

/// Stands for an application that nobody named.
const NO_APPLICATION: &str = "-";

/// The sidecar that the header names, if there is one.
pub(super) fn named(request: &HttpRequest) -> Result<Option<SidecarId>, Refusal> {
    let mut values = request.headers().get_all(REGISTRANT_ID);
    let Some(value) = values.next() else { return Ok(None) };
    if values.any(|other| other != value) {
        return Err(Refusal::at(REGISTRANT_ID, "is given twice with different values"));
    }
    let text =
        std::str::from_utf8(value.as_bytes()).map_err(|_| Refusal::at(REGISTRANT_ID, "is not UTF-8"))?;
    SidecarId::parse(text).map(Some).map_err(|reason| Refusal::at(REGISTRANT_ID, reason))
}

/// What the entries of a snapshot say about whose it is. Those that do not say follow those that do.
#[derive(Debug, Default)]
pub(super) struct Claim {
    application: Option<Said>,
    host: Option<Said>,
    conflict: Option<Refusal>,
}

#[derive(Debug)]
struct Said {
    place: String,
    value: String,
}

impl Claim {
    /// Takes in one entry.
    pub(super) fn hear(&mut self, place: &Place<'_>, entry: &Entry) {
        let application = entry.params.get("application").map(String::as_str);
        self.conflict = self.conflict.take().or_else(|| {
            agree(&mut self.application, "application", application, place)
                .or_else(|| agree(&mut self.host, "host", entry.host.as_deref(), place))
        });
    }

    /// Whether no entry said anything.
    pub(super) fn is_silent(&self) -> bool {
        self.application.is_none() && self.host.is_none()
    }

    /// `<application>@<host>`: the host is `peer` when no entry names one.
    pub(super) fn registrant(self, peer: &str) -> Result<SidecarId, Refusal> {
        if let Some(conflict) = self.conflict {
            return Err(conflict);
        }
        let application = self.application.as_ref().map_or(NO_APPLICATION, |said| &said.value);
        let host = self.host.as_ref().map_or(peer, |said| &said.value);
        identity(application, host)
    }
}

/// Remembers the first value, and answers a refusal for one that differs from it.
fn agree(known: &mut Option<Said>, what: &str, value: Option<&str>, place: &Place<'_>) -> Option<Refusal> {
    let value = value?;
    match known {
        None => {
            *known = Some(Said { place: place.to_string(), value: value.to_owned() });
            None
        }
        Some(first) if first.value == value => None,
        Some(first) => Some(Refusal::new(format!(
            "{} has {what} {} and {place} has {what} {value}: set the header {REGISTRANT_ID} to say whose snapshot \
             this is",
            first.place, first.value,
        ))),
    }
}

/// For whom `peer` speaks when nothing else says it: the one sidecar that it synced entries for, else itself. Each of
/// `known` comes with whether it ever had an entry.
pub(super) fn of_peer(
    peer: &str,
    known: impl IntoIterator<Item = (SidecarId, bool)>,
) -> Result<SidecarId, Refusal> {
    let (mut with_entries, mut without) = (Vec::new(), Vec::new());
    for (registrant, ever_had_an_entry) in known {
        if ever_had_an_entry { &mut with_entries } else { &mut without }.push(registrant);
    }
    if with_entries.len() > 1 {
        let text = format!(
            "{} sidecars synced from {peer} ({}, {} ...): set the header {REGISTRANT_ID} to say which one this is",
            with_entries.len(),
            with_entries[0],
            with_entries[1],
        );
        return Err(Refusal::new(text));
    }
    match (with_entries.pop(), without.pop()) {
        (Some(only), _) => Ok(only),
        (None, Some(only)) if without.is_empty() => Ok(only),
        _ => identity(NO_APPLICATION, peer),
    }
}

/// The same for an edit, or a heartbeat between edits: once the peer has edited in its own name it goes on to, whoever
/// else begins to sync from its address.
pub(super) fn of_editing_peer(
    peer: &str,
    known: impl IntoIterator<Item = (SidecarId, bool)>,
) -> Result<SidecarId, Refusal> {
    let known: Vec<_> = known.into_iter().collect();
    let own = identity(NO_APPLICATION, peer)?;
    if known.contains(&(own.clone(), true)) { Ok(own) } else { of_peer(peer, known) }
}

fn identity(application: &str, host: &str) -> Result<SidecarId, Refusal> {
    let id = format!("{application}@{host}");
    SidecarId::parse(&id).map_err(|reason| {
        Refusal::new(format!("{id} cannot name a sidecar, set the header {REGISTRANT_ID}: {reason}"))
    })
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn id(text: &str) -> SidecarId {
        SidecarId::parse(text).unwrap()
    }

    fn header(values: &[&[u8]]) -> Result<Option<SidecarId>, String> {
        let request = values.iter().fold(TestRequest::default(), |request, value| {
            let value = actix_web::http::header::HeaderValue::from_bytes(value).unwrap();
            request.append_header((REGISTRANT_ID, value))
        });
        named(&request.to_http_request()).map_err(|refusal| refusal.to_string())
    }

    #[test]
    fn the_header_names_the_sidecar() {
        assert_eq!(header(&[]), Ok(None));
        assert_eq!(header(&[b"shop-7"]), Ok(Some(id("shop-7"))));
        assert_eq!(header(&[b"shop-7", b"shop-7"]), Ok(Some(id("shop-7"))));
        assert_eq!(header(&["\u{5e97}".as_bytes()]), Ok(Some(id("\u{5e97}"))));
    }

    #[test]
    fn a_header_that_names_nobody_is_refused() {
        for values in [&[&b""[..]][..], &[b"\xff"], &[b"a", b"b"], &[&[b'a'; 201]]] {
            assert!(header(values).unwrap_err().starts_with("X-Registrant-Id: "));
        }
    }

    #[test]
    fn an_address_speaks_for_the_one_sidecar_it_is_known_for() {
        let speaks_for = |known: &[(&str, bool)]| {
            of_peer("10.0.0.7", known.iter().map(|(name, had_entries)| (id(name), *had_entries)))
        };
        assert_eq!(speaks_for(&[]), Ok(id("-@10.0.0.7")));
        assert_eq!(speaks_for(&[("shop@10.0.0.7", true)]), Ok(id("shop@10.0.0.7")));
        assert_eq!(speaks_for(&[("-@10.0.0.7", false)]), Ok(id("-@10.0.0.7")));
        assert_eq!(speaks_for(&[("shop@10.0.0.7", true), ("-@10.0.0.7", false)]), Ok(id("shop@10.0.0.7")));
        assert_eq!(speaks_for(&[("a", false), ("b", false)]), Ok(id("-@10.0.0.7")));
        let editing = |known: &[(&str, bool)]| {
            let known = known.iter().map(|(name, had_entries)| (id(name), *had_entries));
            of_editing_peer("10.0.0.7", known)
        };
        assert_eq!(editing(&[]), Ok(id("-@10.0.0.7")));
        assert_eq!(editing(&[("shop@10.0.0.7", true)]), Ok(id("shop@10.0.0.7")));
        assert_eq!(editing(&[("shop@10.0.0.7", true), ("-@10.0.0.7", true)]), Ok(id("-@10.0.0.7")));
        assert!(editing(&[("shop@10.0.0.7", true), ("web@10.0.0.7", true)]).is_err());
        let reason = speaks_for(&[("a@h", true), ("b@h", true), ("c@h", true)]).unwrap_err().to_string();
        assert!(
            reason.contains("3 sidecars") && reason.contains("a@h, b@h") && reason.contains(REGISTRANT_ID)
        );
    }
}
