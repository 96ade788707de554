//! Tells the two forms of an edit apart by what only one of them has, and reads what it asks for.
//!
//! Mainline MOSN always says which registry it means. The first generation knows none, and has parameters and an
//! address instead. A body that has something of both could be read as either, with another outcome: it is refused.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::Call;
use super::mainline;
use crate::api::mosn::Limits;
use crate::api::mosn::entry::{EmptyMethod, Entry};
use crate::api::mosn::identity::Claim;
use crate::api::mosn::json::{self, Place};
use crate::api::mosn::refusal::Refusal;
use crate::dubbo::Side;
use crate::registry::Edit;

/// Which client speaks, and so in which form it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// That of the original's first generation, also of what nobody can tell.
    FirstGeneration,
    /// That of mainline MOSN.
    Mainline,
}

/// What a body asks for, and what it says about whose snapshot is meant.
#[derive(Debug)]
pub(super) struct Asked {
    pub edit: Edit,
    pub claim: Claim,
}

#[derive(Deserialize)]
struct BodyFields<'a> {
    #[serde(default, borrow, deserialize_with = "json::present")]
    registry: Option<&'a RawValue>,
    #[serde(default, borrow, deserialize_with = "json::present")]
    service: Option<&'a RawValue>,
    #[serde(default, borrow, deserialize_with = "json::present")]
    host: Option<&'a RawValue>,
    #[serde(default, borrow, deserialize_with = "json::present")]
    port: Option<&'a RawValue>,
}

/// The fields of a service that only one form has.
#[derive(Default, Deserialize)]
struct TellingFields<'a> {
    #[serde(default, borrow, deserialize_with = "json::present")]
    params: Option<&'a RawValue>,
    #[serde(default, borrow, deserialize_with = "json::present")]
    group: Option<&'a RawValue>,
    #[serde(default, borrow, deserialize_with = "json::present")]
    version: Option<&'a RawValue>,
}

/// Reads a body; the form is told also when the rest of it is refused. An entry without a host stands at `peer`.
pub(super) fn read(body: &[u8], call: Call, peer: &str, limits: &Limits) -> (Form, Result<Asked, Refusal>) {
    let (form, raw) = match tell_apart(body) {
        Ok(told) => told,
        Err(refusal) => return (Form::FirstGeneration, Err(refusal)),
    };
    let entry = match form {
        Form::Mainline => mainline::read(raw, call),
        Form::FirstGeneration => Entry::read(raw, call.side(), EmptyMethod::Skipped, &Place::Body),
    };
    (form, entry.and_then(|entry| ask(entry, form, call, peer, limits)))
}

fn tell_apart(body: &[u8]) -> Result<(Form, &RawValue), Refusal> {
    let raw = json::whole(body)?;
    let fields: BodyFields<'_> = json::object(raw, &Place::Body)?;
    let at_service = Place::Body.field("service");
    // What is no object is refused by whoever reads it.
    let telling = fields.service.and_then(|service| json::object(service, &at_service).ok());
    let TellingFields { params, group, version } = telling.unwrap_or_default();
    let of_first_generation = [
        (fields.host, Place::Body.field("host")),
        (fields.port, Place::Body.field("port")),
        (params, at_service.field("params")),
    ];
    let of_mainline = [(group, at_service.field("group")), (version, at_service.field("version"))];
    let given = |fields: &[(Option<&RawValue>, Place<'_>)]| {
        let given = fields.iter().find(|(raw, _)| json::given(*raw).is_some());
        given.map(|(_, place)| place.to_string())
    };
    if fields.registry.is_some() {
        return match given(&of_first_generation) {
            Some(place) => {
                Err(Refusal::at(place, "does not go together with registry: leave one of them out"))
            }
            None => Ok((Form::Mainline, raw)),
        };
    }
    match given(&of_mainline) {
        Some(place) => Err(Refusal::at(place, "must stand in service.params, unless there is a registry")),
        None => Ok((Form::FirstGeneration, raw)),
    }
}

fn ask(entry: Entry, form: Form, call: Call, peer: &str, limits: &Limits) -> Result<Asked, Refusal> {
    let mut claim = Claim::default();
    claim.hear(&Place::Body, &entry);
    let edit = match (call.is_removal(), call.side()) {
        (true, side) => {
            let mut pattern = entry.pattern(side);
            if form == Form::Mainline {
                // What it registered has the group and the version that it says, or none.
                pattern.group.get_or_insert_default();
                pattern.version.get_or_insert_default();
            }
            Edit::Remove(pattern)
        }
        (false, Side::Provider) => {
            Edit::Provide(entry.or_at(limits.export_port).into_provider(peer, &Place::Body)?)
        }
        (false, Side::Consumer) => Edit::Consume(entry.into_consumer(peer, &Place::Body)?),
    };
    Ok(Asked { edit, claim })
}

#[cfg(test)]
#[path = "body_tests.rs"]
mod tests;
