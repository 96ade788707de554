//! What surrounds every request of this dialect: the headers that every answer carries, compression, and the answers of
//! paths and methods that do not exist.

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{CONTENT_TYPE, HeaderName, HeaderValue, SERVER};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::{Error, HttpRequest, HttpResponse, ResponseError, web};

use super::error::{ApiError, Code};
use super::response::{self, TEXT_TYPE};
use super::{cors, gzip};
use crate::api::{Gateway, stale_milliseconds};

/// Clients look for this name; the version is the gateway's.
const SERVER_NAME: &str = concat!("SERVICECENTER/", env!("CARGO_PKG_VERSION"));
/// How old, in milliseconds, the catalog is that a read was answered from.
const STALENESS: HeaderName = HeaderName::from_static("x-registry-staleness-ms");
/// The status once more, as service-center sends it.
const RESPONSE_STATUS: HeaderName = HeaderName::from_static("x-response-status");

/// Runs a request of this dialect.
///
/// # Errors
/// None of its own: errors of handlers are answers by the time they get here.
pub async fn frame(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let answer = match before(&request) {
        Some(answer) => request.into_response(answer),
        None => next.call(request).await?.map_into_boxed_body(),
    };
    Ok(after(answer).await)
}

/// The answer to a request that no handler has to see, if this is one.
pub fn before(request: &ServiceRequest) -> Option<HttpResponse> {
    if cors::is_preflight(request) {
        return Some(cors::preflight());
    }
    // A list with gaps would make clients forget providers that are well.
    let refusal = || ApiError::new(Code::Unavailable, "the catalog has not been read yet");
    knows_nothing_yet(request.request()).then(|| refusal().error_response())
}

/// What becomes of every answer.
pub async fn after(mut answer: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
    if answer.status() == StatusCode::METHOD_NOT_ALLOWED {
        answer = answer.map_body(|head, _| {
            head.headers.insert(CONTENT_TYPE, HeaderValue::from_static(TEXT_TYPE));
            BoxBody::new("405 method not allowed")
        });
    }
    let staleness = is_read(answer.request())
        .then(|| answer.request().app_data::<web::Data<Gateway>>()?.catalog.stale_for())
        .flatten();
    let mut answer = gzip::compress(answer).await;
    let is_cross_origin = cors::is_cross_origin(answer.request().headers());
    dress(answer.response_mut(), is_cross_origin);
    if let Some(staleness) = staleness {
        answer.headers_mut().insert(STALENESS, stale_milliseconds(staleness));
    }
    answer
}

/// Adds what every answer of this dialect carries.
pub fn dress<B>(answer: &mut HttpResponse<B>, is_cross_origin: bool) {
    let status = answer.status();
    // The Java client compares the names of headers letter by letter.
    answer.head_mut().set_camel_case_headers(true);
    let headers = answer.headers_mut();
    headers.insert(SERVER, HeaderValue::from_static(SERVER_NAME));
    headers.insert(RESPONSE_STATUS, HeaderValue::from(status.as_u16()));
    if is_cross_origin {
        cors::allow(headers);
    }
}

/// Answers a path that does not exist.
pub async fn not_found() -> HttpResponse {
    response::text(StatusCode::NOT_FOUND, "404 page not found")
}

/// Whether the answer would come from a catalog that has never been whole.
fn knows_nothing_yet(request: &HttpRequest) -> bool {
    let about_itself = ["/version", "/health", "/health/readiness"];
    let gateway = request.app_data::<web::Data<Gateway>>();
    is_read(request)
        && gateway.is_some_and(|gateway| !gateway.catalog.was_whole())
        && !about_itself.iter().any(|ending| request.path().ends_with(ending))
}

/// Whether the answer comes from the catalog.
fn is_read(request: &HttpRequest) -> bool {
    let is_batch = || request.method() == Method::POST && request.path().ends_with("/instances/action");
    request.method() == Method::GET || is_batch()
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderMap;
    use actix_web::{App, test};

    use super::*;

    async fn answer(method: Method, address: &str) -> (StatusCode, HeaderMap, String) {
        let app = test::init_service(App::new().configure(crate::api::servicecomb::configure)).await;
        let request = test::TestRequest::default().method(method).uri(address).to_request();
        let answer = test::call_service(&app, request).await;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let body = test::read_body(answer).await;
        (status, headers, String::from_utf8(body.to_vec()).unwrap())
    }

    #[actix_web::test]
    async fn every_answer_names_the_server() {
        for address in ["/v4/default/registry/version", "/v4/default/registry/nothing"] {
            let (status, headers, _) = answer(Method::GET, address).await;
            assert_eq!(headers.get("Server").unwrap(), SERVER_NAME, "{address}");
            assert_eq!(headers.get("X-Response-Status").unwrap(), status.as_str(), "{address}");
        }
    }

    #[actix_web::test]
    async fn the_version_is_json_in_the_spelling_of_service_center() {
        let (status, headers, body) = answer(Method::GET, "/v4/default/registry/version").await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(headers.get("Content-Type").unwrap(), "application/json; charset=UTF-8");
        assert!(body.contains(r#""apiVersion":"4.0.0""#), "{body}");
    }

    #[actix_web::test]
    async fn an_unknown_path_is_not_found() {
        for address in ["/v4/default/registry/nothing", "/v4/default/registry"] {
            let (status, _, body) = answer(Method::GET, address).await;
            assert_eq!((status, body.as_str()), (StatusCode::NOT_FOUND, "404 page not found"), "{address}");
        }
    }

    #[actix_web::test]
    async fn a_wrong_method_is_told_the_right_ones() {
        let (status, headers, body) = answer(Method::PUT, "/v4/default/registry/microservices").await;
        assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
        let allowed = headers.get("Allow").unwrap().to_str().unwrap();
        assert!(allowed.contains("GET") && allowed.contains("POST"), "{allowed}");
        assert_eq!(body, "405 method not allowed");
    }
}
