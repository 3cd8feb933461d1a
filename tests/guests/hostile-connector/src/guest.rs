//! The component: the contract's `records`, in which a query is a command, its
//! `events`, in which the first source is one, and its `hooks`, in which the body is.

#[expect(
    unsafe_code,
    reason = "generated: the calling convention of components needs raw memory"
)]
pub(crate) mod bindings {
    wit_bindgen::generate!({
        world: "migrating-connector",
        path: "../../../wit",
        generate_all,
        default_bindings_module: "crate::guest::bindings",
    });

    use super::Connector;

    export!(Connector);
}

use std::cell::{Cell, RefCell};

use bindings::exports::lockgate::connector::records::{
    Batch, Content, Cursor, Description, Error, Event as EventKind, Guest, GuestCursor,
    GuestWriter, ObjectDescription, ObjectSummary, Operation, Outcome, Page, PageRecords,
    QueryOptions, RecordResult, Results, RowResult, ScanOptions, SettingProblem, Way, WriteOptions,
    Writer,
};
use bindings::exports::lockgate::connector::{events, hooks, migration};

use wit_bindgen::StreamReader;

use crate::attack::{self, Answer};

pub(crate) struct Connector;

/// A query under way.
pub(crate) struct Attack {
    command: RefCell<String>,
    is_done: Cell<bool>,
}

/// A write that is never done, and results for records that nobody gave; an attack on
/// what is given if the object names one.
pub(crate) struct Lie {
    object: String,
    operation: Operation,
    /// What was given before.
    kept: RefCell<Vec<Batch>>,
}

impl GuestWriter for Lie {
    fn way(&self) -> Option<Way> {
        Some(Way {
            name: "lie".to_owned(),
            reason: "\u{1b}[31mit is the only one".to_owned(),
        })
    }

    fn calls(&self) -> Option<u64> {
        Some(u64::MAX)
    }

    async fn push(&self, records: Batch) -> Result<Results, Error> {
        if let Some(command) = self.object.strip_prefix("batch ") {
            return attack::batches::push(command, records, &self.kept).await;
        }
        let rows: &[u64] = match self.operation {
            // Of no record at all.
            Operation::Create => &[],
            // Of one that does not exist.
            Operation::Update => &[u64::MAX],
            // Of one record twice.
            Operation::Upsert(_) => &[0, 0],
            Operation::Delete => return Err(not_made_for_this()),
        };
        let results = rows.iter().map(|row| RowResult {
            row: *row,
            outcome: RecordResult {
                id: None,
                outcome: Outcome::Created,
                related: Vec::new(),
            },
        });
        Ok(Results {
            rows: results.collect(),
            written: Vec::new(),
        })
    }

    async fn finish(&self) -> Result<Option<Results>, Error> {
        Ok(None)
    }
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
    type Writer = Lie;

    fn describe() -> Description {
        Description {
            product: "Hostile".to_owned(),
            summary: "Attacks its sandbox.".to_owned(),
            objects: Vec::new(),
            actions: Vec::new(),
            events: vec![EventKind {
                name: "quiet".to_owned(),
                summary: "Only checkpoints.".to_owned(),
                payload_schema: r#"{"type":"object"}"#.to_owned(),
            }],
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

    async fn get(
        _object: String,
        _ids: Vec<String>,
        _fields: Vec<String>,
    ) -> Result<Vec<u8>, Error> {
        Ok(b"not even JSON".to_vec())
    }

    /// Writers lie about what became of their records, each operation in its own
    /// way.
    async fn write(
        object: String,
        operation: Operation,
        _options: WriteOptions,
    ) -> Result<Writer, Error> {
        Ok(Writer::new(Lie {
            object,
            operation,
            kept: RefCell::default(),
        }))
    }

    async fn scan(_object: String, _options: ScanOptions) -> Result<Cursor, Error> {
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

    /// The object says how it lies, the id how many bytes there are.
    async fn download(object: String, id: String, _field: String) -> Result<Content, Error> {
        Ok(attack::files::content(&object, id.parse().unwrap_or(0)))
    }

    async fn upload(
        object: String,
        _fields: Vec<u8>,
        _field: String,
        content: StreamReader<u8>,
        _length: Option<u64>,
    ) -> Result<RecordResult, Error> {
        Ok(attack::files::take(&object, content).await)
    }

    /// A command as well, for attacks outside of a cursor.
    async fn invoke(action: String, _input: Vec<u8>) -> Result<Vec<u8>, Error> {
        match attack::run(&action).await? {
            Answer::Last(page) | Answer::More(page) => match page.records {
                PageRecords::Json(json) => Ok(json),
                PageRecords::Rows(_) => Err(not_made_for_this()),
            },
        }
    }
}

impl events::Guest for Connector {
    type Subscription = attack::events::Feed;

    async fn subscribe(
        sources: Vec<String>,
        options: events::SubscriptionOptions,
    ) -> Result<events::Subscription, Error> {
        let feed = attack::events::Feed::begin(sources, options).await?;
        Ok(events::Subscription::new(feed))
    }
}

impl events::GuestSubscription for attack::events::Feed {
    fn way(&self) -> Way {
        Self::way(self)
    }

    async fn next(&self) -> Result<events::Delivery, Error> {
        Self::next(self).await
    }
}

impl hooks::Guest for Connector {
    async fn receive(request: hooks::Request) -> Result<hooks::Outcome, Error> {
        attack::hooks::receive(request).await
    }
}

fn not_made_for_this() -> Error {
    Error::Unexpected("attacks come as queries".to_owned())
}

/// Keys go below `from-STATE/`; the length of some values says what happens instead.
impl migration::Guest for Connector {
    fn migrate(
        from_state: u32,
        entries: Vec<migration::Entry>,
    ) -> Result<Vec<migration::Entry>, String> {
        let mut migrated = Vec::new();
        for entry in entries {
            let key = match entry.value.len() {
                101 => return Err("it is \u{1b}[31mtoo old".to_owned()),
                #[cfg(target_family = "wasm")]
                102 => core::arch::wasm32::unreachable(),
                103 => "not a key".to_owned(),
                104 => continue,
                _ => format!("from-{from_state}/{}", entry.key),
            };
            let value = entry.value;
            migrated.push(migration::Entry { key, value });
        }
        Ok(migrated)
    }
}
