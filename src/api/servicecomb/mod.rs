//! The v4 dialect of ServiceComb applications: what service-center answers under `/v4/{project}/registry`, served
//! from the catalog and the registry.
//!
//! Handlers are thin: a form reads and checks the request, the registry or the catalog does the work, and `error`
//! turns what went wrong into the codes that clients know.

mod batch;
mod batch_answer;
mod batch_body;
mod cors;
mod dependencies;
mod discovery;
mod error;
mod existence;
mod frame;
mod frequent;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod govern;
mod gzip;
mod health;
mod heartbeat;
mod instance_form;
mod instance_quick;
mod instances;
mod json;
mod limits;
mod microservice_form;
mod microservices;
mod openapi;
mod outgoing;
#[cfg(feature = "pieces")]
pub mod pieces;
mod query;
mod quick;
mod request;
mod response;
mod schemas;
mod socket;
mod tags;
mod validate;
mod watcher;

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError, middleware, rt, web};

use self::error::{ApiError, Code};
use crate::catalog::Lane;

pub use cors::is_cross_origin;
pub use frequent::Frequent;
pub use limits::Limits;
pub use openapi::openapi;

/// Adds the routes of this dialect. They expect `web::Data<Gateway>`, and take [`Limits`] from plain `app_data` if
/// the application has them.
pub fn configure(config: &mut web::ServiceConfig) {
    // This is called once for each thread that serves.
    let lane = Arc::new(Lane::default());
    rt::spawn(lane.clone().run());
    config.app_data(web::Data::from(lane));
    config.service(
        web::scope("/v4/{project}/registry")
            .wrap(middleware::from_fn(frame::frame))
            .configure(routes)
            .default_service(web::to(frame::not_found)),
    );
    config.service(
        web::scope("/v4/{project}/govern")
            .wrap(middleware::from_fn(frame::frame))
            .configure(govern_routes)
            .default_service(web::to(frame::not_found)),
    );
}

/// Refuses a request before it is read, in the form of this dialect.
pub fn refuse(
    is_cross_origin: bool,
    status: StatusCode,
    text: &str,
    retry_after: Option<Duration>,
) -> HttpResponse {
    let code = if retry_after.is_some() { Code::Unavailable } else { Code::InvalidParameters };
    let mut error = ApiError::refusal(status, code, text);
    if let Some(span) = retry_after {
        error = error.retry_after(span);
    }
    let mut response = error.error_response();
    frame::dress(&mut response, is_cross_origin);
    response
}

fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/version").route(web::get().to(health::version)))
        .service(web::resource("/health").route(web::get().to(health::health)))
        .service(web::resource("/health/readiness").route(web::get().to(health::readiness)))
        .service(web::resource("/existence").route(web::get().to(existence::existence)))
        .service(
            web::resource("/microservices")
                .route(web::post().to(microservices::create))
                .route(web::get().to(microservices::list))
                .route(web::delete().to(microservices::delete_many)),
        )
        .service(
            web::resource("/microservices/{serviceId}")
                .route(web::get().to(microservices::get))
                .route(web::delete().to(microservices::delete)),
        )
        .service(
            web::resource("/microservices/{serviceId}/properties")
                .route(web::put().to(microservices::set_properties)),
        )
        .configure(attributes)
        .service(
            web::resource("/microservices/{serviceId}/instances")
                .route(web::post().to(instances::register))
                .route(web::get().to(discovery::list)),
        )
        .service(
            web::resource("/microservices/{serviceId}/instances/{instanceId}")
                .route(web::get().to(discovery::get))
                .route(web::delete().to(instances::unregister)),
        )
        .service(
            web::resource("/microservices/{serviceId}/instances/{instanceId}/heartbeat")
                .route(web::put().to(heartbeat::one))
                .route(web::get().to(watcher::heartbeat)),
        )
        .service(
            web::resource("/microservices/{serviceId}/instances/{instanceId}/status")
                .route(web::put().to(instances::set_status)),
        )
        .service(
            web::resource("/microservices/{serviceId}/instances/{instanceId}/properties")
                .route(web::put().to(instances::set_properties)),
        )
        .service(web::resource("/heartbeats").route(web::put().to(heartbeat::many)))
        .service(web::resource("/instances").route(web::get().to(discovery::find)))
        .service(web::resource("/instances/action").route(web::post().to(batch::action)));
}

fn attributes(config: &mut web::ServiceConfig) {
    config
        .service(
            web::resource("/microservices/{serviceId}/tags")
                .route(web::post().to(tags::replace))
                .route(web::get().to(tags::get)),
        )
        .service(
            web::resource("/microservices/{serviceId}/tags/{key}")
                .route(web::put().to(tags::set))
                .route(web::delete().to(tags::delete)),
        )
        .service(
            web::resource("/microservices/{serviceId}/schemas")
                .route(web::get().to(schemas::list))
                .route(web::post().to(schemas::replace)),
        )
        .service(
            web::resource("/microservices/{serviceId}/schemas/{schemaId}")
                .route(web::get().to(schemas::get))
                .route(web::put().to(schemas::put))
                .route(web::delete().to(schemas::delete)),
        )
        .service(
            web::resource("/microservices/{serviceId}/providers")
                .route(web::get().to(dependencies::providers)),
        )
        .service(
            web::resource("/microservices/{serviceId}/consumers")
                .route(web::get().to(dependencies::consumers)),
        )
        .service(web::resource("/microservices/{serviceId}/watcher").route(web::get().to(watcher::watch)))
        .service(
            web::resource("/dependencies")
                .route(web::post().to(dependencies::add))
                .route(web::put().to(dependencies::replace)),
        );
}

fn govern_routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/microservices").route(web::get().to(govern::many)))
        .service(web::resource("/microservices/{serviceId}").route(web::get().to(govern::one)))
        .service(web::resource("/relations").route(web::get().to(govern::relations)))
        .service(web::resource("/apps").route(web::get().to(govern::apps)))
        .service(web::resource("/statistics").route(web::get().to(govern::statistics)));
}
