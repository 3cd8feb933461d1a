//! The contract as Rust types: what this component may import and must export.
//!
//! Generated from `wit/`. The data types are plain and used by all modules; only
//! `host.rs` calls the imports, and only `lib.rs` fills in the exports.

#![allow(
    missing_docs,
    missing_debug_implementations,
    unreachable_pub,
    unsafe_code,
    clippy::all,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::allow_attributes_without_reason,
    clippy::use_self,
    reason = "generated code"
)]

wit_bindgen::generate!({
    world: "lockgate:connector/connector",
    path: "../../wit",
    generate_all,
    additional_derives: [PartialEq],
    // They hold streams or handles, of which no two are the same.
    additional_derives_ignore: [
        "content", "found", "page", "page-records", "part", "results", "told", "written-rows",
    ],
    pub_export_macro: true,
    default_bindings_module: "crate::bindings",
});

// The names of exports are legal in a component only, not for native linkers.
#[cfg(target_family = "wasm")]
use crate::Connector;
#[cfg(target_family = "wasm")]
export!(Connector with_types_in self);
