//! OAuth 2.0: how a connection is authorised, and how its tokens stay alive.
//!
//! All that differs between products comes from the manifest; this module knows
//! the protocol. Three rules shape it:
//! - A secret is sent only to a login host that the manifest allows, and a token
//!   is kept only together with an API origin that the manifest allows.
//! - A refresh token may be good for one use only. So at most one refresh of a
//!   connection is under way, in all tasks and processes, and what it brings is
//!   durable before any of it is used.
//! - A dead grant needs a person. Until one has reconnected, nothing is sent.

mod access;
mod answer;
mod assertion;
mod authorization;
mod callback;
mod disconnect;
mod error;
mod exchange;
mod flight;
mod lease;
mod login;
mod quoted;
mod renewal;
mod seen;
mod sessions;
mod tokens;

#[cfg(test)]
mod tests;

use std::time::Duration;

pub use access::Access;
pub use authorization::{AuthorizationHints, AuthorizationStart, Connected};
pub use callback::Callback;
pub use disconnect::Revocation;
pub use error::{AuthError, Setting};
pub use login::{Login, validate_login};
pub use sessions::{AuthManifests, Sessions, SessionsConfig};

/// The name of the stored secret that holds the client's secret.
pub const CLIENT_SECRET: &str = "client-secret";

/// The name of the stored secret that holds the private key for assertions.
pub const PRIVATE_KEY: &str = "private-key";

/// How long the login host may take for one answer, body included. It answers in
/// well under a second; people and other calls wait meanwhile.
pub const TOKEN_TIMEOUT: Duration = Duration::from_secs(20);

/// The largest token answer, in bytes. With an id token they reach 4 KiB.
pub const MAX_TOKEN_ANSWER_BYTES: u64 = 64 * 1024;

/// How long a person has to come back from the login page.
pub const AUTHORIZATION_LIFETIME: Duration = Duration::from_secs(600);

/// How long nothing is sent after a passing failure, unless the answer said:
/// long enough that callers in a loop do no harm, short enough to go unnoticed.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(2);

/// How long nothing is sent after a failure that only a change of settings can
/// mend. A change ends the pause at once.
const PAUSE_AFTER_MISTAKE: Duration = Duration::from_secs(15);

/// The longest pause that a login host can ask for.
const MAX_PAUSE: Duration = Duration::from_secs(300);
