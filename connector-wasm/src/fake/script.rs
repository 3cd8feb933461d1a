//! What tests write down for the scripted host, and what it notes for them.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};

use crate::host::{Ending, HttpError, Lost, QuotaError, Request, Shape, StreamError};

/// One scripted answer.
#[derive(Debug)]
pub(crate) enum Reply {
    Answer(u16, String),
    /// Rows of a job's results, and its `Sforce-Locator`.
    Rows(String, String),
    /// An answer with its `ETag` and `Last-Modified`.
    Valid(u16, String, [&'static str; 2]),
    Lost(Lost),
    /// A content of this length.
    Content(Option<u64>, Vec<u8>),
    /// Rows and their locator, and how their answer broke off.
    Torn(String, String, HttpError),
}

/// A content on its way down, and how it breaks off if it does.
#[derive(Debug)]
pub(crate) struct Down {
    pub(crate) bytes: Vec<u8>,
    pub(super) at: usize,
    pub(super) torn: Option<HttpError>,
}

/// What the other side of an exchange does next.
#[derive(Debug)]
pub(crate) enum Step {
    Says(Vec<u8>),
    /// Nothing, until somebody has listened in vain.
    Waits,
    Ends(Ending),
}

/// One scripted exchange. At its end it says nothing any more.
#[derive(Debug)]
pub(crate) struct Exchange {
    /// Which of those that were opened; the largest number for one of which
    /// nothing is noted.
    pub(super) at: usize,
    pub(super) steps: VecDeque<Step>,
}

/// The end of an exchange, with Salesforce's code if there is one.
pub(crate) fn ends(status: u32, code: &str) -> Step {
    let code = format!("sfdc.platform.eventbus.grpc.{code}");
    Step::Ends(Ending {
        status,
        trailers: vec![("error-code".to_owned(), code)],
    })
}

/// What tests see of the host.
#[derive(Debug, Default)]
pub(crate) struct Script {
    /// How often the records of a batch were read.
    pub(crate) n_read: Cell<usize>,
    /// How many batches were made of records that were read.
    pub(crate) n_batches: Cell<usize>,
    /// How many lines a sheet takes, if not as many as the contract says.
    pub(crate) max_lines: Cell<Option<usize>>,
    /// There is no room for another sheet.
    pub(crate) no_sheets: Cell<bool>,
    /// How many sheets there are, and how many of them have their file.
    pub(crate) sheets: Cell<usize>,
    pub(super) files: Cell<usize>,
    pub(super) replies: RefCell<VecDeque<Reply>>,
    pub(crate) asked: RefCell<Vec<Request>>,
    pub(crate) stored: RefCell<BTreeMap<String, Vec<u8>>>,
    pub(crate) waits: RefCell<Vec<u32>>,
    pub(crate) logged: RefCell<Vec<String>>,
    pub(crate) reserved: RefCell<Vec<u32>>,
    pub(crate) no_quota: RefCell<Option<QuotaError>>,
    pub(crate) calls_left: Cell<Option<u64>>,
    pub(crate) now_ms: Cell<u64>,
    pub(crate) monotonic_ms: Cell<u64>,
    /// What time the org says it is.
    pub(crate) date: RefCell<Option<String>>,
    /// How long each answer takes.
    pub(crate) each_answer_ms: Cell<u64>,
    /// What `GetTopic` answers, unless exchanges are scripted for it.
    pub(crate) topic: RefCell<Option<Vec<u8>>>,
    pub(super) exchanges: RefCell<VecDeque<Result<VecDeque<Step>, StreamError>>>,
    /// The methods of the exchanges that were opened.
    pub(crate) opened: RefCell<Vec<String>>,
    /// What was said in which of them.
    pub(crate) said: RefCell<Vec<(usize, Vec<u8>)>>,
    /// What the rows of tables were said to be.
    pub(crate) shapes: RefCell<Vec<Shape>>,
    pub(super) under_way: Cell<usize>,
    pub(crate) most_under_way: Cell<usize>,
}

/// A connection that broke; whether the request may have arrived.
pub(crate) fn broken(maybe_sent: bool) -> Lost {
    Lost::Head(interrupted(maybe_sent))
}

/// The same as the host tells it.
pub(crate) fn interrupted(maybe_sent: bool) -> HttpError {
    HttpError::Unavailable(crate::bindings::lockgate::connector::http::Interruption {
        maybe_sent,
        retry_after_ms: 700,
    })
}
