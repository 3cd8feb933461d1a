//! What a request of a connection needs to be sent, and to be read safely.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::header::{HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;
use url::Url;

use super::error::AuthError;
use super::flight::Outcome;
use super::sessions::{Loaded, Sessions};
use super::tokens::Tokens;
use crate::redact::Redactor;
use crate::transport::AddressPolicy;

/// From this many bytes on a client secret is looked for in what comes back. It goes to
/// the token endpoint alone, so no other answer echoes it; it may stand in one that tells
/// of the product's own settings. A shorter one is a word that somebody chose, and stands
/// in innocent texts, which would be damaged.
const CLIENT_SECRET_BYTES: usize = 16;

/// All that a request of a connection needs: where to, and as whom.
pub struct Access {
    /// The access token.
    pub token: SecretString,
    /// The API origin that came with it, checked.
    pub origin: Url,
    /// Who authorised, if the product said so.
    pub identity: Option<String>,
    /// Which set of tokens this is: give it to [`Sessions::renew`] when the
    /// product says that the session has expired.
    pub generation: u64,
    /// The header field that carries the token, with a value that is marked
    /// sensitive.
    pub header: (HeaderName, HeaderValue),
    /// What the transport is held to for this connection.
    pub policy: AddressPolicy,
    /// Takes this connection's secrets out of what comes back.
    pub redactor: Redactor,
    /// When the product last accepted the token, or gave it out.
    pub(super) accepted: Mutex<Option<Instant>>,
    /// From when the token is no longer good, if the product said so.
    pub(super) expires_at_ms: Option<u64>,
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access")
            .field("origin", &self.origin.as_str())
            .field("generation", &self.generation)
            .finish_non_exhaustive()
    }
}

impl Access {
    /// Notes that the product has just accepted the token.
    pub(crate) fn note_accepted(&self) {
        *self.accepted() = Some(Instant::now());
    }

    /// Whether the product has accepted the token since so long ago.
    pub(crate) fn was_accepted_within(&self, period: Duration) -> bool {
        self.accepted().is_some_and(|at| at.elapsed() <= period)
    }

    /// A panic of another holder leaves nothing half done.
    fn accepted(&self) -> MutexGuard<'_, Option<Instant>> {
        self.accepted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sessions {
    /// What a request needs, from what is stored. The origin is checked again:
    /// the manifest may have become stricter since it was kept.
    pub(super) fn build_access(
        &self,
        loaded: &Loaded,
        version: u64,
        tokens: &Tokens,
        origin: &str,
        identity: Option<String>,
    ) -> Outcome {
        let bad = |problem: &str| AuthError::BadConnection {
            key: loaded.record.key.clone(),
            problem: problem.to_owned(),
        };
        let auth = &loaded.auth;
        let name = HeaderName::try_from(auth.token_header.as_str())
            .map_err(|_| bad("the connector's manifest names no valid header for the token"))?;
        let token = tokens.access.expose_secret();
        let mut value = HeaderValue::try_from(format!("{}{token}", auth.token_prefix))
            .map_err(|_| bad("the token does not fit into a header field: reconnect"))?;
        value.set_sensitive(true);
        let client_secret = loaded.client_secret.as_ref();
        let secrets = [
            Some(&tokens.access),
            tokens.refresh.as_ref(),
            client_secret.filter(|secret| secret.expose_secret().len() >= CLIENT_SECRET_BYTES),
        ];
        Ok(Arc::new(Access {
            token: tokens.access.clone(),
            origin: loaded.place.api_origin(auth, origin)?,
            identity,
            generation: version,
            header: (name, value),
            policy: loaded.place.policy.clone(),
            redactor: Redactor::new(secrets.into_iter().flatten()),
            accepted: Mutex::default(),
            expires_at_ms: tokens.expires_at_ms,
        }))
    }
}
