//! A connector for a product with notes. This file holds the exports of the contract:
//! what the product can do is in `notes.rs`, what it cannot is refused here.

wit_bindgen::generate!({ world: "connector", path: "wit", generate_all });

mod api;
mod notes;

use std::collections::BTreeMap;

use exports::lockgate::connector::events::{
    Delivery, Guest as EventsGuest, GuestSubscription, Subscription, SubscriptionOptions,
};
use exports::lockgate::connector::hooks::{Guest as HooksGuest, Outcome, Request};
use exports::lockgate::connector::records::{
    Advice, Batch, Content, Cursor, Description, Error, Guest, GuestCursor, GuestWriter,
    ObjectDescription, ObjectSummary, Operation, Page, QueryOptions, RecordResult, Results,
    ScanOptions, SettingProblem, Way, WriteOptions, Writer,
};
use notes::{NOTE, Pages};
use serde_json::Value;
use wit_bindgen::StreamReader;

struct Connector;

impl Guest for Connector {
    type Cursor = Pages;
    type Writer = Never;

    fn describe() -> Description {
        Description {
            product: "Notes".to_owned(),
            summary: "Reads notes.".to_owned(),
            objects: vec![NOTE.to_owned()],
            actions: Vec::new(),
            events: Vec::new(),
            settings_schema: r#"{"type":"object","additionalProperties":false}"#.to_owned(),
        }
    }

    /// There are no settings, so whatever is given is a mistake.
    fn configure(settings: String) -> Result<(), Vec<SettingProblem>> {
        let problem = |pointer: String, message: String| SettingProblem { pointer, message };
        let settings: BTreeMap<String, Value> = serde_json::from_str(&settings)
            .map_err(|error| vec![problem(String::new(), error.to_string())])?;
        let names = settings.into_keys();
        let problems: Vec<_> = names
            .map(|name| problem(format!("/{name}"), "there is no such setting".to_owned()))
            .collect();
        match problems.is_empty() {
            true => Ok(()),
            false => Err(problems),
        }
    }

    async fn describe_global() -> Result<Vec<ObjectSummary>, Error> {
        Ok(vec![notes::summary()])
    }

    async fn describe_object(object: String) -> Result<ObjectDescription, Error> {
        notes::check_object(&object)?;
        Ok(notes::description())
    }

    async fn get(object: String, ids: Vec<String>, fields: Vec<String>) -> Result<Vec<u8>, Error> {
        notes::check_object(&object)?;
        notes::get(&ids, &fields).await
    }

    /// The product has no language for queries, so a query is the name of the object.
    async fn query(text: String, _options: QueryOptions) -> Result<Cursor, Error> {
        notes::check_object(text.trim())?;
        Ok(Cursor::new(Pages::all()))
    }

    async fn scan(object: String, options: ScanOptions) -> Result<Cursor, Error> {
        notes::check_object(&object)?;
        if options.matching.is_some() {
            return Err(refused("no_key", "notes are found by nothing but their id"));
        }
        Ok(Cursor::new(Pages::behind(options.after, options.fields)))
    }

    async fn write(_: String, _: Operation, _: WriteOptions) -> Result<Writer, Error> {
        Err(refused("read_only", "this connector does not write"))
    }

    async fn download(_: String, _: String, _: String) -> Result<Content, Error> {
        Err(refused("no_files", "notes have no files"))
    }

    async fn upload(
        _: String,
        _: Vec<u8>,
        _: String,
        _: StreamReader<u8>,
        _: Option<u64>,
    ) -> Result<RecordResult, Error> {
        Err(refused("no_files", "notes have no files"))
    }

    async fn invoke(_: String, _: Vec<u8>) -> Result<Vec<u8>, Error> {
        Err(refused("unknown_action", "this connector has no actions"))
    }
}

impl GuestCursor for Pages {
    fn way(&self) -> Way {
        Way {
            name: "list".to_owned(),
            reason: "it is the only one".to_owned(),
        }
    }

    async fn next(&self) -> Result<Option<Page>, Error> {
        Pages::next(self).await
    }
}

/// What there is none of: a writer, a subscription.
enum Never {}

impl GuestWriter for Never {
    fn way(&self) -> Option<Way> {
        match *self {}
    }

    fn calls(&self) -> Option<u64> {
        match *self {}
    }

    async fn push(&self, _: Batch) -> Result<Results, Error> {
        match *self {}
    }

    async fn finish(&self) -> Result<Option<Results>, Error> {
        match *self {}
    }
}

impl EventsGuest for Connector {
    type Subscription = Never;

    async fn subscribe(_: Vec<String>, _: SubscriptionOptions) -> Result<Subscription, Error> {
        Err(refused("no_events", "this connector hears of no events"))
    }
}

impl GuestSubscription for Never {
    fn way(&self) -> Way {
        match *self {}
    }

    async fn next(&self) -> Result<Delivery, Error> {
        match *self {}
    }
}

impl HooksGuest for Connector {
    async fn receive(_: Request) -> Result<Outcome, Error> {
        Err(refused("no_webhooks", "this connector takes no webhooks"))
    }
}

/// What this connector cannot do: nothing in the record is wrong.
fn refused(code: &str, message: &str) -> Error {
    api::refused(Advice::FixSchema, code, message)
}

export!(Connector);
