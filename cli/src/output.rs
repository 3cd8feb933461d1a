//! All that is written to standard output and standard error goes through here.
//!
//! Writing can fail (a full disk, a reader that has gone), so every function
//! gives the error to the caller instead of panicking like `println!`.

use std::io::{self, BufWriter, IsTerminal as _, StdoutLock, Write};

use anyhow::{Context as _, Result};
use serde::Serialize;

use crate::text;

/// Whether colours are allowed at all: <https://no-color.org>.
pub(crate) fn may_colour() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Whether a person sees standard output.
pub(crate) fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Standard output, buffered: flush it when something is complete.
pub(crate) fn stdout() -> BufWriter<StdoutLock<'static>> {
    BufWriter::with_capacity(64 * 1024, io::stdout().lock())
}

/// Writes a line to standard output, at once.
pub(crate) fn line(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")
        .and_then(|()| out.flush())
        .context("cannot write to standard output")
}

/// Writes a value as indented JSON.
pub(crate) fn json<T: Serialize + ?Sized>(value: &T) -> Result<()> {
    let text = serde_json::to_string_pretty(value).context("cannot write the answer as JSON")?;
    line(&text)
}

/// Tells a person something that is not the answer. Nothing can be done if
/// standard error is gone.
pub(crate) fn tell(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Asks a person something, on the same line.
pub(crate) fn ask(question: &str) {
    let mut err = io::stderr().lock();
    let _ = write!(err, "{question}").and_then(|()| err.flush());
}

/// `error: …` with what to do next. The text may hold what others wrote.
pub(crate) fn error(message: &str, advice: Option<&str>) {
    let red = io::stderr().is_terminal() && may_colour();
    let head = if red {
        "\u{1b}[1;31merror:\u{1b}[0m"
    } else {
        "error:"
    };
    let mut text = format!("{head} {}", clean_lines(message));
    if let Some(advice) = advice {
        text.push_str(&format!("\n  {}", clean_lines(advice)));
    }
    tell(&text);
}

/// A warning about something that did not stop the command.
pub(crate) fn warn(message: &str) {
    tell(&format!("warning: {}", clean_lines(message)));
}

fn clean_lines(message: &str) -> String {
    let lines: Vec<_> = message.lines().map(text::clean).collect();
    lines.join("\n")
}
