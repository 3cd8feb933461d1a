//! Lockgate's promises as tests, hostile guests and benches: the harness that
//! the tests share. `packages` and `sandbox` need no org; `org` starts one.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "all of this crate is test code"
)]

pub mod org;
pub mod packages;
pub mod sandbox;
pub mod secrets;
