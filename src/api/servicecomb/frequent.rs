//! The requests that come far more often than all others, or all at once: finds, heartbeats, and the registering and
//! changing of instances, recognised by their path without the router: matching one regular expression after the other
//! costs it more than answering. Whatever is not plainly one of them, or is spelled in an unusual way, takes the usual way
//! and is answered alike.

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::{FromRequest, ResponseError, web};

use super::error::{ApiError, Code};
use super::{batch, discovery, frame, heartbeat, instances};
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
    /// `POST /v4/{project}/registry/microservices/{serviceId}/instances`
    Register,
    /// `PUT /v4/{project}/registry/microservices/{serviceId}/instances/{instanceId}/properties`
    SetProperties,
    /// `PUT /v4/{project}/registry/microservices/{serviceId}/instances/{instanceId}/status`
    SetStatus,
}

impl Frequent {
    /// Every one, in the order of their numbers.
    pub const ALL: [Self; 6] =
        [Self::Find, Self::Heartbeat, Self::FindMany, Self::Register, Self::SetProperties, Self::SetStatus];

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
        let project = Some(project).filter(is_text)?;
        let rest = rest.strip_prefix("registry/")?;
        let (kind, service_id, instance_id) = match *request.method() {
            Method::GET if rest == "instances" => (Self::Find, "", ""),
            Method::POST if rest == "instances/action" => (Self::FindMany, "", ""),
            Method::POST => {
                let service_id = rest.strip_prefix("microservices/")?.strip_suffix("/instances")?;
                (Self::Register, Some(service_id).filter(is_text)?, "")
            }
            Method::PUT => {
                let (service_id, rest) = rest.strip_prefix("microservices/")?.split_once('/')?;
                let (instance_id, what) = rest.strip_prefix("instances/")?.split_once('/')?;
                let kind = match what {
                    "heartbeat" => Self::Heartbeat,
                    "properties" => Self::SetProperties,
                    "status" => Self::SetStatus,
                    _ => return None,
                };
                let named = |part| Some(part).filter(is_text);
                (kind, named(service_id)?, named(instance_id)?)
            }
            _ => return None,
        };
        let segments = [("project", project), ("serviceId", service_id), ("instanceId", instance_id)];
        let segments = segments.map(|(name, value)| (name, value.to_owned()));
        for (name, value) in segments.into_iter().filter(|(_, value)| !value.is_empty()) {
            request.match_info_mut().add_static(name, value);
        }
        Some(kind)
    }

    /// Its route, as the router names it.
    pub const fn route(self) -> &'static str {
        match self {
            Self::Find => "/v4/{project}/registry/instances",
            Self::FindMany => "/v4/{project}/registry/instances/action",
            Self::Register => "/v4/{project}/registry/microservices/{serviceId}/instances",
            Self::Heartbeat => {
                "/v4/{project}/registry/microservices/{serviceId}/instances/{instanceId}/heartbeat"
            }
            Self::SetProperties => {
                "/v4/{project}/registry/microservices/{serviceId}/instances/{instanceId}/properties"
            }
            Self::SetStatus => {
                "/v4/{project}/registry/microservices/{serviceId}/instances/{instanceId}/status"
            }
        }
    }

    /// Answers `request`, which is one of this kind.
    pub async fn answer(self, request: ServiceRequest) -> ServiceResponse<BoxBody> {
        let (request, mut payload) = match frame::before(&request) {
            Some(answer) => return frame::after(request.into_response(answer)).await,
            None => request.into_parts(),
        };
        let gateway = request.app_data::<web::Data<Gateway>>().cloned();
        let answer = match (gateway, web::Payload::from_request(&request, &mut payload).await) {
            (Some(gateway), Ok(payload)) => match self {
                Self::Find => discovery::find(request.clone(), gateway).await,
                Self::Heartbeat => heartbeat::one(request.clone(), gateway).await,
                Self::FindMany => batch::action(request.clone(), payload, gateway).await,
                Self::Register => instances::register(request.clone(), payload, gateway).await,
                Self::SetProperties => instances::set_properties(request.clone(), payload, gateway).await,
                Self::SetStatus => instances::set_status(request.clone(), gateway).await,
            },
            (Some(_), Err(error)) => Err(ApiError::field("body", error)),
            (None, _) => Err(ApiError::new(Code::Internal, "there is no registry")),
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
