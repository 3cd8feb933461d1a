//! A connector as one might write it in a hurry: it works as long as everything does.
//! `lockgate plugin conform` has to find each of its mistakes, which `careless.rs` names.

#[cfg(target_arch = "wasm32")]
mod careless;
#[cfg(target_arch = "wasm32")]
mod guest;
