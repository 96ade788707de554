//! How long a long poll waits, and what it counts as news.

use actix_web::test::TestRequest;

use super::*;
use crate::model::SidecarId;

fn report(version: u64, consumed: &[&str], dispatched: &[&str]) -> SnapshotReport {
    let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    SnapshotReport {
        registrant: SidecarId::parse("shop@10.0.0.7").unwrap(),
        provided: Vec::new(),
        consumed: owned(consumed),
        dispatched: owned(dispatched),
        version,
        torn: false,
    }
}

fn asked(query: &str, tags: &[&str]) -> Result<Option<Wait>, String> {
    let request = TestRequest::with_uri(&format!("/registry/info/get{query}"));
    let request = tags.iter().fold(request, |request, tag| request.append_header((IF_NONE_MATCH, *tag)));
    read(&request.to_http_request(), &Limits::default()).map_err(|refusal| refusal.to_string())
}

#[track_caller]
fn known(query: &str, tags: &[&str]) -> Known {
    asked(&format!("?wait=1s{query}"), tags).unwrap().unwrap().known
}

#[test]
fn a_request_without_wait_is_no_long_poll_whatever_else_it_says() {
    for query in ["", "?", "?version=x", "?await=1s", "?wai=t"] {
        assert_eq!(asked(query, &["\"x\""]), Ok(None), "{query}");
        assert!(!is_asked(query.trim_start_matches('?')));
    }
}

#[test]
fn a_wait_is_a_duration_within_bounds() {
    for (query, seconds) in [("?wait=30s", 30), ("?x=y&wait=1m", 60), ("?wait=%331s", 31)] {
        assert_eq!(asked(query, &[]).unwrap().unwrap().span, Duration::from_secs(seconds), "{query}");
    }
    for (query, reason) in [
        ("?wait", "wait: \"\" is no duration"),
        ("?wait=30", "wait: \"30\" is no duration"),
        ("?wait=soon", "wait: \"soon\" is no duration"),
        ("?wait=-1s", "wait: \"-1s\" is no duration"),
        ("?wait=0s", "wait: must be more than 0s and at most 1m"),
        ("?wait=61s", "wait: must be more than 0s and at most 1m"),
        ("?wait=1s&wait=2s", "wait: is given twice"),
        ("?wait=1s&version=-1", "version: \"-1\" is not a whole number"),
        ("?wait=1s&version=", "version: \"\" is not a whole number"),
    ] {
        assert!(asked(query, &[]).unwrap_err().starts_with(reason), "{query}");
    }
}

#[test]
fn who_says_nothing_has_nothing_outdated() {
    assert!(!known("", &[]).is_outdated_by(&report(3, &["a"], &[])));
}

#[test]
fn another_version_or_another_state_is_news() {
    let present = report(3, &["a"], &["a"]);
    let token = format!("\"{}\"", state_token(&present));
    let (weak, listed) = (format!("W/{token}"), format!("\"old\", {token}"));
    let elsewhere = ["\"old\"", token.as_str()];
    for (query, tags, is_news) in [
        ("&version=3", &[][..], false),
        ("&version=2", &[], true),
        ("&version=0", &[], true),
        ("", &[token.as_str()], false),
        ("", &[&weak], false),
        ("", &[&listed], false),
        ("", &elsewhere, false),
        ("", &["*"], false),
        ("", &["\"old\""], true),
        ("", &["nonsense"], true),
        ("", &[""], true),
        ("&version=3", &["\"old\""], true),
        ("&version=2", &[&token], true),
        ("&version=3", &[&token], false),
    ] {
        assert_eq!(known(query, tags).is_outdated_by(&present), is_news, "{query} {tags:?}");
    }
}

#[test]
fn every_other_answer_has_another_token() {
    let reports = [
        report(1, &[], &[]),
        report(2, &[], &[]),
        report(2, &["a"], &[]),
        report(2, &["a"], &["a"]),
        report(2, &["a", "b"], &["a"]),
        report(2, &["ab"], &["a"]),
        SnapshotReport { provided: vec!["a".into()], ..report(2, &[], &[]) },
        SnapshotReport { registrant: SidecarId::parse("other").unwrap(), ..report(1, &[], &[]) },
    ];
    let tokens: std::collections::HashSet<_> = reports.iter().map(state_token).collect();
    assert_eq!(tokens.len(), reports.len());
    assert!(tokens.iter().all(|token| token.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')));
}
