//! The one reader of token answers, for all flows. What it gives has been
//! checked: signature, API origin and shape.

use std::fmt;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use oauth2::basic::BasicTokenType;
use oauth2::{AccessToken, RefreshToken, Scope, TokenResponse};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::Sha256;
use url::Url;

use super::error::AuthError;
use super::login::Place;
use crate::manifest::{AuthManifest, SignatureRule};

/// The longest token that is taken, in bytes: it has to fit into a header field.
/// JWT access tokens reach 4 KiB.
const MAX_TOKEN_BYTES: usize = 12 * 1024;

/// The longest identity that is kept, in bytes.
const MAX_IDENTITY_BYTES: usize = 512;

/// A token answer as it came. Products add members of their own and leave out
/// others, so all but the tokens is read leniently.
#[derive(Deserialize, Serialize)]
pub(super) struct TokenAnswer {
    access_token: AccessToken,
    #[serde(default)]
    refresh_token: Option<RefreshToken>,
    #[serde(skip, default = "bearer")]
    kind: BasicTokenType,
    #[serde(flatten)]
    members: Map<String, Value>,
}

const fn bearer() -> BasicTokenType {
    BasicTokenType::Bearer
}

impl fmt::Debug for TokenAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenAnswer").finish_non_exhaustive()
    }
}

impl TokenResponse for TokenAnswer {
    type TokenType = BasicTokenType;

    fn access_token(&self) -> &AccessToken {
        &self.access_token
    }

    fn token_type(&self) -> &BasicTokenType {
        &self.kind
    }

    fn expires_in(&self) -> Option<Duration> {
        // Zero is how some products say that they do not know.
        number(self.members.get("expires_in")?)
            .filter(|seconds| *seconds > 0)
            .map(Duration::from_secs)
    }

    fn refresh_token(&self) -> Option<&RefreshToken> {
        self.refresh_token.as_ref()
    }

    fn scopes(&self) -> Option<&Vec<Scope>> {
        None
    }
}

/// A number, or a text that is one.
fn number(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// A text, or a number as it is written.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// What a login host grants, checked.
pub(super) struct Granted {
    pub(super) access_token: SecretString,
    pub(super) refresh_token: Option<SecretString>,
    pub(super) origin: Url,
    pub(super) identity: Option<String>,
    pub(super) issued_at_ms: Option<u64>,
    pub(super) expires_in: Option<Duration>,
}

impl fmt::Debug for Granted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Granted").finish_non_exhaustive()
    }
}

/// What an answer is checked against.
#[derive(Clone, Copy)]
pub(super) struct Expected<'a> {
    pub(super) auth: &'a AuthManifest,
    pub(super) place: &'a Place,
    /// The key of the signature, for flows in which the product signs.
    pub(super) signed_with: Option<&'a SecretString>,
}

impl Expected<'_> {
    /// Checks an answer whole before anything of it is used.
    pub(super) fn read(&self, answer: &TokenAnswer) -> Result<Granted, AuthError> {
        if let Some(kind) = answer.members.get("token_type")
            && !text(kind).is_some_and(|kind| kind.eq_ignore_ascii_case("bearer"))
        {
            return Err(self.bad("its token is not a bearer token"));
        }
        let access_token = answer.access_token.secret();
        if !is_token(access_token) {
            return Err(self.bad("its access token is empty, too long or malformed"));
        }
        let refresh_token = answer.refresh_token.as_ref().map(RefreshToken::secret);
        if refresh_token.is_some_and(|token| !is_token(token)) {
            return Err(self.bad("its refresh token is empty, too long or malformed"));
        }
        if let (Some(rule), Some(key)) = (&self.auth.signature, self.signed_with) {
            self.verify(rule, key, &answer.members)?;
        }
        Ok(Granted {
            access_token: SecretString::from(access_token.clone()),
            refresh_token: refresh_token.map(|token| SecretString::from(token.clone())),
            origin: self.origin(&answer.members)?,
            identity: self.identity(&answer.members)?,
            issued_at_ms: answer.members.get("issued_at").and_then(number),
            expires_in: answer.expires_in(),
        })
    }

    fn origin(&self, members: &Map<String, Value>) -> Result<Url, AuthError> {
        let Some(member) = &self.auth.origin_member else {
            let login = self.place.login.as_str();
            return self.place.api_origin(self.auth, login);
        };
        match members.get(member) {
            Some(Value::String(origin)) => self.place.api_origin(self.auth, origin),
            _ => Err(self.bad(&format!("it lacks `{member}`, which names the API origin"))),
        }
    }

    fn identity(&self, members: &Map<String, Value>) -> Result<Option<String>, AuthError> {
        let member = self.auth.identity_member.as_ref();
        let identity = member.and_then(|member| members.get(member)).and_then(text);
        let sound = |identity: &String| {
            identity.len() <= MAX_IDENTITY_BYTES && !identity.contains(char::is_control)
        };
        if identity.as_ref().is_some_and(|identity| !sound(identity)) {
            return Err(self.bad("the identity that it names is too long or malformed"));
        }
        Ok(identity)
    }

    /// `base64(HMAC-SHA256(client secret, members joined))`.
    fn verify(
        &self,
        rule: &SignatureRule,
        key: &SecretString,
        members: &Map<String, Value>,
    ) -> Result<(), AuthError> {
        let wrong = || {
            self.bad(
                "its signature does not fit: check that the client secret is the app's current one",
            )
        };
        let mut mac =
            Hmac::<Sha256>::new_from_slice(key.expose_secret().as_bytes()).map_err(|_| wrong())?;
        for member in &rule.over {
            let value = members.get(member).and_then(text).ok_or_else(wrong)?;
            mac.update(value.as_bytes());
        }
        let Some(Value::String(signature)) = members.get(&rule.member) else {
            return Err(wrong());
        };
        let signature = BASE64_STANDARD.decode(signature).map_err(|_| wrong())?;
        // Compared in constant time.
        mac.verify_slice(&signature).map_err(|_| wrong())
    }

    fn bad(&self, what: &str) -> AuthError {
        AuthError::BadAnswer {
            host: self.place.host(),
            what: what.to_owned(),
        }
    }
}

/// Visible ASCII, so that it can stand in a header field and nowhere break out.
fn is_token(token: &str) -> bool {
    (1..=MAX_TOKEN_BYTES).contains(&token.len()) && token.bytes().all(|b| b.is_ascii_graphic())
}
