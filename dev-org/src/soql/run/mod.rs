//! Runs a bound query: finds rows, sorts them, groups them, writes them.

pub(crate) mod group;
pub(crate) mod select;
mod show;
mod sort;
pub(crate) mod write;
