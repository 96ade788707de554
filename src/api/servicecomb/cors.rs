//! Lets pages of other origins, such as a dashboard, use this API from a browser.

use actix_web::HttpResponse;
use actix_web::dev::ServiceRequest;
use actix_web::http::Method;
use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, HeaderMap,
    HeaderValue, ORIGIN,
};

use super::response;

const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, PUT, DELETE, UPDATE");
const HEADERS: HeaderValue =
    HeaderValue::from_static("Origin, Accept, Content-Type, X-Domain-Name, X-ConsumerId");
const EXPOSED: HeaderValue = HeaderValue::from_static("X-Resource-Revision, X-Schema-Summary");
/// Seconds for which a browser need not ask again.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

/// Whether a browser asks what it may do.
pub fn is_preflight(request: &ServiceRequest) -> bool {
    request.method() == Method::OPTIONS
        && is_cross_origin(request.headers())
        && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// Whether the request comes from a page.
pub fn is_cross_origin(headers: &HeaderMap) -> bool {
    headers.contains_key(ORIGIN)
}

/// The answer to [`is_preflight`].
pub fn preflight() -> HttpResponse {
    let mut answer = response::empty();
    let headers = answer.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HEADERS);
    headers.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    answer
}

/// Lets any page read an answer. Without credentials: a browser sends none that the page does not have itself.
pub fn allow(headers: &mut HeaderMap) {
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
}
