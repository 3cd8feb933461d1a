//! A Salesforce-compatible org on loopback.

pub mod fault;
pub mod id;
pub mod schema;
pub mod table;
pub mod user;
pub mod value;
