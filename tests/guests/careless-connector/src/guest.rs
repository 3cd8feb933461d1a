//! The component: the exports of the contract, most of which refuse.

#[expect(
    unsafe_code,
    reason = "generated: the calling convention of components needs raw memory"
)]
pub(crate) mod bindings {
    wit_bindgen::generate!({
        world: "connector",
        path: "../../../wit",
        generate_all,
        default_bindings_module: "crate::guest::bindings",
    });

    use super::Connector;

    export!(Connector);
}

use bindings::exports::lockgate::connector::records::{
    Advice, Batch, Content, Cursor, Description, Error, Guest, GuestCursor, GuestWriter,
    ObjectDescription, ObjectSummary, Operation, Page, Problem, QueryOptions, RecordResult,
    Results, RowResult, ScanOptions, SettingProblem, Way, WriteOptions, Writer,
};
use bindings::exports::lockgate::connector::{events, hooks};
use wit_bindgen::StreamReader;

use crate::careless::{self, Maker, Pages};

pub(crate) struct Connector;

impl Guest for Connector {
    type Cursor = Pages;
    type Writer = Maker;

    fn describe() -> Description {
        Description {
            product: "Notes".to_owned(),
            summary: "Breaks rules of the contract. For tests.".to_owned(),
            objects: vec!["Note".to_owned()],
            actions: Vec::new(),
            events: Vec::new(),
            settings_schema: "{}".to_owned(),
        }
    }

    fn configure(_settings: String) -> Result<(), Vec<SettingProblem>> {
        Ok(())
    }

    async fn describe_global() -> Result<Vec<ObjectSummary>, Error> {
        Err(refused())
    }

    async fn describe_object(_: String) -> Result<ObjectDescription, Error> {
        Err(refused())
    }

    async fn get(_: String, ids: Vec<String>, _: Vec<String>) -> Result<Vec<u8>, Error> {
        match ids.as_slice() {
            [id] => careless::get(id).await,
            _ => Err(refused()),
        }
    }

    async fn query(_: String, _: QueryOptions) -> Result<Cursor, Error> {
        Ok(Cursor::new(Pages::all()))
    }

    async fn scan(_: String, _: ScanOptions) -> Result<Cursor, Error> {
        Ok(Cursor::new(Pages::all()))
    }

    async fn write(_: String, operation: Operation, _: WriteOptions) -> Result<Writer, Error> {
        match operation {
            Operation::Create => Ok(Writer::new(Maker::default())),
            _ => Err(refused()),
        }
    }

    async fn download(_: String, _: String, _: String) -> Result<Content, Error> {
        Err(refused())
    }

    async fn upload(
        _: String,
        _: Vec<u8>,
        _: String,
        _: StreamReader<u8>,
        _: Option<u64>,
    ) -> Result<RecordResult, Error> {
        Err(refused())
    }

    async fn invoke(_: String, _: Vec<u8>) -> Result<Vec<u8>, Error> {
        Err(refused())
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
        Self::next(self).await
    }
}

impl GuestWriter for Maker {
    fn way(&self) -> Option<Way> {
        None
    }

    fn calls(&self) -> Option<u64> {
        None
    }

    async fn push(&self, records: Batch) -> Result<Results, Error> {
        Self::push(self, &records.json());
        Ok(told(Vec::new()))
    }

    async fn finish(&self) -> Result<Option<Results>, Error> {
        Ok(Self::finish(self).await?.map(told))
    }
}

const fn told(rows: Vec<RowResult>) -> Results {
    Results {
        rows,
        written: Vec::new(),
    }
}

/// There is none.
pub(crate) enum Never {}

impl events::Guest for Connector {
    type Subscription = Never;

    async fn subscribe(
        _: Vec<String>,
        _: events::SubscriptionOptions,
    ) -> Result<events::Subscription, Error> {
        Err(refused())
    }
}

impl events::GuestSubscription for Never {
    fn way(&self) -> Way {
        match *self {}
    }

    async fn next(&self) -> Result<events::Delivery, Error> {
        match *self {}
    }
}

impl hooks::Guest for Connector {
    async fn receive(_: hooks::Request) -> Result<hooks::Outcome, Error> {
        Err(refused())
    }
}

fn refused() -> Error {
    Error::Refused(Problem {
        advice: Advice::FixSchema,
        code: "no".to_owned(),
        message: "this connector does not do that".to_owned(),
        object: None,
        fields: Vec::new(),
    })
}
