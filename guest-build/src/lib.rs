//! Builds guest crates into component packages.
