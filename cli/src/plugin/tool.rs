//! Programs that build plugins: run unseen, unless they fail or are not there.

use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::exit::advised;

/// Runs a program to its end. `install` says what to do if there is none.
pub(super) fn run(command: &mut Command, install: &str) -> Result<()> {
    command.stdin(Stdio::null());
    let name = command.get_program().to_string_lossy().into_owned();
    let output = match command.output() {
        Ok(output) => output,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(advised(format!("`{name}` is not installed here"), install));
        }
        Err(error) => return Err(error).with_context(|| format!("cannot run {name}")),
    };
    if output.status.success() {
        return Ok(());
    }
    let arguments: Vec<_> = command.get_args().map(|a| a.to_string_lossy()).collect();
    // Some of these tools write what is wrong to standard output.
    let said = [&output.stderr, &output.stdout].map(|text| String::from_utf8_lossy(text));
    bail!(
        "{name} {} failed ({}):\n{}",
        arguments.join(" "),
        output.status,
        said.join("\n").trim()
    )
}

/// Whether the file holds this text: a note of what was installed.
pub(super) fn is_noted(file: &Path, text: &str) -> bool {
    std::fs::read_to_string(file).is_ok_and(|noted| noted == text)
}

/// A file of the plugin as text.
pub(super) fn read(file: &Path) -> Result<String> {
    std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_missing_is_told_with_how_to_get_it() {
        let mut command = Command::new("no-such-program-anywhere");
        let error = run(&mut command, "install it").unwrap_err();
        assert!(error.to_string().contains("not installed"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn what_a_program_that_fails_has_said_is_told() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo out; echo wrong >&2; exit 3"]);
        let error = run(&mut command, "").unwrap_err().to_string();
        assert!(
            error.contains("wrong\n\nout") && error.contains('3'),
            "{error}"
        );
    }
}
