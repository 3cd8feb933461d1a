//! The one seam to the host: every import that the connector uses goes through the
//! trait `Host`.
//!
//! The component gets `Imports`; tests get a scripted service (`fake.rs`), so that all
//! the rest runs natively.

use crate::bindings::lockgate::connector::{clock, http};

pub(crate) use http::{Error as HttpError, Header, Method, Request};

/// The largest answer that is taken, in bytes: pages of 500 members stay far below it.
const MAX_BODY_BYTES: u64 = 8 * 1024 * 1024;

/// An answer with its whole body.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

/// Why a request has no whole answer.
#[derive(Debug)]
pub(crate) enum Lost {
    /// No answer began.
    Head(HttpError),
    /// The answer began, so the request was carried out or refused, and broke off.
    Body(HttpError),
}

/// What the connector needs of its host.
pub(crate) trait Host {
    /// Sends a request and takes the whole answer.
    async fn send(&self, request: Request) -> Result<Answer, Lost>;
    /// Milliseconds by a clock that never goes back.
    fn monotonic_ms(&self) -> u64;
}

/// The host's real imports.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Imports;

impl Host for Imports {
    async fn send(&self, request: Request) -> Result<Answer, Lost> {
        let response = http::send(request).await.map_err(Lost::Head)?;
        let status = response.status();
        let body = http::Response::take_body(response, MAX_BODY_BYTES)
            .await
            .map_err(Lost::Body)?;
        Ok(Answer { status, body })
    }

    fn monotonic_ms(&self) -> u64 {
        clock::monotonic_ms()
    }
}
