//! The description of everything that is served over HTTP, so that callers can generate clients from it and tests can
//! hold the answers to it. It is put together from what stands beside the handlers.

use actix_web::{HttpResponse, web};
use bytes::Bytes;
use utoipa::OpenApi;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::response::Response;
use utoipa::openapi::schema::Type;
use utoipa::openapi::{Content, Header, ObjectBuilder, Ref, RefOr, ResponseBuilder};

use super::{mosn, servicecomb};

/// Where the description is served.
const PATH: &str = "/openapi.json";

const REQUEST_ID: &str = "X-Request-Id";

#[derive(OpenApi)]
#[openapi(
    paths(serve),
    servers((url = "http://127.0.0.1:30100", description = "Where http.listen is by default")),
    tags(
        (name = "sync", description = "MOSN sidecars: one call says what a sidecar provides and consumes."),
        (name = "registry", description = "ServiceComb applications: the v4 API of service-center. Keys of bodies are \
            read in any case of letters, null stands for whatever is optional, and the content type of a body is not \
            looked at."),
        (name = "ops", description = "Probes and metrics, on a listener of their own."),
    )
)]
struct Front;

/// The description as JSON, ready to be served.
#[derive(Clone, Debug)]
pub struct Document(pub Bytes);

/// Adds the route of the description. It needs [`Document`] as [`web::Data`].
pub fn configure(config: &mut web::ServiceConfig) {
    config.service(web::resource(PATH).route(web::get().to(serve)));
}

/// This description.
#[utoipa::path(
    get,
    path = PATH,
    operation_id = "describe",
    responses((status = 200, description = "An OpenAPI document", body = Object, content_type = "application/json"))
)]
async fn serve(document: web::Data<Document>) -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(document.0.clone())
}

/// The description of both dialects and of what `others` describes, as indented JSON.
///
/// # Errors
/// When it cannot be written as JSON, which no part of it causes.
pub fn render(others: utoipa::openapi::OpenApi) -> serde_json::Result<String> {
    let mut document = Front::openapi();
    for mut part in [mosn::openapi(), servicecomb::openapi(), others] {
        // Merging leaves headers behind.
        let headers = part.components.as_mut().map(|components| std::mem::take(&mut components.headers));
        document.merge(part);
        document.components.get_or_insert_default().headers.extend(headers.unwrap_or_default());
    }
    surround(&mut document);
    Ok(document.to_pretty_json()? + "\n")
}

/// The operations of a path.
pub fn operations(path: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem { get, put, post, delete, head, .. } = path;
    [get, put, post, delete, head].into_iter().flatten()
}

/// The answer of `operation` with this status, which is added unless it is there.
pub fn response<'a>(
    operation: &'a mut Operation,
    status: &str,
    description: &str,
) -> Option<&'a mut Response> {
    let responses = &mut operation.responses.responses;
    let added = || ResponseBuilder::new().description(description).into();
    match responses.entry(status.to_owned()).or_insert_with(added) {
        RefOr::T(response) => Some(response),
        RefOr::Ref(_) => None,
    }
}

/// An answer in plain text.
pub fn text_response(description: &str) -> Response {
    let text = Content::new(Some(ObjectBuilder::new().schema_type(Type::String)));
    ResponseBuilder::new().description(description).content("text/plain", text).build()
}

/// The header that tells when to repeat a request.
pub fn retry_after() -> Header {
    let seconds = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1));
    header(seconds, "In how many seconds to repeat the request")
}

/// A header with a schema.
pub fn header(schema: ObjectBuilder, description: &str) -> Header {
    let mut header = Header::new(schema);
    header.description = Some(description.to_owned());
    header
}

/// A reference to a header that the components hold.
pub fn header_named(name: &str) -> RefOr<Header> {
    RefOr::Ref(Ref::new(format!("#/components/headers/{name}")))
}

/// Adds what the middleware does to every request.
fn surround(document: &mut utoipa::openapi::OpenApi) {
    let components = document.components.get_or_insert_default();
    let id = ObjectBuilder::new().schema_type(Type::String).min_length(Some(1));
    let id = header(id, "The caller's name for the request, or a new one");
    components.headers.insert(REQUEST_ID.to_owned(), id.into());
    for (name, description) in
        [("TookTooLong", "The request took too long"), ("Failure", "The gateway failed; repeating is safe")]
    {
        components.responses.insert(name.to_owned(), text_response(description).into());
    }
    components.responses.values_mut().for_each(name_request);
    for operation in document.paths.paths.values_mut().flat_map(operations) {
        let responses = &mut operation.responses.responses;
        for (status, name) in [("408", "TookTooLong"), ("500", "Failure")] {
            responses.entry(status.to_owned()).or_insert_with(|| Ref::from_response_name(name).into());
        }
        responses.values_mut().for_each(name_request);
    }
}

fn name_request(response: &mut RefOr<Response>) {
    if let RefOr::T(response) = response {
        response.headers.insert(REQUEST_ID.to_owned(), header_named(REQUEST_ID));
    }
}
