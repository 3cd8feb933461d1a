//! The rows of a bulk job that nobody has read: the host makes its file of batches,
//! holds it, and finds its lines in the results.
//!
//! Only new records with nothing in them but plain values go this way. Rows of one
//! parent should go up beside one another, which takes a look at them: so no column
//! names one, as far as the first records tell that have it.

use super::line::NULL;
use crate::host::{Host, Member};
use crate::write::parent::{may_be_custom_parent, may_be_parent, named};

/// About how many bytes of memory a line takes, here and with the host. In this way
/// the jobs under way end where those do whose rows are here.
const LINE_BYTES: usize = 40;

/// What a file counts as at least, however few lines it has: the host holds no more
/// than 16 for a guest, so the first of their jobs is looked at in time.
const LEAST_BYTES: usize = 2 * 1024 * 1024;

/// The most columns that are read to find parents: for more, all is read.
const MAX_COLUMNS: usize = 32;

/// The file of a job.
#[derive(Debug)]
pub(in crate::write) struct File<S> {
    sheet: S,
    /// The number of the row of the first line. The others follow without a gap.
    first: u64,
    lines: usize,
    names: Vec<String>,
    is_here: bool,
}

impl<S> File<S> {
    /// A file whose first line will be the row of this number, if the host has room
    /// for it.
    pub(in crate::write) fn open<H: Host<Sheet = S>>(host: &H, first: u64) -> Option<Self> {
        Some(Self {
            sheet: host.open_sheet(NULL)?,
            first,
            lines: 0,
            names: Vec::new(),
            is_here: true,
        })
    }

    /// Adds the records of a batch from the one at `from` on, and gives how many there
    /// was room for; `None` if they cannot go up unread.
    pub(in crate::write) fn add<H: Host<Sheet = S>>(
        &mut self,
        host: &H,
        batch: &H::Batch,
        from: usize,
    ) -> Option<usize> {
        let mut added = match self.names.is_empty() {
            true => None,
            false => host.add(&self.sheet, batch, from),
        };
        if added.is_none() && self.widen(host, batch) {
            added = host.add(&self.sheet, batch, from);
        }
        // One that is empty has room for one line at least.
        let added = added.filter(|added| *added > 0 || self.lines > 0)?;
        self.lines += added;
        Some(added)
    }

    /// Adds columns for what is new in a batch. False if nothing is, or if something
    /// in it must be read.
    fn widen<H: Host<Sheet = S>>(&mut self, host: &H, batch: &H::Batch) -> bool {
        let Some(members) = host.outline(batch) else {
            return false;
        };
        if !go_unread(host, batch, &members) {
            return false;
        }
        let is_new = |member: &Member| !self.has_column(&member.name);
        let new = members.into_iter().filter(is_new);
        let new: Vec<String> = new.map(|member| member.name).collect();
        // The host refuses names that are alike but for their case.
        if new.is_empty() || !host.widen(&self.sheet, &new) {
            return false;
        }
        self.names.extend(new);
        true
    }

    /// The number of the row that comes next.
    pub(in crate::write) const fn next(&self) -> u64 {
        self.first + self.lines as u64
    }

    /// Whether there are no lines.
    pub(in crate::write) const fn is_empty(&self) -> bool {
        self.lines == 0
    }

    /// About how many bytes of memory it takes.
    pub(in crate::write) fn bytes(&self) -> usize {
        (self.lines * LINE_BYTES).max(LEAST_BYTES)
    }

    /// Lets go of the file, once it went up.
    pub(super) fn let_file_go<H: Host<Sheet = S>>(&mut self, host: &H) {
        if std::mem::take(&mut self.is_here) {
            host.let_file_go(&self.sheet);
        }
    }

    /// What the host knows it by.
    pub(super) const fn sheet(&self) -> &S {
        &self.sheet
    }

    /// The number of the row of the first line.
    pub(super) const fn first(&self) -> u64 {
        self.first
    }

    /// How many lines there are.
    pub(super) const fn len(&self) -> usize {
        self.lines
    }

    /// Whether a column has this name.
    pub(super) fn has_column(&self, name: &str) -> bool {
        let mut names = self.names.iter();
        names.any(|known| known.eq_ignore_ascii_case(name))
    }
}

/// Whether nothing that records have needs a look at each of them.
fn go_unread<H: Host>(host: &H, batch: &H::Batch, members: &[Member]) -> bool {
    let mut n_read = 0;
    members.iter().enumerate().all(|(at, member)| {
        let name = &member.name;
        if member.nested || name == "attributes" {
            return false;
        }
        // Those that follow may have texts where these have nothing but null.
        let may_be_text = member.texts || !(member.numbers || member.booleans);
        if !(may_be_text && may_be_parent(name)) {
            return true;
        }
        n_read += 1;
        if !may_be_custom_parent(name) || n_read > MAX_COLUMNS {
            return false;
        }
        let column = host.column(batch, at);
        let mut values = column.iter().flatten();
        !values.any(|value| named(name, value).is_some())
    })
}
