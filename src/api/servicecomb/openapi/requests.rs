//! The bodies that the v4 API takes, as schemas. Handlers read bodies by hand, more leniently than any derived reader:
//! keys in any case, null for whatever is optional, unknown fields ignored.
#![expect(dead_code, reason = "these types are never made; only their schemas are used")]

use std::collections::BTreeMap;

use utoipa::ToSchema;
use utoipa::openapi::schema::{SchemaType, Type};
use utoipa::openapi::{Object, ObjectBuilder, RefOr};

use super::words::{
    Alias, AppId, CheckUrl, DataCenterPart, Description, Endpoint, Environment, ExactVersion, FrameworkName,
    FrameworkVersion, HostName, InstanceId, Level, NewAppId, NewInstanceId, NewServiceId, NewServiceName,
    RegisterBy, RoutePath, SchemaId, SchemaSummary, SchemaText, ServiceId, ServiceName, ServiceStatus, Tag,
    VersionRule,
};
use crate::model::InstanceStatus;

/// Free-form pairs; a null value is an empty text.
type Pairs = BTreeMap<String, Option<String>>;

fn tags() -> Object {
    let RefOr::T(tag) = <Tag as utoipa::PartialSchema>::schema() else { return Object::new() };
    ObjectBuilder::new()
        .schema_type(SchemaType::from_iter([Type::Object, Type::Null]))
        .property_names(Some(tag.clone()))
        .additional_properties(Some(tag))
        .max_properties(Some(100))
        .description(Some("At most 100 by default"))
        .build()
}

/// A microservice to be created, and what it brings along. If something of the latter is refused the microservice
/// stays.
#[derive(ToSchema)]
pub struct MicroserviceRegistration {
    service: NewMicroservice,
    /// At most 100 by default.
    #[schema(schema_with = tags)]
    tags: Option<BTreeMap<Tag, Tag>>,
    #[schema(max_items = 1000)]
    instances: Option<Vec<NewInstance>>,
}

/// A microservice to be created.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct NewMicroservice {
    service_id: Option<NewServiceId>,
    environment: Option<Environment>,
    app_id: Option<NewAppId>,
    service_name: NewServiceName,
    /// `0.0.1` when absent.
    version: Option<ExactVersion>,
    description: Option<Description>,
    level: Option<Level>,
    register_by: Option<RegisterBy>,
    /// At most 100 by default.
    #[schema(max_items = 100)]
    schemas: Option<Vec<SchemaId>>,
    paths: Option<Vec<NewPath>>,
    status: Option<ServiceStatus>,
    #[schema(inline)]
    properties: Option<Pairs>,
    alias: Option<Alias>,
    #[schema(rename = "LBStrategy", inline)]
    load_balance_strategy: Option<Pairs>,
    framework: Option<NewFramework>,
}

/// A route of a microservice.
#[derive(ToSchema)]
pub struct NewPath {
    path: Option<RoutePath>,
    #[schema(inline)]
    property: Option<Pairs>,
}

/// The framework that a microservice is built with.
#[derive(ToSchema)]
pub struct NewFramework {
    name: Option<FrameworkName>,
    version: Option<FrameworkVersion>,
}

/// An instance to be registered; at most 5 KiB by default.
#[derive(ToSchema)]
pub struct InstanceRegistration {
    instance: NewInstance,
}

/// An instance to be registered. What the path says about its microservice goes before what this says.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct NewInstance {
    instance_id: Option<NewInstanceId>,
    host_name: HostName,
    endpoints: Option<Vec<Endpoint>>,
    /// `UP` when absent.
    status: Option<InstanceStatus>,
    #[schema(inline)]
    properties: Option<Pairs>,
    health_check: Option<NewHealthCheck>,
    data_center_info: Option<NewDataCenter>,
}

/// How an instance proves that it is alive: it is taken down after interval × (times + 1) seconds of silence, which
/// must be at most a year. An interval below 5 and times below 3 are raised to these by default; `pull` gets 30 and 3.
#[derive(ToSchema)]
pub struct NewHealthCheck {
    #[schema(pattern = "^(push|pull)$")]
    mode: String,
    #[schema(minimum = 0, maximum = 65535)]
    port: Option<i32>,
    /// Seconds between two heartbeats.
    #[schema(minimum = 1, maximum = 2_147_483_647)]
    interval: i32,
    /// How many heartbeats in a row may be missed.
    #[schema(minimum = 0, maximum = 2_147_483_647)]
    times: Option<i32>,
    url: Option<CheckUrl>,
}

/// Where an instance stands.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct NewDataCenter {
    name: DataCenterPart,
    region: DataCenterPart,
    available_zone: DataCenterPart,
}

/// Properties that replace all former ones; at most 3 KiB by default.
#[derive(ToSchema)]
pub struct NewProperties {
    #[schema(inline)]
    properties: Option<Pairs>,
}

/// Which microservices to remove; at most 10,000.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct Removals {
    #[schema(min_items = 1, max_items = 10_000)]
    service_ids: Vec<ServiceId>,
    /// Remove those that have instances or consumers, too.
    force: Option<bool>,
}

/// Tags that replace all former ones; at most 100 by default.
#[derive(ToSchema)]
pub struct NewTags {
    #[schema(schema_with = tags)]
    tags: Option<BTreeMap<Tag, Tag>>,
}

/// A schema to be stored.
#[derive(ToSchema)]
pub struct NewSchema {
    schema: SchemaText,
    /// A SHA-1 of the text when absent.
    summary: Option<SchemaSummary>,
}

/// The schemas that a microservice shall have, and no others; at most 100 by default.
#[derive(ToSchema)]
pub struct NewSchemas {
    #[schema(min_items = 1, max_items = 100)]
    schemas: Vec<NamedSchema>,
}

/// A schema with its id.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct NamedSchema {
    schema_id: SchemaId,
    schema: SchemaText,
    #[schema(min_length = 1, max_length = 128, pattern = "^[A-Za-z0-9]*$")]
    summary: String,
}

/// What consumers use, and nothing else.
#[derive(ToSchema)]
pub struct NewDependencies {
    #[schema(min_items = 1, max_items = 100)]
    dependencies: Vec<NewDependency>,
}

/// What consumers use beside what they used before.
#[derive(ToSchema)]
#[schema(as = AddedDependencies)]
pub struct MoreDependencies {
    #[schema(min_items = 1, max_items = 100)]
    dependencies: Vec<MoreOfOne>,
}

/// What one consumer uses, too. No provider may be named twice.
#[derive(ToSchema)]
#[schema(as = AddedDependency)]
pub struct MoreOfOne {
    consumer: Consumer,
    #[schema(min_items = 1, max_items = 100)]
    providers: Vec<Provided>,
}

/// What one consumer uses, and nothing else. No provider may be named twice.
#[derive(ToSchema)]
pub struct NewDependency {
    consumer: Consumer,
    #[schema(max_items = 100)]
    providers: Option<Vec<Provided>>,
}

/// A version of a service that exists.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct Consumer {
    environment: Option<Environment>,
    app_id: AppId,
    service_name: ServiceName,
    version: ExactVersion,
}

/// A service, whether it exists or not; in the environment of its consumer and, unless it says, in its application.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct Provided {
    app_id: Option<NewAppId>,
    service_name: ServiceName,
    version: Option<VersionRule>,
}

/// Instances that are alive; at most 10,000.
#[derive(ToSchema)]
pub struct Heartbeats {
    #[schema(min_items = 1, max_items = 10_000)]
    instances: Vec<Named>,
}

/// One instance.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", as = InstanceName)]
pub struct Named {
    service_id: ServiceId,
    instance_id: InstanceId,
}

/// What to find; at least one element in all.
#[derive(ToSchema)]
pub struct BatchFind {
    #[schema(max_items = 10_000)]
    services: Option<Vec<ServiceToFind>>,
    #[schema(max_items = 10_000)]
    instances: Option<Vec<InstanceToFind>>,
}

/// A service whose instances to find.
#[derive(ToSchema)]
pub struct ServiceToFind {
    service: FindKey,
    /// The `rev` of the last answer, or anything else for none.
    rev: Option<String>,
}

/// An instance to find.
#[derive(ToSchema)]
pub struct InstanceToFind {
    instance: Named,
    /// The `rev` of the last answer, or anything else for none.
    rev: Option<String>,
}

/// A service. A version may be named and is not looked at: every version is found.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct FindKey {
    environment: Option<Environment>,
    app_id: AppId,
    service_name: ServiceName,
}

/// A switch, off when it is absent or empty.
#[derive(ToSchema)]
pub enum Switch {
    /// Off.
    #[schema(rename = "")]
    Absent,
    /// On.
    #[schema(rename = "true")]
    True,
    /// Off.
    #[schema(rename = "false")]
    False,
    /// On.
    #[schema(rename = "1")]
    One,
    /// Off.
    #[schema(rename = "0")]
    Zero,
}

/// A bit, 0 when it is absent or empty.
#[derive(ToSchema)]
pub enum Bit {
    /// 0.
    #[schema(rename = "")]
    Absent,
    /// 0.
    #[schema(rename = "0")]
    Zero,
    /// 1.
    #[schema(rename = "1")]
    One,
}

/// What may be asked to exist.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub enum ExistenceKind {
    /// A version of a service.
    Microservice,
    /// The text of a schema.
    Schema,
}

/// What may be done with many instances.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub enum BatchKind {
    /// Find them.
    Query,
}
