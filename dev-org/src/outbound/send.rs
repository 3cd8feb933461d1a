//! The sending itself: one message at a time, over a connection of its own.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::Request;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use url::Url;

use super::{Due, Notification, message};
use crate::state::Shared;

/// A receiver that has not answered by then has not received.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
/// Most bytes of an answer that are looked at.
const ANSWER_BYTES: usize = 64 * 1024;

/// Sends what is due until the org stops.
pub(crate) async fn run(shared: Arc<Shared>) {
    let mut news = shared.events.listen();
    loop {
        if shared.outbound.give_up(shared.clock.now_ms()) {
            shared.events.changed();
        }
        news.borrow_and_update();
        let next_ms = match shared.outbound.due(shared.clock.now_ms()) {
            Due::At(at_ms) => at_ms,
            Due::Now(batch) => {
                let acknowledged = tokio::select! {
                    sent = tokio::time::timeout(ANSWER_LIMIT, send(&shared, &batch)) => {
                        matches!(sent, Ok(Ok(true)))
                    }
                    () = shared.events.closed() => return,
                };
                let now_ms = shared.clock.now_ms();
                shared.outbound.sent(&batch, acknowledged, now_ms);
                shared.events.changed();
                continue;
            }
        };
        tokio::select! {
            _ = news.changed() => {}
            () = shared.clock.reach(next_ms) => {}
            () = shared.events.closed() => return,
        }
    }
}

/// Sends one message and says whether it was acknowledged.
async fn send(shared: &Shared, batch: &[Notification]) -> anyhow::Result<bool> {
    let first = batch.first().context("there is nothing to send")?;
    let text = message::write(shared, batch).context("there is nothing to send")?;
    let url = Url::parse(&first.action.message.endpoint)?;
    let host = url.host_str().context("the endpoint has no host")?;
    let port = url.port_or_known_default().unwrap_or(80);
    let stream = TcpStream::connect((host.trim_matches(['[', ']']), port)).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let path = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    let request = Request::post(path)
        .header(HOST, format!("{host}:{port}"))
        .header(CONTENT_TYPE, "text/xml; charset=utf-8")
        .header("SOAPAction", "\"\"")
        .body(Full::new(Bytes::from(text)))?;
    let exchange = async {
        let answer = sender.send_request(request).await?;
        let status = answer.status().as_u16();
        let body = Limited::new(answer.into_body(), ANSWER_BYTES)
            .collect()
            .await;
        let body = body.map_err(|error| anyhow::anyhow!("the answer cannot be read: {error}"))?;
        let body = body.to_bytes();
        anyhow::Ok(message::is_acknowledged(
            status,
            &String::from_utf8_lossy(&body),
        ))
    };
    // It only has to be driven: the exchange hears of its end by itself.
    let driven = async {
        let _ = connection.await;
        std::future::pending().await
    };
    tokio::select! {
        answered = exchange => answered,
        never = driven => never,
    }
}
