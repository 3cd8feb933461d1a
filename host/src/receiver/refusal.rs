//! Answers to requests that are not taken. They say no more than the sender has to
//! know.

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};

/// Why a request is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// There is no webhook at this address.
    NoSuch,
    /// This webhook gets more than it may.
    TooMany,
    /// Too many requests are worked on.
    Busy,
    /// It could not be kept, or the connector could not look at it.
    Unavailable,
    /// The body, or something else of it, is larger than it may be.
    TooLarge,
    /// The body did not come in time.
    TooSlow,
    /// The body is compressed.
    Packed,
    /// Another method than POST.
    NotPosted,
    /// No signature that fits, or not of now.
    NotVerified,
    /// It is not what it has to be: why.
    Malformed(&'static str),
}

impl Refusal {
    /// Status, what it says, and after how many seconds to come again.
    const fn told(self) -> (StatusCode, &'static str, Option<&'static str>) {
        match self {
            Self::NoSuch => (StatusCode::NOT_FOUND, "", None),
            Self::TooMany => (StatusCode::TOO_MANY_REQUESTS, "", Some("5")),
            Self::Busy => (StatusCode::SERVICE_UNAVAILABLE, "", Some("5")),
            Self::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "", Some("30")),
            Self::TooLarge => (
                StatusCode::PAYLOAD_TOO_LARGE,
                "the request is too large",
                None,
            ),
            Self::TooSlow => (
                StatusCode::REQUEST_TIMEOUT,
                "the body did not come in time",
                None,
            ),
            Self::Packed => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "the body must not be compressed",
                None,
            ),
            Self::NotPosted => (StatusCode::METHOD_NOT_ALLOWED, "", None),
            Self::NotVerified => (StatusCode::UNAUTHORIZED, "", None),
            Self::Malformed(why) => (StatusCode::BAD_REQUEST, why, None),
        }
    }

    pub(super) fn answer(self) -> Response<Bytes> {
        let (status, text, retry_after) = self.told();
        let mut answer = Response::new(Bytes::from_static(text.as_bytes()));
        *answer.status_mut() = status;
        let headers = answer.headers_mut();
        if !text.is_empty() {
            let plain = HeaderValue::from_static("text/plain; charset=utf-8");
            headers.insert(CONTENT_TYPE, plain);
        }
        if let Some(seconds) = retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from_static(seconds));
        }
        if self == Self::NotPosted {
            headers.insert(ALLOW, HeaderValue::from_static("POST"));
        }
        answer
    }
}
