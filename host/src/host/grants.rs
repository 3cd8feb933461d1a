//! What the connector of a connection may do: looked at, given and taken back while
//! calls are under way.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Host, Inner, key};
use crate::capability::clock::now_ms;
use crate::connector::LoadedConnector;
use crate::error::Error;
use crate::grant::live::Live;
use crate::grant::{ConnectionGrants, Grant, GrantChange, Grants};
use crate::limits::Limits;
use crate::rollout::{Rollout, Versioned as _};
use crate::store::{ConnectionKey, ConnectionRecord};

/// What a connection was granted, beside what its connector asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GrantStatus {
    /// The connection.
    pub connection: ConnectionKey,
    /// The connector.
    pub package: String,
    /// The version that its calls go to; `None` if it may go to none of those that are
    /// loaded.
    pub version: Option<String>,
    /// What was decided.
    pub grants: ConnectionGrants,
    /// What that version asks for, each with its reason. Of one that it waits for, if
    /// there is no other.
    pub asked: BTreeMap<Grant, String>,
    /// The limits of a call in that version.
    pub limits: Limits,
    /// The version that it does not go to before more is granted.
    pub waiting: Option<Waiting>,
}

/// A version that a connection waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Waiting {
    /// The version.
    pub version: String,
    /// What it asks for and was never decided on.
    pub missing: Grants,
}

impl Host {
    /// What a connection was granted, and whether it waits for more.
    ///
    /// # Errors
    /// [`Error::NoConnection`]; [`Error::NotLoaded`] if its connector is not loaded.
    pub async fn grants(&self, tenant: &str, name: &str) -> Result<GrantStatus, Error> {
        let record = self.0.connection_record(&key(tenant, name)?).await?;
        self.0.grant_status(&record).await
    }

    /// Gives grants to a connection. Its calls under way have them at once; a version
    /// that waited for them gets its calls from then on, subscriptions with their next
    /// delivery. What the connector was not loaded with it does not get.
    ///
    /// # Errors
    /// As [`Self::grants`]; [`Error::Store`].
    pub async fn grant(
        &self,
        tenant: &str,
        name: &str,
        grants: impl IntoIterator<Item = Grant>,
    ) -> Result<GrantStatus, Error> {
        let give = grants.into_iter().collect();
        let change = GrantChange {
            give,
            ..GrantChange::default()
        };
        self.0.change_grants(&key(tenant, name)?, change).await
    }

    /// Takes grants from a connection, or refuses what was never asked. Calls under way
    /// end with [`Error::NotGranted`] when they make use of them again; an answer that is
    /// just coming comes to its end, an exchange of `stream` does not. Hosts on other
    /// machines notice with the next call, page or delivery.
    ///
    /// # Errors
    /// As [`Self::grant`].
    pub async fn revoke(
        &self,
        tenant: &str,
        name: &str,
        grants: impl IntoIterator<Item = Grant>,
    ) -> Result<GrantStatus, Error> {
        let refuse = grants.into_iter().collect();
        let change = GrantChange {
            refuse,
            ..GrantChange::default()
        };
        self.0.change_grants(&key(tenant, name)?, change).await
    }

    /// Reads anew what a connection was granted, for its calls under way: to be called
    /// by who knows that another process has changed it.
    ///
    /// # Errors
    /// [`Error::NoConnection`], [`Error::Store`].
    pub async fn reread_grants(&self, tenant: &str, name: &str) -> Result<(), Error> {
        let record = self.0.connection_record(&key(tenant, name)?).await?;
        if let Some(grants) = &record.grants {
            self.0.grants.of(&record, grants);
        }
        Ok(())
    }
}

impl Inner {
    async fn change_grants(
        &self,
        key: &ConnectionKey,
        mut change: GrantChange,
    ) -> Result<GrantStatus, Error> {
        let record = self.connection_record(key).await?;
        change.before = self.connector(&record.package)?.trusted().wants.clone();
        let record = self.store.change_grants(key, &change, now_ms()).await;
        let record = record.map_err(crate::connection::no_connection)?;
        tracing::info!(
            connection = %key, given = ?change.give, refused = ?change.refuse,
            "grants of a connection were changed"
        );
        self.grant_status(&record).await
    }

    async fn grant_status(&self, record: &ConnectionRecord) -> Result<GrantStatus, Error> {
        let rollout = self.connector(&record.package)?;
        let live = self.live_grants(record).await?;
        let (wanted, goes_to) = rollout.standing(&live);
        let grants = live.grants();
        let missing = grants.missing(wanted.wants());
        let shown = goes_to.as_ref().unwrap_or(&wanted);
        let asked = shown.package.manifest().grants.iter();
        let asked = asked.filter(|(grant, _)| shown.wants.contains(grant));
        Ok(GrantStatus {
            connection: record.key.clone(),
            package: record.package.clone(),
            version: goes_to.as_ref().map(|loaded| loaded.version().to_owned()),
            asked: asked.map(|(grant, why)| (*grant, why.clone())).collect(),
            limits: shown.limits.clone(),
            waiting: (!missing.is_empty()).then(|| Waiting {
                version: wanted.version().to_owned(),
                missing,
            }),
            grants,
        })
    }

    /// What a connection was granted, as its calls see it.
    pub(crate) async fn live_grants(&self, record: &ConnectionRecord) -> Result<Arc<Live>, Error> {
        if let Some(grants) = &record.grants {
            return Ok(self.grants.of(record, grants));
        }
        // It is older than grants of connections are, and has what its connector asks for.
        let wants = self.connector(&record.package)?.trusted().wants.clone();
        self.store.settle_grants(&record.package, &wants).await?;
        let settled = self.connection_record(&record.key).await?.grants;
        let settled = settled.unwrap_or_else(|| ConnectionGrants::decided(&wants, &wants));
        Ok(self.grants.of(record, &settled))
    }

    /// Writes down, before another version comes, what connections have that are older
    /// than grants of connections are.
    pub(super) async fn settle_grants(&self, package: &str) -> Result<(), Error> {
        let loaded: Option<Arc<Rollout<LoadedConnector>>> = self.connectors.get(package);
        if let Some(rollout) = loaded {
            let wants = rollout.trusted().wants.clone();
            self.store.settle_grants(package, &wants).await?;
        }
        Ok(())
    }
}
