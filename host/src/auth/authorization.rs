//! The way of a person through the product's login page, and back.

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use oauth2::{CsrfToken, PkceCodeChallenge, RedirectUrl, Scope};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use url::Url;

use super::AUTHORIZATION_LIFETIME;
use super::callback::{Callback, check_issuer, declined};
use super::error::AuthError;
use super::exchange::{Exchange, Failure};
use super::flight::Outcome;
use super::login::Place;
use super::sessions::{Loaded, Sessions};
use crate::manifest::AuthManifest;
use crate::store::{Authorization, ConnectionKey, ConnectionRecord, Flow, StoreError};
use crate::transport::clean;

/// How often finished tokens are written if others write at the same time.
const SAVE_TRIES: usize = 5;

/// Wishes for the product's login page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuthorizationHints {
    /// The user name to fill in.
    pub login_hint: Option<String>,
    /// What the page shows: `login`, `consent`, `select_account`.
    pub prompt: Option<String>,
}

/// An authorization that has begun.
#[derive(Clone)]
pub struct AuthorizationStart {
    /// Where to send the person's browser.
    pub url: Url,
    /// The `state` that comes back. Bind it to the person's session, for instance
    /// in a cookie, and finish only a callback that brings the same: otherwise
    /// one person could have another authorise in their place.
    pub state: String,
}

impl fmt::Debug for AuthorizationStart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthorizationStart")
            .field("host", &self.url.host_str())
            .finish_non_exhaustive()
    }
}

/// A connection that was authorised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connected {
    /// Which connection.
    pub key: ConnectionKey,
    /// The API origin.
    pub origin: Url,
    /// Who authorised, if the product says so.
    pub identity: Option<String>,
    /// Who had authorised before. If this is somebody else, what was
    /// synchronised so far may belong to another org.
    pub previous_identity: Option<String>,
}

impl Sessions {
    /// Begins the authorization of a connection by a person. Nothing is sent.
    ///
    /// # Errors
    /// What is wrong with the connection: its flow, its login host, its redirect
    /// URI, its scopes.
    pub async fn begin_authorization(
        &self,
        key: &ConnectionKey,
        hints: &AuthorizationHints,
    ) -> Result<AuthorizationStart, AuthError> {
        let record = self.store().connection(key).await?;
        let auth = self.manifest(&record.package)?;
        let place = Place::of(&auth, &record)?;
        let redirect = redirect_uri(&record)?;
        let scopes = scopes(&auth, &record)?;

        let now_ms = self.now_ms();
        // Those who never came back: there is no better time to clear up.
        self.store().purge_authorizations(now_ms).await?;
        let lifetime_ms = u64::try_from(AUTHORIZATION_LIFETIME.as_millis()).unwrap_or(0);
        let expires_at_ms = now_ms.saturating_add(lifetime_ms);
        let state = new_state(expires_at_ms, key)?;
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let digest = digest_of(&state);
        let sealed_verifier = self.inner.config.sealer.seal(
            key,
            &verifier_name(&digest),
            expires_at_ms,
            verifier.secret().as_bytes(),
        )?;
        let authorization = Authorization {
            key: key.clone(),
            sealed_verifier,
            redirect_uri: redirect.as_str().to_owned(),
            expires_at_ms,
        };
        self.store()
            .put_authorization(digest, &authorization)
            .await?;

        let exchange = Exchange {
            transport: self.inner.config.transport.clone(),
            auth,
            place,
            client_id: record.client_id,
            client_secret: None,
        };
        let client = exchange.client()?.set_redirect_uri(redirect);
        let token = CsrfToken::new(state.clone());
        let mut request = client
            .authorize_url(|| token)
            .add_scopes(scopes)
            .set_pkce_challenge(challenge);
        if let Some(hint) = &hints.login_hint {
            request = request.add_extra_param("login_hint", hint);
        }
        if let Some(prompt) = &hints.prompt {
            request = request.add_extra_param("prompt", prompt);
        }
        let (url, _) = request.url();
        Ok(AuthorizationStart { url, state })
    }

    /// Finishes an authorization with what the product sent back. Its `state` is
    /// used up by this, whatever the outcome.
    ///
    /// Give `expected` where the caller knows which connection the person was
    /// authorising: a callback for another one is then refused.
    ///
    /// # Errors
    /// Each with what to do: most often, to begin again.
    pub async fn finish_authorization(
        &self,
        callback: &Callback,
        expected: Option<&ConnectionKey>,
    ) -> Result<Connected, AuthError> {
        let state = callback.state.as_deref().filter(|state| !state.is_empty());
        let state = state.ok_or(AuthError::MissingState)?;
        let digest = digest_of(state);
        let now_ms = self.now_ms();
        let taken = self.store().take_authorization(digest, now_ms).await?;
        let Some(authorization) = taken else {
            let expired = expiry_of(state).is_some_and(|expires_at_ms| expires_at_ms <= now_ms);
            return Err(if expired {
                AuthError::ExpiredState
            } else {
                AuthError::UnknownState
            });
        };
        let key = authorization.key.clone();
        if expected.is_some_and(|expected| *expected != key) {
            return Err(AuthError::OtherConnection {
                key: expected.cloned().unwrap_or(key),
            });
        }
        if let Some(code) = &callback.error {
            return Err(declined(code, callback.error_description.as_deref()));
        }
        let loaded = self.load(&key).await?;
        check_issuer(callback.iss.as_deref(), &loaded)?;
        let code = callback.code.as_ref();
        let code = code
            .filter(|code| !code.expose_secret().is_empty())
            .ok_or(AuthError::MissingCode)?;
        let verifier = self.verifier(&digest, &authorization)?;
        let redirect = RedirectUrl::new(authorization.redirect_uri)
            .map_err(|_| bad(&key, "its redirect URI is not a URL"))?;

        let granted = match self.exchange(&loaded).code(code, &verifier, redirect).await {
            Ok(granted) => granted,
            // A dead code, not a dead grant: tokens that the connection may have
            // from before are still good.
            Err(Failure::Dead(reason)) => {
                return Err(AuthError::Declined {
                    code: "invalid code".to_owned(),
                    description: reason,
                    advice: "begin the authorization again, and come back within a few minutes",
                });
            }
            Err(Failure::Lost(error) | Failure::Other(error)) => return Err(error),
        };
        let connected = Connected {
            key: key.clone(),
            origin: granted.origin.clone(),
            identity: granted.identity.clone(),
            previous_identity: loaded.record.identity.clone(),
        };
        self.install(loaded, &granted).await?;
        tracing::info!(connection = %key, "the connection is authorised");
        Ok(connected)
    }

    /// Authorises a connection without a person: client credentials and signed
    /// assertions. Asks for a token in any case, also if the connection needs to
    /// be reconnected: call it when the cause is mended.
    ///
    /// # Errors
    /// Why there is no token.
    pub async fn authorize_client(&self, key: &ConnectionKey) -> Outcome {
        let loaded = self.load(key).await?;
        if loaded.record.flow == Flow::AuthorizationCode {
            return Err(bad(key, "it needs a person: begin an authorization"));
        }
        let entry = self.entry(key);
        if Self::is_closing(&entry) {
            return Err(StoreError::NotFound(key.clone()).into());
        }
        // Not in between a renewal that is under way.
        self.settle(&entry).await;
        let access = self.ask(self.load(key).await?, &entry).await?;
        let mut state = entry.lock();
        state.pause = None;
        state.current = Some(Arc::clone(&access));
        Ok(access)
    }

    /// Writes down the tokens of a new grant in place of whatever there is.
    async fn install(
        &self,
        mut loaded: Loaded,
        granted: &super::answer::Granted,
    ) -> Result<(), AuthError> {
        let key = loaded.record.key.clone();
        for _ in 0..SAVE_TRIES {
            let (update, access) = self.prepare(&loaded, granted, None)?;
            match self.store().save_tokens(&key, &update).await {
                Ok(()) => {
                    let entry = self.entry(&key);
                    let mut state = entry.lock();
                    state.pause = None;
                    state.unsaved = None;
                    state.current = Some(access);
                    state.seen.note(&update.sealed);
                    return Ok(());
                }
                // A refresh of the old grant: the new one replaces it.
                Err(StoreError::Conflict { .. }) => loaded = self.load(&key).await?,
                Err(error) if error.is_passing() => {}
                Err(error) => {
                    self.revoke_granted(&loaded, granted).await;
                    return Err(error.into());
                }
            }
        }
        self.revoke_granted(&loaded, granted).await;
        Err(StoreError::Busy.into())
    }

    fn verifier(
        &self,
        digest: &[u8; 32],
        authorization: &Authorization,
    ) -> Result<SecretString, AuthError> {
        let key = &authorization.key;
        let bytes = self.inner.config.sealer.open(
            key,
            &verifier_name(digest),
            authorization.expires_at_ms,
            &authorization.sealed_verifier,
        )?;
        let text = std::str::from_utf8(&bytes);
        text.map(SecretString::from)
            .map_err(|_| bad(key, "its authorization cannot be read: begin it again"))
    }
}

fn bad(key: &ConnectionKey, problem: &str) -> AuthError {
    AuthError::BadConnection {
        key: key.clone(),
        problem: problem.to_owned(),
    }
}

fn redirect_uri(record: &ConnectionRecord) -> Result<RedirectUrl, AuthError> {
    if record.flow != Flow::AuthorizationCode {
        return Err(bad(
            &record.key,
            "it is authorised without a person: no authorization is needed",
        ));
    }
    let Some(text) = &record.redirect_uri else {
        return Err(bad(&record.key, "it has no redirect URI: give one"));
    };
    let redirect = RedirectUrl::new(text.clone()).ok();
    redirect
        .filter(|redirect| redirect.url().fragment().is_none())
        .ok_or_else(|| {
            bad(
                &record.key,
                "its redirect URI is not a URL without a fragment",
            )
        })
}

/// The scopes to ask for: the connection's own, or the manifest's default.
fn scopes(auth: &AuthManifest, record: &ConnectionRecord) -> Result<Vec<Scope>, AuthError> {
    let known = |scope: &&String| {
        auth.scopes.default.contains(scope) || auth.scopes.optional.contains(scope)
    };
    if let Some(unknown) = record.scopes.iter().find(|scope| !known(scope)) {
        return Err(bad(
            &record.key,
            &format!("the connector knows no scope `{}`", clean(unknown)),
        ));
    }
    let scopes = if record.scopes.is_empty() {
        &auth.scopes.default
    } else {
        &record.scopes
    };
    Ok(scopes.iter().cloned().map(Scope::new).collect())
}

/// 256 random bits, and the time of expiry so that a late callback can be told
/// from a forged one.
fn new_state(expires_at_ms: u64, key: &ConnectionKey) -> Result<String, AuthError> {
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(|_| bad(key, "the system gives no random bytes"))?;
    Ok(format!(
        "{}.{expires_at_ms:x}",
        BASE64_URL_SAFE_NO_PAD.encode(random)
    ))
}

fn expiry_of(state: &str) -> Option<u64> {
    let (_, expiry) = state.split_once('.')?;
    u64::from_str_radix(expiry, 16).ok()
}

fn digest_of(state: &str) -> [u8; 32] {
    Sha256::digest(state.as_bytes()).into()
}

/// The verifier is sealed for its authorization: it opens under no other state.
fn verifier_name(digest: &[u8; 32]) -> String {
    format!("authorization/{}", BASE64_URL_SAFE_NO_PAD.encode(digest))
}
