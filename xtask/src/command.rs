//! Running other programs: where, with what, and what is said about it.

use std::ffi::OsString;
use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context as _, Result, bail};

/// Writes a line for people. To standard error, so that a pipe gets only what
/// was asked for.
pub(crate) fn say(line: &str) {
    // Nobody is left to tell if standard error is closed.
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Writes what was asked for.
pub(crate) fn show(text: &str) {
    let _ = write!(std::io::stdout(), "{text}");
}

/// The repository.
pub(crate) fn root() -> Result<PathBuf> {
    let xtask = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    let root = xtask.parent().context("xtask lies in the repository")?;
    Ok(root.to_owned())
}

/// Cargo's target directory: the one that this program lies in.
pub(crate) fn target() -> Result<PathBuf> {
    let program = this_program()?;
    guest_build::target_above(&program).with_context(|| {
        format!(
            "{} lies in no target directory of cargo: run it as `cargo xtask`",
            program.display()
        )
    })
}

/// A program of this workspace that cargo has built: `built("debug", "lockgate")`.
/// Beside this one: where a target is configured both lie in a folder of that name.
pub(crate) fn built(profile: &str, program: &str) -> Result<PathBuf> {
    let ours = this_program()?;
    let profiles = ours
        .parent()
        .and_then(Path::parent)
        .with_context(|| format!("{} lies in no folder of a profile", ours.display()))?;
    let program = profiles.join(profile).join(program);
    Ok(program.with_extension(std::env::consts::EXE_EXTENSION))
}

fn this_program() -> Result<PathBuf> {
    std::env::current_exe().context("cannot tell where this program lies")
}

/// One program to run in the repository.
#[derive(Debug)]
pub(crate) struct Step {
    program: OsString,
    arguments: Vec<OsString>,
    variables: Vec<(&'static str, OsString)>,
    is_announced: bool,
}

impl Step {
    pub(crate) fn new(program: impl Into<OsString>) -> Self {
        Self {
            program: program.into(),
            arguments: Vec::new(),
            variables: Vec::new(),
            is_announced: false,
        }
    }

    /// The cargo that runs us, or else the one in the path.
    pub(crate) fn cargo<S: Into<OsString>>(arguments: impl IntoIterator<Item = S>) -> Self {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        Self::new(cargo).arguments(arguments)
    }

    pub(crate) fn arguments<S: Into<OsString>>(
        mut self,
        arguments: impl IntoIterator<Item = S>,
    ) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    pub(crate) fn variable(mut self, name: &'static str, value: impl Into<OsString>) -> Self {
        self.variables.push((name, value.into()));
        self
    }

    /// Without progress where nobody watches it.
    pub(crate) fn quiet_in_a_pipe(self) -> Self {
        if std::io::stderr().is_terminal() {
            self
        } else {
            self.arguments(["--quiet"])
        }
    }

    /// Says what is run before it is.
    pub(crate) fn announced(mut self) -> Self {
        self.is_announced = true;
        self
    }

    /// Runs it; an error if it fails.
    pub(crate) fn run(self) -> Result<()> {
        let text = self.to_string();
        let status = self.spawn()?;
        if status.success() {
            return Ok(());
        }
        match status.code() {
            Some(code) => bail!("`{text}` failed with exit code {code}"),
            None => bail!("`{text}` was stopped by a signal"),
        }
    }

    /// Runs it and gives its exit code.
    pub(crate) fn exit_code(self) -> Result<ExitCode> {
        let status = self.spawn()?;
        // A program that a signal ended has none; 130 is what shells say.
        let code = status.code().and_then(|code| u8::try_from(code).ok());
        Ok(ExitCode::from(code.unwrap_or(130)))
    }

    /// Runs it unseen, and tells whether it went well and what it wrote to
    /// standard output.
    pub(crate) fn output(self) -> Result<(bool, String)> {
        let mut command = self.command()?;
        let output = command
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("cannot run `{self}`"))?;
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        Ok((output.status.success(), text))
    }

    fn spawn(&self) -> Result<std::process::ExitStatus> {
        if self.is_announced {
            say(&format!("running {self}"));
        }
        self.command()?
            .status()
            .with_context(|| format!("cannot run `{self}`"))
    }

    fn command(&self) -> Result<Command> {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).current_dir(root()?);
        for (name, value) in &self.variables {
            command.env(name, value);
        }
        Ok(command)
    }
}

impl std::fmt::Display for Step {
    /// As one would type it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (name, value) in &self.variables {
            let value = value.to_string_lossy();
            let quote = if value.contains(' ') { "'" } else { "" };
            write!(f, "{name}={quote}{value}{quote} ")?;
        }
        let program = Path::new(&self.program);
        let name = program.file_stem().unwrap_or(&self.program);
        write!(f, "{}", name.to_string_lossy())?;
        for argument in &self.arguments {
            write!(f, " {}", argument.to_string_lossy())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_shown_as_one_would_type_it() {
        let step = Step::new("/usr/bin/cargo")
            .arguments(["doc", "--no-deps"])
            .variable("RUSTDOCFLAGS", "-D warnings");
        assert_eq!(
            step.to_string(),
            "RUSTDOCFLAGS='-D warnings' cargo doc --no-deps"
        );
    }

    #[test]
    fn a_program_that_fails_is_an_error_that_names_it() {
        let error = Step::cargo(["no-such-command"]).run().unwrap_err();
        assert!(error.to_string().contains("no-such-command"), "{error}");
        assert!(Step::new("no-such-program-anywhere").run().is_err());
    }
}
