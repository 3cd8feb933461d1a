//! Interface `outgoing`: records that the host holds for a guest that sends them, and
//! what answers tell of them.

use std::fmt;
use std::sync::{Arc, Weak};

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime::component::Resource;

use crate::bindings::contract::outgoing as wit;
use crate::records::{self, Given, Told, ToldForm};
use crate::state::ConnectorState;

/// How many `written` of an instance may be held at a time. The contract promises it.
/// Each takes at most some 300 KiB of the host's memory.
const MAX_HELD: usize = 64;

/// How many batches of its own an instance may hold, and of how many bytes each. The
/// contract promises both.
const MAX_BATCHES: usize = 2;
const MAX_BATCH_BYTES: usize = 16 * 1024 * 1024;

/// How many sheets an instance may hold, and how many with their file. The contract
/// promises both. A file takes up to 12 MiB, the lines of a sheet some 5 MiB.
const MAX_SHEETS: usize = 16;
const MAX_FILES: usize = 2;

/// The longest text that stands for null, in bytes. The contract promises it.
const MAX_NULL_BYTES: usize = 32;

/// The interface's state in one call.
#[derive(Debug)]
pub(crate) struct Outgoing {
    held: Arc<Semaphore>,
    batches: Arc<Semaphore>,
    sheets: Arc<Semaphore>,
    files: Arc<Semaphore>,
}

impl Default for Outgoing {
    fn default() -> Self {
        let some = |permits| Arc::new(Semaphore::new(permits));
        Self {
            held: some(MAX_HELD),
            batches: some(MAX_BATCHES),
            sheets: some(MAX_SHEETS),
            files: some(MAX_FILES),
        }
    }
}

/// The resource `batch`.
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct Batch(Source);

enum Source {
    /// What a caller gave: it is not kept by this, or a guest could have all records of
    /// a write held.
    Caller(Weak<Given>),
    Guest {
        given: Arc<Given>,
        _place: OwnedSemaphorePermit,
    },
}

/// The resource `sheet`.
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct Sheet {
    pub(crate) lines: records::Sheet,
    _place: OwnedSemaphorePermit,
    /// Its place among those that hold their file.
    file: Option<OwnedSemaphorePermit>,
}

/// The resource `written`.
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct Written {
    pub(crate) ids: crate::records::Written,
    _place: OwnedSemaphorePermit,
}

/// A place among the `written` of an instance.
#[derive(Debug)]
pub(crate) struct Place(OwnedSemaphorePermit);

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch").finish_non_exhaustive()
    }
}

impl fmt::Debug for Sheet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sheet").finish_non_exhaustive()
    }
}

impl fmt::Debug for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Written").finish_non_exhaustive()
    }
}

impl Batch {
    /// A batch of what is given with a call; it is there as long as that is held.
    pub(crate) fn of(given: &Arc<Given>) -> Self {
        Self(Source::Caller(Arc::downgrade(given)))
    }
}

impl ConnectorState {
    /// What a batch holds.
    ///
    /// # Errors
    /// Ends the call of a guest that has kept it for longer than the call that it came
    /// with.
    pub(crate) fn given(&self, batch: &Resource<Batch>) -> wasmtime::Result<Arc<Given>> {
        let given = match &self.table.get(batch)?.0 {
            Source::Caller(given) => given.upgrade(),
            Source::Guest { given, .. } => Some(Arc::clone(given)),
        };
        given.ok_or_else(|| wasmtime::Error::msg("a batch was used after the call that it is of"))
    }

    /// The file of a sheet, which takes no more lines; `None` if it is gone.
    pub(crate) fn file(&mut self, sheet: &Resource<Sheet>) -> wasmtime::Result<Option<Bytes>> {
        Ok(self.table.get_mut(sheet)?.lines.file())
    }

    /// A place for ids of written records; `None` if too much is held.
    pub(crate) fn place_for_written(&self) -> Option<Place> {
        let place = Arc::clone(&self.outgoing.held).try_acquire_owned();
        place.ok().map(Place)
    }

    /// Holds ids of written records.
    pub(crate) fn written(
        &mut self,
        ids: records::Written,
        Place(place): Place,
    ) -> wasmtime::Result<Resource<Written>> {
        Ok(self.table.push(Written { ids, _place: place })?)
    }

    /// Holds what an answer tells of written records; `None` if too much is held.
    pub(crate) fn told(&mut self, told: Told) -> wasmtime::Result<Option<wit::Told>> {
        let Some(place) = self.place_for_written() else {
            return Ok(None);
        };
        let written = self.written(told.written, place)?;
        let other = |(at, object)| wit::Other {
            at: number(at),
            object,
        };
        Ok(Some(wit::Told {
            count: number(told.count),
            others: told.others.into_iter().map(other).collect(),
            written,
        }))
    }
}

impl TryFrom<wit::Form> for ToldForm {
    type Error = wasmtime::Error;

    fn try_from(form: wit::Form) -> wasmtime::Result<Self> {
        Self::new(&form.id, form.written)
            .ok_or_else(|| wasmtime::Error::msg("a form has at most 8 members"))
    }
}

/// A number of the contract; all of them are far below its end.
fn number(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

impl wit::Host for ConnectorState {}

impl wit::HostBatch for ConnectorState {
    fn new(&mut self, json: Vec<u8>) -> wasmtime::Result<Resource<Batch>> {
        self.meter.host_call()?;
        let rule = |rule| wasmtime::Error::msg(format!("a batch is {rule}"));
        if json.len() > MAX_BATCH_BYTES {
            return Err(rule("at most 16 MiB"));
        }
        let place = Arc::clone(&self.outgoing.batches).try_acquire_owned();
        let place = place.map_err(|_| rule("one of 2 at most"))?;
        let given = Given::counted(json.into()).ok_or_else(|| rule("a JSON array in UTF-8"))?;
        let source = Source::Guest {
            given: Arc::new(given),
            _place: place,
        };
        Ok(self.table.push(Batch(source))?)
    }

    fn count(&mut self, this: Resource<Batch>) -> wasmtime::Result<u32> {
        self.meter.host_call()?;
        Ok(number(self.given(&this)?.len()))
    }

    fn json(&mut self, this: Resource<Batch>) -> wasmtime::Result<Vec<u8>> {
        self.meter.host_call()?;
        Ok(self.given(&this)?.json().to_vec())
    }

    fn outline(&mut self, this: Resource<Batch>) -> wasmtime::Result<Option<Vec<wit::Member>>> {
        self.meter.host_call()?;
        let given = self.given(&this)?;
        let Some(outline) = given.outline() else {
            return Ok(None);
        };
        let members = outline.members.iter().map(|member| wit::Member {
            name: member.name.clone(),
            texts: member.texts,
            numbers: member.numbers,
            booleans: member.booleans,
            nulls: member.nulls,
            nested: member.nested,
        });
        Ok(Some(members.collect()))
    }

    fn column(
        &mut self,
        this: Resource<Batch>,
        member: u32,
    ) -> wasmtime::Result<Vec<Option<String>>> {
        self.meter.host_call()?;
        let given = self.given(&this)?;
        let column = given.column(usize::try_from(member).unwrap_or(usize::MAX));
        let owned = column.into_iter().map(|value| value.map(str::to_owned));
        Ok(owned.collect())
    }

    fn drop(&mut self, this: Resource<Batch>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}

impl wit::HostWritten for ConnectorState {
    fn drop(&mut self, this: Resource<Written>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}

impl wit::HostSheet for ConnectorState {
    fn open(&mut self, null: String) -> wasmtime::Result<Option<Resource<Sheet>>> {
        self.meter.host_call()?;
        let is_cell = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b',';
        if null.len() > MAX_NULL_BYTES || !null.bytes().all(is_cell) {
            return Err(wasmtime::Error::msg(
                "what stands for null is at most 32 bytes of ASCII without commas and quotes",
            ));
        }
        let place = Arc::clone(&self.outgoing.sheets).try_acquire_owned();
        let file = Arc::clone(&self.outgoing.files).try_acquire_owned();
        let (Ok(place), Ok(file)) = (place, file) else {
            return Ok(None);
        };
        let sheet = self.table.push(Sheet {
            lines: records::Sheet::new(null),
            _place: place,
            file: Some(file),
        })?;
        Ok(Some(sheet))
    }

    fn widen(&mut self, this: Resource<Sheet>, names: Vec<String>) -> wasmtime::Result<bool> {
        self.meter.host_call()?;
        Ok(self.table.get_mut(&this)?.lines.widen(names))
    }

    fn add(
        &mut self,
        this: Resource<Sheet>,
        batch: Resource<Batch>,
        first: u32,
    ) -> wasmtime::Result<Option<u32>> {
        self.meter.host_call()?;
        let given = self.given(&batch)?;
        let first = usize::try_from(first).unwrap_or(usize::MAX);
        let added = self.table.get_mut(&this)?.lines.add(&given, first);
        Ok(added.map(number))
    }

    fn let_file_go(&mut self, this: Resource<Sheet>) -> wasmtime::Result<()> {
        self.meter.host_call()?;
        let sheet = self.table.get_mut(&this)?;
        sheet.lines.let_file_go();
        sheet.file = None;
        Ok(())
    }

    fn lose_all(&mut self, this: Resource<Sheet>) -> wasmtime::Result<()> {
        self.meter.host_call()?;
        self.table.get_mut(&this)?.lines.lose_all();
        Ok(())
    }

    fn drop(&mut self, this: Resource<Sheet>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}
