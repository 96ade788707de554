//! Takes a body only when it is whole, is said to be JSON and keeps the limit: whatever else arrives must not be
//! mistaken for an empty snapshot.

use actix_web::http::header::CONTENT_ENCODING;
use actix_web::web::Payload;
use actix_web::{HttpMessage, HttpRequest};

use super::{Limits, Refusal};
use crate::api::body::{Bodies, Body};

pub(super) async fn read(request: &HttpRequest, payload: Payload, limits: &Limits) -> Result<Body, Refusal> {
    check_content_type(request)?;
    Ok(Bodies::read(request, payload, limits.body_bytes).await?)
}

fn check_content_type(request: &HttpRequest) -> Result<(), Refusal> {
    if let Some(coding) = request.headers().get(CONTENT_ENCODING).filter(|coding| *coding != "identity") {
        let coding = coding.to_str().unwrap_or("what was sent");
        return Err(Refusal::at("Content-Encoding", format!("must be identity, not {coding}")));
    }
    match request.mime_type() {
        Ok(Some(given)) if given.essence_str() == "application/json" => Ok(()),
        Ok(Some(given)) => {
            Err(Refusal::at("Content-Type", format!("must be application/json, not {}", given.essence_str())))
        }
        Ok(None) => Err(Refusal::at("Content-Type", "is missing, must be application/json")),
        Err(_) => Err(Refusal::at("Content-Type", "cannot be read, must be application/json")),
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use actix_web::{App, FromRequest, HttpResponse, HttpServer, web};

    use super::*;

    async fn taken(
        content_type: Option<&str>,
        body: &'static str,
        limit: usize,
    ) -> Result<web::Bytes, String> {
        let mut request = TestRequest::post().set_payload(body);
        if let Some(content_type) = content_type {
            request = request.insert_header(("Content-Type", content_type));
        }
        let (request, mut payload) = request.to_http_parts();
        let payload = Payload::from_request(&request, &mut payload).await.unwrap();
        let limits = Limits { body_bytes: limit, ..Limits::default() };
        let body = read(&request, payload, &limits).await;
        body.map(|body| web::Bytes::copy_from_slice(&body)).map_err(|refusal| refusal.to_string())
    }

    #[actix_web::test]
    async fn json_is_taken_with_or_without_parameters() {
        for content_type in
            ["application/json", "application/json; charset=utf-8", "Application/JSON;charset=UTF-8"]
        {
            assert_eq!(taken(Some(content_type), "{}", 2).await.as_deref(), Ok(&b"{}"[..]), "{content_type}");
        }
    }

    #[actix_web::test]
    async fn every_other_content_type_is_refused() {
        for content_type in
            ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", "json", ""]
        {
            let reason = taken(Some(content_type), "{}", 2).await.unwrap_err();
            assert!(reason.starts_with("Content-Type: "), "{reason}");
        }
        assert!(taken(None, "{}", 2).await.unwrap_err().contains("is missing"));
    }

    #[actix_web::test]
    async fn a_body_over_the_limit_is_refused() {
        let reason = taken(Some("application/json"), "[1]", 2).await.unwrap_err();
        assert_eq!(reason, "body: is longer than the 2 bytes accepted");
    }

    /// What a real server makes of a request whose sender hangs up behind `sent`.
    async fn cut_off(sent: &str) -> Result<(), String> {
        use std::io::Write;

        let (outcome, mut outcomes) = tokio::sync::mpsc::unbounded_channel();
        let server = HttpServer::new(move || {
            let outcome = outcome.clone();
            App::new().default_service(web::to(move |request: HttpRequest, payload: Payload| {
                let outcome = outcome.clone();
                async move {
                    let body = read(&request, payload, &Limits::default()).await;
                    outcome.send(body.map(drop).map_err(|refusal| refusal.to_string())).unwrap();
                    HttpResponse::Ok().finish()
                }
            }))
        })
        .workers(1)
        .disable_signals()
        .bind("127.0.0.1:0")
        .unwrap();
        let address = server.addrs()[0];
        let server = server.run();
        let handle = server.handle();
        tokio::spawn(server);
        let mut connection = std::net::TcpStream::connect(address).unwrap();
        connection.write_all(sent.as_bytes()).unwrap();
        drop(connection);
        let outcome = outcomes.recv().await.unwrap();
        handle.stop(false).await;
        outcome
    }

    #[actix_web::test]
    async fn a_body_that_is_cut_off_is_refused_even_if_what_arrived_is_json() {
        for (framing, body) in [
            ("Content-Length: 30", r#"{"provider_list":[]}"#),
            ("Transfer-Encoding: chunked", "14\r\n{\"provider_list\":[]}\r\n"),
        ] {
            let sent = format!(
                "POST / HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n{framing}\r\n\r\n{body}"
            );
            let reason = cut_off(&sent).await.unwrap_err();
            assert!(reason.starts_with("body: could not be read"), "{reason}");
        }
    }
}
