//! Builds the packages that the binary carries with it, so that it works from
//! anywhere: both connectors, both plugins, and the attacker that the demo stops.

/// The guest crates, relative to this crate.
const GUESTS: [&str; 5] = [
    "../connector-wasm",
    "../mailing-list/connector",
    "../plugins/contact-normalizer",
    "../plugins/lead-scorer",
    "../tests/guests/hostile-transform",
];

fn main() -> anyhow::Result<()> {
    guest_build::build_script(GUESTS)?;
    Ok(())
}
