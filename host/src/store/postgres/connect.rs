//! The pool of connections to the server.

use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{Hook, HookError, Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use rustls::ClientConfig;
use rustls_platform_verifier::Verifier;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::{Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::store::StoreError;

/// Connections of one host at most. Transactions take a few round trips each.
const CONNECTIONS: usize = 8;

/// How long a call waits for a connection, and one for the server.
const PATIENCE: Duration = Duration::from_secs(10);

/// What every session begins with. Ours take milliseconds, so who waits this long for
/// a lock waits for something that hangs, and a session that says nothing for so long
/// belongs to a host that is gone.
const SESSION: &str = "SET lock_timeout = '5s'; \
                       SET idle_in_transaction_session_timeout = '30s'; \
                       SET client_min_messages = warning";

/// Makes the pool, which connects when it is first used, and says where to without a
/// password.
pub(super) fn connect(address: &str) -> Result<(Pool, String), StoreError> {
    let mut config: Config = address.parse().map_err(|_| StoreError::BadAddress)?;
    if config.get_hosts().is_empty() {
        return Err(StoreError::BadAddress);
    }
    if config.get_application_name().is_none() {
        config.application_name("lockgate");
    }
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(PATIENCE);
    }
    let place = place(&config);
    let how = ManagerConfig {
        // One that broke is found out by using it, and a call tells its caller so.
        recycling_method: RecyclingMethod::Verified,
    };
    let manager = match config.get_ssl_mode() {
        SslMode::Disable => Manager::from_config(config, NoTls, how),
        _ => {
            let tls = tls().map_err(|source| StoreError::Unreachable {
                place: place.clone(),
                source: source.into(),
            })?;
            Manager::from_config(config, MakeRustlsConnect::new(tls), how)
        }
    };
    let pool = Pool::builder(manager)
        .max_size(CONNECTIONS)
        .runtime(Runtime::Tokio1)
        .wait_timeout(Some(PATIENCE))
        .create_timeout(Some(PATIENCE))
        .recycle_timeout(Some(PATIENCE))
        .post_create(Hook::async_fn(|client, _| {
            Box::pin(async move {
                let prepared = client.batch_execute(SESSION).await;
                prepared.map_err(HookError::Backend)
            })
        }))
        .build()
        .map_err(|source| StoreError::Backend {
            doing: "make a pool of connections",
            source: source.into(),
        })?;
    Ok((pool, place))
}

/// The first server and the database, as messages show them.
fn place(config: &Config) -> String {
    let host = match config.get_hosts().first() {
        Some(Host::Tcp(name)) => name.clone(),
        #[cfg(unix)]
        Some(Host::Unix(path)) => path.display().to_string(),
        _ => String::new(),
    };
    let port = config.get_ports().first();
    let port = port.map(|port| format!(":{port}")).unwrap_or_default();
    let database = config.get_dbname().or_else(|| config.get_user());
    format!(
        "PostgreSQL at {host}{port}/{}",
        database.unwrap_or_default()
    )
}

/// Certificates are checked by the platform's roots, always.
fn tls() -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = Verifier::new(Arc::clone(&provider))?;
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth())
}
