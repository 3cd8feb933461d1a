//! Getting a new token, in the order that loses none: look whether somebody else
//! has done it, ask, write down, hand out.

use std::sync::Arc;

use super::access::Access;
use super::error::AuthError;
use super::exchange::Failure;
use super::flight::Outcome;
use super::sessions::{Entry, Loaded, Sessions};
use super::tokens::Tokens;
use super::{PRIVATE_KEY, answer::Granted, assertion, assertion::Claims};
use crate::store::{ConnectionKey, ConnectionState, Flow, StoreError, TOKENS, TokenUpdate};

/// How often a write of new tokens is tried at once. What is still not written
/// then is kept in memory and tried again with the next call.
const SAVE_TRIES: usize = 3;

/// How far our clock may be from the login host's, in milliseconds, without it being the
/// reason why an assertion is refused.
const CLOCK_SKEW_MS: u64 = 60_000;

/// Tokens that were granted and are not durable yet. They are the only ones that
/// are good if the product rotates, so they are not handed out but not thrown
/// away either.
pub(super) struct Unsaved {
    update: TokenUpdate,
    access: Arc<Access>,
}

impl Sessions {
    /// Gives an access other than the generation `stale`.
    pub(super) async fn renew_now(
        &self,
        key: &ConnectionKey,
        entry: &Entry,
        stale: Option<u64>,
    ) -> Outcome {
        if let Some(access) = self.save_unsaved(key, entry).await? {
            return Ok(access);
        }
        let loaded = self.load(key).await?;
        if let Some(access) = self.usable(&loaded, stale)? {
            return Ok(access);
        }
        if loaded.record.flow != Flow::AuthorizationCode {
            return self.ask(loaded, entry).await;
        }
        // Nothing to refresh with, so no lease is needed to find out.
        if !matches!(&loaded.tokens, Some((_, tokens)) if tokens.refresh.is_some()) {
            return self.ask(loaded, entry).await;
        }
        loop {
            if let Some(lease) = self.try_lease(key).await? {
                let work = Box::pin(async {
                    // Whoever held it before may have done the work.
                    let loaded = self.load(key).await?;
                    match self.usable(&loaded, stale)? {
                        Some(access) => Ok(access),
                        None => self.ask(loaded, entry).await,
                    }
                });
                return self.under_lease(key, lease, work).await;
            }
            self.lease_pause().await;
            let loaded = self.load(key).await?;
            if let Some(access) = self.usable(&loaded, stale)? {
                return Ok(access);
            }
        }
    }

    /// What the store has, if it will do without a request.
    fn usable(
        &self,
        loaded: &Loaded,
        stale: Option<u64>,
    ) -> Result<Option<Arc<Access>>, AuthError> {
        if let ConnectionState::NeedsReconnect { reason } = &loaded.record.state {
            return Err(AuthError::NeedsReconnect {
                key: loaded.record.key.clone(),
                reason: reason.clone(),
            });
        }
        if loaded.came_back {
            return Err(AuthError::NeedsReconnect {
                key: loaded.record.key.clone(),
                reason: "older tokens were put back into the store in place of newer ones: look \
                         who can write to it"
                    .to_owned(),
            });
        }
        match &loaded.tokens {
            Some((version, tokens)) if stale != Some(*version) => {
                let expired = tokens.expires_at_ms.is_some_and(|at| at <= self.now_ms());
                if expired {
                    return Ok(None);
                }
                let origin = loaded.record.origin.as_deref();
                let origin = origin.unwrap_or(loaded.place.login.as_str());
                let identity = loaded.record.identity.clone();
                self.build_access(loaded, *version, tokens, origin, identity)
                    .map(Some)
            }
            _ => Ok(None),
        }
    }

    /// What the store has now, if that is not what we started from.
    async fn overtaken(&self, before: &Loaded) -> Result<Option<Arc<Access>>, AuthError> {
        let now = self.load(&before.record.key).await?;
        if now.version() == before.version() && now.record.state == before.record.state {
            return Ok(None);
        }
        self.usable(&now, before.version())
    }

    /// Asks the login host, as the flow has it.
    pub(super) async fn ask(&self, loaded: Loaded, entry: &Entry) -> Outcome {
        match loaded.record.flow {
            Flow::AuthorizationCode => self.refresh(loaded, entry).await,
            Flow::ClientCredentials => {
                let granted = self.client_credentials(&loaded).await;
                self.settle_answer(loaded, entry, granted, false).await
            }
            Flow::JwtBearer => {
                let granted = self.jwt_bearer(&loaded).await;
                self.settle_answer(loaded, entry, granted, false).await
            }
        }
    }

    async fn refresh(&self, loaded: Loaded, entry: &Entry) -> Outcome {
        let Some((_, tokens)) = &loaded.tokens else {
            return Err(AuthError::NotAuthorized {
                key: loaded.record.key,
            });
        };
        let Some(refresh) = tokens.refresh.clone() else {
            let reason = "the session has ended, and the product gave no refresh token: ask for the scope that brings one".to_owned();
            return self.bury(loaded, reason).await;
        };
        let exchange = self.exchange(&loaded);
        match exchange.refresh(&refresh).await {
            Err(Failure::Lost(error)) => {
                // It may have been carried out, and the refresh token with it
                // used up. Somebody else may know; otherwise one more try shows
                // whether it still is good.
                if let Some(access) = self.overtaken(&loaded).await? {
                    return Ok(access);
                }
                tracing::warn!(
                    connection = %loaded.record.key, %error,
                    "the answer to a refresh was lost, trying once more"
                );
                let again = exchange.refresh(&refresh).await;
                self.settle_answer(loaded, entry, again, true).await
            }
            outcome => self.settle_answer(loaded, entry, outcome, false).await,
        }
    }

    async fn client_credentials(&self, loaded: &Loaded) -> Result<Granted, Failure> {
        if !loaded.auth.client_credentials {
            return Err(self.cannot(loaded, "the product does not take client credentials"));
        }
        if loaded.client_secret.is_none() {
            return Err(self.cannot(loaded, "it has no client secret: give one"));
        }
        self.exchange(loaded).client_credentials().await
    }

    async fn jwt_bearer(&self, loaded: &Loaded) -> Result<Granted, Failure> {
        let Some(rule) = &loaded.auth.jwt_bearer else {
            return Err(self.cannot(loaded, "the product does not take signed assertions"));
        };
        let Some(subject) = &loaded.record.username else {
            return Err(self.cannot(
                loaded,
                "it has no user name: an assertion is signed for one",
            ));
        };
        let pem = self.secret_text(&loaded.record.key, PRIVATE_KEY).await;
        let Some(pem) = pem.map_err(Failure::Other)? else {
            return Err(self.cannot(loaded, "it has no private key: give one"));
        };
        let signed = |now_ms: u64| {
            let claims = Claims {
                issuer: &loaded.record.client_id,
                subject,
                // An origin without the slash that the parser adds.
                audience: loaded.place.login.as_str().trim_end_matches('/'),
                expires_at_s: (now_ms / 1000).saturating_add(u64::from(rule.lifetime_s)),
            };
            let key = assertion::read_key(&pem);
            key.and_then(|key| assertion::sign(&key, &claims))
                .map_err(|problem| self.cannot(loaded, problem))
        };
        let (exchange, now_ms) = (self.exchange(loaded), self.now_ms());
        match exchange.assertion(&signed(now_ms)?).await {
            // One that is over, or not good yet, by their clock is refused as that of a
            // user who may not log in: nobody has to reconnect because of a clock.
            Err((Failure::Dead(_), Some(theirs_ms)))
                if theirs_ms.abs_diff(now_ms) > CLOCK_SKEW_MS =>
            {
                let again = exchange.assertion(&signed(theirs_ms)?).await;
                again.map_err(|(failure, _)| failure)
            }
            outcome => outcome.map_err(|(failure, _)| failure),
        }
    }

    fn cannot(&self, loaded: &Loaded, problem: &str) -> Failure {
        Failure::Other(AuthError::BadConnection {
            key: loaded.record.key.clone(),
            problem: problem.to_owned(),
        })
    }

    /// Draws the consequence of an answer.
    async fn settle_answer(
        &self,
        loaded: Loaded,
        entry: &Entry,
        answer: Result<Granted, Failure>,
        after_a_loss: bool,
    ) -> Outcome {
        match answer {
            Ok(granted) => self.keep(&loaded, entry, &granted).await,
            Err(Failure::Dead(reason)) if after_a_loss => {
                let reason = format!(
                    "{reason} (an answer was lost just before, and the new refresh token with it)"
                );
                self.bury(loaded, reason).await
            }
            Err(Failure::Dead(reason)) => self.bury(loaded, reason).await,
            Err(Failure::Lost(error) | Failure::Other(error)) => Err(error),
        }
    }

    /// Writes new tokens down, and hands them out only then.
    async fn keep(&self, loaded: &Loaded, entry: &Entry, granted: &Granted) -> Outcome {
        let old = loaded.tokens.as_ref();
        let old_refresh = old.and_then(|(_, tokens)| tokens.refresh.as_ref());
        let (update, access) = self.prepare(loaded, granted, old_refresh)?;
        let key = &loaded.record.key;
        let mut tries = 0;
        loop {
            tries += 1;
            match self.store().save_tokens(key, &update).await {
                Ok(()) => {
                    entry.lock().seen.note(&update.sealed);
                    return Ok(access);
                }
                // Somebody reconnected meanwhile: theirs are the good ones.
                Err(StoreError::Conflict { .. }) => {
                    let now = self.load(key).await?;
                    return match self.usable(&now, loaded.version())? {
                        Some(access) => Ok(access),
                        None => Err(StoreError::Conflict {
                            current: now.version().unwrap_or(0),
                        }
                        .into()),
                    };
                }
                // Removed meanwhile: nobody would ever revoke these.
                Err(error @ StoreError::NotFound(_)) => {
                    self.revoke_granted(loaded, granted).await;
                    return Err(error.into());
                }
                Err(error) if error.is_passing() && tries < SAVE_TRIES => {}
                Err(error) => {
                    tracing::error!(
                        connection = %key, %error,
                        "new tokens cannot be written down; trying again with the next call"
                    );
                    entry.lock().unsaved = Some(Unsaved { update, access });
                    return Err(error.into());
                }
            }
        }
    }

    /// The write that a token answer asks for, and the access that it gives once
    /// that is done.
    pub(super) fn prepare(
        &self,
        loaded: &Loaded,
        granted: &Granted,
        old_refresh: Option<&secrecy::SecretString>,
    ) -> Result<(TokenUpdate, Arc<Access>), AuthError> {
        let key = &loaded.record.key;
        let tokens = Tokens::granted(granted, old_refresh, self.now_ms());
        let bytes = tokens
            .to_bytes()
            .map_err(|_| super::sessions::corrupt(key, TOKENS))?;
        let sealer = &self.inner.config.sealer;
        let sealed = sealer.seal_next(key, TOKENS, loaded.version(), &bytes)?;
        let origin = granted.origin.as_str();
        // A refresh that does not say who it is for changes nothing.
        let identity = granted
            .identity
            .clone()
            .or_else(|| loaded.record.identity.clone());
        let access =
            self.build_access(loaded, sealed.version, &tokens, origin, identity.clone())?;
        let update = TokenUpdate {
            expected: loaded.version(),
            sealed,
            origin: Some(origin.trim_end_matches('/').to_owned()),
            identity,
            state: ConnectionState::Ready,
            at_ms: self.now_ms(),
        };
        Ok((update, access))
    }

    /// Writes down what could not be written before.
    async fn save_unsaved(
        &self,
        key: &ConnectionKey,
        entry: &Entry,
    ) -> Result<Option<Arc<Access>>, AuthError> {
        let Some(unsaved) = entry.lock().unsaved.take() else {
            return Ok(None);
        };
        match self.store().save_tokens(key, &unsaved.update).await {
            Ok(()) => {
                entry.lock().seen.note(&unsaved.update.sealed);
                Ok(Some(unsaved.access))
            }
            // Somebody else has newer ones, or the connection is gone.
            Err(StoreError::Conflict { .. } | StoreError::NotFound(_)) => Ok(None),
            Err(error) => {
                entry.lock().unsaved = Some(unsaved);
                Err(error.into())
            }
        }
    }

    /// Notes that the grant is dead, unless somebody has reconnected meanwhile.
    async fn bury(&self, loaded: Loaded, reason: String) -> Outcome {
        if let Some(access) = self.overtaken(&loaded).await? {
            return Ok(access);
        }
        let key = loaded.record.key.clone();
        let state = ConnectionState::NeedsReconnect {
            reason: reason.clone(),
        };
        let (version, now_ms) = (loaded.version(), self.now_ms());
        match self.store().set_state(&key, version, &state, now_ms).await {
            Ok(()) => {
                tracing::warn!(connection = %key, %reason, "the connection needs to be reconnected");
                Err(AuthError::NeedsReconnect { key, reason })
            }
            Err(StoreError::Conflict { .. }) => {
                let now = self.load(&key).await?;
                match self.usable(&now, version)? {
                    Some(access) => Ok(access),
                    None => Err(AuthError::NeedsReconnect { key, reason }),
                }
            }
            Err(error) => Err(error.into()),
        }
    }
}
