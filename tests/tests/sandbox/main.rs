//! The promises of the sandbox: what is refused before it runs, what is stopped
//! while it runs, and what a guest can never reach. No org is needed: the
//! guests attack, and a small server on loopback answers them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "all of this crate is test code"
)]

mod answers;
mod attack;
mod batches;
mod bodies;
mod compiling;
mod cookies;
mod events;
mod exchanges;
mod figures;
mod grants;
mod hooks;
mod imports;
mod in_body;
mod isolation;
mod limits;
mod log;
mod manifests;
mod migrations;
mod noise;
mod pages;
mod pool;
mod quota;
mod receiver;
mod refusals;
mod rehearsals;
mod requests;
mod shares;
mod sheets;
mod storage;
mod swaps;
mod tables;
mod tenants;
mod trust;
mod uploads;
mod usage;
mod versions;
