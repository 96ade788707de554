//! What the v4 API accepts in its fields, as a table of rules.

use std::fmt::Display;

use super::error::ApiError;

/// The rule for one text field.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Least number of bytes.
    min_bytes: usize,
    /// Largest number of characters.
    max_characters: usize,
    /// Which texts are well-formed.
    form: fn(&str) -> bool,
    /// What a well-formed text is, behind "must".
    says: &'static str,
}

const NAME: &str = "be letters, digits and, between them, '_', '-' or '.'";
const NO_SPACE: &str = "not hold white space or control characters";

/// Application ids when a microservice is created; empty stands for the default.
pub const NEW_APP_ID: Rule = rule(0, 160, is_name, NAME);
/// Application ids in look-ups.
pub const APP_ID: Rule = rule(1, 160, is_name, NAME);
/// Names of microservices that are created.
pub const NEW_SERVICE_NAME: Rule = rule(1, 128, is_name, NAME);
/// Names or aliases of microservices in look-ups.
pub const SERVICE_NAME: Rule =
    rule(1, 289, is_name_or_alias, "be letters, digits, '_', '$' and, between them, '-', '.' or ':'");
/// Versions of microservices.
pub const VERSION: Rule = rule(1, 64, is_version, "be one to four numbers up to 32767 with '.' between them");
/// Environments.
pub const ENVIRONMENT: Rule =
    rule(0, 128, is_environment, "be empty, development, testing, acceptance or production");
/// Ids of microservices.
pub const SERVICE_ID: Rule = rule(1, 64, has_no_space, NO_SPACE);
/// Ids that microservices bring along; empty stands for none.
pub const NEW_SERVICE_ID: Rule = rule(0, 64, has_no_space, NO_SPACE);
/// Descriptions of microservices.
pub const DESCRIPTION: Rule = rule(0, 256, anything, "");
/// Levels of microservices.
pub const LEVEL: Rule = rule(0, 6, is_level, "be FRONT, MIDDLE or BACK");
/// Statuses of microservices.
pub const SERVICE_STATUS: Rule = rule(0, 4, is_service_status, "be UP or DOWN");
/// Aliases of microservices.
pub const ALIAS: Rule = rule(0, 128, is_alias, "be letters, digits, '_', '-', '.' or ':'");
/// Who registers a microservice.
pub const REGISTER_BY: Rule = rule(0, 64, is_registrar, "be SDK, SIDECAR, PLATFORM or UNKNOWN");
/// Names of frameworks.
pub const FRAMEWORK_NAME: Rule = rule(0, 64, is_name, NAME);
/// Versions of frameworks.
pub const FRAMEWORK_VERSION: Rule = rule(0, 64, anything, "");
/// Routes of microservices.
pub const PATH: Rule = rule(0, usize::MAX, is_path, "be letters, digits and .,?'\\/+&;%$#=~_-@{}");
/// Ids of schemas.
pub const SCHEMA_ID: Rule = rule(1, 160, is_name, NAME);
/// Keys and values of tags.
pub const TAG: Rule =
    rule(1, 64, is_tag, "start with a letter and go on with letters, digits, '_', '-' or '.'");
/// Ids that instances bring along; empty stands for none.
pub const NEW_INSTANCE_ID: Rule = rule(0, 64, is_word, "be letters, digits, '_', '-' or '.'");
/// Ids of instances.
pub const INSTANCE_ID: Rule = rule(1, 64, is_word, "be letters, digits, '_', '-' or '.'");
/// Host names of instances.
pub const HOST_NAME: Rule = rule(1, 64, is_not_blank, "hold a character that is not white space");
/// Endpoints of instances. The scheme is not looked at: real ones have none.
pub const ENDPOINT: Rule = rule(1, usize::MAX, is_not_blank, "hold a character that is not white space");
/// Addresses of health checks.
pub const CHECK_URL: Rule = rule(0, usize::MAX, has_no_space, NO_SPACE);
/// The three parts of a data center.
pub const DATA_CENTER: Rule = rule(1, 128, is_word, "be letters, digits, '_', '-' or '.'");
/// Domains and projects.
pub const TENANT: Rule = rule(1, 64, has_no_space, NO_SPACE);

/// Summaries of schemas; empty stands for none.
pub const SUMMARY: Rule = rule(0, 128, is_alphanumeric, "be letters and digits");
/// Texts of schemas.
pub const SCHEMA: Rule = rule(1, usize::MAX, anything, "");
/// Which versions of a provider a consumer says it uses.
pub const VERSION_RULE: Rule =
    rule(0, 128, is_version_rule, "be a version, latest, a version and '+', or two with '-' between them");

/// Most tags that a find may ask for.
pub const MAX_TAGS: usize = 100;

const fn rule(min_bytes: usize, max_characters: usize, form: fn(&str) -> bool, says: &'static str) -> Rule {
    Rule { min_bytes, max_characters, form, says }
}

impl Rule {
    /// The least and the largest number of characters, if there is one.
    pub const fn lengths(&self) -> (usize, Option<usize>) {
        let most = if self.max_characters == usize::MAX { None } else { Some(self.max_characters) };
        (self.min_bytes, most)
    }

    /// Whether `value` is acceptable.
    pub fn accepts(self, value: &str) -> bool {
        self.check("", value).is_ok()
    }

    /// Checks `value`, which came as `field`.
    ///
    /// # Errors
    /// 400001 with the name of the field and what is wrong with it.
    pub fn check(&self, field: impl Display, value: &str) -> Result<(), ApiError> {
        if value.len() < self.min_bytes {
            return Err(ApiError::field(field, "must not be empty"));
        }
        // The length in bytes spares counting the characters of nearly every value.
        if value.len() > self.max_characters && value.chars().count() > self.max_characters {
            let most = self.max_characters;
            return Err(ApiError::field(field, format_args!("must not be longer than {most} characters")));
        }
        if !(self.form)(value) {
            return Err(ApiError::field(field, format_args!("must {}", self.says)));
        }
        Ok(())
    }
}

/// Refuses a list of `length` elements that may have `most`.
///
/// # Errors
/// 400001 with the name of the field.
pub fn check_length(field: impl Display, length: usize, most: usize) -> Result<(), ApiError> {
    if length > most {
        return Err(ApiError::field(field, format_args!("must not have more than {most} elements")));
    }
    Ok(())
}

fn is_alphanumeric(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn is_version_rule(text: &str) -> bool {
    match text.split_once('-') {
        Some((least, most)) => is_version(least) && is_version(most),
        None => matches!(text, "" | "latest") || is_version(text.strip_suffix('+').unwrap_or(text)),
    }
}

fn anything(_: &str) -> bool {
    true
}

fn is_not_blank(text: &str) -> bool {
    text.chars().any(|character| !character.is_whitespace())
}

fn has_no_space(text: &str) -> bool {
    !text.chars().any(|character| character.is_whitespace() || character.is_control())
}

fn is_word(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
}

fn is_alias(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.:".contains(&byte))
}

fn has_alphanumeric_ends(text: &str) -> bool {
    let alphanumeric = |byte: Option<&u8>| byte.is_none_or(u8::is_ascii_alphanumeric);
    alphanumeric(text.as_bytes().first()) && alphanumeric(text.as_bytes().last())
}

fn is_name(text: &str) -> bool {
    is_word(text) && has_alphanumeric_ends(text)
}

/// What service-center takes, and what Java allows in the names of interfaces: those of sidecars and Dubbo
/// applications are looked up here, too.
fn is_name_or_alias(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"$_".contains(&byte);
    let is_end = |byte: Option<&u8>| byte.is_none_or(|byte| is_plain(*byte));
    let bytes = text.as_bytes();
    bytes.iter().all(|byte| is_plain(*byte) || b"-.:".contains(byte))
        && is_end(bytes.first())
        && is_end(bytes.last())
}

fn is_tag(text: &str) -> bool {
    is_word(text) && text.as_bytes().first().is_none_or(u8::is_ascii_alphabetic)
}

fn is_version(text: &str) -> bool {
    let is_part = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|byte| byte.is_ascii_digit())
            && part.parse::<u64>().is_ok_and(|number| number <= 32_767)
    };
    text.split('.').count() <= 4 && text.split('.').all(is_part)
}

/// service-center accepts the four words in a row, too.
fn is_environment(text: &str) -> bool {
    let mut rest = text;
    while !rest.is_empty() {
        let Some(next) = ["development", "testing", "acceptance", "production"]
            .iter()
            .find_map(|word| rest.strip_prefix(word))
        else {
            return false;
        };
        rest = next;
    }
    true
}

fn is_level(text: &str) -> bool {
    matches!(text, "" | "FRONT" | "MIDDLE" | "BACK")
}

fn is_service_status(text: &str) -> bool {
    matches!(text, "" | "UP" | "DOWN")
}

/// `UNKNOWN` is taken because listings may hold it and what was listed must be registrable elsewhere.
fn is_registrar(text: &str) -> bool {
    matches!(text, "" | "SDK" | "SIDECAR" | "PLATFORM" | "UNKNOWN")
}

fn is_path(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || br".,?'\/+&;%$#=~_-@{}".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(rule: Rule, text: &str) -> bool {
        rule.accepts(text)
    }

    #[test]
    fn every_length_is_held_to_the_letter() {
        let table = [
            (NEW_APP_ID, 0, 160),
            (APP_ID, 1, 160),
            (NEW_SERVICE_NAME, 1, 128),
            (SERVICE_NAME, 1, 289),
            (SERVICE_ID, 1, 64),
            (NEW_SERVICE_ID, 0, 64),
            (DESCRIPTION, 0, 256),
            (ALIAS, 0, 128),
            (FRAMEWORK_NAME, 0, 64),
            (FRAMEWORK_VERSION, 0, 64),
            (SCHEMA_ID, 1, 160),
            (TAG, 1, 64),
            (NEW_INSTANCE_ID, 0, 64),
            (INSTANCE_ID, 1, 64),
            (HOST_NAME, 1, 64),
            (DATA_CENTER, 1, 128),
            (TENANT, 1, 64),
            (SUMMARY, 0, 128),
        ];
        for (rule, least, most) in table {
            assert!(accepts(rule, &"a".repeat(least)), "{rule:?}");
            assert!(accepts(rule, &"a".repeat(most)), "{rule:?}");
            assert!(!accepts(rule, &"a".repeat(most + 1)), "{rule:?}");
            assert_eq!(accepts(rule, ""), least == 0, "{rule:?}");
        }
    }

    #[test]
    fn the_longest_text_counts_characters_and_not_bytes() {
        assert!(accepts(DESCRIPTION, &"说".repeat(256)));
        assert!(!accepts(DESCRIPTION, &"说".repeat(257)));
    }

    #[test]
    fn names_have_alphanumeric_ends() {
        for good in ["a", "Z9", "a.b", "a_b-c.d", "0--0"] {
            assert!(
                accepts(APP_ID, good) && accepts(SERVICE_NAME, good) && accepts(SCHEMA_ID, good),
                "{good}"
            );
        }
        for bad in ["_a", "a_", "a$b"] {
            assert!(!accepts(APP_ID, bad) && accepts(SERVICE_NAME, bad) && !accepts(SCHEMA_ID, bad), "{bad}");
        }
        for bad in [".a", "a-", "a b", "a/b", "\u{e4}", "a:b:", "a\n"] {
            assert!(
                !accepts(APP_ID, bad) && !accepts(SERVICE_NAME, bad) && !accepts(SCHEMA_ID, bad),
                "{bad}"
            );
        }
        assert!(accepts(SERVICE_NAME, "a:b"));
        assert!(!accepts(NEW_SERVICE_NAME, "a:b"));
        assert!(accepts(ALIAS, ":a:"));
        assert!(!accepts(ALIAS, "a@b"));
    }

    #[test]
    fn versions_are_one_to_four_numbers_of_fifteen_bits() {
        for good in ["0", "1.0", "1.2.3", "1.2.3.4", "32767.32767", "01"] {
            assert!(accepts(VERSION, good), "{good}");
        }
        for bad in [
            "",
            "1.",
            ".1",
            "1..2",
            "1.2.3.4.5",
            "32768",
            "1.32768",
            "a",
            "1.a",
            "-1",
            "+1",
            "1.0+",
            "latest",
        ] {
            assert!(!accepts(VERSION, bad), "{bad}");
        }
        assert!(accepts(VERSION, &"0".repeat(64)));
        assert!(!accepts(VERSION, &"0".repeat(65)));
    }

    #[test]
    fn rules_of_versions_have_four_forms() {
        for good in ["", "latest", "1.0", "0+", "1.0-2.0"] {
            assert!(accepts(VERSION_RULE, good), "{good}");
        }
        for bad in ["+", "-", "1.0-", "1.0-2.0-3.0", "latest+", "a"] {
            assert!(!accepts(VERSION_RULE, bad), "{bad}");
        }
    }

    #[test]
    fn enumerations_take_their_words_and_nothing_else() {
        let table: [(Rule, &[&str], &[&str]); 4] = [
            (
                ENVIRONMENT,
                &["", "development", "testing", "acceptance", "production"],
                &["prod", "string", "Testing"],
            ),
            (LEVEL, &["", "FRONT", "MIDDLE", "BACK"], &["back", "LOW"]),
            (SERVICE_STATUS, &["", "UP", "DOWN"], &["TESTING", "up"]),
            (REGISTER_BY, &["", "SDK", "SIDECAR", "PLATFORM", "UNKNOWN"], &["sdk", "ME"]),
        ];
        for (rule, good, bad) in table {
            assert!(good.iter().all(|text| accepts(rule, text)), "{rule:?}");
            assert!(!bad.iter().any(|text| accepts(rule, text)), "{rule:?}");
        }
    }

    #[test]
    fn ids_hold_no_white_space() {
        for bad in ["a b", "a\tb", "a\u{a0}b", "a\0"] {
            assert!(!accepts(SERVICE_ID, bad) && !accepts(TENANT, bad) && !accepts(CHECK_URL, bad), "{bad}");
        }
        assert!(accepts(SERVICE_ID, "a/b:c%"));
        assert!(!accepts(INSTANCE_ID, "a/b"));
        assert!(accepts(INSTANCE_ID, "6f1c0a52-58a4-4f0e-9f6b-0d6c1a3b2e11"));
    }

    #[test]
    fn tags_start_with_a_letter() {
        assert!(accepts(TAG, "a1_-."));
        assert!(!accepts(TAG, "1a") && !accepts(TAG, "_a") && !accepts(TAG, "a b"));
    }

    #[test]
    fn endpoints_and_hosts_need_a_character_that_is_not_white_space() {
        for good in ["127.0.0.1 :8080", "rest:127.0.0.1:8080", "grpc://127.0.1.312:9980"] {
            assert!(accepts(ENDPOINT, good), "{good}");
        }
        assert!(!accepts(ENDPOINT, "") && !accepts(ENDPOINT, " \t"));
        assert!(!accepts(HOST_NAME, "  "));
    }

    #[test]
    fn paths_take_the_characters_of_a_route() {
        assert!(accepts(PATH, "/orders/{id}?a=b&c='d';%20~@#$+,\\"));
        assert!(!accepts(PATH, "/a b") && !accepts(PATH, "/a|b"));
    }

    #[test]
    fn a_refusal_names_the_field_and_the_rule() {
        let error = HOST_NAME.check("instance.hostName", "").unwrap_err();
        assert_eq!(error.detail, "instance.hostName: must not be empty");
        let error = LEVEL.check("service.level", "LOW").unwrap_err();
        assert_eq!(error.detail, "service.level: must be FRONT, MIDDLE or BACK");
    }
}
