//! Why there is no token, in words that say what to do. No error holds a secret:
//! what the other side said is cut, cleaned and redacted before it gets here.

use std::sync::Arc;
use std::time::Duration;

use crate::seal::SealError;
use crate::store::{ConnectionKey, StoreError};
use crate::transport::TransportError;

/// Why there is no token.
///
/// Can be cloned, since all who wait for one refresh get the same outcome.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthError {
    /// The grant is dead. A person has to authorise again; nothing is sent until
    /// then.
    #[error("the connection {key} needs to be reconnected: {reason}")]
    NeedsReconnect {
        /// Which connection.
        key: ConnectionKey,
        /// What the product said.
        reason: String,
    },
    /// The connection was never authorised.
    #[error("the connection {key} is not authorised yet: begin an authorization")]
    NotAuthorized {
        /// Which connection.
        key: ConnectionKey,
    },
    /// A passing fault of the login host or the way to it.
    #[error("`{host}` gives no token now ({cause}): try again in {retry_after:?}")]
    Unavailable {
        /// The login host.
        host: String,
        /// What happened.
        cause: String,
        /// A sensible pause.
        retry_after: Duration,
    },
    /// The product refuses the request because of a setting.
    #[error("`{host}` refuses with `{code}`{}: {setting}", said(.description))]
    Misconfigured {
        /// The login host.
        host: String,
        /// The error code.
        code: String,
        /// What the product said, perhaps nothing.
        description: String,
        /// What to look at.
        setting: Setting,
    },
    /// The answer is not one that can be trusted or used. No token of it is kept.
    #[error("the token answer of `{host}` is not used: {what}")]
    BadAnswer {
        /// The login host.
        host: String,
        /// What is wrong with it.
        what: String,
    },
    /// The login cannot be used as it is written.
    #[error("the login is not usable: {0}")]
    BadLogin(String),
    /// The login host is one of each user's own, and the user's is not said.
    #[error("the login is not usable: the login host `{0}` needs your own subdomain")]
    NeedsSubdomain(String),
    /// A setting of the connection is wrong or missing.
    #[error("the connection {key} cannot be authorised: {problem}")]
    BadConnection {
        /// Which connection.
        key: ConnectionKey,
        /// What is wrong and what would be right.
        problem: String,
    },
    /// No package of this name is loaded, or it is not a connector.
    #[error("the connector `{package}` is not loaded: load it, then try again")]
    UnknownPackage {
        /// The name of the package.
        package: String,
    },
    /// The callback has no `state`.
    #[error("the callback has no `state`: it does not come from an authorization of ours")]
    MissingState,
    /// The callback's `state` was never given out, or was used already.
    #[error("the callback's `state` is unknown or was used already: begin the authorization again")]
    UnknownState,
    /// The person took too long.
    #[error("the authorization was begun more than 10 minutes ago: begin it again")]
    ExpiredState,
    /// The callback belongs to an authorization of another connection.
    #[error("the callback belongs to another connection than {key}: begin the authorization again")]
    OtherConnection {
        /// The connection that was expected.
        key: ConnectionKey,
    },
    /// The callback has neither a code nor an error.
    #[error("the callback has no `code`: begin the authorization again")]
    MissingCode,
    /// The callback names an issuer that is not the login host.
    #[error(
        "the callback comes from another issuer than the login host: begin the authorization again, and check the login host"
    )]
    OtherIssuer,
    /// The person or the product declined.
    #[error("the authorization was declined with `{code}`{}: {advice}", said(.description))]
    Declined {
        /// The error code.
        code: String,
        /// What the product said, perhaps nothing.
        description: String,
        /// What to do.
        advice: &'static str,
    },
    /// The rules of the transport refuse the login host.
    #[error("the login host is refused: {0}")]
    Refused(Arc<TransportError>),
    /// The store did not do it.
    #[error("the tokens cannot be read or kept: {0}")]
    Store(Arc<StoreError>),
    /// A secret was not sealed or not opened.
    #[error("the tokens cannot be sealed or opened: {0}")]
    Seal(Arc<SealError>),
}

/// `: text` if there is any.
fn said(description: &str) -> String {
    if description.is_empty() {
        String::new()
    } else {
        format!(" ({description})")
    }
}

/// What to look at when the product refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Setting {
    /// Client id or secret.
    #[error("check the client id and the client secret, which may have been rotated")]
    Client,
    /// The app at the product does not allow the flow.
    #[error("allow this flow in the settings of the app at the product, or choose another")]
    Flow,
    /// A scope.
    #[error("ask only for scopes that the app at the product has")]
    Scopes,
    /// The redirect URI.
    #[error("give the app at the product exactly the redirect URI of the connection")]
    RedirectUri,
    /// None that is known.
    #[error("check the settings of the connection and of the app at the product")]
    Other,
}

impl AuthError {
    /// Whether a person has to authorise (again).
    #[must_use]
    pub const fn needs_person(&self) -> bool {
        matches!(
            self,
            Self::NeedsReconnect { .. } | Self::NotAuthorized { .. }
        )
    }

    /// After which pause the same might succeed; `None` if something has to be
    /// changed first.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unavailable { retry_after, .. } => Some(*retry_after),
            Self::Store(error) if error.is_passing() => Some(super::PAUSE_AFTER_FAILURE),
            _ => None,
        }
    }
}

impl From<StoreError> for AuthError {
    fn from(error: StoreError) -> Self {
        Self::Store(Arc::new(error))
    }
}

impl From<SealError> for AuthError {
    fn from(error: SealError) -> Self {
        Self::Seal(Arc::new(error))
    }
}
