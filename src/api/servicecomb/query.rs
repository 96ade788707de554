//! The query of a request: its parameters, switches, `rev` and tags.

use std::borrow::Cow;

use actix_web::HttpRequest;

use super::error::ApiError;
use super::validate::{self, Rule};

/// The query of a request; of a repeated parameter the first counts.
#[derive(Clone, Debug)]
pub struct Query<'q>(Vec<(Cow<'q, str>, Cow<'q, str>)>);

impl<'q> Query<'q> {
    /// Decodes the query of `request`.
    pub fn of(request: &'q HttpRequest) -> Self {
        Self::parse(request.query_string())
    }

    /// Decodes `text`, the part of an address behind the question mark.
    pub fn parse(text: &'q str) -> Self {
        if text.contains(['%', '+']) {
            return Self(form_urlencoded::parse(text.as_bytes()).collect());
        }
        // Nearly every query has nothing to decode.
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        Self(pairs.map(|(name, value)| (Cow::Borrowed(name), Cow::Borrowed(value))).collect())
    }

    /// The value of `name`; empty when it is absent.
    pub fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_ref())
    }

    /// The value of `name`, which `rule` accepts.
    ///
    /// # Errors
    /// 400001 when it does not.
    pub fn checked(&self, name: &str, rule: Rule) -> Result<&str, ApiError> {
        let value = self.get(name);
        rule.check(name, value)?;
        Ok(value)
    }

    /// A switch; off when it is absent.
    ///
    /// # Errors
    /// 400001 when it is none of `true`, `false`, `1` and `0`.
    pub fn switch(&self, name: &str) -> Result<bool, ApiError> {
        match self.get(name) {
            "" | "false" | "0" => Ok(false),
            "true" | "1" => Ok(true),
            _ => Err(ApiError::field(name, "must be true, false, 1 or 0")),
        }
    }

    /// A bit; off when it is absent.
    ///
    /// # Errors
    /// 400001 when it is neither `1` nor `0`.
    pub fn bit(&self, name: &str) -> Result<bool, ApiError> {
        match self.get(name) {
            "" | "0" => Ok(false),
            "1" => Ok(true),
            _ => Err(ApiError::field(name, "must be 1 or 0")),
        }
    }

    /// What the caller says it has seen; empty when it asks to read past caches, which makes it pointless.
    pub fn rev(&self) -> &str {
        if self.ignores_rev() { "" } else { self.get("rev") }
    }

    /// Whether the caller asks to read past, or only from, caches. The catalog serves both alike.
    pub fn ignores_rev(&self) -> bool {
        ["noCache", "cacheOnly"].iter().any(|flag| matches!(self.get(flag), "1" | "true"))
    }

    /// The keys of tags that a version must have.
    ///
    /// # Errors
    /// 400001 when one cannot be a tag, or there are more than a microservice can have.
    pub fn tags(&self) -> Result<Vec<String>, ApiError> {
        let text = self.get("tags");
        if text.is_empty() {
            return Ok(Vec::new());
        }
        validate::check_length("tags", text.split(',').count(), validate::MAX_TAGS)?;
        text.split(',').map(|tag| validate::TAG.check("tags", tag).map(|()| tag.to_owned())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_with_nothing_to_decode_reads_as_any_other() {
        for text in ["", "a", "a=", "=a", "a=b", "a=b=c&&d", "&", "a&b=1&a=2&", "a=\u{e9}", "?a=/b:c,d;e"] {
            let careful: Vec<_> = form_urlencoded::parse(text.as_bytes()).collect();
            assert_eq!(Query::parse(text).0, careful, "{text}");
        }
        assert_eq!(Query::parse("a=%20+b").get("a"), "  b");
    }

    #[test]
    fn queries_are_decoded_and_the_first_of_a_repeated_parameter_counts() {
        let query = Query::parse("appId=a%2Eb&appId=c&version=0%2B&rev=");
        assert_eq!(query.get("appId"), "a.b");
        assert_eq!(query.get("version"), "0+");
        assert_eq!(query.get("rev"), "");
        assert_eq!(query.get("env"), "");
    }

    #[test]
    fn force_is_a_switch_with_four_positions() {
        for (text, expected) in [
            ("", false),
            ("force=", false),
            ("force=0", false),
            ("force=false", false),
            ("force=1", true),
            ("force=true", true),
        ] {
            assert_eq!(Query::parse(text).switch("force"), Ok(expected), "{text}");
        }
        let error = Query::parse("force=yes").switch("force").unwrap_err();
        assert_eq!(error.detail, "force: must be true, false, 1 or 0");
    }

    #[test]
    fn a_cache_flag_makes_the_rev_pointless() {
        assert_eq!(Query::parse("rev=1").rev(), "1");
        assert_eq!(Query::parse("rev=1&noCache=0").rev(), "1");
        for flag in ["noCache=1", "noCache=true", "cacheOnly=1", "cacheOnly=true"] {
            assert_eq!(Query::parse(&format!("rev=1&{flag}")).rev(), "", "{flag}");
        }
    }

    #[test]
    fn tags_are_separated_by_commas() {
        assert_eq!(Query::parse("tags=a,b").tags().unwrap(), ["a", "b"]);
        assert!(Query::parse("tags=").tags().unwrap().is_empty());
        assert!(Query::parse("tags=a,,b").tags().is_err());
        assert!(Query::parse("tags=1").tags().is_err());
    }
}
