//! The second of ServiceComb's two levels: one running instance of a microservice.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Properties, is_empty_map};

/// What an instance says of itself. Consumers use only those that are [`InstanceStatus::Up`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
#[allow(missing_docs, reason = "the names are those of the v4 API, which documents them")]
pub enum InstanceStatus {
    #[default]
    Up,
    Down,
    Starting,
    Testing,
    OutOfService,
}

impl InstanceStatus {
    /// Reads the API's spelling; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "UP" => Self::Up,
            "DOWN" => Self::Down,
            "STARTING" => Self::Starting,
            "TESTING" => Self::Testing,
            "OUTOFSERVICE" => Self::OutOfService,
            _ => return None,
        })
    }
}

/// One running instance, in the JSON form of the v4 API.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs, reason = "the fields are those of the v4 API, which documents them")]
pub struct Instance {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub instance_id: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub service_id: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub endpoints: Vec<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub host_name: String,
    /// Always written: Java clients read it without a null check.
    #[schema(required = true)]
    pub status: InstanceStatus,
    #[serde(skip_serializing_if = "is_empty_map")]
    #[schema(value_type = BTreeMap<String, String>)]
    pub properties: Properties,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub health_check: Option<HealthCheck>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub data_center_info: Option<DataCenter>,
    /// Registration time, Unix seconds as decimal text.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub timestamp: String,
    /// Time of the last change, Unix seconds as decimal text.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub mod_timestamp: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub version: String,
}

impl Instance {
    /// Its endpoints sorted and each once: equal for instances that can be reached in the same ways.
    pub fn endpoint_set(&self) -> Vec<String> {
        let mut endpoints = self.endpoints.clone();
        endpoints.sort_unstable();
        endpoints.dedup();
        endpoints
    }

    /// How long the instance may be silent: interval × (times + 1), the rule of service-center.
    pub fn time_to_live(&self) -> Duration {
        let of = |check: &HealthCheck| {
            Duration::from_secs(u64::from(check.interval) * (u64::from(check.times) + 1))
        };
        self.health_check.as_ref().map_or_else(|| of(&HealthCheck::default()), of)
    }
}

/// How an instance proves that it is alive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct HealthCheck {
    /// `push` (heartbeats) or `pull`.
    pub mode: String,
    /// Port of the check, 0 when unused.
    #[serde(skip_serializing_if = "is_zero")]
    pub port: u16,
    /// Seconds between two heartbeats.
    pub interval: u32,
    /// How many heartbeats in a row may be missed.
    pub times: u32,
    /// Address of the check for `pull`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub url: String,
}

/// What service-center stores for an instance that does not say.
impl Default for HealthCheck {
    fn default() -> Self {
        Self { mode: "push".into(), port: 0, interval: 30, times: 3, url: String::new() }
    }
}

impl HealthCheck {
    /// The check as service-center stores it: `push` is raised to the least interval (seconds) and times, any other
    /// mode (nobody pulls) gets the default ones.
    pub fn normalised(self, min_interval: u32, min_times: u32) -> Self {
        let (interval, times) = match self.mode.as_str() {
            "push" => (self.interval.max(min_interval), self.times.max(min_times)),
            _ => (Self::default().interval, Self::default().times),
        };
        Self { interval, times, ..self }
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_zero(port: &u16) -> bool {
    *port == 0
}

/// Where an instance stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs, reason = "the fields are those of the v4 API, which documents them")]
pub struct DataCenter {
    pub name: String,
    pub region: String,
    pub available_zone: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn health_checks_are_stored_as_service_center_stores_them() {
        let stored = |mode: &str, interval, times| {
            let check = HealthCheck { mode: mode.into(), interval, times, ..HealthCheck::default() };
            let check = check.normalised(5, 3);
            let instance = Instance { health_check: Some(check.clone()), ..Instance::default() };
            (check.interval, check.times, instance.time_to_live().as_secs())
        };
        assert_eq!(stored("push", 30, 3), (30, 3, 120));
        assert_eq!(stored("push", 15, 3), (15, 3, 60));
        assert_eq!(stored("push", 2, 1), (5, 3, 20));
        assert_eq!(stored("push", 5, 4), (5, 4, 25));
        assert_eq!(stored("pull", 7, 9), (30, 3, 120));
        assert_eq!(Instance::default().time_to_live().as_secs(), 120);
    }
}
