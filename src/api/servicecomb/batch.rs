//! Finding the instances of many services, and many single instances, with one request.

use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;

use super::batch_answer::{self, Answers};
use super::batch_body::Wanted;
use super::batch_repeats::{self, Repeats};
use super::error::ApiError;
use super::json::{self, Object};
use super::limits::Limits;
use super::openapi::{BatchFind, BatchFound, BatchKind, ConsumerId};
use super::query::Query;
use super::request;
use super::response;
use crate::api::Gateway;
use crate::catalog::Catalog;
use crate::model::{DependencyKey, Tenant};

/// How many services are found in one look into the catalog.
const LOOK: usize = 32;
/// After how many looks other requests of the same thread get their turn.
const TURN: usize = 8;

/// Finds instances, if that is the action asked for.
#[utoipa::path(
    post,
    path = "/instances/action",
    operation_id = "findMany",
    params(
        ("type" = inline(BatchKind), Query, description = "What to do"),
        ("X-ConsumerId" = Option<ConsumerId>, Header),
    ),
    request_body = BatchFind,
    responses(
        (status = 200, description = "What was found", body = BatchFound),
    )
)]
pub async fn action(
    request: HttpRequest,
    payload: web::Payload,
    gateway: web::Data<Gateway>,
) -> Result<HttpResponse, ApiError> {
    let query = Query::of(&request);
    let action = query.get("type");
    if action != "query" {
        return Err(ApiError::invalid(format!("Invalid action: {action}. type: must be query")));
    }
    let (tenant, consumer_id) = (request::tenant(&request)?, request::consumer_id(&request)?);
    let limits = Limits::of(&request);
    let body = request::raw_body(&request, payload, limits.body).await?;
    let asked = Asked { tenant: &tenant, consumer_id, ignores_rev: query.ignores_rev(), body: &body };
    let note = |dependencies| gateway.registry.note_dependencies(dependencies);
    let answer = asked.answer(&gateway.catalog, Repeats::of(&request), &limits, note).await?;
    Ok(response::json_bytes(answer))
}

/// All that decides what is answered.
pub(super) struct Asked<'r> {
    pub(super) tenant: &'r Tenant,
    pub(super) consumer_id: Option<&'r str>,
    pub(super) ignores_rev: bool,
    pub(super) body: &'r [u8],
}

impl Asked<'_> {
    /// The answer, also from what the same came to before. What the consumer is shown to use, and was not known to, is handed
    /// to `note`.
    ///
    /// # Errors
    /// 400001 when the body is not acceptable, or the answer would be too long.
    pub(super) async fn answer(
        &self,
        catalog: &Catalog,
        repeats: Option<&Repeats>,
        limits: &Limits,
        note: impl FnOnce(Vec<DependencyKey>),
    ) -> Result<Bytes, ApiError> {
        let repeats = repeats.map(|repeats| (repeats, repeats.key(self)));
        if let Some(answer) = repeats.and_then(|(repeats, key)| repeats.answer(key, catalog)) {
            return Ok(answer);
        }
        let wanted = self.read(limits)?;
        let moment = catalog.moment();
        let mut round = Round::default();
        let mut is_ahead = false;
        // Two rounds at most: the second when a client has seen a later state than this replica knew in the first.
        if !round.find(catalog, self.tenant, self.consumer_id, &wanted, false).await {
            is_ahead = true;
            catalog.catch_up().await;
            round = Round::default();
            round.find(catalog, self.tenant, self.consumer_id, &wanted, true).await;
        }
        // Who is ahead makes this replica catch up each time, and what is not recorded is noted each time.
        let can_repeat = !is_ahead
            && round.dependencies.is_empty()
            && wanted.instances.is_empty()
            && wanted.services.len() <= batch_repeats::MOST;
        note(round.dependencies);
        let answer = batch_answer::document(&round.services, &round.instances, limits.batch_answer)?;
        if let Some((repeats, key)) = repeats.filter(|_| can_repeat) {
            let services = wanted.services.iter().map(|element| element.key.view());
            let basis = catalog.basis(moment, self.tenant, self.consumer_id, services);
            repeats.remember(key, basis, answer.clone());
        }
        Ok(answer)
    }

    fn read(&self, limits: &Limits) -> Result<Wanted<'_>, ApiError> {
        let (tenant, most) = (self.tenant, limits.batch_elements);
        let mut wanted = match Wanted::read_quickly(tenant, self.body, most) {
            Some(wanted) => wanted,
            None => Wanted::read(tenant, &Object::root(&json::parse(self.body)?)?, most)?,
        };
        if self.ignores_rev {
            wanted.forget_revisions();
        }
        Ok(wanted)
    }
}

/// What was found.
#[derive(Default)]
pub(super) struct Round {
    pub(super) services: Answers,
    pub(super) instances: Answers,
    /// What the consumer is shown to use and was not known to.
    dependencies: Vec<DependencyKey>,
}

impl Round {
    /// Finds all that is `wanted`. Unless it is the `last` round, it ends with false as soon as it turns out that the client
    /// has seen a later state than the catalog knows.
    pub(super) async fn find(
        &mut self,
        catalog: &Catalog,
        tenant: &Tenant,
        consumer_id: Option<&str>,
        wanted: &Wanted<'_>,
        last: bool,
    ) -> bool {
        for (look, elements) in wanted.services.chunks(LOOK).enumerate() {
            take_turns(look).await;
            let is_known = catalog.ask(tenant, consumer_id, |asker| {
                elements.iter().enumerate().all(|(index, element)| {
                    let service = element.key.view();
                    // Of a service that could not be found there is nothing to note.
                    self.dependencies.extend(asker.new_dependency(service, false));
                    let found = asker.find(service, false, &[]);
                    self.services.compare(look * LOOK + index, &element.rev, found, last)
                })
            });
            if !is_known {
                return false;
            }
        }
        for (look, elements) in wanted.instances.chunks(LOOK).enumerate() {
            take_turns(look).await;
            let is_known = catalog.ask(tenant, consumer_id, |asker| {
                elements.iter().enumerate().all(|(index, element)| {
                    let found = asker.instance(&element.key);
                    self.instances.compare(look * LOOK + index, &element.rev, found, last)
                })
            });
            if !is_known {
                return false;
            }
        }
        true
    }
}

async fn take_turns(look: usize) {
    if look % TURN == TURN - 1 {
        tokio::task::yield_now().await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::*;
    use crate::model::{Microservice, Revision};
    use crate::telemetry::Metrics;
    use crate::zookeeper::{Layout, Node, Sink, Stat};

    #[tokio::test]
    async fn only_for_a_client_that_is_ahead_everything_is_found_twice() {
        const COUNT: usize = LOOK + 3;
        let (tenant, layout) = (
            Tenant::default(),
            Layout {
                dubbo_root: "/dubbo".into(),
                services_root: String::new(),
                registry_root: "/zoogate".into(),
            },
        );
        let catalog = Catalog::new(layout.clone(), usize::MAX, Arc::new(Metrics::new().unwrap()));
        let node = |number: usize| {
            let (service_id, service_name) = (number.to_string(), format!("s{number}"));
            let path = layout.microservice(&tenant, &service_id);
            let microservice =
                Microservice { service_id, service_name, app_id: "a".into(), ..Microservice::default() };
            let stat = Stat { czxid: 1, mzxid: 1, ..Stat::default() };
            Node { path, state: Some((serde_json::to_vec(&microservice).unwrap(), stat)) }
        };
        catalog.apply((0..COUNT).map(node).collect());
        let found = |revs: &dyn Fn(usize) -> String| {
            let element = |number| {
                let service = json!({"appId": "a", "serviceName": format!("s{number}")});
                json!({"service": service, "rev": revs(number)})
            };
            let body = json!({"services": (0..COUNT).map(element).collect::<Vec<_>>()}).to_string();
            let (catalog, tenant) = (&catalog, &tenant);
            async move {
                let wanted = Wanted::read_quickly(tenant, body.as_bytes(), COUNT).unwrap();
                let mut first = Round::default();
                if first.find(catalog, tenant, None, &wanted, false).await {
                    let answer =
                        batch_answer::document(&first.services, &first.instances, usize::MAX).unwrap();
                    return (1, serde_json::from_slice::<Value>(&answer).unwrap()["services"].clone());
                }
                let mut second = Round::default();
                assert!(second.find(catalog, tenant, None, &wanted, true).await);
                let answer = batch_answer::document(&second.services, &second.instances, usize::MAX).unwrap();
                (2, serde_json::from_slice::<Value>(&answer).unwrap()["services"].clone())
            }
        };
        let (rounds, all) = found(&|_| String::new()).await;
        let revs: Vec<String> = all["updated"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["rev"].as_str().unwrap().into())
            .collect();
        assert_eq!((rounds, revs.len()), (1, COUNT));
        let numbers: Vec<usize> = (0..COUNT).collect();
        let same = found(&|number| revs[number].clone()).await;
        assert_eq!(same, (1, json!({ "notModified": numbers })));
        let later = |zxid| {
            let known = Revision::parse(&revs[COUNT - 1]).unwrap();
            Revision { zxid: known.zxid + zxid, ..known }.to_string()
        };
        let last = |rev: String| {
            let revs = revs.clone();
            move |number: usize| if number == COUNT - 1 { rev.clone() } else { revs[number].clone() }
        };
        let ahead = found(&last(later(1))).await;
        let updated = json!([{"index": COUNT - 1, "rev": revs[COUNT - 1]}]);
        assert_eq!(ahead, (2, json!({"notModified": numbers[..COUNT - 1], "updated": updated})));
        // Of another registry.
        let foreign = found(&last("0feb784798bca7b2fb4de8351578c4437b516c4b".into())).await;
        assert_eq!(foreign, (1, ahead.1));
    }
}
