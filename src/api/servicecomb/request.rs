//! What every request brings along: the tenant, the ids in its path and its bounded body.

use std::time::Duration;

use actix_web::{HttpRequest, web};
use bytes::BytesMut;
use futures::StreamExt;
use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::error::ApiError;
use super::json;
use super::validate::{self, Rule};
use crate::model::{InstanceKey, Tenant};

/// How long a client may take to send a body.
const BODY_DEADLINE: Duration = Duration::from_secs(60);

/// The tenant that `request` speaks for.
///
/// # Errors
/// 400001 when the domain or the project is not acceptable.
pub fn tenant(request: &HttpRequest) -> Result<Tenant, ApiError> {
    let domain = header(request, "X-Domain-Name")?.unwrap_or("default");
    validate::TENANT.check("X-Domain-Name", domain)?;
    Ok(Tenant::new(domain, path_text(request, "project", validate::TENANT)?))
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
        service_id: service_id(request)?,
        instance_id: path_text(request, "instanceId", validate::INSTANCE_ID)?,
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
    let raw = request.match_info().get(name).unwrap_or_default();
    let text = percent_decode_str(raw).decode_utf8_lossy().into_owned();
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
/// 400001 when it is longer than `limit` bytes, breaks off, takes too long or is not JSON.
pub async fn body(request: &HttpRequest, payload: web::Payload, limit: usize) -> Result<Value, ApiError> {
    let announced = request
        .headers()
        .get(actix_web::http::header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    let bytes = tokio::time::timeout(BODY_DEADLINE, collect(payload, limit))
        .await
        .map_err(|_| ApiError::field("body", "did not arrive in time"))??;
    json::parse(&bytes)
}

async fn collect(mut payload: web::Payload, limit: usize) -> Result<BytesMut, ApiError> {
    let mut bytes = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|error| ApiError::field("body", error))?;
        if bytes.len() + chunk.len() > limit {
            return Err(too_large());
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

fn too_large() -> ApiError {
    ApiError::invalid("http: request body too large")
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
