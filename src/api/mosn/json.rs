//! Reads JSON level by level, so that every error can name its field and every number keeps the spelling it came with:
//! `1612345678901` must not turn into `1.612345678901e+12` on its way into a URL.

use std::fmt;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::refusal::Refusal;

/// Where in the body a value stands; displayed as `provider_list[3].service.params.group`.
#[derive(Clone, Copy)]
pub(super) enum Place<'a> {
    Body,
    Field(&'a Place<'a>, &'a str),
    Index(&'a Place<'a>, usize),
}

impl<'a> Place<'a> {
    pub(super) fn field(&'a self, name: &'a str) -> Self {
        Self::Field(self, name)
    }

    pub(super) fn index(&'a self, index: usize) -> Self {
        Self::Index(self, index)
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Body => formatter.write_str("body"),
            // A field's name may be the caller's own: what it holds must not break a log line.
            Self::Field(Self::Body, name) => write!(formatter, "{}", name.escape_debug()),
            Self::Field(parent, name) => write!(formatter, "{parent}.{}", name.escape_debug()),
            Self::Index(parent, index) => write!(formatter, "{parent}[{index}]"),
        }
    }
}

/// What a value is, told by its first character; its syntax is already known to be good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Null,
    Boolean,
    Number,
    Text,
    List,
    Object,
}

impl Kind {
    pub(super) fn of(raw: &RawValue) -> Self {
        match raw.get().as_bytes().first() {
            Some(b'{') => Self::Object,
            Some(b'[') => Self::List,
            Some(b'"') => Self::Text,
            Some(b't' | b'f') => Self::Boolean,
            Some(b'n') => Self::Null,
            _ => Self::Number,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Null => "null",
            Self::Boolean => "a boolean",
            Self::Number => "a number",
            Self::Text => "a string",
            Self::List => "a list",
            Self::Object => "an object",
        })
    }
}

/// Checks the syntax of the whole body, what stands behind it included.
pub(super) fn whole(body: &[u8]) -> Result<&RawValue, Refusal> {
    serde_json::from_slice(body).map_err(|error| Refusal::at(Place::Body, format!("is not JSON: {error}")))
}

pub(super) fn expect(kind: Kind, raw: &RawValue, place: &Place<'_>) -> Result<(), Refusal> {
    let found = Kind::of(raw);
    if found != kind {
        return Err(Refusal::at(place, format!("must be {kind}, not {found}")));
    }
    Ok(())
}

/// Reads an object into a structure whose fields are raw values, or into a map of them.
pub(super) fn object<'a, T: Deserialize<'a>>(raw: &'a RawValue, place: &Place<'_>) -> Result<T, Refusal> {
    expect(Kind::Object, raw, place)?;
    parse(raw, place)
}

/// Reads a list; null is an empty one.
pub(super) fn list<'a>(raw: &'a RawValue, place: &Place<'_>) -> Result<Vec<&'a RawValue>, Refusal> {
    if Kind::of(raw) == Kind::Null {
        return Ok(Vec::new());
    }
    expect(Kind::List, raw, place)?;
    parse(raw, place)
}

pub(super) fn text(raw: &RawValue, place: &Place<'_>) -> Result<String, Refusal> {
    expect(Kind::Text, raw, place)?;
    parse(raw, place)
}

fn parse<'a, T: Deserialize<'a>>(raw: &'a RawValue, place: &Place<'_>) -> Result<T, Refusal> {
    serde_json::from_str(raw.get()).map_err(|error| Refusal::at(place, error))
}

/// For a field that may be absent: unlike `Option`'s own reading, keeps a null apart from an absent field.
pub(super) fn present<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// A field that is there and not null.
pub(super) fn given(raw: Option<&RawValue>) -> Option<&RawValue> {
    raw.filter(|raw| Kind::of(raw) != Kind::Null)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_reads_like_a_path() {
        let list = Place::Body.field("provider_list");
        let (entry, odd) = (list.index(3), Place::Body.field("a\nb"));
        assert_eq!(Place::Body.to_string(), "body");
        assert_eq!(entry.field("service").field("params").to_string(), "provider_list[3].service.params");
        assert_eq!(odd.to_string(), "a\\nb");
    }

    #[test]
    fn what_is_not_one_whole_json_value_is_refused() {
        for body in ["", " ", "{", "{\"a\":[}", "{} {}", "{}x", "nul", "{\"a\":\"\u{1}\"}"] {
            let reason = whole(body.as_bytes()).unwrap_err().to_string();
            assert!(reason.starts_with("body: is not JSON: "), "{reason}");
        }
        assert!(whole(b"\"\xff\"").is_err());
        assert!(whole(b" {} \n").is_ok());
    }

    #[test]
    fn deep_nesting_is_only_as_costly_as_it_is_long() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(list(whole(deep.as_bytes()).unwrap(), &Place::Body).unwrap().len(), 1);
    }
}
