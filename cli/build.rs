//! Builds the packages that the binary carries with it, so that it works from
//! anywhere: the connector, both plugins, and the attacker that the demo stops.

/// The guest crates, relative to this crate.
const GUESTS: [&str; 4] = [
    "../connector-wasm",
    "../plugins/contact-normalizer",
    "../plugins/lead-scorer",
    "../tests/guests/hostile-transform",
];

fn main() -> anyhow::Result<()> {
    guest_build::build_script(GUESTS)?;
    Ok(())
}
