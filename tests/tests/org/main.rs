//! What the host promises with the real connector against an org, from the
//! first login to the last byte that is erased.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod actions;
mod advice;
mod bad_input;
mod batches;
mod bulk_queries;
mod bulk_writes;
mod descriptions;
mod economy;
mod embed;
mod events;
mod faults;
mod features;
mod fields;
mod files;
mod hooks;
mod logins;
mod mailing_list;
mod model;
mod notes;
mod queries;
mod quota;
mod records;
mod requests;
mod resumes;
mod secrets;
mod sessions;
mod settings;
mod tenants;
mod trees;
mod webhooks;
