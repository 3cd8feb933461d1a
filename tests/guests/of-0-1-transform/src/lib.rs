//! A transform as somebody compiled it against contract 0.1.0: it must load, work and be
//! held to its limits for as long as that version is served. Nothing here is ever changed
//! to fit a newer contract.
//!
//! A record with `do` has that done to it: `drop`, `reject`, `change`. All others are
//! kept, which in 0.1 means that they are in the output as well. The object says how it
//! misbehaves. The setting `refuse` is refused.

#[cfg(target_arch = "wasm32")]
mod guest;
