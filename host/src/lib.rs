//! A runtime for SaaS connectors that run as sealed WebAssembly components.

pub mod grant;
pub mod ledger;
pub mod limits;
pub mod manifest;
pub mod store;
