//! What a Salesforce client costs: Lockgate beside jsforce, simple-salesforce
//! and a bare reqwest loop, each doing the same with the same org.
//!
//! `cargo xtask bench-peers` installs the other clients and runs this; it says
//! how to read the outcome. Each client is a process of its own on core 0, and
//! the org another one on core 1. This program is all that is Rust of them: its
//! first argument says which it is, and without a known one it is the conductor
//! that starts the others, checks what they say and prints the ratios.

#![expect(
    clippy::print_stdout,
    reason = "a bench: its figures go to the terminal"
)]

mod child;
mod client;
mod conductor;
mod contact;
#[path = "../../../dev-org/tests/events/eventbus.rs"]
mod eventbus;
mod native;
mod native_bulk;
mod native_sync;
mod ours;
mod report;
mod soak;
mod synced;
mod table;
mod task;

use anyhow::Result;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let texts: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match texts.as_slice() {
        ["org"] => client::org(),
        [
            client @ ("lockgate" | "reqwest" | "reqwest-value"),
            task,
            url,
            rows,
            mode @ ..,
        ] => client::run(client, task, url, rows.parse()?, mode.contains(&"check")),
        options => conductor::run(options),
    }
}
