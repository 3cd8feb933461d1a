//! Builds, demos, tests and checks of this repository: `cargo xtask NAME`.

mod peers;

use std::process::ExitCode;

/// What there is to run.
const USAGE: &str = "usage: cargo xtask peers";

fn main() -> ExitCode {
    let task = std::env::args().nth(1).unwrap_or_default();
    let done = match task.as_str() {
        "peers" => peers::run(),
        _ => Err(anyhow::anyhow!("{USAGE}")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            #[expect(
                clippy::print_stderr,
                reason = "the person who started the task reads it"
            )]
            {
                eprintln!("{error:#}");
            }
            ExitCode::FAILURE
        }
    }
}
