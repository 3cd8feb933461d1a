//! Interface `outgoing`: records that the host holds for a guest that sends them, and
//! what answers tell of them.

use std::fmt;
use std::sync::{Arc, Weak};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime::component::Resource;

use crate::bindings::contract::outgoing as wit;
use crate::records::{Given, Told, ToldForm};
use crate::state::ConnectorState;

/// How many `written` of an instance may be held at a time. The contract promises it.
/// Each takes at most some 300 KiB of the host's memory.
const MAX_HELD: usize = 64;

/// The interface's state in one call.
#[derive(Debug)]
pub(crate) struct Outgoing {
    held: Arc<Semaphore>,
}

impl Default for Outgoing {
    fn default() -> Self {
        Self {
            held: Arc::new(Semaphore::new(MAX_HELD)),
        }
    }
}

/// The resource `batch`: it does not keep what was given, or a guest could have all
/// records of a write held.
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct Batch(Weak<Given>);

/// The resource `written`.
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct Written {
    pub(crate) ids: crate::records::Written,
    _place: OwnedSemaphorePermit,
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch").finish_non_exhaustive()
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
        Self(Arc::downgrade(given))
    }
}

impl ConnectorState {
    /// What a batch holds.
    ///
    /// # Errors
    /// Ends the call of a guest that has kept it for longer than the call that it came
    /// with.
    pub(crate) fn given(&self, batch: &Resource<Batch>) -> wasmtime::Result<Arc<Given>> {
        let given = self.table.get(batch)?.0.upgrade();
        given.ok_or_else(|| wasmtime::Error::msg("a batch was used after the call that it is of"))
    }

    /// Holds what an answer tells of written records; `None` if too much is held.
    pub(crate) fn told(&mut self, told: Told) -> wasmtime::Result<Option<wit::Told>> {
        let Ok(place) = Arc::clone(&self.outgoing.held).try_acquire_owned() else {
            return Ok(None);
        };
        let written = self.table.push(Written {
            ids: told.written,
            _place: place,
        })?;
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
