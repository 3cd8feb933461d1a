//! Where the rows of a bulk job are, until it is known what became of them.

use super::file::File;
use super::sheet::Sheet;
use crate::api::{Api, Ask};
use crate::bindings::exports::lockgate::connector::records::Error;
use crate::fault::unexpected;
use crate::host::{Answer, Host};

/// The rows of a job.
#[derive(Debug)]
pub(super) enum Rows<S> {
    /// They were read, and are here.
    Here(Sheet),
    /// The host holds them.
    There(File<S>),
    /// It is known what became of them, and nobody holds them any more.
    Gone,
}

impl<S> Rows<S> {
    pub(super) const fn is_empty(&self) -> bool {
        match self {
            Self::Here(sheet) => sheet.is_empty(),
            Self::There(file) => file.is_empty(),
            Self::Gone => false,
        }
    }

    /// About how many bytes of memory they take.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Here(sheet) => sheet.bytes(),
            Self::There(file) => file.bytes(),
            Self::Gone => 0,
        }
    }

    /// Sends their file.
    pub(super) async fn send<H>(&self, api: &Api<H>, ask: Ask) -> Result<Answer, Error>
    where
        H: Host<Sheet = S>,
    {
        match self {
            Self::Here(sheet) => api.send_parts(ask, sheet.parts(), sheet.length()).await,
            Self::There(file) => api.send_sheet(ask, file.sheet()).await,
            // A job goes no step back.
            Self::Gone => Err(unexpected("no other step of a bulk job that is done")),
        }
    }

    /// Lets go of their file, once it went up.
    pub(super) fn let_file_go<H: Host<Sheet = S>>(&mut self, host: &H) {
        match self {
            Self::Here(sheet) => sheet.let_file_go(),
            Self::There(file) => file.let_file_go(host),
            Self::Gone => {}
        }
    }
}
