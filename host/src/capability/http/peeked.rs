//! What an answer means to the host itself: an ended session, or a budget that is
//! used up. Only of answers whose status may mean something the beginning is read.

use bytes::Bytes;

use super::body::redacted;
use super::request::Checked;
use super::response::Response;
use crate::auth::Access as Credential;
use crate::manifest::{Meaning, Signal, VendorManifest};
use crate::store::ConnectionKey;
use crate::transport::{Answer, TransportError};

/// How much of an answer is read to find out what it means. Error bodies are
/// well under 1 KiB.
const PEEK_BYTES: usize = 64 * 1024;

/// An answer whose beginning was read if its status may have a meaning for the
/// host.
pub(super) struct Peeked {
    answer: Answer,
    ahead: Vec<Result<Bytes, TransportError>>,
    pub(super) meaning: Option<Meaning>,
}

impl Peeked {
    pub(super) async fn new(mut answer: Answer, vendor: &VendorManifest) -> Self {
        let status = answer.status.as_u16();
        let mut ahead = Vec::new();
        let mut meaning = None;
        if vendor.signals.iter().any(|signal| signal.status == status) {
            let mut head = Vec::new();
            while head.len() < PEEK_BYTES {
                match answer.body.chunk().await {
                    Some(Ok(chunk)) => {
                        head.extend_from_slice(&chunk);
                        ahead.push(Ok(chunk));
                    }
                    Some(Err(error)) => {
                        ahead.push(Err(error));
                        break;
                    }
                    None => break,
                }
            }
            let text = String::from_utf8_lossy(&head);
            let fits = |signal: &&Signal| {
                signal.status == status
                    && signal
                        .contains
                        .iter()
                        .all(|needle| text.contains(needle.as_str()))
                    && !signal
                        .lacks
                        .iter()
                        .any(|needle| text.contains(needle.as_str()))
            };
            meaning = vendor.signals.iter().find(fits).map(|signal| signal.means);
        }
        Self {
            answer,
            ahead,
            meaning,
        }
    }

    pub(super) fn into_response(
        self,
        request: &Checked,
        credential: &Credential,
        connection: ConnectionKey,
    ) -> Response {
        let redactor = credential.redactor.clone();
        let rest = self.answer.body.limited(request.response_bytes);
        let body = redacted(self.ahead, rest, &redactor, connection);
        Response {
            status: self.answer.status,
            headers: self.answer.headers,
            body,
            redactor,
            entry: None,
        }
    }
}
