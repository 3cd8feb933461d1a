//! The Salesforce connector: a component that runs inside Lockgate.
//!
//! This file holds the exports of the contract and nothing else. What they do is
//! in `describe.rs`, `read.rs`, `scan.rs`, `write.rs`, `query.rs`, `events.rs`,
//! `hooks.rs` and `actions.rs`; all of them speak to the org through `api.rs`, and to the
//! host through `host.rs`.

mod actions;
mod api;
mod bindings;
mod body;
mod copy;
mod csv;
mod describe;
mod events;
#[cfg(any(test, fuzzing))]
#[allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "as in the tests that it is for"
)]
mod fake;
mod fault;
mod files;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzz;
mod hooks;
mod host;
mod names;
mod query;
mod read;
mod scan;
mod settings;
mod soql;
mod version;
mod wire;
mod write;

use std::cell::RefCell;
use std::rc::Rc;

use api::Api;
use bindings::exports::lockgate::connector::events::{
    Delivery, Guest as EventsGuest, GuestSubscription, Subscription, SubscriptionOptions,
};
use bindings::exports::lockgate::connector::hooks::{Guest as HooksGuest, Outcome, Request};
use bindings::exports::lockgate::connector::records::{
    Batch, Content, Cursor, Description, Done, Error, Guest, GuestCursor, GuestWriter,
    ObjectDescription, ObjectSummary, Operation, Page, PageRecords, QueryOptions, RecordResult,
    Results, ScanOptions, SettingProblem, Way, WriteOptions, Writer, WrittenRows,
};
use host::Imports;
use settings::Settings;
use wit_bindgen::StreamReader;

/// Objects that every org has, whatever its edition.
const OBJECTS: [&str; 12] = [
    "Account",
    "Contact",
    "Lead",
    "Opportunity",
    "OpportunityLineItem",
    "Task",
    "Note",
    "ContentNote",
    "Order",
    "OrderItem",
    "Product2",
    "PricebookEntry",
];

thread_local! {
    /// The settings of this instance. An instance serves one connection, and has
    /// one thread.
    static SETTINGS: RefCell<Rc<Settings>> = RefCell::default();
}

/// What the contract's exports are called on.
struct Connector;

impl Connector {
    fn api() -> Api<Imports> {
        Api::new(
            Imports,
            SETTINGS.with(|settings| Rc::clone(&settings.borrow())),
        )
    }
}

impl Guest for Connector {
    type Cursor = query::Pages<Imports>;
    type Writer = write::Writer<Imports>;

    fn describe() -> Description {
        Description {
            product: "Salesforce".to_owned(),
            summary: "Reads and writes the records of a Salesforce org, custom objects and \
                      fields included."
                .to_owned(),
            objects: OBJECTS.map(str::to_owned).to_vec(),
            actions: actions::list(),
            events: events::list(),
            settings_schema: settings::SCHEMA.to_owned(),
        }
    }

    fn configure(settings: String) -> Result<(), Vec<SettingProblem>> {
        let settings = Settings::read(&settings)?;
        SETTINGS.with(|place| place.replace(Rc::new(settings)));
        Ok(())
    }

    async fn describe_global() -> Result<Vec<ObjectSummary>, Error> {
        describe::global(&Self::api()).await
    }

    async fn describe_object(object: String) -> Result<ObjectDescription, Error> {
        let (description, _) =
            describe::described(&Self::api(), &object, describe::Age::Checked).await?;
        Ok(description)
    }

    async fn write(
        object: String,
        operation: Operation,
        options: WriteOptions,
    ) -> Result<Writer, Error> {
        let writer = write::open(Rc::new(Self::api()), &object, operation, options)?;
        Ok(Writer::new(writer))
    }

    async fn get(object: String, ids: Vec<String>, fields: Vec<String>) -> Result<Vec<u8>, Error> {
        read::get(&Self::api(), &object, &ids, &fields).await
    }

    async fn query(text: String, options: QueryOptions) -> Result<Cursor, Error> {
        let pages = query::open(Rc::new(Self::api()), &text, options).await?;
        Ok(Cursor::new(pages))
    }

    async fn scan(object: String, options: ScanOptions) -> Result<Cursor, Error> {
        let pages = scan::open(Rc::new(Self::api()), &object, options).await?;
        Ok(Cursor::new(pages))
    }

    async fn download(object: String, id: String, field: String) -> Result<Content, Error> {
        let content = files::download(&Self::api(), &object, &id, &field).await?;
        let (bytes, ended) = content.body;
        // A content that nobody told of has not ended well.
        let (told, ending) = bindings::wit_future::new(|| Err(Error::Unavailable(0)));
        // The call is over before its content is: this goes on beside it.
        host::beside(async move {
            // A reader that wants to hear no more is no fault.
            let _ = told.write(files::ending(ended.await)).await;
        });
        Ok(Content {
            length: content.length,
            bytes,
            ended: ending,
        })
    }

    async fn upload(
        object: String,
        fields: Vec<u8>,
        field: String,
        content: StreamReader<u8>,
        length: Option<u64>,
    ) -> Result<RecordResult, Error> {
        files::upload(&Self::api(), &object, &fields, &field, content, length).await
    }

    async fn invoke(action: String, input: Vec<u8>) -> Result<Vec<u8>, Error> {
        actions::invoke(&Self::api(), &action, &input).await
    }
}

impl GuestCursor for query::Pages<Imports> {
    fn way(&self) -> Way {
        Self::way(self)
    }

    async fn next(&self) -> Result<Option<Page>, Error> {
        let page = Self::next(self).await?;
        Ok(page.map(|page| Page {
            records: match page.records {
                query::Records::Json(json) => PageRecords::Json(json),
                query::Records::Rows(rows) => PageRecords::Rows(rows),
            },
            total: page.total,
        }))
    }
}

impl GuestWriter for write::Writer<Imports> {
    fn way(&self) -> Option<Way> {
        Self::way(self)
    }

    fn calls(&self) -> Option<u64> {
        Self::calls(self)
    }

    async fn push(&self, records: Batch) -> Result<Results, Error> {
        self.push_batch(&records).await.map(Results::from)
    }

    async fn finish(&self) -> Result<Option<Results>, Error> {
        Ok(self.next_results().await?.map(Results::from))
    }
}

impl From<write::Pushed<<Imports as host::Host>::Written>> for Results {
    fn from(pushed: write::Pushed<<Imports as host::Host>::Written>) -> Self {
        let written = |(written, rows)| WrittenRows {
            written,
            done: Done::Created,
            rows,
        };
        Self {
            rows: pushed.rows,
            written: pushed.written.into_iter().map(written).collect(),
        }
    }
}

impl EventsGuest for Connector {
    type Subscription = events::Subscription<Imports>;

    async fn subscribe(
        sources: Vec<String>,
        options: SubscriptionOptions,
    ) -> Result<Subscription, Error> {
        let subscription = events::subscribe(Rc::new(Self::api()), &sources, options).await?;
        Ok(Subscription::new(subscription))
    }
}

impl GuestSubscription for events::Subscription<Imports> {
    fn way(&self) -> Way {
        Self::way(self)
    }

    async fn next(&self) -> Result<Delivery, Error> {
        Self::next(self).await
    }
}

impl HooksGuest for Connector {
    async fn receive(request: Request) -> Result<Outcome, Error> {
        hooks::receive(&Self::api(), &request).await
    }
}
