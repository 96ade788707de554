//! What every request brings along: the tenant, the ids in its path and its bounded body.

use std::borrow::Cow;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, web};
use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::error::{ApiError, Code};
use super::json;
use super::validate::{self, Rule};
use crate::api::body::{Bodies, Body, BodyError};
use crate::model::{InstanceKey, Tenant};

/// The tenant that `request` speaks for.
///
/// # Errors
/// 400001 when the domain or the project is not acceptable.
pub fn tenant(request: &HttpRequest) -> Result<Tenant, ApiError> {
    let domain = header(request, "X-Domain-Name")?.unwrap_or("default");
    validate::TENANT.check("X-Domain-Name", domain)?;
    Ok(Tenant::new(domain, segment(request, "project", validate::TENANT)?))
}

/// The id of the microservice in the path of `request`.
///
/// # Errors
/// 400001 when it is not acceptable.
pub fn service_id(request: &HttpRequest) -> Result<String, ApiError> {
    path_text(request, "serviceId", validate::SERVICE_ID)
}

/// The instance that the path of `request` names.
///
/// # Errors
/// 400001 when a part of it is not acceptable.
pub fn instance_key(request: &HttpRequest) -> Result<InstanceKey, ApiError> {
    Ok(InstanceKey {
        tenant: tenant(request)?,
        service_id: segment(request, "serviceId", validate::SERVICE_ID)?.into(),
        instance_id: segment(request, "instanceId", validate::INSTANCE_ID)?.into(),
    })
}

/// The id of the consumer that asks, if it says.
///
/// # Errors
/// 400001 when it is not acceptable.
pub fn consumer_id(request: &HttpRequest) -> Result<Option<&str>, ApiError> {
    let id = header(request, "X-ConsumerId")?;
    if let Some(id) = id {
        validate::SERVICE_ID.check("X-ConsumerId", id)?;
    }
    Ok(id)
}

/// The value of a header; `None` when it is absent or empty.
fn header<'a>(request: &'a HttpRequest, name: &str) -> Result<Option<&'a str>, ApiError> {
    let Some(value) = request.headers().get(name) else { return Ok(None) };
    let text = std::str::from_utf8(value.as_bytes()).map_err(|_| ApiError::field(name, "must be UTF-8"))?;
    Ok(Some(text.trim()).filter(|text| !text.is_empty()))
}

/// A segment of the path. The router has decoded all of it but `%25`, `%2B` and `%2F`.
///
/// # Errors
/// 400001 when it is not acceptable.
pub fn path_text(request: &HttpRequest, name: &str, rule: Rule) -> Result<String, ApiError> {
    segment(request, name, rule).map(Cow::into_owned)
}

/// The same, without a copy of what needs no decoding.
fn segment<'r>(request: &'r HttpRequest, name: &str, rule: Rule) -> Result<Cow<'r, str>, ApiError> {
    let raw = request.match_info().get(name).unwrap_or_default();
    let text = percent_decode_str(raw).decode_utf8_lossy();
    rule.check(name, &text)?;
    Ok(text)
}

/// A segment of the path with at most `most` texts in it, with commas between them.
///
/// # Errors
/// 400001 when there are more, or one is not acceptable.
pub fn path_texts(
    request: &HttpRequest,
    name: &str,
    rule: Rule,
    most: usize,
) -> Result<Vec<String>, ApiError> {
    let raw = request.match_info().get(name).unwrap_or_default();
    let texts = percent_decode_str(raw).decode_utf8_lossy().into_owned();
    validate::check_length(name, texts.split(',').count(), most)?;
    texts.split(',').map(|text| rule.check(name, text).map(|()| text.to_owned())).collect()
}

/// Reads the whole body as JSON.
///
/// # Errors
/// 400001 when it is longer than `limit` bytes, breaks off, takes too long or is not JSON; 503 when there is no room for
/// it.
pub async fn body(request: &HttpRequest, payload: web::Payload, limit: usize) -> Result<Value, ApiError> {
    json::parse(&raw_body(request, payload, limit).await?)
}

/// Reads the whole body.
///
/// # Errors
/// Those of [`body`], except that it may be no JSON.
pub async fn raw_body(request: &HttpRequest, payload: web::Payload, limit: usize) -> Result<Body, ApiError> {
    Bodies::read(request, payload, limit).await.map_err(|error| match error {
        BodyError::TooLong(_) => ApiError::invalid("http: request body too large"),
        BodyError::NoRoom => ApiError::busy(format!("body: {error}")),
        BodyError::Late(_) => {
            let detail = format!("body: {error}");
            ApiError::refusal(StatusCode::REQUEST_TIMEOUT, Code::InvalidParameters, detail)
        }
        BodyError::Broken(error) => ApiError::field("body", error),
    })
}

#[cfg(test)]
mod tests {
    use actix_web::FromRequest;
    use actix_web::test::TestRequest;

    use super::*;

    async fn read(text: String, limit: usize) -> Result<Value, ApiError> {
        let (request, mut payload) = TestRequest::put().set_payload(text).to_http_parts();
        let payload = web::Payload::from_request(&request, &mut payload).await.unwrap();
        body(&request, payload, limit).await
    }

    #[actix_web::test]
    async fn a_body_may_be_as_long_as_the_limit_and_not_a_byte_longer() {
        let text = format!("\"{}\"", "a".repeat(98));
        assert_eq!(read(text.clone(), 100).await.unwrap(), Value::from("a".repeat(98)));
        assert_eq!(read(text, 99).await.unwrap_err().detail, "http: request body too large");
    }

    #[actix_web::test]
    async fn an_announced_length_over_the_limit_is_refused_before_the_body_is_read() {
        let (request, mut payload) =
            TestRequest::put().insert_header(("Content-Length", "101")).to_http_parts();
        let payload = web::Payload::from_request(&request, &mut payload).await.unwrap();
        let error = body(&request, payload, 100).await.unwrap_err();
        assert_eq!(error.detail, "http: request body too large");
    }

    #[test]
    fn the_tenant_comes_from_the_header_and_the_path() {
        let request = |domain: Option<&'static str>, project: &'static str| {
            let request = TestRequest::get().param("project", project);
            domain
                .map(|domain| request.insert_header(("x-domain-name", domain)).to_http_request())
                .unwrap_or_else(|| TestRequest::get().param("project", project).to_http_request())
        };
        assert_eq!(tenant(&request(None, "default")).unwrap(), Tenant::default());
        assert_eq!(tenant(&request(Some(""), "default")).unwrap(), Tenant::default());
        assert_eq!(tenant(&request(Some("acme"), "a%2Fb")).unwrap(), Tenant::new("acme", "a/b"));
        let error = tenant(&request(Some("a b"), "default")).unwrap_err();
        assert!(error.detail.starts_with("X-Domain-Name: "), "{error}");
        let error = tenant(&request(None, "a b")).unwrap_err();
        assert!(error.detail.starts_with("project: "), "{error}");
    }

    #[test]
    fn ids_in_the_path_are_checked_by_name() {
        let request = TestRequest::get()
            .param("project", "default")
            .param("serviceId", "s%251")
            .param("instanceId", "a%2Fb")
            .to_http_request();
        assert_eq!(service_id(&request).unwrap(), "s%1");
        assert!(instance_key(&request).unwrap_err().detail.starts_with("instanceId: "));
    }

    #[test]
    fn a_consumer_id_is_optional_and_has_no_white_space() {
        let with = |id: String| TestRequest::get().insert_header(("X-consumerId", id)).to_http_request();
        assert_eq!(consumer_id(&TestRequest::get().to_http_request()).unwrap(), None);
        assert_eq!(consumer_id(&with(String::new())).unwrap(), None);
        assert_eq!(consumer_id(&with("c".repeat(64))).unwrap(), Some(&*"c".repeat(64)));
        assert!(consumer_id(&with("c".repeat(65))).is_err());
        assert!(consumer_id(&with("a b".into())).is_err());
    }
}
