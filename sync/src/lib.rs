//! Keeps the records of a connection and the tables of a database equal.
//!
//! A [`Plan`], made from descriptions of objects and a [`Mapping`], says which object
//! goes to which table; a [`Database`] has the tables of a plan, captures what any
//! program does to them, applies what comes from the org, and says what is to be
//! sent there; an [`Engine`] moves changes between it and a connection.
//!
//! ```no_run
//! # use std::sync::Arc;
//! use lockgate_sync::{Database, Direction, Engine, EngineOptions, Mapping, Plan, Target};
//!
//! # async fn sync(crm: lockgate::Connection) -> Result<(), Box<dyn std::error::Error>> {
//! let contact = crm.describe("Contact").await?;
//! let plan = Arc::new(Plan::new(&[contact], &Mapping::default(), Direction::Both)?);
//! let database = Database::open(&Target::parse("sqlite:crm.db")?, &plan).await?;
//! let engine = Engine::new(&crm, database, EngineOptions::default());
//! engine.run().await?;
//! # Ok(())
//! # }
//! ```
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use lockgate_sync::{Database, Direction, Mapping, Plan, Target};
//!
//! # async fn example(connection: lockgate::Connection) -> Result<(), Box<dyn std::error::Error>> {
//! let contact = connection.describe("Contact").await?;
//! let mapping = Mapping::from_toml("[objects.Contact]\nkey_field = \"Sync_Key__c\"")?;
//! let plan = Arc::new(Plan::new(&[contact], &mapping, Direction::Both)?);
//! let database = Database::open(&Target::parse("sqlite:contacts.db")?, &plan).await?;
//! // Any program: INSERT INTO contact (last_name) VALUES ('Doe')
//! for change in database.outgoing(200).await?.changes {
//!     println!("{:?} {} {:?}", change.operation, change.object, change.fields);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Tables
//!
//! Each object has a table, which its users read and write with ordinary SQL. Beside
//! the columns of the fields it has two:
//!
//! - `local_key`, the primary key: 32 hexadecimal digits that the database makes. It
//!   never changes. It is also the value of the sync's key field in the org, so that a
//!   creation that was cut off is found again rather than repeated, and what a
//!   reference holds to name a row that is not in the org yet.
//! - `id`, the org's id: null until the record is there, filled in by the sync.
//!
//! What the sync knows lies in tables whose names begin with `lockgate_`, in the same
//! database, so that it commits with the rows that it is about.
//!
//! Several syncs may share a database, say one of a CRM and one of a mailing list: each
//! has a name ([`Target::of_sync`]), tables of its own that are called after it, and
//! objects' tables that no other sync has. Triggers of the user's between two such
//! tables carry values over: what one sync applies fires them, and what they write into
//! the other's table is captured there as any program's change is. Such a trigger writes
//! only where something differs, or two of them would call each other for ever; and what
//! it writes into a table of the sync that is at work just then is not captured.
//!
//! # What always holds
//!
//! - Every change that is committed in a table is in `lockgate_outbox`, by triggers,
//!   in the order of its transaction; nothing that the sync itself writes is.
//! - The *base* of a row is what both sides last agreed on. What is to be sent is the
//!   difference of row and base, and is never kept otherwise.
//! - A batch from the org is applied in one transaction together with the ids of its
//!   changes and with its checkpoint: whatever happens, all of it is there, or none.
//! - A change that is sent is remembered before it goes out, and settled in one
//!   transaction that moves the base and removes exactly what was sent.
//! - Where both sides changed a field, its policy decides, and both values are kept.
//! - A value that may be out of date is never guessed: the record is marked, and read
//!   again ([`Database::unread`]).
//!
//! # What users may do
//!
//! Anything that SQL can, in any program, but for what the triggers refuse with a
//! sentence: writing what only the org tells, the id, or the key. Columns, indexes and
//! constraints of their own may be added to the tables. A record that breaks such a
//! constraint becomes a dead letter and stops nothing; a foreign key between two
//! tables has to be one to `id` that is checked at the end of a transaction, for
//! records come in the org's order.
//!
//! In PostgreSQL a program that locks several rows may meet the sync in a deadlock,
//! as it may any other program: whoever the server stops tries again.
//!
//! Without a key field nothing finds a record again whose creation was cut off by a
//! crash between the org's commit and its answer: it is created twice.

mod apply;
mod conflicts;
mod database;
mod echo;
mod engine;
mod error;
mod incoming;
mod kind;
mod letters;
mod mapping;
pub mod merge;
mod numbers;
mod outbox;
mod outgoing;
mod own;
mod plan;
mod postgres;
mod rewriting;
mod rows;
mod schema;
mod settle;
mod sql;
mod sqlite;
mod status;
mod target;
mod unread;
mod value;
mod watched;

pub use conflicts::{Conflict, Resolution};
pub use database::Database;
pub use engine::{Activity, Differences, Engine, EngineOptions, Preview, SyncError};
pub use error::DatabaseError;
pub use incoming::{
    Applied, Batch, Change, ChangeKind, Gone, Incoming, LeftOut, Progress, Record, Rejected, Stale,
};
pub use kind::Kind;
pub use letters::Letter;
pub use mapping::{Direction, FieldMapping, Mapping, ObjectMapping, Policy};
pub use outgoing::{Outgoing, OutgoingChange, SendOperation};
pub use plan::{ColumnPlan, ID_COLUMN, KEY_COLUMN, ObjectPlan, Plan, PlanProblems};
pub use settle::{SendOutcome, Settled, Settlement};
pub use status::{KnownRecord, ObjectStatus, SyncStatus};
pub use target::Target;
pub use unread::Unread;
pub use value::{Fields, Value, decimal, fields_from_json, fields_to_json};
