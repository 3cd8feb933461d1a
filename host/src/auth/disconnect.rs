//! Off-boarding: tokens revoked, everything erased.

use std::sync::atomic::Ordering;

use secrecy::SecretString;

use super::answer::Granted;
use super::error::AuthError;
use super::sessions::{Loaded, Sessions};
use crate::store::ConnectionKey;

/// What became of a connection's tokens at the product.
#[derive(Clone, Debug)]
pub enum Revocation {
    /// They are good no more.
    Revoked,
    /// There were none.
    NothingToRevoke,
    /// The product has no way to revoke: they end when they expire.
    NotOffered,
    /// They may still be good: revoke them in the settings of the product.
    Failed(AuthError),
}

impl Sessions {
    /// Revokes a connection's tokens as far as that is possible, and erases all
    /// that is known of it, whatever became of the revocation.
    ///
    /// # Errors
    /// [`AuthError::Store`] if there is no such connection or it cannot be
    /// erased. It then still exists.
    pub async fn disconnect(&self, key: &ConnectionKey) -> Result<Revocation, AuthError> {
        let entry = self.entry(key);
        // From here nothing is renewed, so that no token appears behind our back.
        entry.closing.store(true, Ordering::Release);
        self.settle(&entry).await;
        let revocation = match self.load(key).await {
            Ok(loaded) => self.revoke_all(&loaded).await,
            Err(error) => Revocation::Failed(error),
        };
        let erased = self.store().erase_connection(key).await;
        match &erased {
            Ok(()) => tracing::info!(connection = %key, ?revocation, "the connection is erased"),
            Err(error) => {
                tracing::error!(connection = %key, %error, "the connection is not erased")
            }
        }
        // A connection of the same name starts afresh.
        self.remove_entry(key, &entry);
        erased?;
        Ok(revocation)
    }

    /// Disconnects all connections of a tenant. Gives the outcome of each.
    ///
    /// # Errors
    /// If the store cannot say which there are, or cannot erase the rest.
    pub async fn disconnect_tenant(
        &self,
        tenant: &str,
    ) -> Result<Vec<(ConnectionKey, Result<Revocation, AuthError>)>, AuthError> {
        let mut outcomes = Vec::new();
        for record in self.store().connections(Some(tenant)).await? {
            let outcome = self.disconnect(&record.key).await;
            outcomes.push((record.key, outcome));
        }
        // One that was added meanwhile goes as well.
        self.store().erase_tenant(tenant).await?;
        Ok(outcomes)
    }

    /// The refresh token first: it is the one that lasts.
    async fn revoke_all(&self, loaded: &Loaded) -> Revocation {
        match &loaded.tokens {
            None => Revocation::NothingToRevoke,
            Some((_, tokens)) => {
                self.revoke(loaded, tokens.refresh.as_ref(), &tokens.access)
                    .await
            }
        }
    }

    /// Revokes tokens that were granted and found no place.
    pub(super) async fn revoke_granted(&self, loaded: &Loaded, granted: &Granted) {
        let (refresh, access) = (granted.refresh_token.as_ref(), &granted.access_token);
        let revocation = self.revoke(loaded, refresh, access).await;
        tracing::warn!(
            connection = %loaded.record.key, ?revocation,
            "new tokens could not be kept and were given back"
        );
    }

    async fn revoke(
        &self,
        loaded: &Loaded,
        refresh: Option<&SecretString>,
        access: &SecretString,
    ) -> Revocation {
        let Some(path) = &loaded.auth.revoke_path else {
            return Revocation::NotOffered;
        };
        let exchange = self.exchange(loaded);
        let mut outcome = Revocation::Revoked;
        for token in refresh.into_iter().chain([access]) {
            if let Err(error) = exchange.revoke(path, token).await {
                outcome = Revocation::Failed(error);
            }
        }
        outcome
    }
}
