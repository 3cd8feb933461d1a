//! The one seam to the host: every import that the connector uses goes through
//! the trait `Host`.
//!
//! The component gets `Imports`; tests get a scripted org (`fake.rs`), so that
//! all the rest runs natively.

mod answer;
mod exchange;
mod file;

use std::pin::pin;

use futures_util::future::{Either, select};
use wit_bindgen::{FutureReader, StreamReader, StreamResult};

use crate::bindings::lockgate::connector::{
    clock, http, log, outgoing, quota, storage, stream, tables,
};
use crate::bindings::wit_stream;
use crate::files::{Clash, Frame};

pub(crate) use answer::{Answer, Found, Heard, Lost, Opened, Part, Sent, Told};
pub(crate) use http::{Error as HttpError, Header, InvalidPart, Method, Request};
pub(crate) use log::Level;
pub(crate) use outgoing::{Form, Frame as BatchFrame, Member};
pub(crate) use quota::Error as QuotaError;
pub(crate) use stream::{Ending, Error as StreamError};
pub(crate) use tables::{Shape, Telling};

/// What the connector needs of its host.
pub(crate) trait Host {
    /// Calls set aside; returned to the budget when this is dropped.
    type Reserved;
    /// A content on its way down.
    type Down;
    /// A content on its way up.
    type Up;
    /// A table on its way down.
    type Table;
    /// Rows of a table.
    type Rows;
    /// Records that the host holds.
    type Batch;
    /// What an answer has told of records that were written, held by the host.
    type Written: std::fmt::Debug;
    /// A file that the host makes of records.
    type Sheet: std::fmt::Debug;
    /// An exchange of messages with the Pub/Sub API; over when this is dropped.
    type Exchange;

    /// Has the host hold records, a JSON array. No more than two at a time.
    fn batch(&self, json: &[u8]) -> Self::Batch;
    /// How many records a batch has.
    fn count(&self, batch: &Self::Batch) -> usize;
    /// The records of a batch, a JSON array.
    fn json(&self, batch: &Self::Batch) -> Vec<u8>;
    /// What the records of a batch have under which names, if that can be told.
    fn outline(&self, batch: &Self::Batch) -> Option<Vec<Member>>;
    /// The value of a member in each record, as JSON.
    fn column(&self, batch: &Self::Batch, member: usize) -> Vec<Option<String>>;
    /// Sends a request with records of a batch, and takes what the answer tells.
    async fn send_batch(
        &self,
        request: Request,
        batch: &Self::Batch,
        body: (&[u32], &BatchFrame),
        form: &Form,
    ) -> Result<Sent<Self::Written>, Lost>;
    /// A file without columns and lines, if the host has room for one. In it this text
    /// stands for null.
    fn open_sheet(&self, null: &str) -> Option<Self::Sheet>;
    /// Adds columns to a file; false if they cannot be.
    fn widen(&self, sheet: &Self::Sheet, names: &[String]) -> bool;
    /// Adds lines for the records of a batch from the one at `first` on, and says for
    /// how many there was room; `None`, and none are added, if one has no place in a
    /// file or something without a column.
    fn add(&self, sheet: &Self::Sheet, batch: &Self::Batch, first: usize) -> Option<usize>;
    /// Lets go of all of a file but what finds its lines.
    fn let_file_go(&self, sheet: &Self::Sheet);
    /// Has all lines of a file found anew.
    fn lose_all(&self, sheet: &Self::Sheet);
    /// Sends a request with a file, and takes the whole answer.
    async fn send_sheet(&self, request: Request, sheet: &Self::Sheet) -> Result<Answer, Lost>;
    /// Finds lines of a file in the next rows of a table, at most so many; `None` if
    /// it is none.
    async fn find(
        &self,
        table: &Self::Table,
        sheet: &Self::Sheet,
        telling: Telling,
        most: u32,
    ) -> Result<Option<Found<Self::Written>>, Lost>;
    /// Sends a request and takes the whole answer.
    async fn send(&self, request: Request) -> Result<Answer, Lost>;
    /// Sends a request, and takes the answer whole only if it is not 200.
    async fn open(&self, request: Request) -> Result<Opened<Self::Down>, Lost>;
    /// The same, with the answer as a table.
    async fn open_table(&self, request: Request) -> Result<Opened<Self::Table>, Lost>;
    /// The names of a table's columns; `None` if it is none.
    async fn columns(&self, table: &Self::Table) -> Result<Option<Vec<String>>, Lost>;
    /// The next rows of a table, at most so many.
    async fn rows(
        &self,
        table: &Self::Table,
        shape: &Shape,
        most: u32,
    ) -> Result<Part<Self::Rows>, Lost>;
    /// Appends the next part of a content, as far as there is room, and gives the
    /// content back if it may go on.
    async fn read(
        &self,
        content: Self::Down,
        room: Vec<u8>,
    ) -> Result<(Vec<u8>, Option<Self::Down>), Lost>;
    /// Sends a request with a body of this length that is made while it goes up,
    /// and takes the whole answer.
    async fn send_parts(
        &self,
        request: Request,
        parts: impl Iterator<Item = Vec<u8>>,
        length: u64,
    ) -> Result<Answer, Lost>;
    /// Sends a request with a content of this length in its frame.
    async fn send_file(
        &self,
        request: Request,
        frame: Frame,
        content: Self::Up,
        length: Option<u64>,
    ) -> Result<Result<Answer, Clash>, Lost>;
    /// Opens an exchange, by the full name of its method.
    async fn exchange(&self, method: &str) -> Result<Self::Exchange, StreamError>;
    /// Says a message. Whether it was heard is told by what comes.
    async fn say(&self, exchange: &mut Self::Exchange, message: Vec<u8>);
    /// Says that no more will be said.
    fn say_no_more(&self, exchange: &mut Self::Exchange);
    /// Waits for the first of some exchanges to say something, and gives its place
    /// among them; `None` after so many milliseconds.
    async fn hear(
        &self,
        exchanges: Vec<&mut Self::Exchange>,
        wait_ms: u32,
    ) -> Option<(usize, Heard)>;
    /// How many calls may still be made, if that is known.
    fn calls_left(&self) -> Option<u64>;
    /// Sets calls aside without waiting.
    async fn reserve(&self, calls: u32) -> Result<Self::Reserved, QuotaError>;
    /// A stored value; `None` also if the store cannot be reached, since all
    /// that is kept there can be asked of the org again.
    async fn load(&self, key: &str) -> Option<Vec<u8>>;
    /// Stores a value if the store can be reached.
    async fn store(&self, key: &str, value: Vec<u8>);
    /// Forgets a value if the store can be reached.
    async fn forget(&self, key: &str);
    /// Returns after so many milliseconds.
    async fn wait(&self, duration_ms: u32);
    /// Milliseconds since 1970.
    fn now_ms(&self) -> u64;
    /// Milliseconds by a clock that never goes back.
    fn monotonic_ms(&self) -> u64;
    /// Writes one message for the operator.
    fn log(&self, level: Level, message: &str, fields: &[(&str, String)]);
}

/// The host's real imports.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Imports;

impl Host for Imports {
    type Reserved = quota::Reservation;
    type Down = (StreamReader<u8>, FutureReader<Result<(), HttpError>>);
    type Up = StreamReader<u8>;
    type Table = tables::Table;
    type Rows = tables::Rows;
    type Batch = outgoing::Batch;
    type Written = outgoing::Written;
    type Sheet = outgoing::Sheet;
    type Exchange = exchange::Exchange;

    fn batch(&self, json: &[u8]) -> Self::Batch {
        outgoing::Batch::new(json)
    }

    fn count(&self, batch: &Self::Batch) -> usize {
        batch.count() as usize
    }

    fn json(&self, batch: &Self::Batch) -> Vec<u8> {
        batch.json()
    }

    fn outline(&self, batch: &Self::Batch) -> Option<Vec<Member>> {
        batch.outline()
    }

    fn column(&self, batch: &Self::Batch, member: usize) -> Vec<Option<String>> {
        batch.column(u32::try_from(member).unwrap_or(u32::MAX))
    }

    async fn send_batch(
        &self,
        request: Request,
        batch: &Self::Batch,
        (records, frame): (&[u32], &BatchFrame),
        form: &Form,
    ) -> Result<Sent<Self::Written>, Lost> {
        let sent = http::send_batch(request, batch, records.to_vec(), frame.clone());
        let response = sent.await.map_err(Lost::Head)?;
        if !matches!(response.status(), 200 | 201) {
            return answer::whole(response).await.map(Sent::Refused);
        }
        let told =
            http::Response::take_results(response, form.clone(), answer::MAX_BODY_BYTES).await;
        Ok(match told.map_err(Lost::Body)? {
            None => Sent::Unreadable,
            Some(told) => Sent::Told(Told {
                count: told.count as usize,
                others: told
                    .others
                    .into_iter()
                    .map(|other| (other.at as usize, other.object))
                    .collect(),
                written: told.written,
            }),
        })
    }

    fn open_sheet(&self, null: &str) -> Option<Self::Sheet> {
        outgoing::Sheet::open(null)
    }

    fn widen(&self, sheet: &Self::Sheet, names: &[String]) -> bool {
        sheet.widen(names)
    }

    fn add(&self, sheet: &Self::Sheet, batch: &Self::Batch, first: usize) -> Option<usize> {
        let added = sheet.add(batch, u32::try_from(first).ok()?);
        added.map(|added| added as usize)
    }

    fn let_file_go(&self, sheet: &Self::Sheet) {
        sheet.let_file_go();
    }

    fn lose_all(&self, sheet: &Self::Sheet) {
        sheet.lose_all();
    }

    async fn send_sheet(&self, request: Request, sheet: &Self::Sheet) -> Result<Answer, Lost> {
        let response = http::send_sheet(request, sheet).await.map_err(Lost::Head)?;
        answer::whole(response).await
    }

    async fn find(
        &self,
        table: &Self::Table,
        sheet: &Self::Sheet,
        telling: Telling,
        most: u32,
    ) -> Result<Option<Found<Self::Written>>, Lost> {
        let found = table.find(sheet, telling, most).await;
        let found = found.map_err(answer::lost_table)?;
        Ok(found.map(|found| Found {
            lines: found.lines,
            cells: found.cells,
            records: found.records,
            written: found.written,
            is_last: found.is_last,
        }))
    }

    async fn send(&self, request: Request) -> Result<Answer, Lost> {
        let response = http::send(request).await.map_err(Lost::Head)?;
        answer::whole(response).await
    }

    async fn open(&self, request: Request) -> Result<Opened<Self::Down>, Lost> {
        answer::opened(request, http::Response::take_stream).await
    }

    async fn open_table(&self, request: Request) -> Result<Opened<Self::Table>, Lost> {
        answer::opened(request, http::Response::take_table).await
    }

    async fn columns(&self, table: &Self::Table) -> Result<Option<Vec<String>>, Lost> {
        table.header().await.map_err(answer::lost_table)
    }

    async fn rows(
        &self,
        table: &Self::Table,
        shape: &Shape,
        most: u32,
    ) -> Result<Part<Self::Rows>, Lost> {
        let part = table
            .next(shape.clone(), most)
            .await
            .map_err(answer::lost_table)?;
        Ok(Part {
            rows: part.rows,
            count: part.count,
            bytes: part.bytes,
            is_last: part.is_last,
        })
    }

    async fn read(
        &self,
        content: Self::Down,
        room: Vec<u8>,
    ) -> Result<(Vec<u8>, Option<Self::Down>), Lost> {
        let (mut stream, ended) = content;
        let (status, room) = stream.read(room).await;
        if matches!(status, StreamResult::Complete(_)) {
            return Ok((room, Some((stream, ended))));
        }
        // The stream alone cannot tell a whole content from half of one.
        ended.await.map_err(Lost::Body)?;
        Ok((room, None))
    }

    async fn send_parts(
        &self,
        request: Request,
        parts: impl Iterator<Item = Vec<u8>>,
        length: u64,
    ) -> Result<Answer, Lost> {
        let (mut writer, body) = wit_stream::new();
        let sending = pin!(http::send_stream(request, body, Some(length)));
        let writing = pin!(async move {
            for part in parts {
                // What is left over was not wanted any more: the answer is on its
                // way.
                if !writer.write_all(part).await.is_empty() {
                    break;
                }
            }
        });
        let outcome = match select(sending, writing).await {
            Either::Left((outcome, _)) => outcome,
            Either::Right(((), sending)) => sending.await,
        };
        answer::whole(outcome.map_err(Lost::Head)?).await
    }

    async fn send_file(
        &self,
        request: Request,
        frame: Frame,
        content: StreamReader<u8>,
        length: Option<u64>,
    ) -> Result<Result<Answer, Clash>, Lost> {
        let length = length.map(|length| frame.length(length));
        let (writer, body) = wit_stream::new();
        let sending = pin!(http::send_stream(request, body, length));
        let writing = pin!(file::write(writer, frame, content));
        let outcome = match select(sending, writing).await {
            // The org may answer before it has read all.
            Either::Left((outcome, _)) => outcome,
            Either::Right((Ok(()), sending)) => sending.await,
            // Lets go of the request in the midst of its body.
            Either::Right((Err(clash), _)) => return Ok(Err(clash)),
        };
        let response = outcome.map_err(Lost::Head)?;
        answer::whole(response).await.map(Ok)
    }

    async fn exchange(&self, method: &str) -> Result<Self::Exchange, StreamError> {
        exchange::Exchange::open(method).await
    }

    async fn say(&self, exchange: &mut Self::Exchange, message: Vec<u8>) {
        exchange.say(message).await;
    }

    fn say_no_more(&self, exchange: &mut Self::Exchange) {
        exchange.say_no_more();
    }

    async fn hear(
        &self,
        exchanges: Vec<&mut Self::Exchange>,
        wait_ms: u32,
    ) -> Option<(usize, Heard)> {
        exchange::hear(exchanges, wait_ms).await
    }

    fn calls_left(&self) -> Option<u64> {
        quota::status().available
    }

    async fn reserve(&self, calls: u32) -> Result<Self::Reserved, QuotaError> {
        quota::reserve(calls, 0).await
    }

    async fn load(&self, key: &str) -> Option<Vec<u8>> {
        match storage::get(key.to_owned()).await {
            Ok(entry) => entry.map(|entry| entry.value),
            Err(error) => {
                self.note_storage(key, &error);
                None
            }
        }
    }

    async fn store(&self, key: &str, value: Vec<u8>) {
        if let Err(error) = storage::put(key.to_owned(), value).await {
            self.note_storage(key, &error);
        }
    }

    async fn forget(&self, key: &str) {
        if let Err(error) = storage::delete(key.to_owned()).await {
            self.note_storage(key, &error);
        }
    }

    async fn wait(&self, duration_ms: u32) {
        clock::wait(duration_ms).await;
    }

    fn now_ms(&self) -> u64 {
        clock::now_ms()
    }

    fn monotonic_ms(&self) -> u64 {
        clock::monotonic_ms()
    }

    fn log(&self, level: Level, message: &str, fields: &[(&str, String)]) {
        let fields: Vec<(String, String)> = fields
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect();
        log::write(level, message, &fields);
    }
}

impl Imports {
    fn note_storage(self, key: &str, error: &storage::Error) {
        let reason = match error {
            storage::Error::InvalidKey => "invalid key",
            storage::Error::TooLarge(_) => "value too large",
            storage::Error::Full(_) => "full",
            storage::Error::Conflict(_) => "conflict",
            storage::Error::Unavailable(_) => "unavailable",
        };
        self.log(
            Level::Warn,
            "went on without storage",
            &[("key", key.to_owned()), ("reason", reason.to_owned())],
        );
    }
}

/// Goes on with work when the call that began it is over.
pub(crate) fn beside(work: impl Future<Output = ()> + 'static) {
    #[cfg(target_family = "wasm")]
    wit_bindgen::spawn_local(work);
    // Outside of a component nobody calls.
    #[cfg(not(target_family = "wasm"))]
    drop(work);
}
