//! What an edit of a snapshot looks like, in its two forms.

use utoipa::openapi::{OneOfBuilder, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::{Method, Service};

/// One service to provide or to consume, or to do so no more: as mainline MOSN says it, or as the original's first
/// generation does.
pub(in crate::api::mosn) enum Edit {}

impl PartialSchema for Edit {
    fn schema() -> RefOr<Schema> {
        OneOfBuilder::new()
            .item(utoipa::openapi::Ref::from_schema_name(Mainline::name()))
            .item(utoipa::openapi::Ref::from_schema_name(FirstGeneration::name()))
            .into()
    }
}

impl ToSchema for Edit {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((Mainline::name().into(), Mainline::schema()));
        schemas.push((FirstGeneration::name().into(), FirstGeneration::schema()));
        Mainline::schemas(schemas);
        FirstGeneration::schemas(schemas);
    }
}

/// The form of mainline MOSN. It has neither `host`, `port` nor `service.params`.
#[derive(ToSchema)]
#[schema(as = MainlineEdit)]
#[expect(dead_code, reason = "only its schema is used")]
struct Mainline {
    registry: RegistryOfEdit,
    service: ServiceOfEdit,
}

/// The registry that the sidecar means. Its form is checked and it is not used: what is registered stands in the
/// gateway's own ensemble.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
struct RegistryOfEdit {
    username: Option<String>,
    password: Option<String>,
    #[schema(pattern = "^zookeeper$")]
    r#type: String,
    /// `host:port`.
    #[schema(pattern = r"^([a-z]([a-z0-9-]{0,60}[a-z0-9])?|\[::1\]|127\.0\.0\.1):[1-9][0-9]{0,3}$")]
    addr: String,
}

/// The service, at the address that the request comes from and the port that is configured.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
struct ServiceOfEdit {
    /// Not `.`, `..`, `config`, `metadata` or `mapping`.
    #[schema(
        min_length = 1,
        max_length = 512,
        pattern = r#"^[^?&#;%/\\:@=,+*"'<>|\s\u0000-\u001F\u007F-\u009F\uE000-\uF8FF\uFFF0-\uFFFF]*$"#
    )]
    interface: String,
    methods: Vec<Method>,
    /// Empty is none.
    #[schema(pattern = "^[A-Za-z0-9._-]*$")]
    group: Option<String>,
    /// Of a provider; empty is none.
    #[schema(pattern = "^[A-Za-z0-9._-]*$")]
    version: Option<String>,
}

/// The form of the original's first generation: an entry as in a snapshot. It has no `registry`, and group and version
/// stand among the parameters.
#[derive(ToSchema)]
#[schema(as = FirstGenerationEdit)]
#[expect(dead_code, reason = "only its schema is used")]
struct FirstGeneration {
    service: Service,
    /// An IP address or a host name; where the request comes from when absent, null or empty.
    #[schema(max_length = 255)]
    host: Option<String>,
    /// 0 is none: a provider stands at the port that is configured.
    #[schema(minimum = 0, maximum = 65535)]
    port: Option<i32>,
}
