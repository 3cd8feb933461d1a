//! Pages of a long answer as a stream with back-pressure: the next page is made
//! when it is asked for, each under limits of its own.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::stream::{self, BoxStream, Stream, StreamExt as _};
use wasmtime::component::ResourceAny;

use crate::bindings::connector::exports::lockgate::connector::records::PageRecords;
use crate::connector::Instance;
use crate::error::Error;
use crate::records::{Page, Records, Way};
use crate::store::ConnectionKey;
use crate::transform::Transform;

/// The pages of one answer. Dropping it ends the call.
///
/// [`Error::OverQuota`] and [`Error::Unavailable`] leave it at its place: ask for
/// the next page again later. After any other error there are no more pages.
pub struct Pages {
    stream: BoxStream<'static, Result<Page, Error>>,
    way: Way,
    connection: ConnectionKey,
}

impl std::fmt::Debug for Pages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("Pages");
        shown.field("way", &self.way).finish_non_exhaustive()
    }
}

impl Pages {
    pub(crate) fn new(instance: Instance, cursor: ResourceAny, way: Way) -> Self {
        let connection = instance.key().clone();
        let pages = stream::unfold(Some(instance), move |instance| async move {
            let mut instance = instance?;
            let page = next(&mut instance, cursor).await.transpose()?;
            let goes_on = page.as_ref().err().is_none_or(Error::keeps_place);
            Some((page, goes_on.then_some(instance)))
        });
        Self {
            stream: pages.fuse().boxed(),
            way,
            connection,
        }
    }

    /// Which of the connector's ways the answer comes, and why.
    #[must_use]
    pub const fn way(&self) -> &Way {
        &self.way
    }

    /// Sends each page through a transform, in an instance of its own, on behalf of the
    /// connection.
    ///
    /// `object` is what the records are, as the transform knows it.
    #[must_use]
    pub fn through(self, transform: &Transform, object: &str) -> Self {
        let transform = transform.on_behalf_of(&self.connection);
        let object = object.to_owned();
        let pages = self.stream.then(move |page| {
            let (transform, object) = (transform.clone(), object.clone());
            async move {
                let mut page = page?;
                let transformed = transform.apply(&object, &page.records).await?;
                page.records = transformed.records;
                page.dropped += transformed.dropped.len();
                page.rejected.extend(transformed.rejected);
                Ok(page)
            }
        });
        // A page that could not be transformed ends the stream: going on would
        // lose it in silence.
        let pages = pages.scan(false, |failed, page| {
            let fails = page
                .as_ref()
                .is_err_and(|error: &Error| !error.keeps_place());
            let over = std::mem::replace(failed, fails);
            std::future::ready((!over).then_some(page))
        });
        Self {
            stream: pages.fuse().boxed(),
            way: self.way,
            connection: self.connection,
        }
    }

    /// The next page; `None` after the last.
    ///
    /// # Errors
    /// Any of [`Error`]'s call errors.
    pub async fn next_page(&mut self) -> Result<Option<Page>, Error> {
        self.stream.next().await.transpose()
    }

    /// All records at once, for answers that are known to be small.
    ///
    /// # Errors
    /// [`Error::Input`] if there are more than `max_records`, or any of
    /// [`Error`]'s call errors.
    pub async fn collect(mut self, max_records: usize) -> Result<Records, Error> {
        let mut json = vec![b'['];
        let mut count = 0;
        while let Some(page) = self.next_page().await? {
            count += page.records.len();
            if count > max_records {
                return Err(Error::Input(format!(
                    "the answer has more than {max_records} records"
                )));
            }
            let inner = page.records.as_bytes().trim_ascii();
            let inner = inner
                .strip_prefix(b"[")
                .and_then(|rest| rest.strip_suffix(b"]"));
            let inner = inner.unwrap_or_default().trim_ascii();
            if !inner.is_empty() {
                if json.len() > 1 {
                    json.push(b',');
                }
                json.extend_from_slice(inner);
            }
        }
        json.push(b']');
        Ok(Records::counted(json.into(), count))
    }
}

impl Stream for Pages {
    type Item = Result<Page, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.stream.poll_next_unpin(context)
    }
}

async fn next(instance: &mut Instance, cursor: ResourceAny) -> Result<Option<Page>, Error> {
    let page = loop {
        let page = instance
            .call("next page", async |records, accessor| {
                records.cursor().call_next(accessor, cursor).await
            })
            .await;
        match page {
            Ok(page) => break page,
            Err(error) => instance.park(error).await?,
        }
    };
    let Some(page) = page else {
        return Ok(None);
    };
    // Most likely they are the product's own bytes.
    let records = match page.records {
        PageRecords::Json(json) => Records::from_json(json)
            .map_err(|error| instance.not_understood("next page", &error.to_string()))?,
        PageRecords::Rows(rows) => instance.take_rows("next page", rows)?,
    };
    Ok(Some(Page {
        records,
        total: page.total,
        dropped: 0,
        rejected: Vec::new(),
    }))
}
