//! The bodies of answers that handlers of the v4 API put together by hand, as schemas.
#![expect(dead_code, reason = "these types are never made; only their schemas are used")]

use std::collections::BTreeMap;

use utoipa::ToSchema;

use crate::api::servicecomb::error::ApiError;
use crate::api::servicecomb::govern::Detail;
use crate::model::{Instance, Microservice};

/// Which microservice.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct CreatedMicroservice {
    service_id: String,
}

/// Which microservice, and which of its schemas if that was asked for.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct Existing {
    service_id: String,
    #[schema(nullable = false)]
    schema_id: Option<String>,
}

/// What became of each microservice.
#[derive(ToSchema)]
#[schema(as = RemovalOutcomes)]
pub struct Removed {
    services: Vec<crate::api::servicecomb::microservices::Removal>,
}

/// Which instance.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct RegisteredInstance {
    instance_id: String,
}

// Without any, the object is empty.
#[derive(ToSchema)]
pub struct Microservices {
    #[schema(nullable = false)]
    services: Option<Vec<Microservice>>,
}

/// Instances; without any, the object is empty.
#[derive(ToSchema)]
pub struct FoundInstances {
    #[schema(nullable = false, min_items = 1)]
    instances: Option<Vec<Instance>>,
}

/// One instance.
#[derive(ToSchema)]
pub struct FoundInstance {
    instance: Instance,
}

/// Tags; without any, the object is empty.
#[derive(ToSchema)]
pub struct Tags {
    #[schema(nullable = false)]
    tags: Option<BTreeMap<String, String>>,
}

/// The text of a schema.
#[derive(ToSchema)]
pub struct StoredSchema {
    schema: String,
}

/// Nothing to say.
#[derive(ToSchema)]
pub struct Empty {}

/// What was found for each list of a request that asked for something.
#[derive(ToSchema)]
pub struct BatchFound {
    #[schema(nullable = false)]
    services: Option<ListFound>,
    #[schema(nullable = false)]
    instances: Option<ListFound>,
}

/// What was found for one list, by the positions in it.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct ListFound {
    /// One entry for each error code.
    #[schema(nullable = false, min_items = 1)]
    failed: Option<Vec<NotFound>>,
    /// What the client has seen already.
    #[schema(nullable = false, min_items = 1, minimum = 0)]
    not_modified: Option<Vec<u32>>,
    #[schema(nullable = false, min_items = 1)]
    updated: Option<Vec<Updated>>,
}

/// The elements that failed with one error.
#[derive(ToSchema)]
pub struct NotFound {
    #[schema(min_items = 1)]
    indexes: Vec<u32>,
    error: ApiError,
}

/// What the client has not seen yet.
#[derive(ToSchema)]
pub struct Updated {
    index: u32,
    #[schema(pattern = "^[0-9a-f]{40}$")]
    rev: String,
    #[schema(nullable = false, min_items = 1)]
    instances: Option<Vec<Instance>>,
}

/// Everything about one microservice.
#[derive(ToSchema)]
pub struct GovernedMicroservice {
    service: Detail,
}

/// What was asked for of the microservices that the query lets pass.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct GovernedMicroservices {
    #[schema(nullable = false, min_items = 1)]
    all_services_detail: Option<Vec<Detail>>,
    #[schema(nullable = false)]
    statistics: Option<Statistics>,
}

/// How much there is.
#[derive(ToSchema)]
pub struct GovernedStatistics {
    statistics: Statistics,
}

/// How much there is of a tenant.
#[derive(ToSchema)]
pub struct Statistics {
    services: ServiceCount,
    instances: InstanceCount,
    apps: ApplicationCount,
}

/// How many services there are, whatever their versions, and how many of them have instances.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct ServiceCount {
    count: u64,
    online_count: u64,
}

/// How many instances there are.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct InstanceCount {
    count: u64,
    count_by_domain: u64,
}

/// How many applications there are.
#[derive(ToSchema)]
pub struct ApplicationCount {
    count: u64,
}

/// The ids of applications; without any, the object is empty.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct Applications {
    #[schema(nullable = false, min_items = 1)]
    app_ids: Option<Vec<String>>,
}

/// Microservices and who of them uses whom.
#[derive(ToSchema)]
pub struct Relations {
    #[schema(nullable = false, min_items = 1)]
    nodes: Option<Vec<Node>>,
    #[schema(nullable = false, min_items = 1)]
    lines: Option<Vec<Line>>,
}

/// A microservice.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct Node {
    id: String,
    name: String,
    app_id: String,
    version: String,
}

/// One uses the other.
#[derive(ToSchema)]
pub struct Line {
    from: Node,
    to: Node,
}
