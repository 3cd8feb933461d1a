//! Attacks with streams: request bodies that are not what was promised, contents
//! that lie about their end, and uploads that are not read.

use futures_util::future::{Either, select};
use serde_json::{Value, json};
use wit_bindgen::{StreamReader, StreamResult};

use super::http::{refusal, request};
use crate::guest::bindings::exports::lockgate::connector::records::{
    Content, Error, Outcome, RecordResult,
};
use crate::guest::bindings::lockgate::connector::{clock, http};
use crate::guest::bindings::{wit_future, wit_stream};

/// Bytes that are written at a time.
const PIECE_BYTES: usize = 64 * 1024;

/// Sends a body of so many bytes under this length, and tells what came of it.
pub(super) async fn send(bytes: usize, length: Option<u64>, path: &str) -> Value {
    let (mut writer, body) = wit_stream::new();
    let sending = Box::pin(http::send_stream(
        request(http::Method::Post, path),
        body,
        length,
    ));
    let writing = Box::pin(async move {
        let mut left = bytes;
        while left > 0 {
            let piece = vec![b'u'; left.min(PIECE_BYTES)];
            left -= piece.len();
            if !writer.write_all(piece).await.is_empty() {
                return left;
            }
        }
        left
    });
    let (outcome, unwritten) = match select(sending, writing).await {
        Either::Left((outcome, _)) => (outcome, None),
        Either::Right((left, sending)) => (sending.await, Some(left)),
    };
    match outcome {
        Ok(response) => {
            let status = response.status();
            let body = http::Response::take_body(response, 1_000).await;
            let body = body.unwrap_or_default();
            json!({ "status": status, "body": String::from_utf8_lossy(&body) })
        }
        Err(error) => {
            let mut report = refusal(&error);
            if let Some(members) = report.as_object_mut() {
                members.insert("unwritten".to_owned(), json!(unwritten));
            }
            report
        }
    }
}

/// Writes a piece of a body and never another.
pub(super) async fn stall(path: &str) -> Value {
    let (mut writer, body) = wit_stream::new();
    let sending = Box::pin(http::send_stream(
        request(http::Method::Post, path),
        body,
        None,
    ));
    let writing = Box::pin(async move {
        writer.write_all(vec![b'u'; PIECE_BYTES]).await;
        loop {
            clock::wait(60_000).await;
        }
    });
    match select(sending, writing).await {
        Either::Left((Ok(response), _)) => json!({ "status": response.status() }),
        Either::Left((Err(error), _)) => refusal(&error),
        Either::Right(((), _)) => Value::Null,
    }
}

/// A content of so many bytes, whose end is told as `kind` says.
pub(crate) fn content(kind: &str, bytes: u64) -> Content {
    let (mut writer, reader) = wit_stream::new();
    let (told, ended) = wit_future::new(|| Ok(()));
    let kind = kind.to_owned();
    beside(async move {
        let mut left = bytes;
        while left > 0 {
            // Until it is refused, which no content survives.
            if kind == "asking" && http::send(request(http::Method::Get, "/ok")).await.is_err() {
                let _ = told.write(Err(Error::Unavailable(0))).await;
                return;
            }
            let piece = match kind.as_str() {
                // A piece that costs far more than it is worth.
                "burn" => {
                    super::exhaust::burn(100);
                    vec![b'd']
                }
                _ => vec![b'd'; PIECE_BYTES.min(usize::try_from(left).unwrap_or(PIECE_BYTES))],
            };
            left = left.saturating_sub(piece.len() as u64);
            if !writer.write_all(piece).await.is_empty() {
                return;
            }
        }
        if kind == "untold" {
            loop {
                clock::wait(60_000).await;
            }
        }
        drop(writer);
        let ending = match kind.as_str() {
            "broken" => Err(Error::Unavailable(7)),
            _ => Ok(()),
        };
        let _ = told.write(ending).await;
    });
    Content {
        length: Some(u64::MAX),
        bytes: reader,
        ended,
    }
}

fn beside(work: impl Future<Output = ()> + 'static) {
    #[cfg(target_family = "wasm")]
    wit_bindgen::spawn_local(work);
    #[cfg(not(target_family = "wasm"))]
    drop(work);
}

/// What came of a content, counted in the place of an id.
pub(crate) async fn take(kind: &str, mut content: StreamReader<u8>) -> RecordResult {
    let mut bytes = 0_u64;
    loop {
        if kind == "unread" {
            break;
        }
        let (status, piece) = content.read(Vec::with_capacity(PIECE_BYTES)).await;
        bytes += piece.len() as u64;
        if kind == "stall" {
            clock::wait(60_000).await;
        }
        if !matches!(status, StreamResult::Complete(_)) {
            break;
        }
    }
    RecordResult {
        id: Some(bytes.to_string()),
        outcome: Outcome::Created,
        related: Vec::new(),
    }
}
