//! Tables for people: plain, as wide as the terminal, and safe to show.

use std::io::Write as _;

use anyhow::{Context as _, Result};
use comfy_table::{ContentArrangement, Table, presets};

use crate::{output, text};

/// The width when there is no terminal, in columns: nothing is cut in a pipe.
const PIPE_WIDTH: u16 = u16::MAX;

/// Below this a terminal has not said how wide it is.
const MIN_WIDTH: u16 = 20;

/// A table of these columns.
pub(crate) fn table<H: AsRef<str>>(header: &[H]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    if screen_width().is_none() {
        table.set_width(PIPE_WIDTH);
    }
    if header.iter().any(|name| !name.as_ref().is_empty()) {
        table.set_header(header.iter().map(|name| text::clean(name.as_ref())));
    }
    table
}

/// A value of an enum as it is called in JSON.
pub(crate) fn word<T: serde::Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

/// How many characters a line of the screen has; `None` where there is none.
pub(crate) fn screen_width() -> Option<usize> {
    let width = Table::new().width().filter(|width| *width >= MIN_WIDTH);
    width.filter(|_| output::is_terminal()).map(usize::from)
}

/// Writes rows below a header; a header of empty names is left out.
pub(crate) fn print<const N: usize>(
    header: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> Result<()> {
    write(&mut filled(header, rows))
}

/// The same as lines.
pub(crate) fn lines<const N: usize>(
    header: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> Vec<String> {
    let mut table = filled(header, rows);
    pad(&mut table);
    let lines = table.lines();
    lines.map(|line| line.trim_end().to_owned()).collect()
}

fn filled<const N: usize>(header: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> Table {
    // Ours are words; those of a query are names, whose case is kept.
    let header = header.map(str::to_uppercase);
    let mut table = table(&header);
    for row in rows {
        table.add_row(row.iter().map(|cell| text::clean(cell).into_owned()));
    }
    table
}

fn pad(table: &mut Table) {
    for column in table.column_iter_mut() {
        column.set_padding((0, GAP));
    }
}

/// Blanks between columns.
pub(crate) const GAP: u16 = 2;

/// Writes a table without the blanks that comfy-table leaves at line ends.
pub(crate) fn write(table: &mut Table) -> Result<()> {
    pad(table);
    let mut out = output::stdout();
    for line in table.lines() {
        writeln!(out, "{}", line.trim_end()).context("cannot write to standard output")?;
    }
    out.flush().context("cannot write to standard output")
}
