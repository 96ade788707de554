//! Puts the answer to a batch find together, copying what the catalog has serialised already.

use bytes::{BufMut, Bytes, BytesMut};
use serde::Serialize;

use super::discovery::Seen;
use super::error::{ApiError, Code};
use crate::catalog::{FindError, Found};

/// What was found for one list of a request, by the position of its elements in that list.
#[derive(Debug, Default)]
pub struct Answers {
    failed: Vec<Failed>,
    not_modified: Vec<usize>,
    updated: Vec<(usize, Found)>,
}

/// The elements that failed with one error code, and the details of the first of them.
#[derive(Debug, Serialize)]
struct Failed {
    indexes: Vec<usize>,
    error: ApiError,
}

impl Answers {
    /// Takes what was found for the element at `index`, of which the client has `seen` something.
    pub fn add(&mut self, index: usize, seen: Seen, result: Result<Found, FindError>) {
        match result {
            Ok(found) if seen.holds(&found) => self.not_modified.push(index),
            Ok(found) => self.updated.push((index, found)),
            Err(error) => {
                let error = ApiError::from(error);
                match self.failed.iter_mut().find(|failed| failed.error.code == error.code) {
                    Some(failed) => failed.indexes.push(index),
                    None => self.failed.push(Failed { indexes: vec![index], error }),
                }
            }
        }
    }

    /// The same with the `rev` that the client gave. Unless it is the `last` look, false if the client has seen a later
    /// state than `result` is from; then nothing is taken.
    pub fn compare(&mut self, index: usize, rev: &str, result: Result<Found, FindError>, last: bool) -> bool {
        let mut seen = Seen::of(rev, &result);
        if seen.is_ahead_of(&result) {
            if !last {
                return false;
            }
            seen = Seen::NOTHING;
        }
        self.add(index, seen, result);
        true
    }

    fn is_empty(&self) -> bool {
        self.failed.is_empty() && self.not_modified.is_empty() && self.updated.is_empty()
    }

    /// About how many bytes [`Answers::write`] adds.
    fn size(&self) -> usize {
        self.updated.iter().map(|(_, found)| found.json().len() + 96).sum()
    }

    /// Adds these answers to `out` as an object.
    fn write(&self, out: &mut BytesMut, shape: Shape) -> serde_json::Result<()> {
        let mut separator = "{";
        if !self.failed.is_empty() {
            put(out, &[separator, r#""failed":"#]);
            serde_json::to_writer(&mut (&mut *out).writer(), &self.failed)?;
            separator = ",";
        }
        if !self.not_modified.is_empty() {
            put(out, &[separator, r#""notModified":"#]);
            serde_json::to_writer(&mut (&mut *out).writer(), &self.not_modified)?;
            separator = ",";
        }
        if !self.updated.is_empty() {
            put(out, &[separator, r#""updated":"#]);
            for (position, (index, found)) in self.updated.iter().enumerate() {
                let opening = if position == 0 { "[" } else { "," };
                let index = index.to_string();
                put(out, &[opening, r#"{"index":"#, &index, r#","rev":""#]);
                out.extend_from_slice(&found.rev());
                put(out, &[r#"""#]);
                write_instances(out, found, shape);
                put(out, &["}"]);
            }
            put(out, &["]"]);
        }
        put(out, &["}"]);
        Ok(())
    }
}

/// What the JSON of each [`Found`] of a list is.
#[derive(Clone, Copy, Debug)]
enum Shape {
    /// A list of instances.
    List,
    /// One instance, which the answer holds as a list of one.
    Single,
}

fn write_instances(out: &mut BytesMut, found: &Found, shape: Shape) {
    let (opening, closing) = match shape {
        Shape::List if found.count() == 0 => return,
        Shape::List => ("", ""),
        Shape::Single => ("[", "]"),
    };
    put(out, &[r#","instances":"#, opening]);
    out.extend_from_slice(found.json());
    put(out, &[closing]);
}

fn put(out: &mut BytesMut, parts: &[&str]) {
    for part in parts {
        out.extend_from_slice(part.as_bytes());
    }
}

/// The whole answer, of about `most` bytes at most.
///
/// # Errors
/// 400001 when it would be longer: every element is answered in full, so a short request can ask for a great deal.
pub fn document(services: &Answers, instances: &Answers, most: usize) -> Result<Bytes, ApiError> {
    let bytes = services.size() + instances.size();
    if bytes > most {
        return Err(ApiError::invalid(format!(
            "the answer would have {bytes} bytes, more than the {most} that are sent; ask for less at once"
        )));
    }
    let mut out = BytesMut::with_capacity(bytes + 256);
    let mut separator = "{";
    for (name, answers, shape) in
        [("services", services, Shape::List), ("instances", instances, Shape::Single)]
    {
        if !answers.is_empty() {
            put(&mut out, &[separator, "\"", name, "\":"]);
            answers
                .write(&mut out, shape)
                .map_err(|error| ApiError::new(Code::Internal, error.to_string()))?;
            separator = ",";
        }
    }
    put(&mut out, &["}"]);
    Ok(out.freeze())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::catalog::Holds;
    use crate::model::Revision;

    fn found(json: &'static str, count: usize) -> Found {
        let document = [Holds::List.opening(), json.as_bytes(), b"}"].concat();
        Found::new(Revision::of(7, json.as_bytes()), Holds::List, document.into(), count)
    }

    fn unknown(service: &str) -> Result<Found, FindError> {
        Err(FindError::NoSuchMicroservice(service.into()))
    }

    #[test]
    fn elements_keep_the_position_in_their_own_list() {
        let mut services = Answers::default();
        let same = found(r#"[{"a":1}]"#, 1);
        let rev = same.revision.to_string();
        services.add(0, Seen::claimed("0"), Ok(same.clone()));
        services.add(1, Seen::claimed(&rev), Ok(same));
        services.add(2, Seen::NOTHING, unknown("x"));
        services.add(3, Seen::NOTHING, Ok(found("[]", 0)));
        services.add(4, Seen::NOTHING, unknown("y"));
        let mut instances = Answers::default();
        instances.add(0, Seen::NOTHING, Ok(found(r#"{"b":2}"#, 1)));
        instances.add(1, Seen::NOTHING, Err(FindError::NoSuchInstance("i".into())));
        instances.add(2, Seen::NOTHING, unknown("z"));
        let (empty_rev, one_rev) =
            (Revision::of(7, b"[]").to_string(), Revision::of(7, br#"{"b":2}"#).to_string());
        let error = |code: &str, message: &str, detail: &str| json!({"errorCode": code, "errorMessage": message, "detail": detail});
        let no_service = |name: &str| {
            error("400012", "Micro-service does not exist", &format!("microservice {name} does not exist"))
        };
        let no_instance = error("400017", "Instance does not exist", "instance i does not exist");
        let written: Value =
            serde_json::from_slice(&document(&services, &instances, 1 << 20).unwrap()).unwrap();
        assert_eq!(
            written,
            json!({
                "services": {
                    "failed": [{"indexes": [2, 4], "error": no_service("x")}],
                    "notModified": [1],
                    "updated": [
                        {"index": 0, "rev": rev, "instances": [{"a": 1}]},
                        {"index": 3, "rev": empty_rev},
                    ],
                },
                "instances": {
                    "failed": [
                        {"indexes": [1], "error": no_instance},
                        {"indexes": [2], "error": no_service("z")},
                    ],
                    "updated": [{"index": 0, "rev": one_rev, "instances": [{"b": 2}]}],
                },
            })
        );
    }

    #[test]
    fn a_list_that_was_not_asked_for_is_left_out_and_the_answer_is_compact() {
        let mut services = Answers::default();
        let same = found("[]", 0);
        services.add(0, Seen::claimed(&same.revision.to_string()), Ok(same));
        let document = document(&services, &Answers::default(), 1 << 20).unwrap();
        assert_eq!(document, r#"{"services":{"notModified":[0]}}"#);
    }

    #[test]
    fn an_answer_that_would_be_too_long_is_refused_before_it_is_built() {
        let mut services = Answers::default();
        services.add(0, Seen::NOTHING, Ok(found(r#"[{"a":1}]"#, 1)));
        let size = services.size();
        assert!(document(&services, &Answers::default(), size).is_ok());
        let error = document(&services, &Answers::default(), size - 1).unwrap_err();
        assert_eq!(error.code, Code::InvalidParameters);
    }
}
