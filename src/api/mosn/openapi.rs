//! The description of this dialect. Its reader names the field of every error, and is stricter than any derived
//! one; these types only say what it takes.

mod edits;

use std::collections::BTreeMap;

use utoipa::openapi::path::{Operation, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{SchemaType, Type};
use utoipa::openapi::{ArrayBuilder, ObjectBuilder, OneOfBuilder, RefOr, Required, Schema};
use utoipa::{OpenApi, ToSchema};

pub(super) use self::edits::Edit;
use crate::api::openapi::{header, operations, response, retry_after, text_response};
use crate::model::SidecarId;

#[derive(OpenApi)]
#[openapi(paths(
    super::sync::sync,
    super::sync::sync_get,
    super::sync::get,
    super::edits::publish,
    super::edits::unpublish,
    super::edits::subscribe,
    super::edits::unsubscribe,
    super::edits::heartbeat,
))]
struct Dialect;

/// The description of this dialect.
pub fn openapi() -> utoipa::openapi::OpenApi {
    let id = ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(1))
        .max_length(Some(SidecarId::MAX_BYTES))
        // Headers are sent as bytes, and only these are the same in every encoding.
        .pattern(Some("^[!-~]([ -~]*[!-~])?$"));
    let registrant = ParameterBuilder::new()
        .name("X-Registrant-Id")
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(
            "Whose snapshot it is, UTF-8. Without it, `<application>@<host>` as the entries say or, when they say \
             nothing, the one sidecar that is known at the caller's address",
        ))
        .schema(Some(id))
        .build();
    let mut document = Dialect::openapi();
    for (path, item) in &mut document.paths.paths {
        let is_snapshot = path.starts_with("/registry/info/");
        for operation in operations(item) {
            operation.tags = Some(vec!["sync".to_owned()]);
            operation.parameters.get_or_insert_default().push(registrant.clone().into());
            if is_snapshot {
                describe_waiting(operation);
            }
            describe_limits(operation);
        }
    }
    document
}

/// Says how a request is kept waiting until there is something new to answer.
fn describe_waiting(operation: &mut Operation) {
    let parameter = |name: &str, place, schema: ObjectBuilder, description: &str| {
        let parameter = ParameterBuilder::new().name(name).parameter_in(place).required(Required::False);
        parameter.description(Some(description)).schema(Some(schema)).build()
    };
    let text = || ObjectBuilder::new().schema_type(Type::String);
    operation.parameters.get_or_insert_default().extend([
        parameter(
            "wait",
            ParameterIn::Query,
            text().pattern(Some("^[1-9][0-9]?(ms|s)$")),
            "How long to wait until the answer is another than the one that the caller knows, such as `30s`. One that \
             does not say what it knows waits for the next change; a sync that changed something does not wait",
        )
        .into(),
        parameter(
            "version",
            ParameterIn::Query,
            ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0)),
            "With `wait`: the version that the caller knows",
        )
        .into(),
        parameter(
            "If-None-Match",
            ParameterIn::Header,
            text().pattern(Some("^[!-~]([ -~]*[!-~])?$")),
            "With `wait`: the `ETag` of the answer that the caller knows",
        )
        .into(),
    ]);
    if let Some(response) = response(operation, "200", "") {
        let tag = header(text(), "Of a success: what tells this answer from every other");
        response.headers.insert("ETag".to_owned(), tag.into());
    }
}

/// Says what is answered past a limit: the same form, whatever the status.
fn describe_limits(operation: &mut Operation) {
    let content = response(operation, "200", "").map(|success| success.content.clone());
    for (status, description) in [
        ("408", "The body took too long to arrive, or the request to be answered"),
        ("429", "Too many requests come from this address"),
        ("503", "Too many requests, changes or bodies at a time, or too many requests that wait already"),
    ] {
        let mut refusal = text_response(description);
        refusal.content = content.clone().unwrap_or_default();
        if status != "408" {
            refusal.headers.insert("Retry-After".to_owned(), retry_after().into());
        }
        operation.responses.responses.insert(status.to_owned(), refusal.into());
    }
}

/// Everything that a sidecar provides and consumes, at most 10,000 entries in 4 MiB by default. One of the two lists
/// must be there; null is an empty one.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub(super) struct Snapshot {
    #[schema(max_items = 10_000)]
    provider_list: Option<Vec<ProviderEntry>>,
    #[schema(max_items = 10_000)]
    consumer_list: Option<Vec<ConsumerEntry>>,
}

/// An interface offered at an address.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
struct ProviderEntry {
    service: Service,
    /// An IP address or a host name; where the request comes from when absent, null or empty.
    #[schema(max_length = 255)]
    host: Option<String>,
    #[schema(minimum = 1, maximum = 65535)]
    port: i32,
}

/// An interface used from an address.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
struct ConsumerEntry {
    service: Service,
    /// An IP address or a host name; where the request comes from when absent, null or empty.
    #[schema(max_length = 255)]
    host: Option<String>,
    /// 0 is none.
    #[schema(minimum = 0, maximum = 65535)]
    port: Option<i32>,
}

/// An interface.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
struct Service {
    /// Not `.`, `..`, `config`, `metadata` or `mapping`.
    #[schema(
        min_length = 1,
        max_length = 512,
        pattern = r#"^[^?&#;%/\\:@=,+*"'<>|\s\u0000-\u001F\u007F-\u009F\uE000-\uF8FF\uFFF0-\uFFFF]*$"#
    )]
    interface: String,
    methods: Option<Vec<Method>>,
    /// Parameters of the URL; null and empty ones are left out,
    /// lists are joined with commas. `protocol` is the scheme, `timestamp` must be a whole number of milliseconds,
    /// `interface`, `methods`, `category` and `side` may only say what the entry says.
    params: Option<BTreeMap<ParameterKey, ParameterValue>>,
}

/// The name of a method.
#[derive(ToSchema)]
#[schema(
    value_type = String,
    min_length = 1,
    pattern = r"^[^&;#%,=?\s\u0000-\u001F\u007F-\u009F\uE000-\uF8FF\uFFF0-\uFFFF]*$"
)]
#[expect(dead_code, reason = "only its schema is used")]
struct Method(String);

/// The name of a parameter, which must not end in `pid` or `timestamp` without being just that.
#[derive(ToSchema)]
#[schema(value_type = String, min_length = 1, max_length = 256, pattern = "^[A-Za-z0-9._$-]*$")]
#[expect(dead_code, reason = "only its schema is used")]
struct ParameterKey(String);

/// The value of a parameter: a text, number or boolean, or a list of them.
enum ParameterValue {}

impl utoipa::PartialSchema for ParameterValue {
    fn schema() -> RefOr<Schema> {
        let scalar = ObjectBuilder::new().schema_type(SchemaType::from_iter([
            Type::String,
            Type::Number,
            Type::Boolean,
            Type::Null,
        ]));
        let scalar =
            scalar.description(Some("A text has no `&`, `;`, `#`, `%` and control characters")).build();
        let list = ArrayBuilder::new().items(scalar.clone());
        OneOfBuilder::new().item(scalar).item(list).into()
    }
}

impl ToSchema for ParameterValue {}
