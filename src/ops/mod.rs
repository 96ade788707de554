//! Probes and metrics, on a listener of their own so that they answer when the dialects are overloaded.

mod openapi;
mod probes;

use std::sync::{Arc, OnceLock};

use actix_web::http::header::ContentType;
use actix_web::{HttpResponse, web};
use prometheus::TextEncoder;

pub use openapi::openapi;

use crate::telemetry::{Metrics, Readiness};

/// Brings gauges up to date that nobody sets by themselves, such as an age; called before each scrape.
pub type Refresh = Box<dyn Fn() + Send + Sync>;

/// Takes down what is held because too many fell silent at once; false when nothing is.
pub type Release = Box<dyn Fn() -> bool + Send + Sync>;

/// What the probes and the metrics are answered from.
pub struct Ops {
    readiness: Arc<Readiness>,
    metrics: Arc<Metrics>,
    refresh: OnceLock<Refresh>,
    release: OnceLock<Release>,
}

impl Ops {
    /// Answers from `readiness` and `metrics`.
    #[must_use]
    pub fn new(readiness: Arc<Readiness>, metrics: Arc<Metrics>) -> Self {
        Self { readiness, metrics, refresh: OnceLock::new(), release: OnceLock::new() }
    }

    /// Has `release` called when an operator asks for it; set once, as the refresh is.
    pub fn release_with(&self, release: Release) {
        if self.release.set(release).is_err() {
            log::warn!("held registrations are released by another hook already");
        }
    }

    /// Has `refresh` called before each scrape from now on. It is set once, when the registry has started, which is
    /// after the probes have; a second one is ignored.
    pub fn refresh_with(&self, refresh: Refresh) {
        if self.refresh.set(refresh).is_err() {
            log::warn!("metrics are refreshed by another hook already");
        }
    }
}

/// Adds `/livez`, `/readyz`, `/health`, `/metrics` and `/release`; needs `web::Data<Ops>`.
pub fn configure(service: &mut web::ServiceConfig) {
    let read = |path, handler: fn() -> actix_web::Route| {
        web::resource(path)
            .route(handler().guard(actix_web::guard::Get()))
            .route(handler().guard(actix_web::guard::Head()))
    };
    service
        .service(read("/livez", || web::to(probes::live)))
        .service(read("/readyz", || web::to(probes::ready)))
        .service(read("/health", || web::to(probes::health)))
        .service(read("/metrics", || web::to(metrics)))
        .service(web::resource("/release").route(web::post().to(release)));
}

/// Metrics in the text format of Prometheus.
#[utoipa::path(
    method(get, head),
    path = "/metrics",
    operation_id = "metrics",
    responses((status = 200, description = "Metrics", body = String, content_type = "text/plain"))
)]
async fn metrics(ops: web::Data<Ops>) -> HttpResponse {
    if let Some(refresh) = ops.refresh.get() {
        refresh();
    }
    match TextEncoder::new().encode_to_string(&ops.metrics.registry.gather()) {
        Ok(text) => HttpResponse::Ok().content_type(prometheus::TEXT_FORMAT).body(text),
        Err(error) => HttpResponse::InternalServerError()
            .content_type(ContentType::plaintext())
            .body(format!("metrics cannot be rendered: {error}\n")),
    }
}

/// Takes down the registrations that are held because too many fell silent at once.
#[utoipa::path(
    post,
    path = "/release",
    operation_id = "release",
    responses(
        (status = 200, description = "They are taken down now", body = String, content_type = "text/plain"),
        (status = 409, description = "Nothing is held", body = String, content_type = "text/plain"),
    )
)]
async fn release(ops: web::Data<Ops>) -> HttpResponse {
    let (mut response, text) = match ops.release.get().is_some_and(|release| release()) {
        true => (HttpResponse::Ok(), "released\n"),
        false => (HttpResponse::Conflict(), "nothing is held\n"),
    };
    response.content_type(ContentType::plaintext()).body(text)
}

#[cfg(test)]
mod tests {
    use actix_web::{App, test};

    use super::*;

    fn ops() -> web::Data<Ops> {
        let metrics = Metrics::new().unwrap();
        web::Data::new(Ops::new(Arc::new(Readiness::new()), Arc::new(metrics)))
    }

    async fn get(ops: &web::Data<Ops>, path: &str) -> (u16, String) {
        let app = test::init_service(App::new().app_data(ops.clone()).configure(configure)).await;
        let response = test::call_service(&app, test::TestRequest::get().uri(path).to_request()).await;
        let status = response.status().as_u16();
        (status, String::from_utf8(test::read_body(response).await.to_vec()).unwrap())
    }

    #[actix_web::test]
    async fn a_replica_is_alive_before_it_is_ready_and_says_what_it_waits_for() {
        let ops = ops();
        assert_eq!(get(&ops, "/livez").await.0, 200);
        let (status, text) = get(&ops, "/readyz").await;
        assert_eq!(status, 503);
        assert_eq!(text.lines().count(), 2);
        assert!(text.contains("zookeeper: zk not connected yet"));

        ops.readiness.set(Readiness::ZOOKEEPER, Ok(()));
        ops.readiness.set(Readiness::CATALOG, Ok(()));
        assert_eq!(get(&ops, "/readyz").await, (200, "ok\n".to_owned()));
    }

    #[actix_web::test]
    async fn every_check_is_told_to_who_asks_for_more() {
        let ops = ops();
        ops.readiness.set(Readiness::ZOOKEEPER, Ok(()));
        let (status, text) = get(&ops, "/readyz?verbose").await;
        assert_eq!(status, 503);
        assert!(text.contains("[+] zookeeper: ok\n"));
        assert!(text.contains("[-] catalog: "));
        assert!(text.contains("[+] shutdown: ok\n"));
        let (status, json) = get(&ops, "/health").await;
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(status, 503);
        assert_eq!(json["status"], "not ready");
        assert_eq!(json["checks"]["zookeeper"]["ready"], true);
        assert_eq!(json["checks"]["catalog"]["ready"], false);
        assert!(json["checks"]["catalog"]["reason"].is_string());
    }

    #[actix_web::test]
    async fn gauges_are_refreshed_before_each_scrape() {
        let ops = ops();
        assert!(get(&ops, "/metrics").await.1.contains("zoogate_mirror_staleness_seconds 0"));
        let gauge = ops.metrics.mirror_staleness.clone();
        ops.refresh_with(Box::new(move || gauge.inc()));
        get(&ops, "/metrics").await;
        assert!(get(&ops, "/metrics").await.1.contains("zoogate_mirror_staleness_seconds 2"));
    }

    #[actix_web::test]
    async fn probes_are_only_read() {
        let app = test::init_service(App::new().app_data(ops()).configure(configure)).await;
        for path in ["/livez", "/readyz", "/health", "/metrics"] {
            let post = test::TestRequest::post().uri(path).to_request();
            assert_eq!(test::call_service(&app, post).await.status().as_u16(), 405, "{path}");
        }
    }
}
