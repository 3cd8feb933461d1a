//! A connection's tokens, as they are kept under the seal.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::answer::Granted;

/// What is kept of a token answer.
pub(super) struct Tokens {
    pub(super) access: SecretString,
    pub(super) refresh: Option<SecretString>,
    /// When the product issued them, if it said so.
    pub(super) issued_at_ms: Option<u64>,
    /// From when the access token is no longer good, if the product said so.
    pub(super) expires_at_ms: Option<u64>,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").finish_non_exhaustive()
    }
}

/// The form under the seal. Members may be added; none may change its meaning.
#[derive(Serialize, Deserialize)]
struct Form<T> {
    access_token: T,
    refresh_token: Option<T>,
    issued_at_ms: Option<u64>,
    expires_at_ms: Option<u64>,
}

impl Tokens {
    /// From an answer. The old refresh token stays good unless the answer brings
    /// a new one.
    pub(super) fn granted(
        granted: &Granted,
        old_refresh: Option<&SecretString>,
        now_ms: u64,
    ) -> Self {
        let lifetime = granted.expires_in;
        let expires_at_ms = lifetime.map(|lifetime| {
            // Renewed a little early, so that no request meets the very end.
            let early = (lifetime / 10).min(std::time::Duration::from_secs(30));
            let lifetime = u64::try_from((lifetime - early).as_millis()).unwrap_or(u64::MAX);
            now_ms.saturating_add(lifetime)
        });
        Self {
            access: granted.access_token.clone(),
            refresh: granted.refresh_token.as_ref().or(old_refresh).cloned(),
            issued_at_ms: granted.issued_at_ms,
            expires_at_ms,
        }
    }

    /// The bytes to seal.
    pub(super) fn to_bytes(&self) -> Result<Zeroizing<Vec<u8>>, serde_json::Error> {
        let form = Form {
            access_token: self.access.expose_secret(),
            refresh_token: self.refresh.as_ref().map(ExposeSecret::expose_secret),
            issued_at_ms: self.issued_at_ms,
            expires_at_ms: self.expires_at_ms,
        };
        serde_json::to_vec(&form).map(Zeroizing::new)
    }

    /// From what was sealed.
    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        let form: Form<String> = serde_json::from_slice(bytes)?;
        Ok(Self {
            access: SecretString::from(form.access_token),
            refresh: form.refresh_token.map(SecretString::from),
            issued_at_ms: form.issued_at_ms,
            expires_at_ms: form.expires_at_ms,
        })
    }
}
