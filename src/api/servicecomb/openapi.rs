//! The description of the v4 API: what stands beside the handlers, and around it what `frame` and the guards of the
//! middleware do to every request.

mod answers;
mod requests;
mod words;

use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn, PathItem};
use utoipa::openapi::response::Response;
use utoipa::openapi::schema::Type;
use utoipa::openapi::{Components, Content, ObjectBuilder, Ref, RefOr, Required, Schema};
use utoipa::{OpenApi, ToSchema};

use super::error::ApiError;
use super::{
    batch, dependencies, discovery, existence, govern, health, heartbeat, instances, microservices, schemas,
    tags, watcher,
};
use crate::api::openapi::{header, header_named, operations, response, retry_after, text_response};
use crate::model::InstanceStatus;

pub use answers::{
    Applications, BatchFound, CreatedMicroservice, Empty, Existing, FoundInstance, FoundInstances,
    GovernedMicroservice, GovernedMicroservices, GovernedStatistics, Microservices, RegisteredInstance,
    Relations, Removed, StoredSchema, Tags,
};
pub use requests::{
    BatchFind, BatchKind, Bit, ExistenceKind, Heartbeats, InstanceRegistration, MicroserviceRegistration,
    MoreDependencies, NewDependencies, NewProperties, NewSchema, NewSchemas, NewTags, Removals, Switch,
};
pub use words::{
    AppId, ConsumerId, DomainName, Environment, ExactVersion, InstanceId, Project, SchemaId, ServiceId,
    ServiceName, Tag,
};

#[derive(OpenApi)]
#[openapi(components(schemas(
    ApiError,
    // Types of parameters are not collected.
    AppId,
    Bit,
    ConsumerId,
    DomainName,
    Environment,
    ExactVersion,
    InstanceId,
    InstanceStatus,
    Project,
    SchemaId,
    ServiceId,
    ServiceName,
    Switch,
    Tag,
)))]
struct Dialect;

#[derive(OpenApi)]
#[openapi(paths(
    health::version,
    health::health,
    health::readiness,
    existence::existence,
    microservices::create,
    microservices::list,
    microservices::delete_many,
    microservices::get,
    microservices::delete,
    microservices::set_properties,
    tags::replace,
    tags::get,
    tags::set,
    tags::delete,
    schemas::list,
    schemas::replace,
    schemas::get,
    schemas::put,
    schemas::delete,
    dependencies::providers,
    dependencies::consumers,
    dependencies::add,
    dependencies::replace,
    instances::register,
    discovery::list,
    discovery::get,
    instances::unregister,
    heartbeat::one,
    instances::set_status,
    instances::set_properties,
    heartbeat::many,
    discovery::find,
    batch::action,
    watcher::watch,
    watcher::heartbeat,
))]
struct Registry;

#[derive(OpenApi)]
#[openapi(paths(govern::one, govern::many, govern::relations, govern::apps, govern::statistics))]
struct Govern;

/// The description of this dialect.
pub fn openapi() -> utoipa::openapi::OpenApi {
    let mut document = Dialect::openapi()
        .nest("/v4/{project}/registry", Registry::openapi())
        .nest("/v4/{project}/govern", Govern::openapi());
    let components = document.components.get_or_insert_default();
    add_headers(components);
    for (name, description) in [
        ("NoSuchPath", "The path belongs to no operation: a part of it is empty or a dot segment"),
        ("WrongMethod", "The path belongs to another operation: a part of it is empty or a dot segment"),
        ("RegistryFailure", "500003, or 500011: ZooKeeper is away, and repeating is safe"),
        ("TooLate", "The body took too long to arrive, or the request to be answered"),
        ("TooManyRequests", "500011: too many requests come from this address"),
        ("Busy", "500011: too many requests, changes, bodies or watchers at a time"),
    ] {
        let mut response = text_response(description);
        match name {
            "NoSuchPath" | "WrongMethod" => {}
            "RegistryFailure" => allow_error(&mut response),
            _ => {
                response.content.clear();
                allow_error(&mut response);
            }
        }
        if matches!(name, "RegistryFailure" | "TooManyRequests" | "Busy") {
            response.headers.insert("Retry-After".to_owned(), retry_after().into());
        }
        frame(&mut response);
        components.responses.insert(name.to_owned(), response.into());
    }
    components.schemas.values_mut().for_each(drop_null_defaults);
    for (path, item) in &mut document.paths.paths {
        surround(path, item);
    }
    document
}

fn add_headers(components: &mut Components) {
    let text = || ObjectBuilder::new().schema_type(Type::String);
    let number = || ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0));
    for (name, schema, description) in [
        ("Server", text().pattern(Some("^SERVICECENTER/")), "What clients expect a registry to be"),
        ("X-Response-Status", number(), "The status once more"),
        (
            "X-Registry-Staleness-Ms",
            number(),
            "In answers to reads while ZooKeeper is away: for how long the answer may have been out of date",
        ),
        (
            "X-Resource-Revision",
            text().pattern(Some("^[0-9a-f]{40}$")),
            "The `rev` of this answer, by which the next request asks only for what has changed",
        ),
    ] {
        components.headers.insert(name.to_owned(), header(schema, description).into());
    }
}

/// A type whose default is to have none of something is not sent as null.
fn drop_null_defaults(schema: &mut RefOr<Schema>) {
    let RefOr::T(Schema::Object(object)) = schema else { return };
    for property in object.properties.values_mut() {
        if let RefOr::Ref(reference) = property {
            reference.default = reference.default.take().filter(|default| !default.is_null());
        }
    }
}

/// Adds the parameters that the path names, the tenant, and the answers that any request can get.
fn surround(path: &str, item: &mut PathItem) {
    let mut common = vec![
        parameter::<Project>("project", ParameterIn::Path, "default"),
        parameter::<DomainName>("X-Domain-Name", ParameterIn::Header, "default"),
    ];
    for (name, example, segment) in [
        ("serviceId", "cart-id", parameter::<ServiceId> as fn(&str, ParameterIn, &str) -> Parameter),
        ("instanceId", "cart-1", parameter::<InstanceId>),
        ("schemaId", "cart-api", parameter::<SchemaId>),
    ] {
        if path.contains(&format!("{{{name}}}")) {
            common.push(segment(name, ParameterIn::Path, example));
        }
    }
    for operation in operations(item) {
        operation.tags = Some(vec!["registry".to_owned()]);
        let parameters = operation.parameters.get_or_insert_default();
        parameters.iter_mut().for_each(drop_null);
        parameters.splice(0..0, common.iter().cloned().map(Into::into));
        if let Some(refused) = response(operation, "400", "400001") {
            refused.content = text_response("").content;
            allow_error(refused);
        }
        for response in operation.responses.responses.values_mut() {
            if let RefOr::T(response) = response {
                frame(response);
            }
        }
        for (status, name) in [
            ("404", "NoSuchPath"),
            ("405", "WrongMethod"),
            ("408", "TooLate"),
            ("429", "TooManyRequests"),
            ("500", "RegistryFailure"),
            ("503", "Busy"),
        ] {
            let reference = Ref::from_response_name(name);
            operation.responses.responses.insert(status.to_owned(), reference.into());
        }
    }
}

/// A parameter that may be left out cannot be null.
fn drop_null(parameter: &mut RefOr<Parameter>) {
    let RefOr::T(Parameter { schema: Some(schema), .. }) = parameter else { return };
    if let RefOr::T(Schema::OneOf(choices)) = schema
        && let Some(choice) = choices.items.first().cloned()
    {
        *schema = choice;
    }
}

fn allow_error(response: &mut Response) {
    let error = Content::new(Some(Ref::from_schema_name(ApiError::name())));
    response.content.insert("application/json".to_owned(), error.into());
}

/// Adds the headers that `frame` adds.
fn frame(response: &mut Response) {
    for name in ["Server", "X-Response-Status", "X-Registry-Staleness-Ms"] {
        response.headers.insert(name.to_owned(), header_named(name));
    }
    // What stands beside the handlers can name it, but not refer to what it looks like.
    if let Some(revision) = response.headers.get_mut("X-Resource-Revision") {
        *revision = header_named("X-Resource-Revision");
    }
}

fn parameter<T: ToSchema>(name: &str, place: ParameterIn, example: &str) -> Parameter {
    let required = if place == ParameterIn::Path { Required::True } else { Required::False };
    ParameterBuilder::new()
        .name(name)
        .parameter_in(place)
        .required(required)
        .schema(Some(Ref::from_schema_name(T::name())))
        .example(Some(example.into()))
        .build()
}
