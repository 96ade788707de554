//! The name of a request, by which a caller's log and ours can be put side by side.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use actix_web::dev::ServiceRequest;
use actix_web::http::header::{HeaderName, HeaderValue};
use uuid::{Builder, Uuid};

/// The header that carries it, in both directions.
pub const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// Longest name that is taken from a caller, in bytes.
pub const MAX_BYTES: usize = 64;

/// The caller's name for the request if it is a sane one, else a new UUID.
#[must_use]
pub fn of(request: &ServiceRequest) -> HeaderValue {
    match request.headers().get(&HEADER) {
        Some(given) if is_sane(given.as_bytes()) => given.clone(),
        _ => fresh(),
    }
}

/// Letters, digits and a few marks: nothing that could break a log line or a shell that somebody pastes it into.
fn is_sane(name: &[u8]) -> bool {
    (1..=MAX_BYTES).contains(&name.len())
        && name.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:/+=@".contains(byte))
}

/// A UUID of 8 random bytes of this process and a count: asking the kernel for new ones costs every request a call.
fn fresh() -> HeaderValue {
    static PROCESS: LazyLock<u64> = LazyLock::new(|| Uuid::new_v4().as_u64_pair().1);
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&PROCESS.to_be_bytes());
    bytes[8..].copy_from_slice(&count.to_be_bytes());
    let id = Builder::from_custom_bytes(bytes).into_uuid();
    let mut text = Uuid::encode_buffer();
    // A UUID is hexadecimal digits and hyphens, always a valid header.
    HeaderValue::from_str(id.hyphenated().encode_lower(&mut text))
        .unwrap_or_else(|_| HeaderValue::from_static("-"))
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn of_header(value: &str) -> String {
        let request = TestRequest::get().insert_header((HEADER, value)).to_srv_request();
        of(&request).to_str().unwrap().to_owned()
    }

    #[test]
    fn a_sane_name_is_kept() {
        for name in ["a", "trace-1/span_2:3.4", &"x".repeat(MAX_BYTES)] {
            assert_eq!(of_header(name), name);
        }
    }

    #[test]
    fn any_other_name_is_replaced_by_a_uuid() {
        for name in ["", "a b", "a\"b", "a;b", "$(x)", &"x".repeat(MAX_BYTES + 1)] {
            assert!(Uuid::parse_str(&of_header(name)).is_ok(), "{name:?}");
        }
    }

    #[test]
    fn no_two_requests_get_the_same_name() {
        let names: std::collections::HashSet<_> = (0..1000).map(|_| fresh()).collect();
        assert_eq!(names.len(), 1000);
    }
}
