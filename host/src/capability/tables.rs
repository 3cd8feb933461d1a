//! Interface `tables`: bodies that the host reads as tables, whose rows a guest
//! hands on without seeing them.

mod reader;

use std::fmt;
use std::sync::Arc;

use futures_util::stream::BoxStream;
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};
use wasmtime::component::{Accessor, Resource};

use crate::bindings::contract::tables as wit;
use crate::capability::http::refusal;
use crate::capability::outgoing::Sheet;
use crate::records::{Records, Telling};
use crate::state::{ConnectorHost, ConnectorState};
use crate::transport::TransportError;
use reader::Reader;

/// How many tables of an instance may be begun, and how many `rows` held, at a time.
/// The contract promises them. Each takes up to some 20 MiB of the host's memory,
/// if its rows are the longest that there may be.
const MAX_AT_A_TIME: usize = 2;

/// The most rows that are given at once. The contract promises it.
const MAX_ROWS: u32 = 10_000;

/// The same where records are wanted, and how many cells of a row are read out. The
/// contract promises both.
const MAX_RECORDS: u32 = 200;
const MAX_CELLS: usize = 4;

/// The interface's state in one call.
#[derive(Debug)]
pub(crate) struct Tables {
    begun: Arc<Semaphore>,
    held: Arc<Semaphore>,
}

impl Default for Tables {
    fn default() -> Self {
        Self {
            begun: Arc::new(Semaphore::new(MAX_AT_A_TIME)),
            held: Arc::new(Semaphore::new(MAX_AT_A_TIME)),
        }
    }
}

/// The resource `table`.
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct Table {
    reader: Arc<Mutex<Reader>>,
    /// Its place among those that are begun, once it is.
    place: Option<OwnedSemaphorePermit>,
}

/// The resource `rows`.
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct Rows {
    /// The records, or what is wrong with the table, and where.
    pub(crate) records: Result<Records, String>,
    _place: OwnedSemaphorePermit,
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table").finish_non_exhaustive()
    }
}

impl fmt::Debug for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rows").finish_non_exhaustive()
    }
}

impl Table {
    pub(super) fn new(body: BoxStream<'static, Result<bytes::Bytes, TransportError>>) -> Self {
        let body = futures_util::StreamExt::map(body, |part| part.map_err(|error| lost(&error)));
        Self {
            reader: Arc::new(Mutex::new(Reader::new(Box::pin(body)))),
            place: None,
        }
    }
}

/// What the guest learns of a body that broke off.
fn lost(error: &TransportError) -> wit::Error {
    use crate::bindings::contract::http::Error;

    match refusal(error) {
        Error::TooLarge(limit) => wit::Error::TooLarge(limit),
        Error::Unavailable(interruption) => wit::Error::Unavailable(interruption.retry_after_ms),
        _ => wit::Error::Denied,
    }
}

impl ConnectorState {
    /// The reader of a table, which begins with this; `None` if too many have.
    fn reader(&mut self, table: &Resource<Table>) -> wasmtime::Result<Option<Arc<Mutex<Reader>>>> {
        self.meter.host_call()?;
        let table = self.table.get_mut(table)?;
        if table.place.is_none() {
            table.place = Arc::clone(&self.tables.begun).try_acquire_owned().ok();
        }
        let has_place = table.place.is_some();
        Ok(has_place.then(|| Arc::clone(&table.reader)))
    }
}

impl wit::Host for ConnectorState {}

impl wit::HostRows for ConnectorState {
    fn drop(&mut self, this: Resource<Rows>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}

impl wit::HostTable for ConnectorState {
    fn drop(&mut self, this: Resource<Table>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}

impl wit::HostTableWithStore<ConnectorState> for ConnectorHost {
    async fn header(
        accessor: &Accessor<ConnectorState, Self>,
        this: Resource<Table>,
    ) -> wasmtime::Result<Result<Option<Vec<String>>, wit::Error>> {
        let Some(reader) = accessor.with(|mut access| access.get().reader(&this))? else {
            return Ok(Err(wit::Error::Denied));
        };
        let mut reader = reader.lock().await;
        Ok(reader.header().await)
    }

    async fn next(
        accessor: &Accessor<ConnectorState, Self>,
        this: Resource<Table>,
        shape: wit::Shape,
        most: u32,
    ) -> wasmtime::Result<Result<wit::Part, wit::Error>> {
        let begun = accessor.with(|mut access| {
            let state = access.get();
            let reader = state.reader(&this)?;
            let place = Arc::clone(&state.tables.held).try_acquire_owned().ok();
            wasmtime::error::Ok(reader.zip(place))
        })?;
        let Some((reader, place)) = begun else {
            return Ok(Err(wit::Error::Denied));
        };
        let mut reader = reader.lock().await;
        let read = match reader.next(shape, most.clamp(1, MAX_ROWS)).await {
            Ok(read) => read,
            Err(reader::Stop::Lost(error)) => return Ok(Err(error)),
            Err(reader::Stop::Shape(rule)) => {
                return Err(wasmtime::Error::msg(format!("a shape is wrong: {rule}")));
            }
        };
        let count = read.records.as_ref().map_or(0, Records::len);
        accessor.with(|mut access| {
            let rows = access.get().table.push(Rows {
                records: read.records,
                _place: place,
            })?;
            Ok(Ok(wit::Part {
                rows,
                count: u32::try_from(count).unwrap_or(MAX_ROWS),
                bytes: read.bytes,
                is_last: read.is_last,
            }))
        })
    }

    async fn find(
        accessor: &Accessor<ConnectorState, Self>,
        this: Resource<Table>,
        sheet: Resource<Sheet>,
        telling: wit::Telling,
        most: u32,
    ) -> wasmtime::Result<Result<Option<wit::Found>, wit::Error>> {
        let begun = accessor.with(|mut access| {
            let state = access.get();
            wasmtime::error::Ok(state.reader(&this)?.zip(state.place_for_written()))
        })?;
        // The place comes first: lines that were found are not found again.
        let Some((reader, place)) = begun else {
            return Ok(Err(wit::Error::Denied));
        };
        let most = match telling.records {
            true => most.clamp(1, MAX_RECORDS),
            false => most.clamp(1, MAX_ROWS),
        };
        let telling = Telling::from(telling);
        let mut reader = reader.lock().await;
        let names = match reader.rows_to_search(most).await {
            Ok(Some(names)) => names,
            Ok(None) => return Ok(Ok(None)),
            Err(error) => return Ok(Err(error)),
        };
        if !telling.fits(names.len()) {
            return Err(wasmtime::Error::msg(
                "what rows are to tell stands in columns that are there, at most 4 of them",
            ));
        }
        accessor.with(|mut access| {
            let state = access.get();
            let lines = &mut state.table.get_mut(&sheet)?.lines;
            let Some((found, is_last)) = reader.found(|rows| lines.find(&names, rows, &telling))
            else {
                return Ok(Ok(None));
            };
            let written = state.written(found.written, place)?;
            Ok(Ok(Some(wit::Found {
                lines: found.lines,
                cells: found.cells,
                records: found.records,
                written,
                is_last,
            })))
        })
    }
}

impl From<wit::Telling> for Telling {
    fn from(telling: wit::Telling) -> Self {
        let place = |column: u32| usize::try_from(column).unwrap_or(usize::MAX);
        Self {
            id: place(telling.id),
            cells: telling.cells.into_iter().map(place).collect(),
            records: telling.records,
        }
    }
}

impl Telling {
    /// Whether a table with so many columns can tell it.
    fn fits(&self, width: usize) -> bool {
        let mut all = self.cells.iter().chain([&self.id]);
        self.cells.len() <= MAX_CELLS && all.all(|column| *column < width)
    }
}
