//! Finding instances, and the `rev` with which clients ask only for what they have not seen.

use std::cell::Cell;

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};

use super::error::{ApiError, Code};
use super::existence::service_view;
use super::gzip;
use super::openapi::{AppId, ConsumerId, Environment, FoundInstance, FoundInstances, ServiceName};
use super::query::Query;
use super::request;
use super::response;
use crate::api::Gateway;
use crate::catalog::{Catalog, FindError, Found};
use crate::model::Revision;

const REVISION: HeaderName = HeaderName::from_static("x-resource-revision");

/// Finds the instances of all versions of a service, by its name or alias.
#[utoipa::path(
    get,
    path = "/instances",
    operation_id = "findInstances",
    params(
        ("appId" = AppId, Query),
        ("serviceName" = ServiceName, Query),
        ("env" = Option<Environment>, Query, description = "Of the service; that of the consumer goes before it"),
        ("version" = Option<String>, Query, description = "Not looked at: every version is found"),
        (
            "tags" = Option<String>,
            Query,
            pattern = "^([A-Za-z][A-Za-z0-9_.-]{0,63}(,[A-Za-z][A-Za-z0-9_.-]{0,63}){0,99})?$",
            description = "Tags that a microservice must have, with commas between them"
        ),
        ("rev" = Option<String>, Query, description = "The `rev` of the last answer, or anything else for none"),
        ("noCache" = Option<String>, Query, description = "`1` or `true`: ignore `rev`"),
        ("cacheOnly" = Option<String>, Query, description = "`1` or `true`: ignore `rev`"),
        ("X-ConsumerId" = Option<ConsumerId>, Header),
    ),
    responses(
        (status = 200, description = "The instances", body = FoundInstances, headers(("X-Resource-Revision"))),
        (status = 304, description = "The client has seen it", headers(("X-Resource-Revision"))),
        (status = 400, description = "400001 or 400012 (no such service or consumer)"),
    )
)]
pub async fn find(request: HttpRequest, gateway: web::Data<Gateway>) -> Result<HttpResponse, ApiError> {
    let query = Query::of(&request);
    let (tenant, service) = (request::tenant(&request)?, service_view(&query)?);
    let (consumer_id, tags) = (request::consumer_id(&request)?, query.tags()?);
    let dependency = Cell::new(None);
    let find = || {
        gateway.catalog.ask(&tenant, consumer_id, |asker| {
            dependency.set(asker.new_dependency(service, true));
            asker.find(service, true, &tags)
        })
    };
    let (seen, found) = Seen::compare(&gateway.catalog, query.rev(), find).await?;
    gateway.registry.note_dependencies(dependency.take());
    answer(&request, seen, &found).await
}

/// Lists the instances of one microservice.
#[utoipa::path(
    get,
    path = "/microservices/{serviceId}/instances",
    operation_id = "listInstances",
    params(
        (
            "tags" = Option<String>,
            Query,
            pattern = "^([A-Za-z][A-Za-z0-9_.-]{0,63}(,[A-Za-z][A-Za-z0-9_.-]{0,63}){0,99})?$",
            description = "Tags that a microservice must have, with commas between them"
        ),
        ("rev" = Option<String>, Query, description = "The `rev` of the last answer, or anything else for none"),
        ("noCache" = Option<String>, Query, description = "`1` or `true`: ignore `rev`"),
        ("cacheOnly" = Option<String>, Query, description = "`1` or `true`: ignore `rev`"),
        ("X-ConsumerId" = Option<ConsumerId>, Header),
    ),
    responses(
        (status = 200, description = "The instances", body = FoundInstances, headers(("X-Resource-Revision"))),
        (status = 304, description = "The client has seen it", headers(("X-Resource-Revision"))),
        (status = 400, description = "400001 or 400012 (no such microservice or consumer)"),
    )
)]
pub async fn list(request: HttpRequest, gateway: web::Data<Gateway>) -> Result<HttpResponse, ApiError> {
    let query = Query::of(&request);
    let (tenant, service_id) = (request::tenant(&request)?, request::service_id(&request)?);
    let (consumer_id, tags) = (request::consumer_id(&request)?, query.tags()?);
    let find = || gateway.catalog.instances(&tenant, &service_id, consumer_id, &tags);
    let (seen, found) = Seen::compare(&gateway.catalog, query.rev(), find).await?;
    answer(&request, seen, &found).await
}

/// Answers one instance.
#[utoipa::path(
    get,
    path = "/microservices/{serviceId}/instances/{instanceId}",
    operation_id = "getInstance",
    params(
        ("rev" = Option<String>, Query, description = "The `rev` of the last answer, or anything else for none"),
        ("noCache" = Option<String>, Query, description = "`1` or `true`: ignore `rev`"),
        ("cacheOnly" = Option<String>, Query, description = "`1` or `true`: ignore `rev`"),
        ("X-ConsumerId" = Option<ConsumerId>, Header),
    ),
    responses(
        (status = 200, description = "The instance", body = FoundInstance, headers(("X-Resource-Revision"))),
        (status = 304, description = "The client has seen it", headers(("X-Resource-Revision"))),
        (status = 400, description = "400001, 400012 or 400017"),
    )
)]
pub async fn get(request: HttpRequest, gateway: web::Data<Gateway>) -> Result<HttpResponse, ApiError> {
    let query = Query::of(&request);
    let key = request::instance_key(&request)?;
    let consumer_id = request::consumer_id(&request)?;
    let find = || gateway.catalog.instance(&key, consumer_id);
    let (seen, found) = Seen::compare(&gateway.catalog, query.rev(), find).await?;
    answer(&request, seen, &found).await
}

/// What a client has seen already.
#[derive(Clone, Copy, Debug)]
pub struct Seen(Option<Revision>);

impl Seen {
    /// Nothing.
    pub const NOTHING: Self = Self(None);

    /// Finds, and when the client has seen a later state than this replica knows, catches up and finds once more. If
    /// the replica is behind even then, what the client has seen counts as nothing: nobody can tell whether it is
    /// still good.
    ///
    /// # Errors
    /// What `find` answers.
    pub async fn compare(
        catalog: &Catalog,
        rev: &str,
        find: impl Fn() -> Result<Found, FindError>,
    ) -> Result<(Self, Found), FindError> {
        let mut found = find();
        let claimed = Self::of(rev, &found);
        if claimed.is_ahead_of(&found) {
            catalog.catch_up().await;
            found = find();
        }
        let seen = if claimed.is_ahead_of(&found) { Self::NOTHING } else { claimed };
        Ok((seen, found?))
    }

    /// Whether the client has seen a later state than the one that `found` was answered from.
    pub fn is_ahead_of(self, found: &Result<Found, FindError>) -> bool {
        let Some(seen) = self.0 else { return false };
        found.as_ref().map_or(true, |found| found.revision.zxid < seen.zxid)
    }

    /// Reads `rev`, into which the usual case needs no look: that it is the one of what was found.
    pub fn of(rev: &str, found: &Result<Found, FindError>) -> Self {
        match found {
            Ok(found) if rev.len() == Revision::LENGTH && found.rev() == rev.as_bytes() => {
                Self(Some(found.revision))
            }
            _ => Self::claimed(rev),
        }
    }

    /// Reads `rev` without making sure that the catalog is no older. What no zoogate gave out is nothing seen.
    pub fn claimed(rev: &str) -> Self {
        Self(Revision::parse(rev))
    }

    /// Whether the client has seen `found` already. The zxid does not matter for that: an answer that changed back
    /// is the same answer.
    pub fn holds(self, found: &Found) -> bool {
        self.0.is_some_and(|revision| revision.digest == found.revision.digest)
    }
}

async fn answer(request: &HttpRequest, seen: Seen, found: &Found) -> Result<HttpResponse, ApiError> {
    let revision = HeaderValue::from_maybe_shared(found.rev())
        .map_err(|error| ApiError::new(Code::Internal, error.to_string()))?;
    let mut answer = if seen.holds(found) {
        HttpResponse::new(StatusCode::NOT_MODIFIED)
    } else if let Some(compressed) = gzip::kept(request, found).await {
        gzip::label(response::json_bytes(compressed))
    } else {
        response::json_bytes(found.document())
    };
    answer.headers_mut().insert(REVISION, revision);
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use actix_web::body::{BodySize, MessageBody};
    use actix_web::test::TestRequest;

    use super::*;
    use crate::catalog::Holds;

    fn found(json: &'static str, count: usize) -> Found {
        let document = [Holds::List.opening(), json.as_bytes(), b"}"].concat();
        Found::new(Revision::of(7, json.as_bytes()), Holds::List, document.into(), count)
    }

    async fn answered(seen: Seen, found: &Found) -> HttpResponse {
        answer(&TestRequest::get().to_http_request(), seen, found).await.unwrap()
    }

    #[actix_web::test]
    async fn what_was_found_is_sent_as_it_is_kept() {
        let body = |answer: HttpResponse| answer.into_body().try_into_bytes().unwrap();
        let list = answered(Seen::NOTHING, &found(r#"[{"a":1}]"#, 1)).await;
        assert_eq!(body(list), r#"{"instances":[{"a":1}]}"#);
        assert_eq!(body(answered(Seen::NOTHING, &found("[]", 0)).await), "{}");
        assert_eq!(found(r#"[{"a":1}]"#, 1).json(), br#"[{"a":1}]"#);
        assert_eq!(found("[]", 0).json(), b"[]");
    }

    #[actix_web::test]
    async fn an_answer_that_the_client_has_seen_is_not_sent_again_and_carries_the_current_rev() {
        let found = found("[]", 0);
        let older = Revision { zxid: 3, ..found.revision };
        let answer = answered(Seen::claimed(&older.to_string()), &found).await;
        assert_eq!(answer.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(answer.body().size(), BodySize::Sized(0));
        assert_eq!(answer.headers().get(REVISION).unwrap(), found.revision.to_string().as_str());
    }

    #[actix_web::test]
    async fn the_rev_of_an_answer_that_other_changes_made_younger_is_told() {
        let mut found = found("[]", 0);
        for zxid in [9, 9, 11, 7] {
            found.revision.zxid = zxid;
            let answer = answered(Seen::NOTHING, &found).await;
            assert_eq!(answer.headers().get(REVISION).unwrap(), found.revision.to_string().as_str());
        }
    }

    #[test]
    fn a_rev_is_compared_as_text_first_and_read_when_it_differs() {
        let same = found("[]", 0);
        let at = |zxid| Revision { zxid, ..same.revision }.to_string();
        let other = Revision::of(9, b"[1]").to_string();
        let table = [
            (at(7), true, false),
            (at(3), true, false),
            (at(8), true, true),
            (other, false, true),
            ("0".repeat(40), false, false),
            (String::new(), false, false),
        ];
        for (rev, holds, is_ahead) in table {
            let result = Ok(same.clone());
            let seen = Seen::of(&rev, &result);
            assert_eq!((seen.holds(&same), seen.is_ahead_of(&result)), (holds, is_ahead), "{rev}");
            let claimed = Seen::claimed(&rev);
            assert_eq!((claimed.holds(&same), claimed.is_ahead_of(&result)), (holds, is_ahead), "{rev}");
        }
        let unknown = Err(FindError::NoSuchMicroservice("s".into()));
        assert!(Seen::of(&at(7), &unknown).is_ahead_of(&unknown));
    }

    #[actix_web::test]
    async fn every_other_rev_gets_the_whole_answer() {
        let found = found("[1]", 1);
        let other = Revision::of(7, b"[2]").to_string();
        for rev in ["", "0", "0feb784798bca7b2fb4de8351578c4437b516c4b", &other] {
            let answer = answered(Seen::claimed(rev), &found).await;
            assert_eq!(answer.status(), StatusCode::OK, "{rev}");
            assert_eq!(answer.headers().get(REVISION).unwrap(), found.revision.to_string().as_str());
        }
    }
}
