//! A Salesforce-compatible org on loopback: one process, state in memory, and
//! answers that clients made for Salesforce cannot tell from the real ones.
//!
//! The data layer (schema, tables, SOQL) knows nothing of HTTP; the server
//! around it adds logins, limits, faults and the wire's exact shapes.
//!
#![doc = include_str!("../README.md")]

pub mod fault;
pub mod id;
pub mod org;
pub mod schema;
pub mod seed;
pub mod soql;
pub mod sosl;
pub mod table;
pub mod user;
pub mod value;

mod bulk;
mod bulk_control;
mod clock;
mod cometd;
mod config;
mod control;
mod event_control;
mod events;
mod faults;
mod http;
mod locked;
mod oauth;
mod outbound;
mod pubsub;
mod random;
mod request_log;
mod rolling;
mod server;
mod state;
mod tls;
mod topic;
mod usage;

pub use bulk::{BulkFailure, BulkHold, BulkJobState};
pub use bulk_control::{BulkControl, BulkLimits, BulkUsage};
pub use config::{Config, Edition, UnknownEdition};
pub use control::{Control, Quota};
pub use event_control::EventControl;
pub use events::{BadEvents, EventSwitches, GapEvent, StreamBreak};
pub use faults::{ActiveFault, FaultKind, FaultRule};
pub use oauth::{App, BadKey, SigningKey, VerifyingKey};
pub use outbound::{BadOutboundMessage, OutboundCounts, OutboundMessage};
pub use request_log::LoggedRequest;
pub use server::DevOrg;
