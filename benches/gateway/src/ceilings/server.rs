//! The bare handler: an actix-web server with the settings of the gateway's own that answers everything with the same
//! bytes. It is a process of its own, since it has to be started, scheduled and measured as the gateway is.

use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::{App, HttpResponse, HttpServer, web};
use anyhow::Context;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use socket2::{Domain, Socket, Type};

// The defaults of the gateway's configuration, and what its server is told besides.
const BACKLOG: i32 = 4096;
const SEND_TIMEOUT: Duration = Duration::from_secs(30);
const MAX_CONNECTIONS: usize = 25_000;
const KEEP_ALIVE: Duration = Duration::from_secs(75);
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
const MAX_BODY: usize = 16 << 20;

/// What it answers, as it stands in a file beside the body.
#[derive(Debug, Serialize, Deserialize)]
pub struct Script {
    /// The status code.
    pub status: u16,
    /// All headers but those that every server writes itself.
    pub headers: Vec<(String, String)>,
    /// Whether the names of headers are sent as `Content-Type` instead of `content-type`.
    pub camel_case: bool,
    /// Whether the body of the request is received before the answer is sent.
    pub reads_body: bool,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    camel_case: bool,
    body: Bytes,
}

impl Answer {
    fn read(directory: &Path) -> anyhow::Result<(Self, bool)> {
        let script: Script = serde_json::from_slice(&std::fs::read(directory.join("answer.json"))?)?;
        let mut headers = HeaderMap::new();
        for (name, value) in &script.headers {
            headers.append(HeaderName::from_bytes(name.as_bytes())?, HeaderValue::from_str(value)?);
        }
        let (status, body) = (StatusCode::from_u16(script.status)?, std::fs::read(directory.join("body"))?);
        let answer = Self { status, headers, camel_case: script.camel_case, body: body.into() };
        Ok((answer, script.reads_body))
    }

    fn response(&self) -> HttpResponse {
        let mut response = if self.body.is_empty() && self.status == StatusCode::NOT_MODIFIED {
            HttpResponse::new(self.status)
        } else {
            HttpResponse::build(self.status).body(self.body.clone())
        };
        response.head_mut().set_camel_case_headers(self.camel_case);
        for (name, value) in &self.headers {
            response.headers_mut().append(name.clone(), value.clone());
        }
        response
    }
}

async fn answer(answer: web::Data<Answer>) -> HttpResponse {
    answer.response()
}

async fn read_and_answer(_body: Bytes, answer: web::Data<Answer>) -> HttpResponse {
    answer.response()
}

/// Serves what stands in `directory` until the process is ended, and prints where.
///
/// # Errors
/// When it cannot.
pub async fn serve(directory: &Path) -> anyhow::Result<()> {
    let (script, reads_body) = Answer::read(directory)?;
    let script = web::Data::new(script);
    let workers = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let socket = listen("127.0.0.1:0".parse()?)?;
    println!("listening on {} for http", socket.local_addr()?);
    let server = HttpServer::new(move || {
        let service = App::new().app_data(script.clone()).app_data(web::PayloadConfig::new(MAX_BODY));
        if reads_body {
            service.default_service(web::to(read_and_answer))
        } else {
            service.default_service(web::to(answer))
        }
    })
    .workers(workers)
    .max_connections(MAX_CONNECTIONS.div_ceil(workers))
    .keep_alive(KEEP_ALIVE)
    .client_request_timeout(HEAD_TIMEOUT)
    .tcp_nodelay(true)
    .h1_allow_half_closed(false)
    .disable_signals()
    .listen(socket)?
    .run();
    // As the gateway drives its own: from the runtime of the process.
    tokio::spawn(server).await?.context("the bare server failed")
}

fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_tcp_user_timeout(Some(SEND_TIMEOUT))?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}
