//! The errors of the v4 API, and the one place where the registry's and the catalog's errors become its codes.

use std::fmt;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use actix_web::{HttpResponse, ResponseError};
use serde::{Serialize, Serializer};
use utoipa::openapi::schema::Type;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::response::JSON_TYPE;
use crate::api::retry_seconds;
use crate::catalog::FindError;
use crate::registry::RegistryError;

/// When to repeat what came at a bad time.
const SOON: Duration = Duration::from_secs(1);

/// The codes that this dialect answers with. The first three digits are the HTTP status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Code {
    /// A parameter, header or body is not acceptable.
    InvalidParameters = 400_001,
    /// This replica does not follow ZooKeeper.
    Unhealthy = 400_002,
    /// The id or the key belongs to another microservice.
    MicroserviceConflict = 400_010,
    /// There is no such microservice.
    NoSuchMicroservice = 400_012,
    /// The microservice still has instances.
    HasInstances = 400_013,
    /// There is no such schema.
    NoSuchSchema = 400_016,
    /// There is no such instance.
    NoSuchInstance = 400_017,
    /// The microservice has no such tag.
    NoSuchTag = 400_018,
    /// Other microservices use it.
    InUse = 400_023,
    /// There are as many as may be.
    QuotaExceeded = 400_100,
    /// The service is known, this version of it is not.
    NoSuchVersion = 400_026,
    /// Something failed that repeating does not mend.
    Internal = 500_003,
    /// ZooKeeper is away or busy; repeating is safe.
    Unavailable = 500_011,
}

impl Code {
    /// The words that clients know the code by.
    pub const fn message(self) -> &'static str {
        match self {
            Self::InvalidParameters => "Invalid parameter(s)",
            Self::Unhealthy => "Server is Unhealthy",
            Self::MicroserviceConflict => "Micro-service already exists",
            Self::NoSuchMicroservice => "Micro-service does not exist",
            Self::HasInstances => "Micro-service has deployed instance(s)",
            Self::NoSuchSchema => "Schema does not exist",
            Self::NoSuchInstance => "Instance does not exist",
            Self::NoSuchTag => "Tag does not exist",
            Self::InUse => "Consumer(s) depends on this micro-service",
            Self::QuotaExceeded => "Not enough quota",
            Self::NoSuchVersion => "Micro-service version does not exist",
            Self::Internal => "Internal server error",
            Self::Unavailable => "Registry service is unavailable",
        }
    }

    /// Whether the fault is the gateway's or ZooKeeper's rather than the caller's.
    pub const fn is_server_fault(self) -> bool {
        self as u32 >= 500_000
    }

    const fn status(self) -> StatusCode {
        if self.is_server_fault() { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::BAD_REQUEST }
    }
}

impl Code {
    const ALL: [Self; 13] = [
        Self::InvalidParameters,
        Self::Unhealthy,
        Self::MicroserviceConflict,
        Self::NoSuchMicroservice,
        Self::HasInstances,
        Self::NoSuchSchema,
        Self::NoSuchInstance,
        Self::NoSuchTag,
        Self::InUse,
        Self::NoSuchVersion,
        Self::QuotaExceeded,
        Self::Internal,
        Self::Unavailable,
    ];
}

impl PartialSchema for Code {
    fn schema() -> RefOr<Schema> {
        let meanings = Self::ALL.map(|code| format!("{}: {}", code as u32, code.message()));
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some(meanings.join(". ")))
            .enum_values(Some(Self::ALL.map(|code| (code as u32).to_string())))
            .into()
    }
}

impl ToSchema for Code {
    fn name() -> std::borrow::Cow<'static, str> {
        "ErrorCode".into()
    }
}

/// The code is text in JSON: the Go client looks for `"errorCode":"400012"`.
impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&(*self as u32))
    }
}

/// An error answer of the v4 API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Error)]
pub struct ApiError {
    /// What kind of error it is.
    #[serde(rename = "errorCode")]
    pub code: Code,
    error_message: &'static str,
    /// What exactly is wrong, with the name of the field if there is one.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// Another status than that of the code.
    #[serde(skip)]
    #[schema(ignore)]
    status: Option<StatusCode>,
    /// How soon to repeat the request.
    #[serde(skip)]
    #[schema(ignore)]
    retry_after: Option<Duration>,
}

impl ApiError {
    /// The error `code`, because of `detail`.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        let retry_after = (code == Code::Unavailable).then_some(SOON);
        Self { code, error_message: code.message(), detail: detail.into(), status: None, retry_after }
    }

    /// There is no room for the request now.
    pub fn busy(detail: impl Into<String>) -> Self {
        Self::refusal(StatusCode::SERVICE_UNAVAILABLE, Code::Unavailable, detail)
    }

    /// The error `code` with another status than its own.
    pub fn refusal(status: StatusCode, code: Code, detail: impl Into<String>) -> Self {
        Self { status: Some(status), ..Self::new(code, detail) }
    }

    /// The same with another time after which to repeat the request.
    pub fn retry_after(self, span: Duration) -> Self {
        Self { retry_after: Some(span), ..self }
    }

    /// A parameter, header or body is not acceptable because of `detail`.
    pub fn invalid(detail: impl Into<String>) -> Self {
        Self::new(Code::InvalidParameters, detail)
    }

    /// `field` is not acceptable because it `problem`.
    pub fn field(field: impl fmt::Display, problem: impl fmt::Display) -> Self {
        Self::invalid(format!("{field}: {problem}"))
    }

    /// The same error in the words of a request that names an instance: whatever part of its path is unknown,
    /// clients are told that the instance is, which is what makes them register again.
    pub fn of_instance(error: RegistryError) -> Self {
        match Self::from(error) {
            Self { code: Code::NoSuchMicroservice, detail, .. } => Self::new(Code::NoSuchInstance, detail),
            other => other,
        }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.detail.is_empty() {
            formatter.write_str(self.error_message)
        } else {
            write!(formatter, "{}({})", self.error_message, self.detail)
        }
    }
}

impl From<RegistryError> for ApiError {
    fn from(error: RegistryError) -> Self {
        use RegistryError as E;
        if error == E::Busy {
            return Self::busy(error.to_string());
        }
        let code = match &error {
            E::NotConnected | E::Busy | E::OutcomeUnknown | E::Contended(_) => Code::Unavailable,
            E::Refused(_) => Code::Internal,
            E::TooLarge { .. } | E::ReadOnly(_) => Code::InvalidParameters,
            E::NoSuchMicroservice(_) => Code::NoSuchMicroservice,
            E::NoSuchInstance(_) => Code::NoSuchInstance,
            E::MicroserviceConflict(_) => Code::MicroserviceConflict,
            E::HasInstances(_) => Code::HasInstances,
            E::NoSuchTag(_) => Code::NoSuchTag,
            E::NoSuchSchema(_) => Code::NoSuchSchema,
            E::InUse(..) => Code::InUse,
            E::QuotaExceeded { .. } => Code::QuotaExceeded,
        };
        Self::new(code, error.to_string())
    }
}

impl From<FindError> for ApiError {
    fn from(error: FindError) -> Self {
        let code = match &error {
            FindError::NoSuchMicroservice(_) => Code::NoSuchMicroservice,
            FindError::NoSuchInstance(_) => Code::NoSuchInstance,
        };
        Self::new(code, error.to_string())
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.status.unwrap_or_else(|| self.code.status())
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code()).json(self);
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(JSON_TYPE));
        if let Some(span) = self.retry_after {
            response.headers_mut().insert(RETRY_AFTER, retry_seconds(span));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_registry_error_has_its_code_and_keeps_its_text() {
        let name = || "x".to_owned();
        let table = [
            (RegistryError::NotConnected, 500_011),
            (RegistryError::OutcomeUnknown, 500_011),
            (RegistryError::Contended(name()), 500_011),
            (RegistryError::Refused(name()), 500_003),
            (RegistryError::TooLarge { what: name(), bytes: 2, limit: 1 }, 400_001),
            (RegistryError::NoSuchMicroservice(name()), 400_012),
            (RegistryError::NoSuchTag(name()), 400_018),
            (RegistryError::NoSuchSchema(name()), 400_016),
            (RegistryError::InUse(name(), name()), 400_023),
            (RegistryError::QuotaExceeded { what: "x", most: 1 }, 400_100),
            (RegistryError::NoSuchInstance(name()), 400_017),
            (RegistryError::MicroserviceConflict(name()), 400_010),
            (RegistryError::HasInstances(name()), 400_013),
            (RegistryError::ReadOnly(name()), 400_001),
        ];
        for (error, code) in table {
            let text = error.to_string();
            let answer = ApiError::from(error);
            assert_eq!(answer.code as u32, code, "{text}");
            assert_eq!(u32::from(answer.status_code().as_u16()), code / 1000, "{text}");
            assert_eq!(answer.detail, text);
        }
    }

    #[test]
    fn what_comes_at_a_bad_time_is_told_when_to_come_again() {
        let answer = |error: RegistryError| {
            let response = ApiError::from(error).error_response();
            let after = response.headers().get(RETRY_AFTER).map(|value| value.to_str().unwrap().to_owned());
            (response.status().as_u16(), after)
        };
        let soon = Some("1".to_owned());
        assert_eq!(answer(RegistryError::Busy), (503, soon.clone()));
        assert_eq!(answer(RegistryError::NotConnected), (500, soon));
        assert_eq!(answer(RegistryError::Refused("x".into())), (500, None));
    }

    #[test]
    fn a_request_that_names_an_instance_of_an_unknown_microservice_is_told_that_the_instance_is_unknown() {
        let unknown = ApiError::of_instance(RegistryError::NoSuchMicroservice("s".into()));
        assert_eq!(unknown.code, Code::NoSuchInstance);
        assert_eq!(ApiError::of_instance(RegistryError::NotConnected).code, Code::Unavailable);
    }

    #[test]
    fn find_errors_have_their_codes() {
        assert_eq!(ApiError::from(FindError::NoSuchMicroservice("s".into())).code, Code::NoSuchMicroservice);
        assert_eq!(ApiError::from(FindError::NoSuchInstance("i".into())).code, Code::NoSuchInstance);
    }

    #[test]
    fn an_error_is_compact_json_with_its_code_as_text() {
        let json = serde_json::to_string(&ApiError::from(FindError::NoSuchMicroservice("s".into()))).unwrap();
        assert_eq!(
            json,
            r#"{"errorCode":"400012","errorMessage":"Micro-service does not exist","detail":"microservice s does not exist"}"#
        );
    }

    #[test]
    fn an_empty_detail_is_left_out() {
        let json = serde_json::to_string(&ApiError::invalid("")).unwrap();
        assert_eq!(json, r#"{"errorCode":"400001","errorMessage":"Invalid parameter(s)"}"#);
    }
}
