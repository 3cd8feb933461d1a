//! Steps that a command goes through, each told as it ends: the demo's and the recipes'.

use std::time::Instant;

use anyhow::Result;
use serde::Serialize;

use crate::args::Shape;
use crate::output;
use crate::progress::Progress;
use crate::text::clean;

/// One step.
#[derive(Debug, Serialize)]
pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) ok: bool,
    pub(crate) seconds: f64,
    /// Calls that the products counted meanwhile.
    pub(crate) api_calls: u64,
    /// What was done, or why it failed.
    pub(crate) what: String,
}

impl Step {
    /// Tells a person of it. In JSON all comes at the end, as one object.
    pub(crate) fn tell(&self, shape: Shape) -> Result<()> {
        if shape.is_json() {
            return Ok(());
        }
        let (mark, colour) = if self.ok {
            ("ok", "32")
        } else {
            ("FAILED", "31")
        };
        let mark = match output::is_terminal() && output::may_colour() {
            true => format!("\u{1b}[{colour}m{mark:<6}\u{1b}[0m"),
            false => format!("{mark:<6}"),
        };
        output::line(&format!(
            "{mark} {:<19} {:>6.2} s {:>4} calls  {}",
            self.name,
            self.seconds,
            self.api_calls,
            clean(&self.what)
        ))
    }
}

/// Does a step, and gives what it made beside how it went. `calls` counts those that
/// the products have answered so far.
pub(crate) async fn take<T>(
    name: &'static str,
    calls: impl Fn() -> u64,
    work: impl Future<Output = Result<(T, String)>>,
) -> (Step, Option<T>) {
    let progress = Progress::spinner(name);
    let (began, before) = (Instant::now(), calls());
    let done = work.await;
    drop(progress);
    let seconds = began.elapsed().as_secs_f64();
    let api_calls = calls().saturating_sub(before);
    let (ok, made, what) = match done {
        Ok((made, what)) => (true, Some(made), what),
        Err(error) => (false, None, format!("{error:#}")),
    };
    let step = Step {
        name,
        ok,
        seconds,
        api_calls,
        what,
    };
    (step, made)
}

/// Fails unless two things are the same.
pub(crate) fn same<T: PartialEq + std::fmt::Debug>(
    what: &str,
    found: T,
    expected: T,
) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    anyhow::bail!("{what}: {found:?}, not {expected:?}")
}
