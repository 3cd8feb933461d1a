//! Records that go by bulk jobs without being read here: the host holds them, and puts
//! them into the files of jobs.
//!
//! Only new records go this way, and each stands for itself: a write with a name keeps
//! a print of its rows, and a dry run looks at all of them. From the first on that must
//! be read, all of a write are.

use super::bulk::{BulkJob, File};
use super::choice::Kind;
use super::held::Chunk;
use super::passing::Pushed;
use super::plan::Verb;
use super::{State, UnderWay, Writer};
use crate::bindings::exports::lockgate::connector::records::Error;
use crate::host::Host;

/// What of a piece must be read, and how jobs were started meanwhile.
type Rest = (Option<Chunk>, Result<(), Error>);

impl<H: Host> Writer<H> {
    /// Whether records may go by bulk jobs without being read.
    pub(super) fn goes_by_file(&self, state: &State<H>) -> bool {
        self.kind() == Some(Kind::Bulk)
            && self.job().verb == Verb::Create
            && self.name.is_none()
            && !(self.dry_run || state.must_read)
    }

    /// Puts the records of a batch into files, behind those that are held.
    pub(super) async fn by_file(
        &self,
        state: &mut State<H>,
        batch: &H::Batch,
    ) -> Result<Pushed<H::Written>, Error> {
        // Those that could not be started before.
        if let Err(error) = self.start_jobs(state).await {
            self.note_filed(state, batch, 0)?;
            return Err(error);
        }
        let mut pushed = Pushed::default();
        let mut outcome = self.fill_jobs(state, true, &mut pushed.rows).await;
        let mut n_filed = 0;
        if outcome.is_ok() && self.goes_by_file(state) {
            let first = state.held.first();
            (n_filed, outcome) = self.file(state, batch, first).await;
        }
        self.note_filed(state, batch, n_filed)?;
        let more = match outcome {
            Ok(()) => self.by_bulk(state, false).await,
            Err(error) => Err(error),
        };
        match more {
            Ok(more) => {
                pushed.add(more);
                Ok(pushed)
            }
            Err(error) => state.or_later(pushed, error),
        }
    }

    /// Counts a batch of which the first records are in files, and holds the others: it
    /// is gone after this call.
    fn note_filed(
        &self,
        state: &mut State<H>,
        batch: &H::Batch,
        n_filed: usize,
    ) -> Result<(), Error> {
        let count = self.api.host.count(batch);
        if n_filed == count {
            state.held.pass(count);
        } else {
            state.held.push(&self.api.host.json(batch))?;
            if n_filed > 0 {
                state.held.take(n_filed, usize::MAX);
            }
        }
        state.n_pushed += count;
        Ok(())
    }

    /// Puts held records into files.
    pub(super) async fn file_piece(
        &self,
        state: &mut State<H>,
        piece: Chunk,
    ) -> Result<Rest, Error> {
        let batch = self.api.host.batch(&piece.json);
        let (n_filed, outcome) = self.file(state, &batch, piece.first).await;
        let rest = match n_filed == piece.rows {
            true => None,
            false => piece.behind(n_filed)?,
        };
        Ok((rest, outcome))
    }

    /// Puts records into files, the first of which has this number, and gives how many
    /// it were: the others must be read. A job that cannot be started stops none of
    /// them, since the host holds two files that have not gone up.
    async fn file(
        &self,
        state: &mut State<H>,
        batch: &H::Batch,
        first: u64,
    ) -> (usize, Result<(), Error>) {
        let host = &self.api.host;
        let count = host.count(batch);
        let mut outcome = Ok(());
        let mut n_filed = 0;
        while n_filed < count {
            let number = first + n_filed as u64;
            if state
                .next_file
                .as_ref()
                .is_some_and(|file| file.next() != number)
            {
                self.close_file(state);
            }
            let file = match &mut state.next_file {
                Some(file) => file,
                empty => match File::open(host, number) {
                    Some(file) => empty.insert(file),
                    // Other jobs may let go of theirs later.
                    None => break,
                },
            };
            let Some(n_added) = file.add(host, batch, n_filed) else {
                state.must_read = true;
                self.close_file(state);
                break;
            };
            n_filed += n_added;
            if n_filed < count {
                // It is full.
                self.close_file(state);
                if outcome.is_ok() {
                    outcome = self.start_jobs(state).await;
                }
            }
        }
        (n_filed, outcome)
    }

    /// Makes a job of the file that is there for it.
    pub(super) fn close_file(&self, state: &mut State<H>) {
        let file = state.next_file.take();
        if let Some(file) = file.filter(|file| !file.is_empty()) {
            let job = BulkJob::unread(file);
            state.under_way.push_back(UnderWay::Job(Box::new(job)));
        }
    }
}
