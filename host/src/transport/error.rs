//! Why a request got no answer. No error shows a query, a header's value or a
//! body: errors end up in logs.

use std::error::Error;
use std::time::Duration;

use super::upload::BodyFlaw;
use crate::plain::is_forging;

/// Why a request got no answer, or an answer no end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// The rules forbid it. Nothing was sent; do not retry.
    #[error("the request to `{host}` is refused: {reason}")]
    Refused {
        /// The host that was asked for.
        host: String,
        /// The rule.
        reason: Refusal,
    },
    /// The answer was a redirect that is not followed; do not retry.
    #[error("the redirect from `{host}` is refused: {reason}")]
    RedirectRefused {
        /// The host that answered.
        host: String,
        /// The rule.
        reason: RedirectRefusal,
    },
    /// No connection came about. Nothing was sent.
    #[error("`{host}` cannot be reached: {cause}")]
    Unreachable {
        /// The host that was asked for.
        host: String,
        /// What the resolver, the socket or TLS said, cut at 256 bytes.
        cause: String,
    },
    /// Time ran out.
    #[error("`{host}` took longer than {limit:?} for {part}")]
    TimedOut {
        /// The host that was asked for.
        host: String,
        /// For what time ran out.
        part: Part,
        /// How long it had.
        limit: Duration,
        /// Whether the request may have reached the other side.
        maybe_sent: bool,
    },
    /// The connection broke, or the answer cannot be read.
    #[error("the answer from `{host}` broke off: {cause}")]
    Broken {
        /// The host that was asked for.
        host: String,
        /// What is known, cut at 256 bytes.
        cause: String,
        /// Whether the request may have reached the other side.
        maybe_sent: bool,
    },
    /// The answer is larger than allowed.
    #[error("the {part} of the answer is larger than {limit} bytes")]
    TooLarge {
        /// Head or body.
        part: Part,
        /// The limit, in bytes once decompressed.
        limit: u64,
    },
    /// The request's body is not what was promised, and was not sent to its end.
    #[error("the body of the request to `{host}` was broken off: {flaw}")]
    BadBody {
        /// The host that was asked for.
        host: String,
        /// What is wrong with it.
        flaw: BodyFlaw,
    },
    /// The answer's body swells beyond all measure when it is decompressed.
    #[error("the body of the answer grows more than {limit} times when decompressed")]
    Bomb {
        /// The largest ratio that is allowed.
        limit: u64,
    },
}

impl TransportError {
    /// Whether the request may have reached the other side, so that a write may
    /// have happened.
    #[must_use]
    pub const fn maybe_sent(&self) -> bool {
        match self {
            Self::Refused { .. } | Self::Unreachable { .. } | Self::BadBody { .. } => false,
            Self::TimedOut { maybe_sent, .. } | Self::Broken { maybe_sent, .. } => *maybe_sent,
            Self::RedirectRefused { .. } | Self::TooLarge { .. } | Self::Bomb { .. } => true,
        }
    }

    /// The same error where the request certainly was not carried out.
    pub(super) fn never_sent(mut self) -> Self {
        if let Self::TimedOut { maybe_sent, .. } | Self::Broken { maybe_sent, .. } = &mut self {
            *maybe_sent = false;
        }
        self
    }

    /// Whether the same request might succeed later.
    #[must_use]
    pub const fn is_passing(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. } | Self::TimedOut { .. } | Self::Broken { .. }
        )
    }
}

/// The part of an exchange that an error is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// From the start until the answer's status and headers are there.
    Head,
    /// The answer's body.
    Body,
    /// The request's body.
    Request,
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Head => "the head",
            Self::Body => "the body",
            Self::Request => "the request",
        })
    }
}

/// The rule that a request breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Only https, unless the connection is local.
    #[error("the scheme is not allowed; only https is")]
    Scheme,
    /// Only port 443, unless the connection is local.
    #[error("port {0} is not allowed; only 443 is")]
    Port(u16),
    /// `user:password@` before the host.
    #[error("the URL holds user information")]
    UserInfo,
    /// A name that belongs to the machine or its network, or none.
    #[error(
        "the name is not one of the public internet; declare the connection local if it is meant"
    )]
    Name,
    /// An address, or one of a name's addresses, is not public.
    #[error(
        "the address is not one of the public internet; declare the connection local if it is meant"
    )]
    Address,
    /// A local connection's list of origins does not have it.
    #[error("the origin is not one of those that the local connection names")]
    Origin,
    /// A header field that only the host may set.
    #[error("a header field is given that the transport sets itself")]
    Header,
}

/// Why a redirect is not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RedirectRefusal {
    /// It leads to another scheme, host or port.
    #[error("it leads to another origin")]
    Origin,
    /// The request was neither GET nor HEAD.
    #[error("only GET and HEAD requests follow redirects")]
    Method,
    /// More than the limit, or a loop.
    #[error("there were more than {} in a row", super::MAX_REDIRECTS)]
    TooMany,
    /// The target cannot be read.
    #[error("its target is malformed")]
    Malformed,
}

/// The longest text that is taken over from libraries and from the other side.
const MAX_TEXT_BYTES: usize = 256;

/// Makes text that others chose fit for a log: control characters escaped, cut.
pub(crate) fn clean(text: &str) -> String {
    let mut clean = String::new();
    for character in text.trim().chars() {
        if is_forging(character) {
            clean.extend(character.escape_default());
        } else {
            clean.push(character);
        }
        if clean.len() >= MAX_TEXT_BYTES {
            clean.push('…');
            break;
        }
    }
    clean
}

/// The innermost cause of an error, fit for a log: what libraries say of sockets
/// and TLS, which may quote names that the other side chose.
pub(super) fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    clean(&cause.to_string())
}

/// Finds an error of type `E` among the causes.
pub(super) fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref::<E>() {
            return Some(found);
        }
        cause = error.source();
    }
    None
}
