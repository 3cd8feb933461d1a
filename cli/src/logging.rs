//! Logs go to standard error, so that standard output stays the answer alone.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use crate::output;

/// Starts logging: `RUST_LOG` if it is set, else as many `-v` as were given on
/// top of `least`.
pub(crate) fn start(least: &'static str, verbose: u8) {
    let filter = match std::env::var("RUST_LOG") {
        Ok(filter) if !filter.is_empty() => filter,
        _ => match verbose {
            0 => least,
            1 => "warn,lockgate=info,dev_org=info",
            2 => "info,lockgate=debug,dev_org=debug",
            _ => "debug,lockgate=trace,dev_org=trace",
        }
        .to_owned(),
    };
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal() && output::may_colour())
        .init();
}
