//! What every request gets, whatever its handler does.

use actix_web::middleware::from_fn;
use actix_web::{App, test};

use super::*;

async fn panics() -> HttpResponse {
    panic!("on purpose")
}

async fn hangs() -> HttpResponse {
    futures::future::pending().await
}

async fn fails() -> Result<HttpResponse, Error> {
    Err(actix_web::error::ErrorConflict("taken"))
}

/// Sends one request and returns status, request id, body and the metrics afterwards.
async fn send(request: test::TestRequest) -> (u16, String, String, Arc<Metrics>) {
    let metrics = Arc::new(Metrics::new().unwrap());
    let observer = Observer {
        listener: ListenerKind::Http,
        metrics: Arc::clone(&metrics),
        timeout: Duration::from_millis(50),
        longest_wait: Duration::from_secs(1),
        admission: None,
        tallies: Tallies::default(),
    };
    let app = test::init_service(
        App::new()
            .app_data(web::Data::new(observer))
            .wrap(from_fn(observe))
            .service(web::resource("/registry/ok/{name}").route(web::get().to(HttpResponse::Ok)))
            .service(web::resource("/v4/panic").route(web::get().to(panics)))
            .service(web::resource("/hang").route(web::get().to(hangs)))
            .service(web::resource("/fail").route(web::get().to(fails)))
            .default_service(web::to(not_found)),
    )
    .await;
    let response = match test::try_call_service(&app, request.to_request()).await {
        Ok(response) => response.into_parts().1.map_into_boxed_body(),
        Err(error) => error.error_response(),
    };
    let status = response.status().as_u16();
    let id = response.headers().get(REQUEST_ID).unwrap().to_str().unwrap().to_owned();
    let body = actix_web::body::to_bytes(response.into_body()).await.unwrap();
    (status, id, String::from_utf8(body.to_vec()).unwrap(), metrics)
}

fn get(path: &str) -> test::TestRequest {
    test::TestRequest::get().uri(path)
}

fn counted(metrics: &Metrics, labels: [&str; 4]) -> u64 {
    metrics.http_requests.with_label_values(&labels).get()
}

#[actix_web::test]
async fn a_request_is_counted_by_its_route_and_named_as_its_caller_did() {
    let (status, id, _, metrics) =
        send(get("/registry/ok/orders").insert_header((REQUEST_ID, "mine-1"))).await;
    assert_eq!((status, id.as_str()), (200, "mine-1"));
    assert_eq!(counted(&metrics, ["mosn", "/registry/ok/{name}", "GET", "200"]), 1);
    assert_eq!(
        metrics.http_duration.with_label_values(&["mosn", "/registry/ok/{name}"]).get_sample_count(),
        1
    );
    assert_eq!(metrics.http_in_flight.get(), 0);
}

#[actix_web::test]
async fn a_panic_is_answered_and_counted() {
    let (status, id, body, metrics) = send(get("/v4/panic")).await;
    assert_eq!((status, body.as_str()), (500, "internal error"));
    assert!(!id.is_empty());
    assert_eq!(metrics.panics.get(), 1);
    assert_eq!(counted(&metrics, ["servicecomb", "unmatched", "GET", "500"]), 1);
    assert_eq!(metrics.http_in_flight.get(), 0);
}

#[actix_web::test]
async fn a_request_that_takes_too_long_is_given_up() {
    let (status, _, _, metrics) = send(get("/hang")).await;
    assert_eq!(status, 408);
    assert_eq!(counted(&metrics, ["other", "unmatched", "GET", "408"]), 1);
}

#[actix_web::test]
async fn the_error_of_a_handler_keeps_its_status_and_text() {
    let (status, id, body, metrics) = send(get("/fail")).await;
    assert_eq!((status, body.as_str()), (409, "taken"));
    assert!(!id.is_empty());
    assert_eq!(counted(&metrics, ["other", "/fail", "GET", "409"]), 1);
}

#[actix_web::test]
async fn an_unknown_path_and_a_wrong_method_are_told_apart() {
    let (status, _, body, metrics) = send(get("/nowhere/else")).await;
    assert_eq!((status, body.as_str()), (404, "404 page not found"));
    assert_eq!(counted(&metrics, ["other", "unmatched", "GET", "404"]), 1);

    let invented = test::TestRequest::default().method(Method::from_bytes(b"BREW").unwrap()).uri("/fail");
    let (status, _, _, metrics) = send(invented).await;
    assert_eq!(status, 405);
    assert_eq!(counted(&metrics, ["other", "/fail", "other", "405"]), 1);
}

#[actix_web::test]
async fn a_malformed_target_never_reaches_a_route() {
    let (status, id, body, metrics) = send(get("/v4//panic")).await;
    assert_eq!((status, body.as_str()), (400, "invalid request URI"));
    assert!(!id.is_empty());
    assert_eq!(metrics.panics.get(), 0);
    assert_eq!(counted(&metrics, ["servicecomb", "unmatched", "GET", "400"]), 1);
}

#[actix_web::test]
async fn paths_belong_to_the_dialect_whose_they_are() {
    let metrics = Arc::new(Metrics::new().unwrap());
    let second = Duration::from_secs(1);
    let http = Observer {
        listener: ListenerKind::Http,
        metrics,
        timeout: second,
        longest_wait: second,
        admission: None,
        tallies: Tallies::default(),
    };
    for (path, dialect) in [
        ("/registry/info/sync", "mosn"),
        ("/pub", "mosn"),
        ("/heartbeat", "mosn"),
        ("/pub/", "other"),
        ("/registry/v3/microservices", "servicecomb"),
        ("/v4/default/registry/health", "servicecomb"),
        ("/v44", "other"),
        ("/", "other"),
    ] {
        assert_eq!(http.dialect(path), dialect, "{path}");
    }
    let ops = Observer { listener: ListenerKind::Ops, ..http };
    assert_eq!(ops.dialect("/v4"), "ops");
}
