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

#[test]
fn the_default_limits_are_the_documented_ones() {
    assert_eq!(Limits::default(), Limits { body_bytes: 4_194_304, entries: 10_000 });
}
