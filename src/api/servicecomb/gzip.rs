//! Compresses long answers for clients that ask for it. What was found is compressed once and kept for as long as it does
//! not change; everything else is compressed on the fly.

use std::io::Write;

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::ServiceResponse;
use actix_web::http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, HeaderMap, HeaderValue, VARY};
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::catalog::Found;

/// Shorter answers fit into one packet anyhow.
const LEAST: u64 = 1400;
/// Longer ones would hold up the other requests of the thread.
const MOST_INLINE: u64 = 128 << 10;

/// Compresses `answer` if its client takes gzip and it is long enough.
pub async fn compress(answer: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
    let length = match answer.response().body().size() {
        BodySize::Sized(length) if length >= LEAST => length,
        _ => return answer,
    };
    if answer.headers().contains_key(CONTENT_ENCODING) || !accepts_gzip(answer.request().headers()) {
        return answer;
    }
    let (request, response) = answer.into_parts();
    let (mut response, body) = response.into_parts();
    let plain = match body.try_into_bytes() {
        Ok(plain) => plain,
        Err(body) => return ServiceResponse::new(request, response.set_body(body)),
    };
    let compressed = if length > MOST_INLINE {
        let plain = plain.clone();
        web::block(move || gzip(&plain)).await.ok().flatten()
    } else {
        gzip(&plain)
    };
    let headers = response.headers_mut();
    headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    let body = match compressed {
        Some(compressed) => {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            compressed
        }
        None => plain,
    };
    ServiceResponse::new(request, response.set_body(BoxBody::new(body)))
}

/// What was found, compressed, if the client of `request` takes gzip and it is long enough.
pub async fn kept(request: &HttpRequest, found: &Found) -> Option<Bytes> {
    let length = found.document().len() as u64;
    if length < LEAST || !accepts_gzip(request.headers()) {
        return None;
    }
    if length <= MOST_INLINE || found.is_compressed() {
        return found.compressed(gzip);
    }
    let found = found.clone();
    web::block(move || found.compressed(gzip)).await.ok().flatten()
}

/// Says of an answer that its body is compressed.
pub fn label(mut answer: HttpResponse) -> HttpResponse {
    let headers = answer.headers_mut();
    headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    answer
}

/// The fastest level: it makes JSON five to ten times shorter already.
fn gzip(plain: &[u8]) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(plain.len() / 4), Compression::fast());
    encoder.write_all(plain).ok()?;
    encoder.finish().ok().map(Bytes::from)
}

fn accepts_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(ACCEPT_ENCODING).filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let refused = weight
            .trim()
            .strip_prefix("q=")
            .is_some_and(|weight| weight.parse::<f32>().is_ok_and(|weight| weight <= 0.0));
        name.trim().eq_ignore_ascii_case("gzip") && !refused
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_taken_only_when_it_is_asked_for() {
        let accepts = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(value));
            accepts_gzip(&headers)
        };
        for value in ["gzip", "deflate, GZIP;q=0.5", "br,gzip"] {
            assert!(accepts(value), "{value}");
        }
        for value in ["", "br", "gzip;q=0", "identity"] {
            assert!(!accepts(value), "{value}");
        }
    }

    #[test]
    fn what_is_compressed_reads_back() {
        let plain = b"instances ".repeat(500);
        let compressed = gzip(&plain).unwrap();
        assert!(compressed.len() < plain.len() / 10);
        let mut back = Vec::new();
        std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&compressed[..]), &mut back).unwrap();
        assert_eq!(back, plain);
    }
}
