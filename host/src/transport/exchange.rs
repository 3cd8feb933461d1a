//! One gRPC exchange: messages both ways over a connection of its own, and how
//! it ended.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::{BoxStream, StreamExt as _};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, Incoming};
use hyper::client::conn::http2::SendRequest;
use hyper::{Request, Response, StatusCode};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, TE, USER_AGENT};
use tokio::time::timeout;
use url::Url;

use super::EXCHANGE_IDLE;
use super::address::AddressPolicy;
use super::client::{Transport, host_of, refused};
use super::dial::Running;
use super::error::{Part, TransportError, clean, innermost};
use super::frames::{Flaw, Frames, framed};

/// The status codes of gRPC that the host gives or looks for.
pub(crate) mod status {
    pub(crate) const CANCELLED: u32 = 1;
    pub(crate) const UNKNOWN: u32 = 2;
    pub(crate) const PERMISSION_DENIED: u32 = 7;
    pub(crate) const RESOURCE_EXHAUSTED: u32 = 8;
    pub(crate) const UNIMPLEMENTED: u32 = 12;
    pub(crate) const INTERNAL: u32 = 13;
    pub(crate) const UNAVAILABLE: u32 = 14;
    pub(crate) const UNAUTHENTICATED: u32 = 16;
}

/// An exchange to be opened.
pub(crate) struct Opening {
    /// Where, in full: the path is the method.
    pub(crate) url: Url,
    /// Metadata, the credential among it.
    pub(crate) metadata: HeaderMap,
    /// What goes out. An error breaks the exchange off.
    pub(crate) messages: BoxStream<'static, Result<Bytes, BrokenOff>>,
    /// The largest message that is taken, in bytes.
    pub(crate) max_message_bytes: u32,
}

/// What goes out ended before its end.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("what goes out was broken off")]
pub(crate) struct BrokenOff;

/// How an exchange ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// A status code of gRPC.
    pub(crate) status: u32,
    /// The trailers, as they came.
    pub(crate) trailers: Box<HeaderMap>,
    /// The other side said so at once, in place of an answer.
    pub(crate) at_head: bool,
    /// What is known if the other side has not said it.
    pub(crate) cause: Option<String>,
}

/// An exchange under way. Its connection goes with it.
pub(crate) struct Exchange {
    answer: Answer,
    frames: Frames,
    running: Running,
    /// Without it the connection would close.
    _sender: SendRequest<Outbound>,
}

enum Answer {
    Awaited(BoxFuture<'static, hyper::Result<Response<Incoming>>>),
    Begun(Incoming),
    Over,
}

impl std::fmt::Debug for Exchange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exchange").finish_non_exhaustive()
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.running.stop();
    }
}

impl Transport {
    /// Connects and begins an exchange. The other side may not answer before it
    /// has got a message, so its answer is not waited for.
    ///
    /// # Errors
    /// What the rules refuse, and why no connection came about.
    pub(crate) async fn open(
        &self,
        opening: Opening,
        policy: &AddressPolicy,
    ) -> Result<Exchange, TransportError> {
        let url = opening.url;
        policy
            .check_any_port(&url)
            .map_err(|reason| refused(&url, reason))?;
        let limit = self.connect_timeout;
        let dialed = timeout(limit, self.exchanges.dial(&url, policy)).await;
        let Ok(dialed) = dialed else {
            return Err(TransportError::TimedOut {
                host: host_of(&url),
                part: Part::Head,
                limit,
                maybe_sent: false,
            });
        };
        let (mut sender, running) = dialed?;
        let mut request = Request::new(Outbound(opening.messages));
        *request.method_mut() = hyper::Method::POST;
        *request.version_mut() = hyper::Version::HTTP_2;
        *request.uri_mut() = url
            .as_str()
            .parse()
            .map_err(|_| refused(&url, super::Refusal::Name))?;
        let fields = request.headers_mut();
        *fields = opening.metadata;
        fields.insert(TE, HeaderValue::from_static("trailers"));
        fields.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        fields.insert(USER_AGENT, self.exchanges.user_agent.clone());
        let encoding = HeaderName::from_static("grpc-accept-encoding");
        fields.insert(encoding, HeaderValue::from_static("identity"));
        let answer = sender.send_request(request);
        Ok(Exchange {
            answer: Answer::Awaited(Box::pin(answer)),
            frames: Frames::new(opening.max_message_bytes),
            running,
            _sender: sender,
        })
    }
}

impl Exchange {
    /// The next message. The other side sends on only as fast as this is called,
    /// but for what the window of the connection holds.
    ///
    /// # Errors
    /// How the exchange ended. Nothing comes after.
    pub(crate) async fn next(&mut self) -> Result<Bytes, Ended> {
        let outcome = loop {
            match self.frames.next() {
                Ok(Some(message)) => return Ok(message),
                Ok(None) => {}
                Err(flaw) => break flaw.into(),
            }
            match timeout(EXCHANGE_IDLE, self.more()).await {
                Ok(Ok(())) => {}
                Ok(Err(ended)) => break ended,
                Err(_) => {
                    let cause = format!("nothing came for {EXCHANGE_IDLE:?}");
                    break Ended::unsaid(status::UNAVAILABLE, cause);
                }
            }
        };
        self.answer = Answer::Over;
        self.running.stop();
        Err(outcome)
    }

    /// Waits for more of the answer.
    async fn more(&mut self) -> Result<(), Ended> {
        let body = match &mut self.answer {
            Answer::Awaited(answer) => {
                let response = answer.await.map_err(|error| broken(&error))?;
                self.answer = Answer::Begun(begun(response)?);
                return Ok(());
            }
            Answer::Begun(body) => body,
            Answer::Over => {
                let cause = "it has ended".to_owned();
                return Err(Ended::unsaid(status::UNAVAILABLE, cause));
            }
        };
        let frame = match body.frame().await {
            Some(Ok(frame)) => frame,
            Some(Err(error)) => return Err(broken(&error)),
            None => {
                let cause = "it ended without a status".to_owned();
                return Err(Ended::unsaid(status::UNAVAILABLE, cause));
            }
        };
        match frame.into_data() {
            Ok(part) => {
                self.frames.push(&part);
                Ok(())
            }
            Err(frame) => {
                let trailers = frame.into_trailers().unwrap_or_default();
                let status = status_in(&trailers).unwrap_or(status::UNKNOWN);
                if status == 0 && self.frames.is_within() {
                    let cause = "it ended within a message".to_owned();
                    return Err(Ended::unsaid(status::INTERNAL, cause));
                }
                Err(Ended {
                    status,
                    trailers: Box::new(trailers),
                    at_head: false,
                    cause: None,
                })
            }
        }
    }
}

impl Ended {
    fn unsaid(status: u32, cause: String) -> Self {
        Self {
            status,
            trailers: Box::default(),
            at_head: false,
            cause: Some(cause),
        }
    }
}

impl From<Flaw> for Ended {
    fn from(flaw: Flaw) -> Self {
        let status = match flaw {
            Flaw::Compressed => status::INTERNAL,
            Flaw::TooLong(_) => status::RESOURCE_EXHAUSTED,
        };
        Self::unsaid(status, flaw.to_string())
    }
}

fn broken(error: &hyper::Error) -> Ended {
    Ended::unsaid(status::UNAVAILABLE, clean(&innermost(error)))
}

/// The body of an answer, unless its head says that there is none.
fn begun(response: Response<Incoming>) -> Result<Incoming, Ended> {
    let (head, body) = response.into_parts();
    let (status, cause) = match status_in(&head.headers) {
        Some(status) => (status, None),
        None if head.status == StatusCode::OK => return Ok(body),
        // What a proxy answers, as gRPC reads it.
        None => {
            let status = match head.status.as_u16() {
                400 => status::INTERNAL,
                401 => status::UNAUTHENTICATED,
                403 => status::PERMISSION_DENIED,
                404 => status::UNIMPLEMENTED,
                429 | 502..=504 => status::UNAVAILABLE,
                _ => status::UNKNOWN,
            };
            (status, Some(format!("it answered {}", head.status)))
        }
    };
    Err(Ended {
        status,
        trailers: Box::new(head.headers),
        at_head: true,
        cause,
    })
}

/// The status in a head or in trailers; unknown if it cannot be read.
fn status_in(fields: &HeaderMap) -> Option<u32> {
    let status = fields.get("grpc-status")?;
    let number = status.to_str().ok().and_then(|text| text.parse().ok());
    Some(number.unwrap_or(status::UNKNOWN))
}

/// The body of the request: messages in their frames.
pub(super) struct Outbound(BoxStream<'static, Result<Bytes, BrokenOff>>);

impl Body for Outbound {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        let message = ready!(self.0.poll_next_unpin(context));
        Poll::Ready(message.map(|message| message.map(|message| Frame::data(framed(&message)))))
    }
}
