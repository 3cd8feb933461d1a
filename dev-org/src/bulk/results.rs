//! Results of jobs as bodies that are written while they are sent: a piece at
//! a time, from the data that came or from the records.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;

use super::csv::{Dialect, Reader, Row, Span};
use super::job::{Outcome, Work};
use crate::soql::CsvAnswer;
use crate::state::Shared;
use crate::value::write_csv_text as write_quoted;

/// Rows that are written at once.
const PIECE_ROWS: usize = 1_000;

/// The three results of an ingest job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Successful,
    /// `with_id`: since v53.0.
    Failed {
        with_id: bool,
    },
    Unprocessed,
}

/// The rows of an ingest job to which a kind of thing happened, last first:
/// the API promises no order, and its clients must not count on one.
pub(crate) fn ingest(work: &Arc<Work>, kind: Kind) -> Body {
    let (mut head, total) = {
        let outcome = work.outcome();
        let mut head = Vec::new();
        write_head(&outcome, kind, work.dialect, &mut head);
        let total = match kind {
            Kind::Successful => outcome.saved.len(),
            Kind::Failed { .. } => outcome.refused.len(),
            Kind::Unprocessed => {
                write_unprocessed(&outcome, work.dialect, &mut head);
                0
            }
        };
        (head, total)
    };
    if total <= PIECE_ROWS {
        write_piece(work, kind, 0..total, &mut head);
        return Body::from(head);
    }
    let work = Arc::clone(work);
    pieces(head, total, move |rows, out| {
        // Counted from the end.
        let rows = total - rows.end..total - rows.start;
        write_piece(&work, kind, rows, out);
    })
}

/// Rows of a query's answer, with the names of the columns in front.
pub(crate) fn query(
    shared: &Arc<Shared>,
    answer: CsvAnswer,
    dialect: Dialect,
    rows: std::ops::Range<usize>,
) -> Body {
    let mut head = Vec::new();
    answer.write_header(&|out| dialect.delimit(out), &mut head);
    dialect.end_row(&mut head);
    let shared = Arc::clone(shared);
    let from = rows.start;
    pieces(head, rows.len(), move |piece, out| {
        let rows = from + piece.start..from + piece.end;
        answer.write_rows(
            &shared.org(),
            rows,
            &|out| dialect.delimit(out),
            &|out| dialect.end_row(out),
            out,
        );
    })
}

/// A body of `total` rows, of which `write` writes the ones that are asked for.
fn pieces(
    head: Vec<u8>,
    total: usize,
    write: impl Fn(std::ops::Range<usize>, &mut Vec<u8>) + Send + 'static,
) -> Body {
    let first = Some((head, 0));
    Body::from_stream(stream::unfold(
        (first, write),
        move |(next, write)| async move {
            let (mut out, from) = next?;
            // A client on the same thread reads between two pieces.
            tokio::task::yield_now().await;
            let to = total.min(from + PIECE_ROWS);
            write(from..to, &mut out);
            let next = (to < total).then(|| (Vec::with_capacity(out.len()), to));
            Some((Ok::<_, Infallible>(Bytes::from(out)), (next, write)))
        },
    ))
}

fn write_head(outcome: &Outcome, kind: Kind, dialect: Dialect, out: &mut Vec<u8>) {
    let Some((span, _)) = outcome.header else {
        return;
    };
    let own: &[&str] = match kind {
        Kind::Successful => &["sf__Id", "sf__Created"],
        Kind::Failed { with_id: true } => &["sf__Id", "sf__Error"],
        Kind::Failed { with_id: false } => &["sf__Error"],
        Kind::Unprocessed => &[],
    };
    for name in own {
        write_quoted(name, out);
        dialect.delimit(out);
    }
    out.extend_from_slice(span.of(&outcome.data).as_bytes());
    dialect.end_row(out);
}

/// What nobody has looked at, as it was sent.
fn write_unprocessed(outcome: &Outcome, dialect: Dialect, out: &mut Vec<u8>) {
    for span in &outcome.locked {
        out.extend_from_slice(span.of(&outcome.data).as_bytes());
        dialect.end_row(out);
    }
    let rest = outcome.data.get(outcome.rest..).unwrap_or_default();
    out.extend_from_slice(rest.as_bytes());
}

fn write_piece(work: &Work, kind: Kind, rows: std::ops::Range<usize>, out: &mut Vec<u8>) {
    let outcome = work.outcome();
    let mut cells = Row::default();
    let dialect = work.dialect;
    let width = outcome.header.map_or(0, |(_, width)| width);
    match kind {
        Kind::Successful => {
            for saved in outcome.saved.get(rows).unwrap_or_default().iter().rev() {
                write_quoted(&saved.id, out);
                dialect.delimit(out);
                write_quoted(if saved.created { "true" } else { "false" }, out);
                write_original(&outcome.data, saved.span, dialect, width, &mut cells, out);
            }
        }
        Kind::Failed { with_id } => {
            for refused in outcome.refused.get(rows).unwrap_or_default().iter().rev() {
                if with_id {
                    write_quoted(refused.id.as_deref().unwrap_or_default(), out);
                    dialect.delimit(out);
                }
                write_quoted(&refused.error, out);
                write_original(&outcome.data, refused.span, dialect, width, &mut cells, out);
            }
        }
        Kind::Unprocessed => {}
    }
}

/// Writes a row's values again, behind others. A row that cannot be read is
/// one value.
fn write_original(
    data: &str,
    span: Span,
    dialect: Dialect,
    width: usize,
    cells: &mut Row,
    out: &mut Vec<u8>,
) {
    let is_read = Reader::at(data, span.start as usize, dialect)
        .next(cells)
        .is_some_and(|read| read.is_ok() && cells.len() == width);
    for at in 0..width {
        dialect.delimit(out);
        match (is_read, at) {
            (true, at) => write_quoted(cells.get(at), out),
            (false, 0) => write_quoted(span.of(data), out),
            (false, _) => write_quoted("", out),
        }
    }
    dialect.end_row(out);
}
