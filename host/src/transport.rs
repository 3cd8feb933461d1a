//! The guarded HTTP client: the only place of the host that opens sockets to
//! other machines.
//!
//! What passes through here cannot reach the host's own network, follows no
//! redirect to another origin, uses no proxy from the environment, and ends:
//! every size and every time has a limit.

mod address;
mod body;
mod client;
mod dial;
mod error;
mod exchange;
mod frames;
mod origin;
mod pace;
mod resolve;
mod tls;
mod upload;

#[cfg(test)]
pub(crate) mod loopback;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub use address::{AddressPolicy, is_public};
pub use body::{Body, DEFAULT_BODY_BYTES, MAX_RATIO};
pub use client::{Answer, Outgoing, Transport, TransportConfig, TransportSetupError};
pub(crate) use error::clean;
pub use error::{Part, RedirectRefusal, Refusal, TransportError};
pub(crate) use exchange::{BrokenOff, Ended, Exchange, Opening, status};
pub use origin::{MAX_PATH_BYTES, MAX_QUERY_BYTES, OriginUrl, UrlError};
pub use pace::BODY_IDLE;
pub use resolve::{Resolver, SystemResolver};
pub use upload::{BodyFlaw, Upload};

/// How long name, connection and TLS may take together. A healthy product needs
/// well under a second, from anywhere.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The longest time until the head of an answer that a caller can ask for.
/// Products cut their own requests off at two to ten minutes.
pub const MAX_HEAD_TIMEOUT: Duration = Duration::from_secs(600);

/// Redirects that are followed in a row.
pub const MAX_REDIRECTS: usize = 3;

/// Header fields of an answer, in all.
pub const MAX_HEADER_FIELDS: usize = 128;

/// Bytes of an answer's header fields, in all.
pub const MAX_HEADER_BYTES: u32 = 64 * 1024;

/// The longest `Location`: path and query at their longest.
const MAX_LOCATION_BYTES: usize = MAX_PATH_BYTES + MAX_QUERY_BYTES;

/// How long an exchange may be silent before it counts as dead. Event services
/// give a sign of life at least every five minutes.
pub const EXCHANGE_IDLE: Duration = Duration::from_secs(600);

/// How long a connection is kept for the next request. Shorter than the minute
/// after which load balancers usually hang up, so that a request seldom meets a
/// connection that is just being closed.
const IDLE_CONNECTION: Duration = Duration::from_secs(45);
