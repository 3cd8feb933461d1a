//! A connector as somebody compiled it against contract 0.1.0: it must load, work and be
//! held to its grants and limits for as long as that version is served. Nothing here is
//! ever changed to fit a newer contract.
//!
//! A query is a path that is asked for, and a write posts each record to the path that
//! the object is. The actions use one capability each: `http`, `storage`, `quota`,
//! `stream`. What 0.1 had beside that is refused.

#[cfg(target_arch = "wasm32")]
mod guest;
