//! Reads request bodies the way clients of service-center write them: keys in any case, `null` for anything unset,
//! unknown fields ignored. A value of the wrong type is refused with the path of its field.

use std::fmt;

use serde_json::{Map, Value};

use super::error::ApiError;
use super::validate::Rule;
use crate::model::Properties;

/// Reads a whole body.
///
/// # Errors
/// 400001 when `body` is not JSON.
pub fn parse(body: &[u8]) -> Result<Value, ApiError> {
    serde_json::from_slice(body).map_err(|error| ApiError::invalid(format!("Unmarshal error: {error}")))
}

/// One JSON object of a request. An absent object and `null` read like an empty one.
#[derive(Clone, Debug)]
pub struct Object<'a> {
    fields: Option<&'a Map<String, Value>>,
    path: String,
}

impl<'a> Object<'a> {
    /// Takes the whole body as an object.
    ///
    /// # Errors
    /// 400001 when it is neither an object nor `null`.
    pub fn root(body: &'a Value) -> Result<Self, ApiError> {
        Self::of(body, String::new())
    }

    fn of(value: &'a Value, path: String) -> Result<Self, ApiError> {
        match value {
            Value::Null => Ok(Self { fields: None, path }),
            Value::Object(fields) => Ok(Self { fields: Some(fields), path }),
            _ if path.is_empty() => Err(wrong_type("body", "an object")),
            _ => Err(wrong_type(&path, "an object")),
        }
    }

    /// The path of the field `name`, for messages.
    pub fn path(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// The value of `name`; `None` when it is absent or `null`. The exact spelling goes before others.
    fn get(&self, name: &str) -> Option<&'a Value> {
        let fields = self.fields?;
        fields
            .get(name)
            .or_else(|| fields.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value))
            .filter(|value| !value.is_null())
    }

    /// A text; empty when absent.
    ///
    /// # Errors
    /// 400001 when it is of another type.
    pub fn text(&self, name: &str) -> Result<String, ApiError> {
        match self.get(name) {
            None => Ok(String::new()),
            Some(Value::String(text)) => Ok(text.clone()),
            Some(_) => Err(wrong_type(self.path(name), "a string")),
        }
    }

    /// A text that `rule` accepts; an absent one is checked as an empty one.
    ///
    /// # Errors
    /// 400001 when it is of another type, or not acceptable.
    pub fn checked_text(&self, name: &str, rule: Rule) -> Result<String, ApiError> {
        let text = self.text(name)?;
        rule.check(self.path(name), &text)?;
        Ok(text)
    }

    /// A whole number of 32 bits; 0 when absent.
    ///
    /// # Errors
    /// 400001 when it is of another type or out of range.
    pub fn integer(&self, name: &str) -> Result<i32, ApiError> {
        match self.get(name) {
            None => Ok(0),
            Some(value) => value
                .as_i64()
                .and_then(|number| i32::try_from(number).ok())
                .ok_or_else(|| wrong_type(self.path(name), "a whole number of 32 bits")),
        }
    }

    /// A truth value; false when absent.
    ///
    /// # Errors
    /// 400001 when it is of another type.
    pub fn boolean(&self, name: &str) -> Result<bool, ApiError> {
        match self.get(name) {
            None => Ok(false),
            Some(value) => value.as_bool().ok_or_else(|| wrong_type(self.path(name), "true or false")),
        }
    }

    /// A list of texts; empty when absent. A `null` in it is an empty text.
    ///
    /// # Errors
    /// 400001 when it, or an element, is of another type.
    pub fn texts(&self, name: &str) -> Result<Vec<String>, ApiError> {
        self.elements(name)?
            .iter()
            .enumerate()
            .map(|(index, value)| match value {
                Value::Null => Ok(String::new()),
                Value::String(text) => Ok(text.clone()),
                _ => Err(wrong_type(format_args!("{}[{index}]", self.path(name)), "a string")),
            })
            .collect()
    }

    /// A map of texts, whose keys keep their case; empty when absent. A `null` in it is an empty text.
    ///
    /// # Errors
    /// 400001 when it, or a value, is of another type.
    pub fn pairs(&self, name: &str) -> Result<Properties, ApiError> {
        let Some(value) = self.get(name) else { return Ok(Properties::new()) };
        let Value::Object(fields) = value else {
            return Err(wrong_type(self.path(name), "an object of strings"));
        };
        fields
            .iter()
            .map(|(key, value)| match value {
                Value::Null => Ok((key.clone(), String::new())),
                Value::String(text) => Ok((key.clone(), text.clone())),
                _ => Err(wrong_type(format_args!("{}.{key}", self.path(name)), "a string")),
            })
            .collect()
    }

    /// An object; `None` when absent.
    ///
    /// # Errors
    /// 400001 when it is of another type.
    pub fn object(&self, name: &str) -> Result<Option<Self>, ApiError> {
        self.get(name).map(|value| Self::of(value, self.path(name))).transpose()
    }

    /// An object that must be there.
    ///
    /// # Errors
    /// 400001 when it is absent, `null` or of another type.
    pub fn required_object(&self, name: &str) -> Result<Self, ApiError> {
        self.object(name)?.ok_or_else(|| ApiError::field(self.path(name), "must not be null"))
    }

    /// A list of objects; empty when absent. A `null` in it reads like an empty object.
    ///
    /// # Errors
    /// 400001 when it, or an element, is of another type.
    pub fn objects(&self, name: &str) -> Result<Vec<Self>, ApiError> {
        self.elements(name)?
            .iter()
            .enumerate()
            .map(|(index, value)| Self::of(value, format!("{}[{index}]", self.path(name))))
            .collect()
    }

    /// How many elements the list `name` has; 0 when it is absent or no list.
    pub fn length(&self, name: &str) -> usize {
        self.get(name).and_then(Value::as_array).map_or(0, Vec::len)
    }

    fn elements(&self, name: &str) -> Result<&'a [Value], ApiError> {
        match self.get(name) {
            None => Ok(&[]),
            Some(Value::Array(elements)) => Ok(elements),
            Some(_) => Err(wrong_type(self.path(name), "a list")),
        }
    }
}

fn wrong_type(field: impl fmt::Display, expected: &str) -> ApiError {
    ApiError::invalid(format!("Unmarshal error: {field}: must be {expected}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_are_found_in_any_case_and_the_exact_one_goes_first() {
        let body = json!({"INSTANCES": ["a"], "rev": "1", "Rev": "2"});
        let root = Object::root(&body).unwrap();
        assert_eq!(root.texts("instances").unwrap(), ["a"]);
        assert_eq!(root.text("rev").unwrap(), "1");
        assert_eq!(root.text("REV").unwrap(), "2");
    }

    #[test]
    fn null_is_taken_for_every_type() {
        let body = json!({"a": null, "list": [null], "map": {"Key": null}});
        let root = Object::root(&body).unwrap();
        assert_eq!(root.text("a").unwrap(), "");
        assert_eq!(root.integer("a").unwrap(), 0);
        assert!(root.texts("a").unwrap().is_empty());
        assert!(root.pairs("a").unwrap().is_empty());
        assert!(root.object("a").unwrap().is_none());
        assert!(root.objects("a").unwrap().is_empty());
        assert_eq!(root.texts("list").unwrap(), [""]);
        assert_eq!(root.objects("list").unwrap().len(), 1);
        assert_eq!(root.pairs("map").unwrap(), Properties::from([("Key".into(), String::new())]));
        assert_eq!(Object::root(&Value::Null).unwrap().text("a").unwrap(), "");
    }

    #[test]
    fn a_wrong_type_names_the_path_of_its_field() {
        let body = json!({"instance": {"healthCheck": {"interval": "30", "port": 3.5, "times": 3_000_000_000_u32},
            "endpoints": ["a", 1], "properties": {"Big": true}, "hostName": []}});
        let root = Object::root(&body).unwrap();
        let instance = root.required_object("instance").unwrap();
        let check = instance.required_object("healthCheck").unwrap();
        let details = [
            check.integer("interval").unwrap_err(),
            check.integer("port").unwrap_err(),
            check.integer("times").unwrap_err(),
            instance.texts("endpoints").unwrap_err(),
            instance.pairs("properties").unwrap_err(),
            instance.text("hostName").unwrap_err(),
            instance.objects("endpoints").unwrap_err(),
        ]
        .map(|error| error.detail);
        let number = "must be a whole number of 32 bits";
        assert_eq!(
            details,
            [
                format!("Unmarshal error: instance.healthCheck.interval: {number}"),
                format!("Unmarshal error: instance.healthCheck.port: {number}"),
                format!("Unmarshal error: instance.healthCheck.times: {number}"),
                "Unmarshal error: instance.endpoints[1]: must be a string".into(),
                "Unmarshal error: instance.properties.Big: must be a string".into(),
                "Unmarshal error: instance.hostName: must be a string".into(),
                "Unmarshal error: instance.endpoints[0]: must be an object".into(),
            ]
        );
    }

    #[test]
    fn what_is_not_json_or_no_object_is_an_unmarshal_error() {
        for body in ["", "{", "[1", "{\"a\":1}x", &"[".repeat(5_000)] {
            assert!(parse(body.as_bytes()).unwrap_err().detail.starts_with("Unmarshal error"), "{body}");
        }
        let list = json!([]);
        assert_eq!(Object::root(&list).unwrap_err().detail, "Unmarshal error: body: must be an object");
    }
}
