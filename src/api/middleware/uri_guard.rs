//! What no request target of the v4 API may look like, whatever it would be routed to.

use actix_web::http::Uri;

/// Characters in a target, at least this many of which are refused.
const TOO_LONG: usize = 2048;

/// Whether `uri` is to be refused: it is under `/v4` and too long, or ends or holds what service-center refuses.
#[must_use]
pub fn refuses(uri: &Uri) -> bool {
    let path = uri.path();
    let is_ours = path.strip_prefix("/v4").is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    is_ours && is_malformed(uri.path_and_query().map_or(path, |target| target.as_str()))
}

fn is_malformed(target: &str) -> bool {
    target.is_empty()
        || target.len() >= TOO_LONG
        || target.ends_with([';', '&', '?', '+', '@', '/'])
        || target.starts_with('.')
        || target.contains("//")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(target: &str) -> bool {
        refuses(&target.parse().unwrap())
    }

    #[test]
    fn malformed_targets_of_the_v4_api_are_refused() {
        for end in [";", "&", "?", "+", "@", "/", "?rev=1&", "?a=b+"] {
            assert!(refused(&format!("/v4/default/registry/microservices{end}")), "{end}");
        }
        assert!(refused("/v4/"));
        assert!(refused("/v4//registry"));
        assert!(refused("/v4/default/registry/instances?endpoint=rest://a"));
        assert!(refused(&format!("/v4/{}", "x".repeat(TOO_LONG - 4))));
        assert!(is_malformed("") && is_malformed("./v4"));
    }

    #[test]
    fn ordinary_targets_are_not() {
        assert!(!refused("/v4"));
        assert!(!refused("/v4/default/registry/instances?appId=a&serviceName=b&version=1.0%2B"));
        assert!(!refused(&format!("/v4/{}", "x".repeat(TOO_LONG - 5))));
    }

    #[test]
    fn other_paths_are_none_of_its_business() {
        assert!(!refused("/v44/"));
        assert!(!refused("/registry/info/sync?"));
    }
}
