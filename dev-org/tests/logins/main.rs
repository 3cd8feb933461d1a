//! Logins as a client sees them: every grant, its answer, and its errors.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod apps;
mod authorize;
mod client;
mod identity;
mod refresh;
mod soap;
#[path = "../support/mod.rs"]
mod support;
