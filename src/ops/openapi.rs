//! The description of the probes and of the metrics, which have a listener of their own.

use utoipa::OpenApi;
use utoipa::openapi::ServerBuilder;

use crate::api::openapi::operations;

#[derive(OpenApi)]
#[openapi(paths(
    super::probes::live,
    super::probes::ready,
    super::probes::health,
    super::metrics,
    super::release
))]
struct Listener;

/// The description of what this listener serves.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    let server = ServerBuilder::new()
        .url("http://127.0.0.1:30101")
        .description(Some("Where ops.listen is by default"))
        .build();
    let mut document = Listener::openapi();
    for path in document.paths.paths.values_mut() {
        path.servers = Some(vec![server.clone()]);
        for operation in operations(path) {
            operation.tags = Some(vec!["ops".to_owned()]);
        }
        // One handler stands for both methods, and every operation must have a name of its own.
        if let Some(name) = path.head.as_mut().and_then(|head| head.operation_id.as_mut()) {
            name.push_str("Head");
        }
    }
    document
}
