//! Lockgate's promises as tests, hostile guests and benches: the harness that
//! the tests share.
//!
//! `packages` finds what the build script built, `sandbox` has a host in a
//! directory of its own, `dice` are numbers from a seed, `proxy` a wire
//! that fails, `machine` a disk and a clock that do;
//! `events`, `handmade`, `logs` and `loopback` are what the
//! attacks on the sandbox need, `org` and `secrets` what the tests with an org do,
//! `list` is the other system that a second connector speaks to, `receiver` an app that
//! takes webhooks, `hooks` a server that takes those of an org, and `registry` one of
//! packages.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "all of this crate is test code"
)]

pub mod dice;
pub mod events;
pub mod handmade;
pub mod hooks;
pub mod list;
pub mod logs;
pub mod loopback;
#[cfg(target_os = "linux")]
pub mod machine;
pub mod org;
pub mod packages;
pub mod proxy;
pub mod receiver;
pub mod registry;
pub mod sandbox;
pub mod secrets;
