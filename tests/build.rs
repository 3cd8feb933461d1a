//! Builds every component that the tests load: the connectors, the plugins, and
//! the guests that attack. They land in `OUT_DIR/packages`, one directory each.

/// All guest crates that tests load, relative to this one.
const GUESTS: [&str; 11] = [
    "../connector-wasm",
    "../mailing-list/connector",
    "../plugins/contact-normalizer",
    "../plugins/lead-scorer",
    "guests/careless-connector",
    "guests/hostile-connector",
    "guests/hostile-transform",
    "guests/nosy-transform",
    "guests/of-0-1-connector",
    "guests/of-0-1-transform",
    "guests/wrong-world",
];

fn main() -> anyhow::Result<()> {
    guest_build::build_script(GUESTS)?;
    Ok(())
}
