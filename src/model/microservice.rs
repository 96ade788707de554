//! The first of ServiceComb's two levels: what a service is, apart from where it runs.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Properties, Tenant, hex_digest, is_empty_map};

/// What a consumer names when it looks for a service: everything but the version.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServiceKey {
    /// Whose service it is.
    pub tenant: Tenant,
    /// `development`, `testing`, `acceptance`, `production` or empty, which is a namespace of its own.
    pub environment: String,
    /// The application it belongs to.
    pub app_id: String,
    /// Its name, or the alias of a service.
    pub service_name: String,
}

/// The same without its tenant, of parts that belong to somebody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServiceKeyView<'k> {
    /// See [`ServiceKey::environment`].
    pub environment: &'k str,
    /// See [`ServiceKey::app_id`].
    pub app_id: &'k str,
    /// See [`ServiceKey::service_name`].
    pub service_name: &'k str,
}

impl ServiceKey {
    /// All of it but the tenant.
    pub fn view(&self) -> ServiceKeyView<'_> {
        let Self { environment, app_id, service_name, .. } = self;
        ServiceKeyView { environment, app_id, service_name }
    }
}

/// What makes a microservice unique.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MicroserviceKey {
    /// The service that this is one version of.
    pub service: ServiceKey,
    /// The version, as registered.
    pub version: String,
}

impl MicroserviceKey {
    /// The id of a microservice that did not bring its own: lower-case hex SHA-1 of the index path under which
    /// service-center files it, so that ids survive a migration in either direction.
    pub fn derived_id(&self) -> String {
        let ServiceKey { tenant, environment, app_id, service_name } = &self.service;
        let index =
            format!("/cse-sr/ms/indexes/{tenant}/{environment}/{app_id}/{service_name}/{}", self.version);
        hex_digest(index.as_bytes())
    }
}

/// One version of a service, in the JSON form of the v4 API, which is also how its znode reads.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs, reason = "the fields are those of the v4 API, which documents them")]
pub struct Microservice {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub service_id: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub environment: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub app_id: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub service_name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub version: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub level: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub register_by: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub schemas: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<ServicePath>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub status: String,
    #[serde(skip_serializing_if = "is_empty_map")]
    #[schema(value_type = BTreeMap<String, String>)]
    pub properties: Properties,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub alias: String,
    #[serde(rename = "LBStrategy", skip_serializing_if = "is_empty_map")]
    #[schema(value_type = BTreeMap<String, String>)]
    pub load_balance_strategy: Properties,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub framework: Option<Framework>,
    /// Registration time, Unix seconds as decimal text.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub timestamp: String,
    /// Time of the last change, Unix seconds as decimal text.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub mod_timestamp: String,
}

impl Microservice {
    /// The key that nobody else in `tenant` may register.
    pub fn key(&self, tenant: &Tenant) -> MicroserviceKey {
        MicroserviceKey {
            service: ServiceKey {
                tenant: tenant.clone(),
                environment: self.environment.clone(),
                app_id: self.app_id.clone(),
                service_name: self.service_name.clone(),
            },
            version: self.version.clone(),
        }
    }

    /// Whether consumers of other applications may see it (property `allowCrossApp`, in any case of letters).
    pub fn allows_cross_app(&self) -> bool {
        self.properties.get("allowCrossApp").is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }
}

/// The framework that a microservice is built with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[allow(missing_docs, reason = "the fields are those of the v4 API, which documents them")]
pub struct Framework {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub version: String,
}

/// A route of a microservice.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[allow(missing_docs, reason = "the fields are those of the v4 API, which documents them")]
pub struct ServicePath {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub path: String,
    #[serde(skip_serializing_if = "is_empty_map")]
    #[schema(value_type = BTreeMap<String, String>)]
    pub property: Properties,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_match_the_golden_vectors_of_service_center() {
        let id = |environment: &str, app: &str, name: &str, version: &str| {
            Microservice {
                environment: environment.into(),
                app_id: app.into(),
                service_name: name.into(),
                version: version.into(),
                ..Microservice::default()
            }
            .key(&Tenant::default())
            .derived_id()
        };
        assert_eq!(id("", "default", "test", "1.0.0"), "8aed80ea052ac04a64dfc79c24f2170224d074f5");
        assert_eq!(id("", "test", "test1", "1.0.0"), "dcc6c1073eab3cadb47cea2e1a874b7883b02a63");
        assert_eq!(id("development", "shop", "cart", "1.2.0"), "5d5864387ee3fc21970375c25949aa56f3296f41");
    }
}
