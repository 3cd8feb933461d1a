//! The component: the contract's `records`, in which a query is a command.

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

use std::cell::{Cell, RefCell};

use bindings::exports::lockgate::connector::records::{
    Cursor, Description, Error, Guest, GuestCursor, ObjectDescription, ObjectSummary, Page,
    QueryOptions, RecordResult, SettingProblem, Way, WriteOptions,
};

use crate::attack::{self, Answer};

pub(crate) struct Connector;

/// A query under way.
pub(crate) struct Attack {
    command: RefCell<String>,
    is_done: Cell<bool>,
}

impl GuestCursor for Attack {
    fn way(&self) -> Way {
        Way {
            name: "attack".to_owned(),
            reason: "\u{1b}[31mit is the only one".to_owned(),
        }
    }

    async fn next(&self) -> Result<Option<Page>, Error> {
        if self.is_done.get() {
            return Ok(None);
        }
        let command = self.command.borrow().clone();
        match attack::run(&command).await? {
            Answer::Last(page) => {
                self.is_done.set(true);
                Ok(Some(page))
            }
            Answer::More(page) => Ok(Some(page)),
        }
    }
}

impl Guest for Connector {
    type Cursor = Attack;

    fn describe() -> Description {
        Description {
            product: "Hostile".to_owned(),
            summary: "Attacks its sandbox.".to_owned(),
            objects: Vec::new(),
            actions: Vec::new(),
            events: Vec::new(),
            settings_schema: "{}".to_owned(),
        }
    }

    fn configure(_settings: String) -> Result<(), Vec<SettingProblem>> {
        Ok(())
    }

    async fn describe_global() -> Result<Vec<ObjectSummary>, Error> {
        Ok(Vec::new())
    }

    async fn describe_object(_object: String) -> Result<ObjectDescription, Error> {
        Err(not_made_for_this())
    }

    /// Claims that fewer records than given have a result.
    async fn create(
        _object: String,
        _records: Vec<u8>,
        _options: WriteOptions,
    ) -> Result<Vec<RecordResult>, Error> {
        Ok(Vec::new())
    }

    async fn get(
        _object: String,
        _ids: Vec<String>,
        _fields: Vec<String>,
    ) -> Result<Vec<u8>, Error> {
        Ok(b"not even JSON".to_vec())
    }

    async fn update(
        _object: String,
        _records: Vec<u8>,
        _options: WriteOptions,
    ) -> Result<Vec<RecordResult>, Error> {
        Err(not_made_for_this())
    }

    async fn upsert(
        _object: String,
        _key_field: String,
        _records: Vec<u8>,
        _options: WriteOptions,
    ) -> Result<Vec<RecordResult>, Error> {
        Err(not_made_for_this())
    }

    async fn delete(
        _object: String,
        _ids: Vec<String>,
        _options: WriteOptions,
    ) -> Result<Vec<RecordResult>, Error> {
        Err(not_made_for_this())
    }

    async fn query(text: String, _options: QueryOptions) -> Result<Cursor, Error> {
        if let Some(command) = text.strip_prefix("now ") {
            attack::run(command).await?;
        }
        Ok(Cursor::new(Attack {
            command: RefCell::new(text),
            is_done: Cell::new(false),
        }))
    }

    /// A command as well, for attacks outside of a cursor.
    async fn invoke(action: String, _input: Vec<u8>) -> Result<Vec<u8>, Error> {
        match attack::run(&action).await? {
            Answer::Last(page) | Answer::More(page) => Ok(page.records),
        }
    }
}

fn not_made_for_this() -> Error {
    Error::Unexpected("attacks come as queries".to_owned())
}
