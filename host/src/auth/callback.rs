//! What comes back with the person: read, and checked before anything is sent.

use std::fmt;

use secrecy::SecretString;
use url::Url;

use super::error::AuthError;
use super::sessions::Loaded;
use crate::transport::clean;

/// The parameters with which the product sends the person back.
#[derive(Clone, Default)]
pub struct Callback {
    /// `state`.
    pub state: Option<String>,
    /// `code`, decoded.
    pub code: Option<SecretString>,
    /// `error`.
    pub error: Option<String>,
    /// `error_description`.
    pub error_description: Option<String>,
    /// `iss` (RFC 9207).
    pub iss: Option<String>,
}

impl Callback {
    /// Reads the query of the callback's URL, or the whole of it, as a person pastes it.
    /// Of a repeated parameter the first counts.
    #[must_use]
    pub fn from_query(query: &str) -> Self {
        let mut callback = Self::default();
        let query = match query.split_once('?') {
            Some((address, query)) if address.contains("://") && !address.contains('=') => query,
            _ => query,
        };
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let value = value.into_owned();
            match name.as_ref() {
                "state" => drop(callback.state.get_or_insert(value)),
                "code" => drop(callback.code.get_or_insert(SecretString::from(value))),
                "error" => drop(callback.error.get_or_insert(value)),
                "error_description" => drop(callback.error_description.get_or_insert(value)),
                "iss" => drop(callback.iss.get_or_insert(value)),
                _ => {}
            }
        }
        callback
    }
}

impl fmt::Debug for Callback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Callback")
            .field("has_state", &self.state.is_some())
            .field("has_code", &self.code.is_some())
            .field("error", &self.error)
            .finish_non_exhaustive()
    }
}

/// RFC 9207: an answer of another issuer was mixed up. The product's own hosts
/// answer for each other, as where an org's own host serves a common login.
pub(super) fn check_issuer(iss: Option<&str>, loaded: &Loaded) -> Result<(), AuthError> {
    let Some(iss) = iss else {
        return Ok(());
    };
    let url = Url::parse(iss).map_err(|_| AuthError::OtherIssuer)?;
    let same = url.origin() == loaded.place.login.origin();
    let related = loaded.record.local_origins.is_empty()
        && url.scheme() == "https"
        && url.host_str().is_some_and(|host| {
            let patterns = &loaded.auth.login_hosts;
            patterns.iter().any(|pattern| pattern.matches(host))
        });
    if same || related {
        Ok(())
    } else {
        Err(AuthError::OtherIssuer)
    }
}

/// What a declined authorization says, with what to do.
pub(super) fn declined(code: &str, description: Option<&str>) -> AuthError {
    let advice = match code {
        "access_denied" => {
            "the person said no, or may not: ask again, or ask the org's administrator"
        }
        "invalid_scope" => "ask only for scopes that the app at the product has",
        "temporarily_unavailable" | "server_error" => "the product is not ready: try again later",
        "login_required" | "interaction_required" | "consent_required" => {
            "the person has to log in: begin again without `prompt=none`"
        }
        "unauthorized_client" | "unsupported_response_type" => {
            "allow the authorization code flow in the settings of the app at the product"
        }
        _ => "check the settings of the app at the product, then begin again",
    };
    AuthError::Declined {
        code: clean(code),
        description: description.map(clean).unwrap_or_default(),
        advice,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_may_come_with_the_address_before_it() {
        for pasted in [
            "code=a%3D&state=s?t",
            "http://localhost:1717/callback?code=a%3D&state=s?t",
        ] {
            let callback = Callback::from_query(pasted);
            assert_eq!(callback.state.as_deref(), Some("s?t"), "{pasted}");
            let code = callback.code.unwrap();
            assert_eq!(secrecy::ExposeSecret::expose_secret(&code), "a=");
        }
        let asked = Callback::from_query("error=e&error_description=see http://a?b=c");
        assert_eq!(asked.error_description.as_deref(), Some("see http://a?b=c"));
    }
}
