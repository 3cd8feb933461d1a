//! The component: the `records`, `events` and `hooks` of contract 0.1.0.

#[expect(
    unsafe_code,
    reason = "generated: the calling convention of components needs raw memory"
)]
pub(crate) mod bindings {
    wit_bindgen::generate!({
        world: "connector",
        path: "../../../wit/frozen/0.1.0",
        generate_all,
        default_bindings_module: "crate::guest::bindings",
    });

    use super::Connector;

    export!(Connector);
}

use std::cell::{Cell, RefCell};

use bindings::exports::lockgate::connector::records::{
    Batch, Content, Cursor, Description, Error, Guest, GuestCursor, GuestWriter, ObjectDescription,
    ObjectSummary, Operation, Outcome, Page, PageRecords, QueryOptions, RecordResult, Results,
    RowResult, ScanOptions, SettingProblem, Way, WriteOptions, Writer,
};
use bindings::exports::lockgate::connector::{events, hooks};
use bindings::lockgate::connector::http::{self, Method, Request, Response};
use bindings::lockgate::connector::log::{self, Level};
use bindings::lockgate::connector::{clock, quota, storage, stream};
use bindings::wit_stream;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use wit_bindgen::StreamReader;

/// The most that is taken of an answer, in bytes.
const MAX_BODY: u64 = 1024 * 1024;

/// The key under which `storage` counts.
const KEY: &str = "times";

struct Connector;

/// A query: one page with what the path answered.
struct Asked {
    path: String,
    is_done: Cell<bool>,
}

/// A write, and how many records it has had.
struct Posting {
    path: String,
    n_rows: RefCell<u64>,
}

impl GuestCursor for Asked {
    fn way(&self) -> Way {
        only_way()
    }

    async fn next(&self) -> Result<Option<Page>, Error> {
        if self.is_done.replace(true) {
            return Ok(None);
        }
        let answered = send(Method::Get, &self.path, None).await?;
        Ok(Some(Page {
            records: PageRecords::Json(json!([answered]).to_string().into_bytes()),
            total: Some(1),
        }))
    }
}

impl GuestWriter for Posting {
    fn way(&self) -> Option<Way> {
        Some(only_way())
    }

    fn calls(&self) -> Option<u64> {
        None
    }

    async fn push(&self, records: Batch) -> Result<Results, Error> {
        let json = records.json();
        let records: Vec<&RawValue> =
            serde_json::from_slice(&json).map_err(|error| Error::Unexpected(error.to_string()))?;
        let mut rows = Vec::new();
        for record in records {
            let body = record.get().as_bytes().to_vec();
            send(Method::Post, &self.path, Some(body)).await?;
            let row = *self.n_rows.borrow();
            *self.n_rows.borrow_mut() += 1;
            rows.push(RowResult {
                row,
                outcome: RecordResult {
                    id: Some(format!("row-{row}")),
                    outcome: Outcome::Created,
                    related: Vec::new(),
                },
            });
        }
        Ok(Results {
            rows,
            written: Vec::new(),
        })
    }

    async fn finish(&self) -> Result<Option<Results>, Error> {
        Ok(None)
    }
}

impl Guest for Connector {
    type Cursor = Asked;
    type Writer = Posting;

    fn describe() -> Description {
        Description {
            product: "Loopback".to_owned(),
            summary: "Speaks contract 0.1.0.".to_owned(),
            objects: Vec::new(),
            actions: Vec::new(),
            events: Vec::new(),
            settings_schema: r#"{"type":"object"}"#.to_owned(),
        }
    }

    fn configure(_settings: String) -> Result<(), Vec<SettingProblem>> {
        log::write(Level::Info, "was configured", &[]);
        Ok(())
    }

    async fn describe_global() -> Result<Vec<ObjectSummary>, Error> {
        Ok(Vec::new())
    }

    async fn describe_object(_object: String) -> Result<ObjectDescription, Error> {
        Err(not_made_for_this())
    }

    async fn get(_: String, _: Vec<String>, _: Vec<String>) -> Result<Vec<u8>, Error> {
        Err(not_made_for_this())
    }

    async fn query(path: String, _options: QueryOptions) -> Result<Cursor, Error> {
        Ok(Cursor::new(Asked {
            path,
            is_done: Cell::new(false),
        }))
    }

    async fn scan(_: String, _: ScanOptions) -> Result<Cursor, Error> {
        Err(not_made_for_this())
    }

    async fn write(path: String, _: Operation, _: WriteOptions) -> Result<Writer, Error> {
        Ok(Writer::new(Posting {
            path,
            n_rows: RefCell::default(),
        }))
    }

    async fn download(_: String, _: String, _: String) -> Result<Content, Error> {
        Err(not_made_for_this())
    }

    async fn upload(
        _: String,
        _: Vec<u8>,
        _: String,
        _: StreamReader<u8>,
        _: Option<u64>,
    ) -> Result<RecordResult, Error> {
        Err(not_made_for_this())
    }

    async fn invoke(action: String, _input: Vec<u8>) -> Result<Vec<u8>, Error> {
        let told = match action.as_str() {
            "http" => send(Method::Get, "/ok", None).await?,
            "storage" => count().await?,
            "quota" => reserve().await,
            "stream" => exchange().await,
            "clock" => json!({ "now_ms": clock::now_ms() }),
            _ => return Err(not_made_for_this()),
        };
        Ok(told.to_string().into_bytes())
    }
}

/// Counts under a key how often it was called, in all instances.
async fn count() -> Result<Value, Error> {
    let failed = |error: storage::Error| Error::Unexpected(format!("{error:?}"));
    let before = storage::get(KEY.to_owned()).await.map_err(failed)?;
    let before = before.and_then(|entry| String::from_utf8(entry.value).ok());
    let times: u64 = before.and_then(|text| text.parse().ok()).unwrap_or(0) + 1;
    let value = times.to_string().into_bytes();
    storage::put(KEY.to_owned(), value).await.map_err(failed)?;
    Ok(json!({ "times": times }))
}

async fn reserve() -> Value {
    match quota::reserve(2, 0).await {
        Ok(reservation) => {
            let remaining = reservation.remaining();
            let returned = quota::Reservation::commit(reservation);
            json!({ "remaining": remaining, "returned": returned })
        }
        Err(error) => json!({ "error": format!("{error:?}") }),
    }
}

/// Has one message come back.
async fn exchange() -> Value {
    let (mut writer, outgoing) = wit_stream::new();
    let method = "/test.Events/Echo".to_owned();
    let (mut incoming, ending) = match stream::open("events".to_owned(), method, outgoing).await {
        Ok(open) => open,
        Err(error) => return json!({ "error": format!("{error:?}") }),
    };
    let unsaid = writer.write_one(b"hello".to_vec()).await;
    drop(writer);
    let mut heard = Vec::new();
    while let Some(message) = incoming.next().await {
        heard.extend(message);
    }
    let status = ending.await.status;
    json!({
        "heard": String::from_utf8_lossy(&heard),
        "unsaid": unsaid.is_some(),
        "status": status,
    })
}

async fn send(method: Method, path: &str, body: Option<Vec<u8>>) -> Result<Value, Error> {
    let request = Request {
        method,
        path: path.to_owned(),
        query: Vec::new(),
        headers: Vec::new(),
        body,
        timeout_ms: 0,
    };
    let failed = |error: http::Error| Error::Unexpected(format!("{error:?}"));
    let response = http::send(request).await.map_err(failed)?;
    let status = response.status();
    let body = Response::take_body(response, MAX_BODY)
        .await
        .map_err(failed)?;
    Ok(json!({ "status": status, "body": String::from_utf8_lossy(&body) }))
}

impl events::Guest for Connector {
    type Subscription = Feed;

    async fn subscribe(
        _sources: Vec<String>,
        _options: events::SubscriptionOptions,
    ) -> Result<events::Subscription, Error> {
        Ok(events::Subscription::new(Feed))
    }
}

/// Tells of a place and of no event.
struct Feed;

impl events::GuestSubscription for Feed {
    fn way(&self) -> Way {
        only_way()
    }

    async fn next(&self) -> Result<events::Delivery, Error> {
        Ok(events::Delivery {
            events: Vec::new(),
            checkpoint: b"here".to_vec(),
        })
    }
}

impl hooks::Guest for Connector {
    async fn receive(_request: hooks::Request) -> Result<hooks::Outcome, Error> {
        Err(not_made_for_this())
    }
}

fn only_way() -> Way {
    Way {
        name: "only".to_owned(),
        reason: "there is no other".to_owned(),
    }
}

fn not_made_for_this() -> Error {
    Error::Unexpected("it was not made for this".to_owned())
}
