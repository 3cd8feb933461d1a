//! Queries: which way one goes, and its pages.
//!
//! There are two ways: `rest` asks page by page and costs a call for each;
//! `bulk` lets the org make the whole answer ready and costs some twenty calls,
//! however long it is. Both give the same records. Unless the caller says which,
//! it is REST, except where its first page shows that the rest of them costs
//! many calls more than a job.

mod bulk;
mod patience;
mod rest;
mod select;
mod shape;

use std::cell::RefCell;
use std::rc::Rc;

use crate::api::Api;
use crate::bindings::exports::lockgate::connector::records::{Advice, Error, QueryOptions, Way};
use crate::fault::refused;
use crate::host::{Host, Level};
use bulk::Run;
use rest::{First, Opened, Place};
use select::Select;
use shape::{Obstacle, Shape};

/// The names of the ways.
const REST: &str = "rest";
const BULK: &str = "bulk";

/// How many calls a job has to save to be chosen: below that, its minutes cost
/// more than its calls.
const WORTHWHILE: u64 = 50;

/// An answer under way.
#[derive(Debug)]
pub(crate) struct Pages<H: Host> {
    api: Rc<Api<H>>,
    way: Way,
    state: RefCell<State<H::Table>>,
}

/// Some records of an answer.
#[derive(Debug)]
pub(crate) struct Page<R> {
    pub(crate) records: Records<R>,
    /// How many the whole answer has, if that is known.
    pub(crate) total: Option<u64>,
}

/// Records that are handed on.
#[derive(Debug)]
pub(crate) enum Records<R> {
    /// A JSON array.
    Json(Vec<u8>),
    /// Rows of a table that the host has read.
    Rows(R),
}

#[cfg(test)]
impl<R> Records<R> {
    /// The JSON, as the host takes it.
    fn json(self) -> String {
        match self {
            Self::Json(json) => String::from_utf8(json).unwrap().trim().to_owned(),
            Self::Rows(_) => panic!("rows of a table"),
        }
    }
}

#[derive(Debug)]
enum State<T> {
    /// The first page came with the query itself.
    Held(First),
    /// The next page is there.
    Next(Place),
    /// A job makes the answer ready, or has.
    Job(Box<Run<T>>),
    End,
}

/// Sends a query. What is wrong with it shows here, not at the first page.
pub(crate) async fn open<H: Host>(
    api: Rc<Api<H>>,
    text: &str,
    options: QueryOptions,
) -> Result<Pages<H>, Error> {
    let (state, name, reason) = match options.way.as_deref() {
        None => chosen(&api, text, &options).await?,
        Some(REST) => {
            let state = match rest::open(&api, text, &options).await? {
                Opened::Whole(first) => State::Held(first),
                Opened::Part(place) => State::Next(place),
            };
            (state, REST, "asked for".to_owned())
        }
        Some(BULK) => {
            let run = forced(&api, text, &options).await?;
            (State::Job(Box::new(run)), BULK, "asked for".to_owned())
        }
        Some(_) => {
            return Err(refused(
                Advice::FixRecord,
                "UNKNOWN_WAY",
                "there is no such way to answer a query; the ways are: rest, bulk",
            ));
        }
    };
    let way = Way {
        name: name.to_owned(),
        reason,
    };
    Ok(Pages {
        api,
        way,
        state: RefCell::new(state),
    })
}

/// A job because the caller wants one.
async fn forced<H: Host>(
    api: &Api<H>,
    text: &str,
    options: &QueryOptions,
) -> Result<Run<H::Table>, Error> {
    let shape = match shaped(api, text).await {
        Ok(shape) => shape,
        Err(Obstacle::Error(error)) => return Err(rest::explained(error)),
        Err(Obstacle::Impossible(what)) => {
            return Err(refused(
                Advice::FixRecord,
                "WAY_NOT_POSSIBLE",
                &format!("Bulk cannot answer this query: {what}; say rest, or leave the way open"),
            ));
        }
    };
    let rows = shape.rows_of_a_fetch();
    Run::start(api, shape, options, rows)
        .await
        .map_err(rest::explained)
}

/// How the answers of a job look, if a job can answer this.
async fn shaped<H: Host>(api: &Api<H>, text: &str) -> Result<Shape, Obstacle> {
    let select = Select::read(text).map_err(Obstacle::impossible)?;
    Shape::of(api, &select).await
}

/// REST, unless its first page shows that a job costs much less.
async fn chosen<H: Host>(
    api: &Api<H>,
    text: &str,
    options: &QueryOptions,
) -> Result<(State<H::Table>, &'static str, String), Error> {
    let first = match rest::open(api, text, options).await? {
        Opened::Whole(first) => first,
        Opened::Part(place) => {
            let reason = "a job cannot answer nested queries".to_owned();
            return Ok((State::Next(place), REST, reason));
        }
    };
    let Some(left) = Left::behind(&first) else {
        let reason = "the first page holds all".to_owned();
        return Ok((State::Held(first), REST, reason));
    };
    let by_rest = |first, reason| Ok((State::Held(first), REST, reason));
    if left.calls < WORTHWHILE {
        return by_rest(first, format!("{} more calls are few", left.calls));
    }
    let select = match Select::read(text) {
        Ok(select) => select,
        Err(what) => return by_rest(first, format!("Bulk cannot answer it: {what}")),
    };
    let by_job = bulk::calls(left.total, left.rows_of_a_fetch) + select.objects_at_most();
    if left.calls < by_job + WORTHWHILE {
        let reason = format!("{} more calls, and by Bulk about {by_job}", left.calls);
        return by_rest(first, reason);
    }
    let run = match Shape::of(api, &select).await {
        Ok(shape) => Run::start(api, shape, options, left.rows_of_a_fetch)
            .await
            .map_err(Obstacle::Error),
        Err(obstacle) => Err(obstacle),
    };
    match run {
        Ok(run) => {
            let reason = format!("about {by_job} calls, and by REST {} more", left.calls);
            Ok((State::Job(Box::new(run)), BULK, reason))
        }
        Err(Obstacle::Impossible(what)) => by_rest(first, format!("Bulk cannot answer it: {what}")),
        // The page is here, and the next one meets the same fault if it lasts.
        Err(Obstacle::Error(error)) => {
            let code = crate::fault::as_problem(&error).code;
            api.host.log(
                Level::Warn,
                "no bulk job for a long query; went on by REST",
                &[("code", code.clone())],
            );
            by_rest(first, format!("Bulk refused it: {code}"))
        }
    }
}

/// What is still to come behind a first page.
struct Left {
    total: u64,
    /// Pages of the size of the first.
    calls: u64,
    rows_of_a_fetch: u32,
}

impl Left {
    /// `None` if nothing is to come, or nobody knows how much.
    fn behind(first: &First) -> Option<Self> {
        first.next.as_ref()?;
        let (total, count) = (first.page.total?, first.count as u64);
        let bytes = (first.page.records.len() as u64).checked_div(count)?;
        Some(Self {
            total,
            calls: total.saturating_sub(count).div_ceil(count),
            rows_of_a_fetch: bulk::rows_of(bytes),
        })
    }
}

impl<H: Host> Pages<H> {
    /// Which way was chosen, and why.
    pub(crate) fn way(&self) -> Way {
        self.way.clone()
    }

    /// The next page; `None` after the last, and after an error that does not
    /// pass. After one that does, the same page is asked for again.
    pub(crate) async fn next(&self) -> Result<Option<Page<H::Rows>>, Error> {
        let state = self.state.replace(State::End);
        let (page, next) = match state {
            State::Held(First { page, next, .. }) => (page, next),
            State::Next(mut place) => match place.page(&self.api).await {
                Ok(page) => page,
                Err(error) => {
                    if is_passing(&error) {
                        self.state.replace(State::Next(place));
                    }
                    return Err(error);
                }
            },
            State::Job(mut run) => {
                let page = run.next(&self.api).await;
                let goes_on = match &page {
                    Ok(page) => page.is_some(),
                    Err(error) => is_passing(error),
                };
                if goes_on {
                    self.state.replace(State::Job(run));
                }
                return page;
            }
            State::End => return Ok(None),
        };
        if let Some(place) = next {
            self.state.replace(State::Next(place));
        }
        Ok(Some(Page {
            records: Records::Json(page.records),
            total: page.total,
        }))
    }
}

/// Whether the same can be asked again later: nothing was sent, or no answer came
/// to a read.
const fn is_passing(error: &Error) -> bool {
    matches!(error, Error::OverQuota(_) | Error::Unavailable(_))
}

#[cfg(test)]
mod tests;
