//! Events as a subscriber sees them: what writes become, the Pub/Sub API, and
//! what goes wrong with streams.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod changes;
mod client;
mod cometd;
mod eventbus;
mod published;
mod publishing;
mod pubsub;
mod streams;
#[path = "../support/mod.rs"]
mod support;
mod tls;
