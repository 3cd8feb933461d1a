//! Attacks with exchanges: more of them than allowed, messages that are too long,
//! and ends that are dropped, not read or never written to.

use std::cell::RefCell;

use futures_util::future::{join, join_all, select};
use serde_json::{Value, json};
use wit_bindgen::{StreamReader, StreamWriter};

use crate::guest::bindings::lockgate::connector::stream::{self, Ending, Error};
use crate::guest::bindings::lockgate::connector::{clock, http};
use crate::guest::bindings::wit_stream;

type Message = Vec<u8>;

/// The most of messages that is put into a report, in bytes.
const MAX_TOLD: usize = 64 * 1024;

/// An open exchange.
pub(super) struct Open {
    pub(super) writer: StreamWriter<Message>,
    pub(super) reader: StreamReader<Message>,
    ending: wit_bindgen::FutureReader<Ending>,
}

async fn open(endpoint: &str, method: &str) -> Result<Open, Error> {
    let (writer, outgoing) = wit_stream::new();
    let (endpoint, method) = (endpoint.to_owned(), method.to_owned());
    let (reader, ending) = stream::open(endpoint, method, outgoing).await?;
    Ok(Open {
        writer,
        reader,
        ending,
    })
}

/// Opens an exchange of this method of the test's service.
pub(super) async fn opened(name: &str) -> Result<Open, Error> {
    open("events", &method(name)).await
}

fn refusal(error: &Error) -> Value {
    json!({ "error": format!("{error:?}") })
}

fn method(name: &str) -> String {
    format!("/test.Events/{name}")
}

/// Says so many messages of so many bytes, and tells all that came of it.
pub(super) async fn all(name: &str, count: usize, bytes: usize) -> Value {
    match opened(name).await {
        Ok(open) => talk(open, count, bytes).await,
        Err(error) => refusal(&error),
    }
}

/// The same with an endpoint and a method in full.
pub(super) async fn named(endpoint: &str, method: &str) -> Value {
    match open(endpoint, method).await {
        Ok(open) => talk(open, 1, 1).await,
        Err(error) => refusal(&error),
    }
}

async fn talk(open: Open, count: usize, bytes: usize) -> Value {
    let Open {
        mut writer,
        mut reader,
        ending,
    } = open;
    let writing = async move {
        let mut written = 0;
        while written < count && writer.write_one(vec![b'm'; bytes]).await.is_none() {
            written += 1;
        }
        written
    };
    let reading = async move {
        let (mut messages, mut length, mut told) = (0, 0, Vec::new());
        while let Some(message) = reader.next().await {
            messages += 1;
            length += message.len();
            if told.len() + message.len() <= MAX_TOLD {
                told.extend_from_slice(&message);
            }
        }
        (messages, length, told)
    };
    let (written, (messages, length, told)) = join(writing, reading).await;
    let mut report = tell(&ending.await);
    if let Some(members) = report.as_object_mut() {
        members.insert("written".to_owned(), json!(written));
        members.insert("messages".to_owned(), json!(messages));
        members.insert("bytes".to_owned(), json!(length));
        members.insert("told".to_owned(), json!(String::from_utf8_lossy(&told)));
    }
    report
}

fn tell(ending: &Ending) -> Value {
    let trailers: serde_json::Map<String, Value> = ending
        .trailers
        .iter()
        .map(|(name, value)| (name.clone(), json!(value)))
        .collect();
    json!({ "status": ending.status, "trailers": trailers })
}

/// Opens as many at a time, hears a message of each, and keeps those that it gets.
pub(super) async fn hold(count: usize, name: &str) -> Vec<Value> {
    let name = method(name);
    let begin = async || {
        let mut open = open("events", &name).await?;
        open.reader.next().await;
        Ok(open)
    };
    let opened = join_all((0..count).map(|_| begin())).await;
    let tell = |outcome: &Result<Open, Error>| match outcome {
        Ok(_) => json!({ "open": true }),
        Err(error) => refusal(error),
    };
    opened.iter().map(tell).collect()
}

/// Drops one end, and tells what the others say.
pub(super) async fn leave(end: &str, name: &str) -> Value {
    let Open {
        mut writer,
        mut reader,
        ending,
    } = match opened(name).await {
        Ok(open) => open,
        Err(error) => return refusal(&error),
    };
    match end {
        "incoming" => {
            reader.next().await;
            drop(reader);
            let ending = tell(&ending.await);
            // What nobody takes any longer is given back.
            let refused = writer.write_all(vec![vec![b'm'; 10]; 10]).await.len();
            json!({ "ending": ending, "refused": refused })
        }
        "outgoing" => {
            drop(writer);
            let messages = reader.collect().await.len();
            json!({ "ending": tell(&ending.await), "messages": messages })
        }
        "ending" => {
            drop(ending);
            writer.write_one(b"hello".to_vec()).await;
            let first = reader.next().await;
            drop(writer);
            json!({ "first": first.is_some(), "rest": reader.collect().await.len() })
        }
        _ => json!({ "first": reader.next().await.is_some() }),
    }
}

/// Reads some messages of many, with requests to `/ok` after each.
pub(super) async fn read_slowly(count: usize, requests: usize, name: &str) -> Value {
    let mut open = match opened(name).await {
        Ok(open) => open,
        Err(error) => return refusal(&error),
    };
    let mut bytes = 0;
    for _ in 0..count {
        bytes += open.reader.next().await.map_or(0, |message| message.len());
        for _ in 0..requests {
            let _ = http::send(super::http::request(http::Method::Get, "/ok")).await;
        }
    }
    json!({ "bytes": bytes })
}

/// Says a message and hears its echo, so many times, and works on each.
pub(super) async fn burn(count: usize, work_ms: usize) -> Value {
    let mut open = match opened("Echo").await {
        Ok(open) => open,
        Err(error) => return refusal(&error),
    };
    let mut heard = 0;
    for _ in 0..count {
        open.writer.write_one(b"ping".to_vec()).await;
        if open.reader.next().await.is_some() {
            heard += 1;
        }
        super::exhaust::burn(work_ms as u64);
    }
    json!({ "heard": heard })
}

/// Waits for a message that comes only after so many milliseconds.
pub(super) async fn wait(wait_ms: usize) -> Value {
    let Open {
        mut writer,
        mut reader,
        ..
    } = match opened("Echo").await {
        Ok(open) => open,
        Err(error) => return refusal(&error),
    };
    let writing = async {
        clock::wait(u32::try_from(wait_ms).unwrap_or(u32::MAX)).await;
        writer.write_one(b"late".to_vec()).await;
    };
    let ((), heard) = join(writing, reader.next()).await;
    json!({ "heard": heard.map(|message| String::from_utf8_lossy(&message).into_owned()) })
}

/// Gives up a read before each message, and hears all the same.
pub(super) async fn give_up_reads(count: usize) -> Value {
    let mut open = match opened("Echo").await {
        Ok(open) => open,
        Err(error) => return refusal(&error),
    };
    let mut heard = 0;
    for _ in 0..count {
        let reading = Box::pin(open.reader.next());
        drop(select(reading, Box::pin(clock::wait(1))).await);
        open.writer.write_one(b"ping".to_vec()).await;
        if open.reader.next().await.is_some() {
            heard += 1;
        }
    }
    json!({ "heard": heard })
}

thread_local! {
    /// What is kept from one page to the next.
    static KEPT: RefCell<Option<Open>> = const { RefCell::new(None) };
}

/// Says and hears a message in the exchange of the page before.
pub(super) async fn page() -> Value {
    let kept = KEPT.take();
    let is_new = kept.is_none();
    let mut open = match kept {
        Some(open) => open,
        None => match opened("Echo").await {
            Ok(open) => open,
            Err(error) => return refusal(&error),
        },
    };
    open.writer.write_one(b"ping".to_vec()).await;
    let heard = open.reader.next().await.is_some();
    KEPT.set(Some(open));
    json!({ "heard": heard, "new": is_new })
}

/// Opens an exchange and does not read it.
pub(super) async fn ignore(name: &str) -> Value {
    let _open = opened(name).await;
    loop {
        clock::wait(60_000).await;
    }
}
