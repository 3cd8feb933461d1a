//! Connections come and go: added, authorised in an app's own web handlers,
//! reconnected, removed with all that is known of them.

use std::sync::Arc;

use secrecy::SecretString;
use serde_json::Value as Json;

use super::{Host, key};
use crate::auth::{
    AuthorizationHints, AuthorizationStart, Callback, Connected, Login, Revocation, validate_login,
};
use crate::capability::clock::now_ms;
use crate::connection::Connection;
use crate::connector::Instance;
use crate::error::Error;
use crate::grant::{ConnectionGrants, Grant, Grants};
use crate::ledger::Reserve;
use crate::manifest::AuthManifest;
use crate::settings::{NO_SETTINGS, is_settings, settings_or_none};
use crate::store::{ConnectionKey, ConnectionRecord, ConnectionState, Flow};

/// A connection to add: whose it is, to what, and how it is authorised. The
/// client is the user's own app at the product.
#[derive(Clone, Debug)]
pub struct NewConnection {
    /// Whose connection it is. Tenants never see one another's.
    pub tenant: String,
    /// Its name, unique for the tenant.
    pub name: String,
    /// The name of the connector's package.
    pub connector: String,
    /// Where people log in.
    pub login: LoginTo,
    /// How it is authorised.
    pub flow: Flow,
    /// The app's client id at the product.
    pub client_id: String,
    /// The app's client secret, if it has one.
    pub client_secret: Option<SecretString>,
    /// For [`Flow::JwtBearer`]: the RSA key that signs, PEM.
    pub private_key: Option<SecretString>,
    /// For [`Flow::JwtBearer`]: the user to act for.
    pub username: Option<String>,
    /// For [`Flow::AuthorizationCode`]: where the product sends the person back
    /// to; exactly as the app at the product has it.
    pub redirect_uri: Option<String>,
    /// Scopes to ask for; empty for the connector's defaults.
    pub scopes: Vec<String>,
    /// The connector's settings; `null` for none.
    pub settings: Json,
    /// What to keep back of the budget of API calls.
    pub reserve: Reserve,
    /// What the connector may do for this connection. `None`: all that it asks for, of
    /// what it was loaded with. What it asks for beside these is refused.
    pub grants: Option<Grants>,
}

/// Where people log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoginTo {
    /// One of the manifest's login hosts by its name, such as `production`.
    Host(String),
    /// One of the manifest's login hosts with the user's own subdomain in it.
    Subdomain {
        /// The login host's name, such as `my-domain`.
        host: String,
        /// The subdomain.
        subdomain: String,
    },
    /// An org on this machine or in the own network, for development: exactly
    /// this origin can be reached, and nothing else.
    Local {
        /// The origin, such as `http://127.0.0.1:8080`.
        origin: String,
    },
}

impl NewConnection {
    /// A connection with what every one needs; the rest has defaults: the
    /// authorization code flow, the connector's default scopes, no settings.
    #[must_use]
    pub fn new(
        tenant: impl Into<String>,
        name: impl Into<String>,
        connector: impl Into<String>,
        login: LoginTo,
        client_id: impl Into<String>,
    ) -> Self {
        Self {
            tenant: tenant.into(),
            name: name.into(),
            connector: connector.into(),
            login,
            flow: Flow::AuthorizationCode,
            client_id: client_id.into(),
            client_secret: None,
            private_key: None,
            username: None,
            redirect_uri: None,
            scopes: Vec::new(),
            settings: Json::Null,
            reserve: Reserve::default(),
            grants: None,
        }
    }

    /// With the app's client secret.
    #[must_use]
    pub fn client_secret(self, secret: impl Into<String>) -> Self {
        Self {
            client_secret: Some(SecretString::from(secret.into())),
            ..self
        }
    }

    /// With the redirect URI.
    #[must_use]
    pub fn redirect_uri(self, uri: impl Into<String>) -> Self {
        Self {
            redirect_uri: Some(uri.into()),
            ..self
        }
    }

    /// With another flow than the authorization code.
    #[must_use]
    pub fn flow(self, flow: Flow) -> Self {
        Self { flow, ..self }
    }

    /// With these grants only, of those that the connector asks for.
    #[must_use]
    pub fn grants(self, grants: impl IntoIterator<Item = Grant>) -> Self {
        Self {
            grants: Some(grants.into_iter().collect()),
            ..self
        }
    }

    /// With settings for the connector.
    #[must_use]
    pub fn settings(self, settings: Json) -> Self {
        Self { settings, ..self }
    }
}

impl Host {
    /// Adds a connection. It can be used once it is authorised: see
    /// [`Self::begin_authorization`] for flows with a person and
    /// [`Self::authorize_client`] for those without.
    ///
    /// # Errors
    /// Every wrong part of `new` by name, [`Error::Settings`] with every problem
    /// that the connector sees in its settings, [`Error::NotLoaded`] if the
    /// connector is not loaded, [`Error::Store`] if there is a connection of this
    /// name. Nothing is kept then.
    pub async fn add_connection(&self, new: NewConnection) -> Result<Connection, Error> {
        let key = key(&new.tenant, &new.name)?;
        let rollout = self.0.connector(&new.connector)?;
        let (loaded, asked) = (rollout.trusted(), rollout.asked());
        let auth = &loaded.vendor.auth;
        check(&new, auth)?;
        let local_origins = match &new.login {
            LoginTo::Local { origin } => vec![origin.clone()],
            _ => Vec::new(),
        };
        let login = match &new.login {
            LoginTo::Host(name) => Login::Host {
                name,
                subdomain: None,
            },
            LoginTo::Subdomain { host, subdomain } => Login::Host {
                name: host,
                subdomain: Some(subdomain),
            },
            LoginTo::Local { origin } => Login::Local {
                origin,
                allowed: &local_origins,
            },
        };
        let login_origin = validate_login(auth, &login)?.origin().ascii_serialization();
        let scopes = if new.scopes.is_empty() {
            auth.scopes.default.clone()
        } else {
            new.scopes.clone()
        };
        let at_ms = now_ms();
        let record = ConnectionRecord {
            key: key.clone(),
            package: new.connector,
            login_origin,
            origin: None,
            identity: None,
            flow: new.flow,
            client_id: new.client_id,
            redirect_uri: new.redirect_uri,
            scopes,
            username: new.username,
            state: ConnectionState::Pending,
            settings: settings_or_none(new.settings),
            local_origins,
            reserve: new.reserve,
            grants: Some(ConnectionGrants::decided(
                &asked,
                new.grants.as_ref().unwrap_or(&asked),
            )),
            created_ms: at_ms,
            updated_ms: at_ms,
        };
        Instance::check_settings(&self.0, &record, loaded).await?;
        self.0.store.insert_connection(&record).await?;
        let kept = self
            .keep_secrets(&key, new.client_secret, new.private_key)
            .await;
        if let Err(error) = kept {
            // Half a connection would only be in the way of the next try.
            self.0.store.erase_connection(&key).await?;
            return Err(error);
        }
        Ok(Connection::new(Arc::clone(&self.0), key))
    }

    async fn keep_secrets(
        &self,
        key: &ConnectionKey,
        client_secret: Option<SecretString>,
        private_key: Option<SecretString>,
    ) -> Result<(), Error> {
        if let Some(secret) = client_secret {
            self.0.sessions.put_client_secret(key, &secret).await?;
        }
        if let Some(pem) = private_key {
            self.0.sessions.put_private_key(key, &pem).await?;
        }
        Ok(())
    }

    /// Begins an authorization, the first or a new one: send the person's browser
    /// to the URL. The person has ten minutes.
    ///
    /// # Errors
    /// [`Error::Auth`] says what is missing.
    pub async fn begin_authorization(
        &self,
        tenant: &str,
        name: &str,
        hints: &AuthorizationHints,
    ) -> Result<AuthorizationStart, Error> {
        let key = key(tenant, name)?;
        self.0.connection_record(&key).await?;
        // Authorizations that nobody came back from are cleared by the next.
        self.0.store.purge_authorizations(now_ms()).await?;
        Ok(self.0.sessions.begin_authorization(&key, hints).await?)
    }

    /// Finishes an authorization with what the product sent back to the redirect
    /// URI. Any clone of the host, in any handler, can do it: the `state` finds
    /// the connection, once.
    ///
    /// # Errors
    /// [`Error::Auth`], most often with the advice to begin again.
    pub async fn finish_authorization(&self, callback: &Callback) -> Result<Connected, Error> {
        Ok(self.0.sessions.finish_authorization(callback, None).await?)
    }

    /// Authorises a connection without a person: client credentials and JWT
    /// bearer.
    ///
    /// # Errors
    /// [`Error::Auth`] says what is wrong and where to mend it.
    pub async fn authorize_client(&self, tenant: &str, name: &str) -> Result<(), Error> {
        let key = key(tenant, name)?;
        self.0.connection_record(&key).await?;
        self.0.sessions.authorize_client(&key).await?;
        Ok(())
    }

    /// Changes a connection's settings, what it keeps back of the budget, or
    /// both. Calls that have begun go on as they were. Settings take the place of
    /// all that there were; `null` is none.
    ///
    /// # Errors
    /// [`Error::NoConnection`], [`Error::Store`]; with settings also
    /// [`Error::Input`] if they are no JSON object, [`Error::Settings`] with every
    /// problem that the connector sees in them, and [`Error::NotLoaded`] if it is
    /// not loaded to be asked. Nothing is changed then.
    pub async fn change_connection(
        &self,
        tenant: &str,
        name: &str,
        settings: Option<Json>,
        reserve: Option<Reserve>,
    ) -> Result<(), Error> {
        let key = key(tenant, name)?;
        let mut record = self.0.connection_record(&key).await?;
        if let Some(settings) = settings {
            if !is_settings(&settings) {
                return Err(Error::Input(NO_SETTINGS.to_owned()));
            }
            record.settings = settings_or_none(settings);
            let loaded = self.0.connector(&record.package)?.trusted();
            Instance::check_settings(&self.0, &record, loaded).await?;
        }
        record.reserve = reserve.unwrap_or(record.reserve);
        record.updated_ms = now_ms();
        self.0.store.update_connection(&record).await?;
        self.0.sessions.forget(&key);
        // Whoever waits for calls need not wait any longer if there are more now.
        self.0.ledgers.set_reserve(&key, record.reserve);
        Ok(())
    }

    /// Removes a connection: its tokens are revoked as far as the product lets
    /// us, and everything that is known of it is erased.
    ///
    /// # Errors
    /// [`Error::NoConnection`], or [`Error::Auth`] if it cannot be erased.
    pub async fn remove_connection(&self, tenant: &str, name: &str) -> Result<Revocation, Error> {
        let key = key(tenant, name)?;
        self.0.connection_record(&key).await?;
        let revocation = self.0.sessions.disconnect(&key).await?;
        self.0.ledgers.forget(&key);
        self.0.grants.forget(&key);
        Ok(revocation)
    }

    /// Off-boards a tenant: removes all its connections, and gives the outcome of
    /// each revocation.
    ///
    /// # Errors
    /// [`Error::Auth`] if not all could be erased.
    pub async fn remove_tenant(
        &self,
        tenant: &str,
    ) -> Result<Vec<(ConnectionKey, Revocation)>, Error> {
        let outcomes = self.0.sessions.disconnect_tenant(tenant).await?;
        self.0.ledgers.forget_tenant(tenant);
        self.0.grants.forget_tenant(tenant);
        let revocation = |(key, outcome): (ConnectionKey, Result<Revocation, _>)| {
            (key, outcome.unwrap_or_else(Revocation::Failed))
        };
        Ok(outcomes.into_iter().map(revocation).collect())
    }
}

/// What can be said of a new connection without asking anybody; all of it at
/// once.
fn check(new: &NewConnection, auth: &AuthManifest) -> Result<(), Error> {
    let mut problems = Vec::new();
    if new.client_id.trim().is_empty() {
        problems.push("the client id is empty".to_owned());
    }
    match new.flow {
        Flow::AuthorizationCode if new.redirect_uri.is_none() => {
            problems.push("the authorization code flow needs a redirect URI".to_owned());
        }
        Flow::ClientCredentials if !auth.client_credentials => {
            problems.push("the product does not take client credentials".to_owned());
        }
        Flow::ClientCredentials if new.client_secret.is_none() => {
            problems.push("client credentials need a client secret".to_owned());
        }
        Flow::JwtBearer if auth.jwt_bearer.is_none() => {
            problems.push("the product does not take JWT bearer grants".to_owned());
        }
        Flow::JwtBearer if new.private_key.is_none() || new.username.is_none() => {
            problems.push("JWT bearer needs a private key and a user name".to_owned());
        }
        _ => {}
    }
    let offered = |scope: &&String| {
        auth.scopes.default.contains(scope) || auth.scopes.optional.contains(scope)
    };
    for scope in new.scopes.iter().filter(|scope| !offered(scope)) {
        problems.push(format!(
            "the connector knows no scope `{}`",
            scope.escape_default()
        ));
    }
    if !is_settings(&new.settings) {
        problems.push(NO_SETTINGS.to_owned());
    }
    if problems.is_empty() {
        Ok(())
    } else {
        Err(Error::Input(format!(
            "the connection is not complete: {}",
            problems.join("; ")
        )))
    }
}
