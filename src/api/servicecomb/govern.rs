//! What the dashboard of service-center reads: everything about microservices at once, and who uses whom.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use serde_json::json;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::error::ApiError;
use super::microservices;
use super::openapi::{
    Applications, Bit, Environment, GovernedMicroservice, GovernedMicroservices, GovernedStatistics,
    Relations,
};
use super::query::Query;
use super::request;
use super::response;
use super::validate as rules;
use crate::api::Gateway;
use crate::model::{Instance, Microservice, Properties, Tenant};

/// After how many microservices other requests of the same thread get their turn.
const TURN: usize = 64;
const OPTIONS: [&str; 6] = ["all", "tags", "instances", "schemas", "dependencies", "statistics"];

/// Everything about one microservice.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = MicroserviceDetail)]
pub struct Detail {
    micro_service: Arc<Microservice>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Vec<Instance>, min_items = 1)]
    instances: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    schema_infos: Vec<SchemaInfo>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = BTreeMap<String, String>)]
    tags: Option<Arc<Properties>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    providers: Vec<Arc<Microservice>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    consumers: Vec<Arc<Microservice>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    micro_service_versions: Vec<String>,
}

/// A schema of a microservice; without a summary when it was only announced.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct SchemaInfo {
    schema_id: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    summary: String,
}

/// What a request wants to know.
struct Options(BTreeSet<String>);

impl Options {
    fn of(query: &Query<'_>) -> Result<Self, ApiError> {
        let text = query.get("options");
        let options = text.split(',').filter(|option| !option.is_empty());
        let known = |option: &str| match OPTIONS.contains(&option) {
            true => Ok(option.to_owned()),
            false => Err(ApiError::field("options", format_args!("must be one of {}", OPTIONS.join(", ")))),
        };
        options.map(known).collect::<Result<_, _>>().map(Self)
    }

    fn has(&self, option: &str) -> bool {
        self.0.contains("all") || self.0.contains(option)
    }
}

/// Everything about one microservice.
#[utoipa::path(
    get,
    path = "/microservices/{serviceId}",
    operation_id = "governMicroservice",
    responses(
        (status = 200, description = "Everything about it", body = GovernedMicroservice),
        (status = 400, description = "400001 or 400012"),
    )
)]
pub async fn one(request: HttpRequest, gateway: web::Data<Gateway>) -> Result<HttpResponse, ApiError> {
    let (tenant, service_id) = (request::tenant(&request)?, request::service_id(&request)?);
    let microservice = microservices::known(&gateway, &tenant, &service_id)?;
    let mut versions: Vec<String> = gateway
        .catalog
        .microservices(&tenant)
        .iter()
        .filter(|other| same_service(other, &microservice))
        .map(|other| other.version.clone())
        .collect();
    versions.dedup();
    let all = Options(BTreeSet::from(["all".to_owned()]));
    let mut detail = detail(&gateway, &tenant, microservice, &all);
    detail.micro_service_versions = versions;
    response::json(&json!({ "service": detail }))
}

fn same_service(one: &Microservice, other: &Microservice) -> bool {
    one.environment == other.environment
        && one.app_id == other.app_id
        && one.service_name == other.service_name
}

fn detail(gateway: &Gateway, tenant: &Tenant, microservice: Arc<Microservice>, options: &Options) -> Detail {
    let catalog = &gateway.catalog;
    let id = &microservice.service_id;
    let instances = options.has("instances").then(|| catalog.instances(tenant, id, None, &[]).ok()).flatten();
    let instances = instances
        .filter(|found| found.count() > 0)
        .and_then(|found| RawValue::from_string(String::from_utf8_lossy(found.json()).into_owned()).ok());
    let mut schemas = BTreeMap::new();
    if options.has("schemas") {
        schemas.extend(microservice.schemas.iter().map(|id| (id.clone(), String::new())));
        let stored = catalog.schemas(tenant, id).map(|stored| stored.pairs);
        schemas.extend(stored.iter().flat_map(|stored| stored.iter()).map(|(id, s)| (id.clone(), s.clone())));
    }
    let related = options.has("dependencies");
    Detail {
        instances,
        schema_infos: schemas
            .into_iter()
            .map(|(schema_id, summary)| SchemaInfo { schema_id, summary })
            .collect(),
        tags: options.has("tags").then(|| catalog.tags(tenant, id)).flatten().map(|tags| tags.pairs),
        providers: if related { catalog.providers_of(tenant, id) } else { Vec::new() },
        consumers: if related { catalog.consumers_of(tenant, id) } else { Vec::new() },
        micro_service_versions: Vec::new(),
        micro_service: microservice,
    }
}

/// Everything about all microservices that the query lets pass.
#[utoipa::path(
    get,
    path = "/microservices",
    operation_id = "governMicroservices",
    params(
        (
            "options" = Option<String>,
            Query,
            pattern = "^((all|tags|instances|schemas|dependencies|statistics)?,*)*$",
            description = "What to tell of each, with commas between"
        ),
        ("countOnly" = Option<Bit>, Query, description = "Tell of none"),
        ("appId" = Option<String>, Query, description = "Only of this application"),
        ("serviceName" = Option<String>, Query, description = "Only of this name"),
        ("env" = Option<Environment>, Query, description = "Only of this environment"),
        (
            "property" = Option<String>,
            Query,
            pattern = "^([^:]*:.*)?$",
            description = "Only those with this property: a key, a colon and a value"
        ),
    ),
    responses(
        (status = 200, description = "Everything about them", body = GovernedMicroservices),
    )
)]
pub async fn many(request: HttpRequest, gateway: web::Data<Gateway>) -> Result<HttpResponse, ApiError> {
    let (tenant, query) = (request::tenant(&request)?, Query::of(&request));
    let options = Options::of(&query)?;
    let all = gateway.catalog.microservices(&tenant);
    let mut answer = serde_json::Map::new();
    if options.has("statistics") {
        answer.insert("statistics".into(), statistics_of(&gateway, &tenant, &all).await);
    }
    if !query.bit("countOnly")? {
        let wanted = filter(&query)?;
        let mut details = Vec::new();
        for (index, microservice) in all.into_iter().filter(|one| wanted(one)).enumerate() {
            if index % TURN == TURN - 1 {
                tokio::task::yield_now().await;
            }
            details.push(detail(&gateway, &tenant, microservice, &options));
        }
        if !details.is_empty() {
            let details = serde_json::value::to_raw_value(&details)
                .map_err(|error| ApiError::new(super::error::Code::Internal, error.to_string()))?;
            return response::json(&Everything { all_services_detail: details, rest: answer });
        }
    }
    response::json(&answer)
}

#[derive(Serialize)]
struct Everything {
    #[serde(rename = "allServicesDetail")]
    all_services_detail: Box<RawValue>,
    #[serde(flatten)]
    rest: serde_json::Map<String, serde_json::Value>,
}

fn filter(query: &Query<'_>) -> Result<impl Fn(&Microservice) -> bool, ApiError> {
    let text = |name: &str| query.get(name).to_owned();
    let (app_id, service_name, environment) = (text("appId"), text("serviceName"), text("env"));
    rules::ENVIRONMENT.check("env", &environment)?;
    let property = match query.get("property") {
        "" => None,
        text => match text.split_once(':') {
            Some((key, value)) => Some((key.to_owned(), value.to_owned())),
            None => {
                return Err(ApiError::field("property", "must be a key and a value with ':' between them"));
            }
        },
    };
    Ok(move |one: &Microservice| {
        (app_id.is_empty() || one.app_id == app_id)
            && (service_name.is_empty() || one.service_name == service_name)
            && (environment.is_empty() || one.environment == environment)
            && property.as_ref().is_none_or(|(key, value)| one.properties.get(key) == Some(value))
    })
}

/// How much there is.
#[utoipa::path(
    get,
    path = "/statistics",
    operation_id = "governStatistics",
    responses(
        (status = 200, description = "How much there is", body = GovernedStatistics),
    )
)]
pub async fn statistics(request: HttpRequest, gateway: web::Data<Gateway>) -> Result<HttpResponse, ApiError> {
    let tenant = request::tenant(&request)?;
    let all = gateway.catalog.microservices(&tenant);
    response::json(&json!({ "statistics": statistics_of(&gateway, &tenant, &all).await }))
}

async fn statistics_of(gateway: &Gateway, tenant: &Tenant, all: &[Arc<Microservice>]) -> serde_json::Value {
    let mut online = BTreeSet::new();
    let (mut services, mut apps) = (BTreeSet::new(), BTreeSet::new());
    let mut instances = 0;
    for (index, one) in all.iter().enumerate() {
        if index % TURN == TURN - 1 {
            tokio::task::yield_now().await;
        }
        let name = (&one.environment, &one.app_id, &one.service_name);
        // Not by a find, which would keep an answer of every microservice that nobody has asked for.
        let count = gateway.catalog.count_of(tenant, &one.service_id);
        if count > 0 {
            online.insert(name);
        }
        instances += count;
        services.insert(name);
        apps.insert(&one.app_id);
    }
    json!({
        "services": {"count": services.len(), "onlineCount": online.len()},
        "instances": {"count": instances, "countByDomain": instances},
        "apps": {"count": apps.len()},
    })
}

/// The ids of all applications.
#[utoipa::path(
    get,
    path = "/apps",
    operation_id = "governApplications",
    params(
        ("appId" = Option<String>, Query, description = "Only of this application"),
        ("serviceName" = Option<String>, Query, description = "Only of this name"),
        ("env" = Option<Environment>, Query, description = "Only of this environment"),
        (
            "property" = Option<String>,
            Query,
            pattern = "^([^:]*:.*)?$",
            description = "Only those with this property: a key, a colon and a value"
        ),
    ),
    responses(
        (status = 200, description = "The ids of all applications", body = Applications),
    )
)]
pub async fn apps(request: HttpRequest, gateway: web::Data<Gateway>) -> Result<HttpResponse, ApiError> {
    let (tenant, query) = (request::tenant(&request)?, Query::of(&request));
    let wanted = filter(&query)?;
    let all = gateway.catalog.microservices(&tenant);
    let ids: BTreeSet<&String> = all.iter().filter(|one| wanted(one)).map(|one| &one.app_id).collect();
    response::json(&if ids.is_empty() { json!({}) } else { json!({ "appIds": ids }) })
}

/// Who uses whom, as a graph.
#[utoipa::path(
    get,
    path = "/relations",
    operation_id = "governRelations",
    responses(
        (status = 200, description = "Who uses whom", body = Relations),
    )
)]
pub async fn relations(request: HttpRequest, gateway: web::Data<Gateway>) -> Result<HttpResponse, ApiError> {
    let tenant = request::tenant(&request)?;
    let node = |one: &Microservice| json!({"id": one.service_id, "name": one.service_name, "appId": one.app_id, "version": one.version});
    let (mut nodes, mut lines) = (Vec::new(), Vec::new());
    for (index, one) in gateway.catalog.microservices(&tenant).iter().enumerate() {
        if index % TURN == TURN - 1 {
            tokio::task::yield_now().await;
        }
        for provider in gateway.catalog.providers_of(&tenant, &one.service_id) {
            lines.push(json!({"from": node(one), "to": node(&provider)}));
        }
        nodes.push(node(one));
    }
    let mut graph = serde_json::Map::new();
    for (name, list) in [("nodes", nodes), ("lines", lines)] {
        if !list.is_empty() {
            graph.insert(name.into(), list.into());
        }
    }
    response::json(&graph)
}
