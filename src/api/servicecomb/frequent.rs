//! The requests that come far more often than all others, finds and heartbeats, recognised by their path without the
//! router: matching one regular expression after the other costs it more than answering. Whatever is not plainly one
//! of them, or is spelled in an unusual way, takes the usual way and is answered alike.

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::{FromRequest, ResponseError, web};

use super::error::{ApiError, Code};
use super::{batch, discovery, frame, heartbeat};
use crate::api::Gateway;

/// A request that comes often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frequent {
    /// `GET /v4/{project}/registry/instances`
    Find,
    /// `PUT /v4/{project}/registry/microservices/{serviceId}/instances/{instanceId}/heartbeat`
    Heartbeat,
    /// `POST /v4/{project}/registry/instances/action`
    FindMany,
}

impl Frequent {
    /// Every one, in the order of their numbers.
    pub const ALL: [Self; 3] = [Self::Find, Self::Heartbeat, Self::FindMany];

    /// Which one `request` is, if any. What its path says of it is noted where handlers look for it.
    pub fn recognise(request: &mut ServiceRequest) -> Option<Self> {
        request.app_data::<web::Data<Gateway>>()?;
        let path = request.path();
        // Encoded letters are for the router.
        if path.contains('%') {
            return None;
        }
        let (project, rest) = path.strip_prefix("/v4/")?.split_once('/')?;
        let is_text = |part: &&str| !part.is_empty() && !part.contains('/');
        let project = Some(project).filter(is_text)?.to_owned();
        if *request.method() == Method::GET && rest == "registry/instances" {
            request.match_info_mut().add_static("project", project);
            return Some(Self::Find);
        }
        if *request.method() == Method::POST && rest == "registry/instances/action" {
            request.match_info_mut().add_static("project", project);
            return Some(Self::FindMany);
        }
        if *request.method() != Method::PUT {
            return None;
        }
        let (service_id, rest) = rest.strip_prefix("registry/microservices/")?.split_once('/')?;
        let instance_id = rest.strip_prefix("instances/")?.strip_suffix("/heartbeat")?;
        let (service_id, instance_id) =
            (Some(service_id).filter(is_text)?, Some(instance_id).filter(is_text)?);
        let (service_id, instance_id) = (service_id.to_owned(), instance_id.to_owned());
        let segments = request.match_info_mut();
        segments.add_static("project", project);
        segments.add_static("serviceId", service_id);
        segments.add_static("instanceId", instance_id);
        Some(Self::Heartbeat)
    }

    /// Its route, as the router names it.
    pub const fn route(self) -> &'static str {
        match self {
            Self::Find => "/v4/{project}/registry/instances",
            Self::FindMany => "/v4/{project}/registry/instances/action",
            Self::Heartbeat => {
                "/v4/{project}/registry/microservices/{serviceId}/instances/{instanceId}/heartbeat"
            }
        }
    }

    /// Answers `request`, which is one of this kind.
    pub async fn answer(self, request: ServiceRequest) -> ServiceResponse<BoxBody> {
        let (request, mut payload) = match frame::before(&request) {
            Some(answer) => return frame::after(request.into_response(answer)).await,
            None => request.into_parts(),
        };
        let answer = match (self, request.app_data::<web::Data<Gateway>>().cloned()) {
            (Self::Find, Some(gateway)) => discovery::find(request.clone(), gateway).await,
            (Self::Heartbeat, Some(gateway)) => heartbeat::one(request.clone(), gateway).await,
            (Self::FindMany, Some(gateway)) => match web::Payload::from_request(&request, &mut payload).await
            {
                Ok(payload) => batch::action(request.clone(), payload, gateway).await,
                Err(error) => Err(ApiError::field("body", error)),
            },
            (_, None) => Err(ApiError::new(Code::Internal, "there is no registry")),
        };
        let answer = answer.unwrap_or_else(|error| error.error_response());
        frame::after(ServiceResponse::new(request, answer)).await
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn recognised(method: Method, path: &str) -> Option<Frequent> {
        let mut request = TestRequest::default().method(method).uri(path).to_srv_request();
        Frequent::recognise(&mut request)
    }

    #[test]
    fn without_a_registry_nothing_is_recognised() {
        assert_eq!(recognised(Method::GET, "/v4/default/registry/instances"), None);
    }
}
