//! Bulk API 2.0 as a client sees it: jobs, their data, their results and their
//! traps.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod client;
mod control;
mod csv;
mod ingest;
mod query;
mod results;
mod states;
#[path = "../support/mod.rs"]
mod support;
