//! Lockgate: a runtime for SaaS connectors that run as sealed WebAssembly
//! components.
//!
//! A [`Host`] loads [`Package`]s, each with exactly the grants that it is given,
//! keeps authorised [`Connection`]s for many tenants, and runs every call in an
//! instance of its own that sees neither tokens nor other tenants.
//!
//! ```no_run
//! use lockgate::{Host, Package, QueryOptions};
//!
//! # async fn example() -> Result<(), lockgate::Error> {
//! let host = Host::builder().data_dir("./data").allow_unsigned().build().await?;
//! let connector = Package::open("./packages/salesforce")?;
//! host.load(&connector, connector.asked_grants()).await?;
//!
//! let connection = host.connection("acme", "crm").await?;
//! let mut pages = connection.query("SELECT Id, Name FROM Account", QueryOptions::default()).await?;
//! while let Some(page) = pages.next_page().await? {
//!     println!("{} records", page.records.len());
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Nothing here is global: no subscriber, no crypto provider, no recorder is
//! installed, and two hosts in one process do not know of each other. A host must
//! live on a tokio runtime with time and IO.

pub mod auth;
mod bindings;
mod capability;
mod code_cache;
mod compiler;
mod connection;
mod connector;
mod content;
mod contract;
mod deliveries;
mod engine;
mod error;
mod events;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzz;
mod grant;
mod guest;
mod hooks;
mod host;
mod inbox;
mod intake;
pub mod ledger;
mod limits;
pub mod manifest;
mod merge;
mod meter;
mod migration;
pub mod outbound;
mod outflow;
mod package;
mod pages;
mod park;
mod patience;
mod plain;
mod private_file;
pub mod receiver;
mod records;
pub mod redact;
mod rehearsal;
mod rollout;
pub mod seal;
mod settings;
mod shares;
mod state;
pub mod store;
mod transform;
pub mod transport;
mod trust;
pub mod webhook;
mod writer;

pub use auth::{
    AuthError, AuthorizationHints, AuthorizationStart, Callback, Connected, Revocation,
};
pub use compiler::{CompileLimit, Compiler, compile_helper};
pub use connection::{Connection, Kept, Queue};
pub use content::{Content, Download};
pub use deliveries::Deliveries;
pub use error::{Blame, Error, GuestCall};
pub use events::{
    Change, ChangeKind, Checkpoint, Delivery, Event, Message, Stale, Start, SubscribeOptions,
};
pub use grant::{ConnectionGrants, Grant, GrantChange, Grants, UnknownGrant};
pub use hooks::Received;
pub use host::{
    GrantStatus, Host, HostBuilder, LoginTo, MASTER_KEY_FILE, NewConnection, PackageStatus, Waiting,
};
pub use inbox::Inbox;
pub use intake::{Intake, TakenIn};
pub use ledger::{Budget, Forecast, Priority, Reserve};
pub use limits::{AskedLimits, Limits};
pub use meter::Limit;
pub use package::{
    BadPublicKey, BadSigningKey, Inspection, Interface, MANIFEST_FILE, MAX_COMPONENT_BYTES,
    Package, PackageError, PublicKey, Resource, SIGNATURE_FILE, Signature, SigningKey,
};
pub use pages::Pages;
pub use park::{Parking, QuotaWait};
pub use records::{
    Action, Advice, Child, ConnectorDescription, EventKind, Field, ObjectDescription,
    ObjectSummary, Operation, Outcome, Page, Problem, QueryOptions, RecordResult, Records,
    Rejected, RelatedResult, RowResult, ScanOptions, SettingProblem, Way, WriteOptions,
};
pub use rehearsal::{CallUsage, RecordedExchange, Rehearsal, RehearsalOptions};
pub use rollout::{
    Budget as SwapBudget, CallFigures, Figures, Move, Reach, Stand, Step, Trial, VersionChange,
    VersionStatus,
};
pub use seal::MasterKey;
pub use shares::{Shares, TenantStatus};
pub use store::{ConnectionKey, ConnectionRecord, ConnectionState, Flow};
pub use transform::{Transform, TransformDescription, Transformed, Usage, WarmTransform};
pub use trust::Revoked;
pub use writer::Writer;
