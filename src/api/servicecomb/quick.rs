//! Reads long lists without a tree in between, as nearly every client sends them: names as they are documented, each once,
//! and nothing of a wrong type. Whatever else comes is for [`super::json`], which reads all that may come and says what is
//! wrong with the rest.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, Visitor};
use serde_json::Value;

/// A text, which stays in the body unless it holds escapes.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub struct Text<'b>(#[serde(borrow)] pub Cow<'b, str>);

/// What is wanted of an object.
pub trait Fields<'b>: Default {
    /// The names.
    const NAMES: &'static [&'static str];

    /// Takes the value of `name`, which is one of them, from `map`.
    ///
    /// # Errors
    /// When the object has had it before, or it is of another type.
    fn take<A: MapAccess<'b>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error>;
}

/// Declares an object of which these members are wanted, by their names.
macro_rules! fields {
    ($(#[$about:meta])* struct $object:ident<$body:lifetime> { $($member:ident: $kind:ty = $name:literal,)+ }) => {
        $(#[$about])*
        #[derive(Default)]
        struct $object<$body> { $($member: Option<$kind>,)+ }

        impl<$body> Fields<$body> for $object<$body> {
            const NAMES: &'static [&'static str] = &[$($name),+];

            fn take<A: MapAccess<$body>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
                match name {
                    $($name => once(&mut self.$member, map),)+
                    _ => Err(serde::de::Error::custom("not wanted")),
                }
            }
        }
    };
}
pub(super) use fields;

/// Reads a whole body; `None` when it takes more care.
pub fn read<'b, F: Fields<'b>>(body: &'b [u8]) -> Option<F> {
    // Looked at as a whole: that is quicker than one text after the other.
    let body = std::str::from_utf8(body).ok()?;
    serde_json::from_str(body).ok().map(|Quick(fields)| fields)
}

/// Takes the next value of `map`.
///
/// # Errors
/// When `place` is taken, or the value is of another type.
pub fn once<'b, T: Deserialize<'b>, A: MapAccess<'b>>(
    place: &mut Option<T>,
    map: &mut A,
) -> Result<(), A::Error> {
    match place.replace(map.next_value()?) {
        None => Ok(()),
        // Which one counts depends on the spelling of both.
        Some(_) => Err(A::Error::custom("twice")),
    }
}

/// An object of which `F` is wanted.
#[derive(Debug)]
pub struct Quick<F>(pub F);

impl<'b, F: Fields<'b>> Deserialize<'b> for Quick<F> {
    fn deserialize<D: Deserializer<'b>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Reader(PhantomData)).map(Self)
    }
}

struct Reader<F>(PhantomData<F>);

impl<'b, F: Fields<'b>> Visitor<'b> for Reader<F> {
    type Value = F;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'b>>(self, mut map: A) -> Result<F, A::Error> {
        let mut fields = F::default();
        while let Some(name) = map.next_key_seed(Name(F::NAMES))? {
            match name {
                Some(name) => fields.take(name, &mut map)?,
                // Not looked at, but read as strictly as everything.
                None => drop(map.next_value::<Value>()?),
            }
        }
        Ok(fields)
    }
}

/// Reads a name; `None` when it is not one of those that are wanted.
struct Name(&'static [&'static str]);

impl<'b> DeserializeSeed<'b> for Name {
    type Value = Option<&'static str>;

    fn deserialize<D: Deserializer<'b>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Name {
    type Value = Option<&'static str>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        if let Some(wanted) = self.0.iter().find(|wanted| **wanted == name) {
            return Ok(Some(wanted));
        }
        match self.0.iter().any(|wanted| wanted.eq_ignore_ascii_case(name)) {
            true => Err(E::custom("another spelling")),
            false => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fields! {
        struct Both<'b> {
            one: Text<'b> = "one",
            more: Option<Vec<Quick<Both<'b>>>> = "more",
        }
    }

    #[test]
    fn what_is_wanted_is_read_and_stays_in_the_body() {
        let body = br#"{"other": [{"One": 1}], "more": [{"one": "a\n"}, {"more": null}], "one": "b"}"#;
        let read = read::<Both<'_>>(body).unwrap();
        assert!(matches!(read.one, Some(Text(Cow::Borrowed("b")))));
        let more = read.more.unwrap().unwrap();
        assert_eq!(more[0].0.one.as_ref().unwrap().0, "a\n");
        assert!(matches!(more[1].0.more, Some(None)));
    }

    #[test]
    fn whatever_takes_more_care_is_left_alone() {
        for body in [
            "",
            "null",
            "[]",
            r#"["a"]"#,
            r#"{"one": "a"} x"#,
            r#"{"one": null}"#,
            r#"{"one": 1}"#,
            r#"{"One": "a"}"#,
            r#"{"one": "a", "ONE": "b"}"#,
            r#"{"one": "a", "one": "b"}"#,
            r#"{"more": [null]}"#,
            r#"{"more": [["a"]]}"#,
            r#"{"more": {}}"#,
            r#"{"other": 1e999}"#,
            r#"{"other": "\ud800"}"#,
        ] {
            assert!(read::<Both<'_>>(body.as_bytes()).is_none(), "{body}");
            let is_read = serde_json::from_str::<Value>(body).is_ok();
            assert_eq!(
                is_read,
                !body.is_empty() && !body.ends_with('x') && !body.contains("other"),
                "{body}"
            );
        }
    }
}
