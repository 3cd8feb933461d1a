//! Two-way sync between an org and a database, with the real connector: what is
//! loaded, what goes either way, and that both sides become equal again whatever
//! was cut off.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod both_ways;
mod cut_off;
mod faults;
mod pair;
mod plugins;
mod two_syncs;
