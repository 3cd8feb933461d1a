//! The connector of the mailing list: a component that runs inside Lockgate.
//!
//! This file holds the exports of the contract and nothing else. What they do is in
//! `describe.rs`, `read.rs`, `write.rs` and `events.rs`; all of them speak to the
//! service through `api.rs`, and to the host through `host.rs`.

mod api;
mod bindings;
mod describe;
mod events;
#[cfg(test)]
mod fake;
mod fault;
mod host;
mod read;
mod record;
mod wire;
mod write;

use std::rc::Rc;

use api::Api;
use bindings::exports::lockgate::connector::events::{
    Delivery, Guest as EventsGuest, GuestSubscription, Subscription, SubscriptionOptions,
};
use bindings::exports::lockgate::connector::hooks::{Guest as HooksGuest, Outcome, Request};
use bindings::exports::lockgate::connector::records::{
    Advice, Batch, Content, Cursor, Description, Error, Guest, GuestCursor, GuestWriter,
    ObjectDescription, ObjectSummary, Operation, Page, QueryOptions, RecordResult, Results,
    RowResult, ScanOptions, SettingProblem, Way, WriteOptions, Writer,
};
use fault::refused;
use host::Imports;
use wit_bindgen::StreamReader;

/// There is nothing to set.
const SETTINGS_SCHEMA: &str = r#"{"$schema":"https://json-schema.org/draft/2020-12/schema","title":"Mailing list connector settings","type":"object","additionalProperties":false}"#;

/// What the contract's exports are called on.
struct Connector;

impl Connector {
    fn api() -> Rc<Api<Imports>> {
        Rc::new(Api::new(Imports))
    }
}

impl Guest for Connector {
    type Cursor = read::Pages<Imports>;
    type Writer = write::Writer<Imports>;

    fn describe() -> Description {
        Description {
            product: "Mailing list".to_owned(),
            summary: "Reads and writes the members of a mailing list.".to_owned(),
            objects: vec![describe::MEMBER.to_owned()],
            actions: Vec::new(),
            events: events::list(),
            settings_schema: SETTINGS_SCHEMA.to_owned(),
        }
    }

    fn configure(settings: String) -> Result<(), Vec<SettingProblem>> {
        let settings: wire::Fields = serde_json::from_str(&settings).map_err(|_| {
            vec![SettingProblem {
                pointer: String::new(),
                message: "settings are a JSON object".to_owned(),
            }]
        })?;
        let problems: Vec<SettingProblem> = settings
            .keys()
            .map(|name| SettingProblem {
                pointer: format!("/{}", name.replace('~', "~0").replace('/', "~1")),
                message: "this connector has no settings: leave it out".to_owned(),
            })
            .collect();
        if problems.is_empty() {
            Ok(())
        } else {
            Err(problems)
        }
    }

    async fn describe_global() -> Result<Vec<ObjectSummary>, Error> {
        Ok(vec![describe::summary()])
    }

    async fn describe_object(object: String) -> Result<ObjectDescription, Error> {
        describe::check_object(&object)?;
        Ok(describe::member())
    }

    async fn write(
        object: String,
        operation: Operation,
        options: WriteOptions,
    ) -> Result<Writer, Error> {
        let writer = write::open(Self::api(), &object, operation, &options)?;
        Ok(Writer::new(writer))
    }

    async fn get(object: String, ids: Vec<String>, fields: Vec<String>) -> Result<Vec<u8>, Error> {
        read::get(&Self::api(), &object, &ids, &fields).await
    }

    async fn query(text: String, options: QueryOptions) -> Result<Cursor, Error> {
        let pages = read::query(Self::api(), &text, options)?;
        Ok(Cursor::new(pages))
    }

    async fn scan(object: String, options: ScanOptions) -> Result<Cursor, Error> {
        let pages = read::scan(Self::api(), &object, options)?;
        Ok(Cursor::new(pages))
    }

    async fn download(_object: String, _id: String, _field: String) -> Result<Content, Error> {
        Err(no_files())
    }

    async fn upload(
        _object: String,
        _fields: Vec<u8>,
        _field: String,
        _content: StreamReader<u8>,
        _length: Option<u64>,
    ) -> Result<RecordResult, Error> {
        Err(no_files())
    }

    async fn invoke(_action: String, _input: Vec<u8>) -> Result<Vec<u8>, Error> {
        Err(refused(
            Advice::FixRecord,
            "unknown_action",
            "this connector has no actions",
        ))
    }
}

fn no_files() -> Error {
    refused(
        Advice::FixSchema,
        "no_files",
        "members of the mailing list have no files",
    )
}

impl GuestCursor for read::Pages<Imports> {
    fn way(&self) -> Way {
        read::way()
    }

    async fn next(&self) -> Result<Option<Page>, Error> {
        Self::next(self).await
    }
}

impl GuestWriter for write::Writer<Imports> {
    fn way(&self) -> Option<Way> {
        Some(write::way())
    }

    fn calls(&self) -> Option<u64> {
        Self::calls(self)
    }

    async fn push(&self, records: Batch) -> Result<Results, Error> {
        Self::push(self, &records.json()).await.map(told)
    }

    async fn finish(&self) -> Result<Option<Results>, Error> {
        Ok(Self::finish(self).await?.map(told))
    }
}

/// Results of which the connector knows all.
const fn told(rows: Vec<RowResult>) -> Results {
    Results {
        rows,
        written: Vec::new(),
    }
}

impl EventsGuest for Connector {
    type Subscription = events::Subscription<Imports>;

    async fn subscribe(
        sources: Vec<String>,
        options: SubscriptionOptions,
    ) -> Result<Subscription, Error> {
        let subscription = events::subscribe(Self::api(), &sources, options).await?;
        Ok(Subscription::new(subscription))
    }
}

impl GuestSubscription for events::Subscription<Imports> {
    fn way(&self) -> Way {
        events::way()
    }

    async fn next(&self) -> Result<Delivery, Error> {
        Self::next(self).await
    }
}

impl HooksGuest for Connector {
    async fn receive(_request: Request) -> Result<Outcome, Error> {
        Err(refused(
            Advice::FixSchema,
            "no_webhooks",
            "the mailing list sends no webhooks: subscribe to Member instead",
        ))
    }
}
