//! The texts that the v4 API takes, as schemas: the lengths are those of the rules in `validate`, and a test holds the
//! forms to what these rules accept.

use serde_json::Value;
use utoipa::openapi::schema::Type;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::api::servicecomb::validate::{self as rules, Rule};

/// What a text looks like, beside its length.
#[derive(Clone, Copy, Debug)]
pub enum Form {
    /// Anything.
    Any,
    /// A regular expression.
    Pattern(&'static str),
    /// What a header holds: an empty one counts as absent, and beyond visible ASCII the encoding is not certain.
    Header,
    /// One of a few words.
    Words(&'static [&'static str]),
}

const NAME: Form = Form::Pattern("^([A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?)?$");
const NO_SPACE: Form = Form::Pattern(r"^[^\s\u0000-\u001F\u007F-\u009F]*$");
const VISIBLE_ASCII: &str = "^[!-~]*$";
const WORD: Form = Form::Pattern("^[A-Za-z0-9_.-]*$");
const NOT_BLANK: Form = Form::Pattern(r"\S");

/// The expression for a version: one to four numbers up to 32767.
macro_rules! version {
    () => {
        concat!(version!(number), r"(\.", version!(number), "){0,3}")
    };
    (number) => {
        "0*([0-9]{1,4}|[12][0-9]{4}|3[01][0-9]{3}|32[0-6][0-9]{2}|327[0-5][0-9]|3276[0-7])"
    };
}

/// Makes one schema of each rule: a type that only stands for it, since handlers read texts as texts.
macro_rules! words {
    ($($(#[doc = $doc:literal])+ $name:ident: $rule:ident, $form:expr;)+) => {
        $(
            $(#[doc = $doc])+
            #[derive(Debug)]
            pub enum $name {}

            impl PartialSchema for $name {
                fn schema() -> RefOr<Schema> {
                    text(rules::$rule, $form, concat!($($doc),+).trim())
                }
            }

            impl ToSchema for $name {}
        )+

        #[cfg(test)]
        const ALL: &[(&str, Rule, Form)] = &[$((stringify!($name), rules::$rule, $form)),+];
    };
}

words! {
    /// Who the data of a request belongs to, together with the project; `default` when absent or empty.
    DomainName: TENANT, Form::Header;
    /// Who the data of a request belongs to, together with the domain; clients send `default`.
    Project: TENANT, NO_SPACE;
    /// The microservice that asks: it must exist, finds only what it may see, and is recorded as a consumer.
    ConsumerId: SERVICE_ID, Form::Header;
    /// The id of a microservice.
    ServiceId: SERVICE_ID, NO_SPACE;
    /// The id that a microservice brings along; empty for one that is derived from its key.
    NewServiceId: NEW_SERVICE_ID, NO_SPACE;
    /// The application of a microservice.
    AppId: APP_ID, Form::Pattern("^[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?$");
    /// The application of a microservice that is created; empty for `default`.
    NewAppId: NEW_APP_ID, NAME;
    /// The name or the alias of a microservice, or the name of a Dubbo interface.
    ServiceName: SERVICE_NAME, Form::Pattern("^[A-Za-z0-9_$]([A-Za-z0-9_$.:-]*[A-Za-z0-9_$])?$");
    /// The name of a microservice that is created.
    NewServiceName: NEW_SERVICE_NAME, Form::Pattern("^[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?$");
    /// A version: one to four numbers up to 32767.
    ExactVersion: VERSION, Form::Pattern(concat!("^", version!(), "$"));
    /// Which versions of a provider a consumer says it uses: one, `latest`, one and later (`1.0+`), or a range.
    VersionRule: VERSION_RULE,
        Form::Pattern(concat!("^(latest|", version!(), r"(\+|-", version!(), ")?)?$"));
    /// An environment. Each is a namespace of its own, the empty one too.
    Environment: ENVIRONMENT, Form::Words(&["", "development", "testing", "acceptance", "production"]);
    /// What a microservice is for.
    Description: DESCRIPTION, Form::Any;
    /// Where a microservice stands between users and data; empty for `BACK`.
    Level: LEVEL, Form::Words(&["", "FRONT", "MIDDLE", "BACK"]);
    /// Whether a microservice is in use; empty for `UP`.
    ServiceStatus: SERVICE_STATUS, Form::Words(&["", "UP", "DOWN"]);
    /// Another name under which a microservice is found.
    Alias: ALIAS, Form::Pattern("^[A-Za-z0-9_.:-]*$");
    /// Who registers a microservice.
    RegisterBy: REGISTER_BY, Form::Words(&["", "SDK", "SIDECAR", "PLATFORM", "UNKNOWN"]);
    /// The name of a framework.
    FrameworkName: FRAMEWORK_NAME, NAME;
    /// The version of a framework.
    FrameworkVersion: FRAMEWORK_VERSION, Form::Any;
    /// A route of a microservice.
    RoutePath: PATH, Form::Pattern(r"^[A-Za-z0-9.,?'\\/+&;%$#=~_@{}-]*$");
    /// The id of a schema.
    SchemaId: SCHEMA_ID, Form::Pattern("^[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?$");
    /// A digest of a schema's text, by which clients tell whether it changed.
    SchemaSummary: SUMMARY, Form::Pattern("^[A-Za-z0-9]*$");
    /// The text of a schema.
    SchemaText: SCHEMA, Form::Any;
    /// The key or the value of a tag.
    Tag: TAG, Form::Pattern("^[A-Za-z][A-Za-z0-9_.-]*$");
    /// The id of an instance.
    InstanceId: INSTANCE_ID, WORD;
    /// The id that an instance brings along, and overwrites its earlier registration with; empty for one that is
    /// derived from its endpoints.
    NewInstanceId: NEW_INSTANCE_ID, WORD;
    /// The name of the host that an instance runs on.
    HostName: HOST_NAME, NOT_BLANK;
    /// An address of an instance, such as `rest://10.0.0.7:8080`. One that is no address is kept, and Dubbo
    /// consumers do not see it.
    Endpoint: ENDPOINT, NOT_BLANK;
    /// The address of a health check.
    CheckUrl: CHECK_URL, NO_SPACE;
    /// A part of the name of a data center.
    DataCenterPart: DATA_CENTER, WORD;
}

fn text(rule: Rule, form: Form, description: &str) -> RefOr<Schema> {
    let (least, most) = rule.lengths();
    let text = ObjectBuilder::new().schema_type(Type::String).description(Some(description));
    let text = match form {
        // Every one of them has a length that is accepted.
        Form::Words(words) => text.enum_values(Some(words.iter().copied().map(Value::from))),
        Form::Header => text.max_length(most).pattern(Some(VISIBLE_ASCII)),
        Form::Pattern(pattern) => {
            text.min_length((least > 0).then_some(least)).max_length(most).pattern(Some(pattern))
        }
        Form::Any => text.min_length((least > 0).then_some(least)).max_length(most),
    };
    text.into()
}

#[cfg(test)]
mod tests {
    use proptest::strategy::{Strategy, ValueTree};
    use proptest::string::string_regex;
    use proptest::test_runner::TestRunner;

    use super::*;

    /// Everything that can go wrong at the ends, in the middle and with foreign letters.
    const PROBES: &[&str] = &[
        "",
        "a",
        "Z9",
        "a.b",
        "_a",
        "a_",
        "-a",
        "a-",
        "$",
        "a$b",
        "a:b",
        ":a:",
        "a b",
        " ",
        "\t",
        "a/b",
        "a%b",
        "1",
        "1.0",
        "1.2.3.4",
        "1.2.3.4.5",
        "32767",
        "32768",
        "99999",
        "01",
        "0+",
        "latest",
        "1.0-2.0",
        "1..2",
        ".1",
        "+",
        "\u{e4}",
        "\u{a0}",
        "\u{85}",
        "\0",
        "a\nb",
        "{id}?a=b&c='d';~@#,\\",
        "a|b",
        "UP",
        "up",
        "FRONT",
        "SDK",
        "development",
        "prod",
    ];

    #[test]
    fn what_a_schema_describes_is_accepted_and_what_it_does_not_describe_is_refused() {
        for (name, rule, form) in ALL {
            let (least, most) = rule.lengths();
            for probe in PROBES {
                let described = match form {
                    Form::Any => true,
                    Form::Words(words) => words.contains(probe),
                    // An empty header does not get as far as the rule.
                    Form::Header if probe.is_empty() || !probe.is_ascii() => continue,
                    Form::Header => regex(VISIBLE_ASCII).is_match(probe),
                    Form::Pattern(pattern) => regex(pattern).is_match(probe),
                };
                let length = probe.chars().count();
                let fits = length >= least && most.is_none_or(|most| length <= most);
                assert_eq!(described && fits, rule.check("x", probe).is_ok(), "{name}: {probe:?}");
            }
        }
    }

    #[test]
    fn what_is_generated_from_a_schema_is_accepted() {
        let mut runner = TestRunner::deterministic();
        for (name, rule, form) in ALL {
            let Form::Pattern(pattern) = form else { continue };
            let (least, most) = rule.lengths();
            let texts = string_regex(rust(pattern).trim_start_matches('^').trim_end_matches('$')).unwrap();
            for _ in 0..200 {
                let text = texts.new_tree(&mut runner).unwrap().current();
                let length = text.chars().count();
                if length >= least && most.is_none_or(|most| length <= most) {
                    assert!(rule.check("x", &text).is_ok(), "{name}: {text:?}");
                }
            }
        }
    }

    fn regex(pattern: &str) -> regex::Regex {
        regex::Regex::new(&rust(pattern)).unwrap()
    }

    /// The expression in the dialect of the `regex` crate.
    fn rust(pattern: &str) -> String {
        pattern.replace(r"\u00", r"\x")
    }
}
