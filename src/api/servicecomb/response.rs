//! The three shapes of a success in the v4 API: nothing, a JSON document, ready-made JSON bytes.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_TYPE;
use bytes::Bytes;
use serde::Serialize;

use super::error::{ApiError, Code};

/// The type of every JSON answer, in the spelling that clients of service-center see.
pub const JSON_TYPE: &str = "application/json; charset=UTF-8";

/// The type of every answer that is not JSON, an empty one too.
pub const TEXT_TYPE: &str = "text/plain; charset=UTF-8";

/// Success without a body. It is 200: the Go client takes nothing else.
pub fn empty() -> HttpResponse {
    HttpResponse::Ok().insert_header((CONTENT_TYPE, TEXT_TYPE)).body(())
}

/// Success with `document` as its body.
///
/// # Errors
/// When `document` cannot be written as JSON, which no type of this dialect causes.
pub fn json(document: &impl Serialize) -> Result<HttpResponse, ApiError> {
    let body =
        serde_json::to_vec(document).map_err(|error| ApiError::new(Code::Internal, error.to_string()))?;
    Ok(json_bytes(body.into()))
}

/// Success with a body that is JSON already.
pub fn json_bytes(body: Bytes) -> HttpResponse {
    HttpResponse::Ok().insert_header((CONTENT_TYPE, JSON_TYPE)).body(body)
}

/// A plain text answer to a request that never reached this API.
pub fn text(status: StatusCode, words: impl Into<String>) -> HttpResponse {
    HttpResponse::build(status).insert_header((CONTENT_TYPE, TEXT_TYPE)).body(words.into())
}
