//! Sends long bodies slice by slice. The server copies what it sends next: of a long body as a whole that would be as much
//! memory again for each client, made and given back every time.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::ServiceResponse;
use bytes::Bytes;

/// About what the server sends at a time.
const SLICE: usize = 32 << 10;

struct Slices(Bytes);

impl MessageBody for Slices {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.0.len() as u64)
    }

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        let length = self.0.len().min(SLICE);
        Poll::Ready((length > 0).then(|| Ok(self.0.split_to(length))))
    }
}

/// Has the body of `answer` sent slice by slice if it is long.
pub fn cut(answer: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
    match answer.response().body().size() {
        BodySize::Sized(length) if length > SLICE as u64 => {
            answer.map_body(|_, body| match body.try_into_bytes() {
                Ok(whole) => BoxBody::new(Slices(whole)),
                Err(body) => body,
            })
        }
        _ => answer,
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use actix_web::HttpResponse;
    use actix_web::test::TestRequest;

    use super::*;

    /// The lengths of the pieces that a body comes in, after they were compared with it.
    async fn pieces(length: usize) -> Vec<usize> {
        let whole: Bytes = (0..length).map(|index| u8::try_from(index % 251).unwrap_or(0)).collect();
        let request = TestRequest::get().to_srv_request();
        let answer = cut(request.into_response(HttpResponse::Ok().body(whole.clone())));
        let mut body = answer.into_body();
        assert_eq!(body.size(), BodySize::Sized(length as u64));
        let (mut sent, mut lengths) = (Vec::new(), Vec::new());
        while let Some(piece) = poll_fn(|context| Pin::new(&mut body).poll_next(context)).await {
            let piece = piece.unwrap();
            lengths.push(piece.len());
            sent.extend_from_slice(&piece);
        }
        assert_eq!(sent, whole);
        lengths
    }

    #[actix_web::test]
    async fn a_long_body_comes_in_slices_and_whole() {
        assert_eq!(pieces(1).await, [1]);
        assert_eq!(pieces(SLICE).await, [SLICE]);
        assert_eq!(pieces(SLICE + 1).await, [SLICE, 1]);
        assert_eq!(pieces(3 * SLICE).await, [SLICE; 3]);
    }
}
