//! Where rows go: a table in blocks, a JSON array, or CSV. Each page is out
//! before the next one is asked for.

use std::io::{BufWriter, StdoutLock, Write as _};

use anyhow::{Context as _, Result};
use comfy_table::{ColumnConstraint, Width};
use serde_json::value::RawValue;

use super::RowFormat;
use crate::rows::Columns;
use crate::{output, table, text};

/// Rows of one block of a table. Widths are settled for a block, so this is how
/// many rows wait for the last of them.
const BLOCK_ROWS: usize = 200;

const WRITING: &str = "cannot write to standard output";

/// Takes pages of rows.
pub(super) enum Sink {
    Table(TableSink),
    Json {
        out: BufWriter<StdoutLock<'static>>,
        is_first: bool,
    },
    Csv {
        out: Box<csv::Writer<StdoutLock<'static>>>,
        columns: Option<Columns>,
    },
}

impl Sink {
    pub(super) fn new(format: RowFormat) -> Self {
        match format {
            RowFormat::Table => Self::Table(TableSink::default()),
            RowFormat::Json => Self::Json {
                out: output::stdout(),
                is_first: true,
            },
            RowFormat::Csv => {
                let out = csv::Writer::from_writer(std::io::stdout().lock());
                Self::Csv {
                    out: Box::new(out),
                    columns: None,
                }
            }
        }
    }

    pub(super) fn page(&mut self, rows: &[&RawValue]) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        match self {
            Self::Table(sink) => sink.page(rows),
            Self::Json { out, is_first } => {
                for row in rows {
                    let before = if *is_first { "[" } else { "," };
                    *is_first = false;
                    write!(out, "{before}\n{}", row.get()).context(WRITING)?;
                }
                out.flush().context(WRITING)
            }
            Self::Csv { out, columns } => {
                let columns = match columns {
                    Some(columns) => columns,
                    none => {
                        let first = none.insert(Columns::of(rows)?);
                        out.write_record(first.names()).map_err(broken)?;
                        first
                    }
                };
                for row in rows {
                    out.write_record(columns.cells(row)?).map_err(broken)?;
                }
                out.flush().context(WRITING)
            }
        }
    }

    /// Ends the output, and names the fields that had no column.
    pub(super) fn finish(self) -> Result<Option<String>> {
        match self {
            Self::Table(sink) => Ok(sink.columns.and_then(|columns| columns.left_out())),
            Self::Json { mut out, is_first } => {
                let end = if is_first { "[]\n" } else { "\n]\n" };
                out.write_all(end.as_bytes()).context(WRITING)?;
                out.flush().context(WRITING)?;
                Ok(None)
            }
            Self::Csv { columns, .. } => Ok(columns.and_then(|columns| columns.left_out())),
        }
    }
}

/// Keeps what kind of IO error it was: a reader that has gone is no failure.
fn broken(error: csv::Error) -> anyhow::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => anyhow::Error::new(error).context(WRITING),
        other => anyhow::anyhow!("cannot write CSV: {other:?}"),
    }
}

#[derive(Debug, Default)]
pub(super) struct TableSink {
    columns: Option<Columns>,
    widths: Option<Vec<u16>>,
}

impl TableSink {
    fn page(&mut self, rows: &[&RawValue]) -> Result<()> {
        for block in rows.chunks(BLOCK_ROWS) {
            self.block(rows, block)?;
        }
        Ok(())
    }

    fn block(&mut self, page: &[&RawValue], block: &[&RawValue]) -> Result<()> {
        let columns = match &mut self.columns {
            Some(columns) => columns,
            none => none.insert(Columns::of(page)?),
        };
        // On a screen the header has scrolled away by the next block.
        let with_header = self.widths.is_none() || output::is_terminal();
        let header = if with_header { columns.names() } else { &[] };
        let mut table = table::table(header);
        for row in block {
            let cells = columns.cells(row)?;
            table.add_row(cells.iter().map(|cell| text::clean(cell).into_owned()));
        }
        if let (Some(widths), false) = (&self.widths, output::is_terminal()) {
            // In a pipe all blocks look like one table.
            let at_least = |width: &u16| {
                ColumnConstraint::LowerBoundary(Width::Fixed(width.saturating_add(table::GAP)))
            };
            table.set_constraints(widths.iter().map(at_least));
        }
        self.widths
            .get_or_insert_with(|| table.column_max_content_widths());
        table::write(&mut table)
    }
}
