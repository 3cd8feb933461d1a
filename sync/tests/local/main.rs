//! The local side of a sync against real databases: one suite of promises, which
//! every database keeps.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests: what fails ends them"
)]

mod capture;
mod conflicts;
mod crash;
mod fixture;
mod incoming;
mod letters;
mod on_postgres;
mod org;
mod place;
mod plan;
mod random;
mod sending;
mod shared;
mod tables;
mod targets;
mod together;
