//! What the routes do before anything is asked of the registry.

use actix_web::App;
use actix_web::http::{Method, StatusCode};
use actix_web::test::{TestRequest, call_service, init_service, read_body};

use super::*;

#[actix_web::test]
async fn other_methods_are_not_allowed_and_say_which_are() {
    let app = init_service(App::new().configure(configure)).await;
    for (path, methods, allowed) in [
        ("/registry/info/sync", vec![Method::PUT, Method::DELETE, Method::PATCH], "GET, POST"),
        ("/registry/info/get", vec![Method::POST, Method::PUT], "GET"),
    ] {
        for method in methods {
            let response = call_service(&app, TestRequest::with_uri(path).method(method).to_request()).await;
            assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
            assert_eq!(response.headers().get("Allow").unwrap(), allowed);
            let body = read_body(response).await;
            assert!(
                body.starts_with(br#"{"code":1,"#) && body.ends_with(br#""service_list":{"version":0}}"#)
            );
        }
    }
}

#[actix_web::test]
async fn an_edit_by_another_method_is_refused_in_the_form_of_the_first_generation() {
    let app = init_service(App::new().configure(configure)).await;
    for (path, allowed) in
        [("/pub", "POST"), ("/unpub", "POST"), ("/sub", "POST"), ("/unsub", "POST"), ("/heartbeat", "GET")]
    {
        let response = call_service(&app, TestRequest::with_uri(path).method(Method::PUT).to_request()).await;
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(response.headers().get("Allow").unwrap(), allowed);
        let expected = format!(r#"{{"code":1,"msg":"only {allowed} is allowed here"}}"#);
        assert_eq!(read_body(response).await, expected);
    }
}

#[test]
fn only_the_two_addresses_of_the_snapshot_can_keep_somebody_waiting() {
    assert!(may_wait(SYNC, Some("wait=1s")) && may_wait(GET, Some("version=1&wait=x")));
    for (path, query) in [(SYNC, None), (SYNC, Some("await=1s")), ("/pub", Some("wait=1s"))] {
        assert!(!may_wait(path, query), "{path} {query:?}");
    }
}

#[test]
fn the_default_limits_are_the_documented_ones() {
    let limits = Limits {
        body_bytes: 4_194_304,
        entries: 10_000,
        export_port: 20_882,
        longest_wait: Duration::from_secs(60),
        waiting: 20_000,
    };
    assert_eq!(Limits::default(), limits);
}
