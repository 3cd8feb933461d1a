//! A runtime for SaaS connectors that run as sealed WebAssembly components.

pub mod auth;
pub mod grant;
pub mod ledger;
pub mod limits;
pub mod manifest;
mod private_file;
pub mod redact;
pub mod seal;
pub mod store;
pub mod transport;
