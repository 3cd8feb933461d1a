//! Builds, demos, tests and checks of this repository.
fn main() {}
