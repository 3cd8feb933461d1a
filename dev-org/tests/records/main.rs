//! Records over REST: rows, keys, collections, queries and what describes them.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod changes;
mod client;
mod collections;
mod descriptions;
mod keys;
mod queries;
mod rows;
#[path = "../support/mod.rs"]
mod support;
