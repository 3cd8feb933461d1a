//! The promises of this module, against a real token server on loopback and the
//! real store.

mod answers;
mod authorization;
mod clients;
mod disclosure;
mod disconnect;
mod faulty_store;
mod renewal;
mod server;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use secrecy::SecretString;
use serde_json::json;

use super::*;
use crate::ledger::Reserve;
use crate::manifest::AuthManifest;
use crate::seal::{MasterKey, Sealer};
use crate::store::{
    ConnectionKey, ConnectionRecord, ConnectionState, Flow, SqliteStore, Store, TOKENS,
};
use crate::transport::{Transport, TransportConfig};
use faulty_store::FaultyStore;
use server::TokenServer;

const SECRET: &str = "client-secret-0123456789";
const NOW_MS: u64 = 1_800_000_000_000;

/// A product with all that a manifest can say.
pub(super) fn manifest() -> AuthManifest {
    toml::from_str(
        r#"
        login = [
            { name = "production", origin = "https://login.example.com" },
            { name = "own", origin = "https://{subdomain}.my.example.com" },
        ]
        login_hosts = ["login.example.com", "*.my.example.com"]
        origin_hosts = ["*.example.com"]
        authorize_path = "/oauth/authorize"
        token_path = "/oauth/token"
        revoke_path = "/oauth/revoke"
        origin_member = "instance_url"
        identity_member = "id"
        signature = { member = "signature", over = ["id", "issued_at"] }
        dead_grant_errors = ["invalid_grant", "inactive_user"]
        passing_descriptions = ["login rate exceeded"]
        jwt_bearer = { lifetime_s = 180 }
        client_credentials = true

        [scopes]
        default = ["api", "refresh_token"]
        optional = ["data"]
        "#,
    )
    .unwrap()
}

fn key() -> ConnectionKey {
    ConnectionKey::new("acme", "main").unwrap()
}

/// One connection with all that it needs.
struct World {
    server: TokenServer,
    store: Arc<FaultyStore>,
    sessions: Sessions,
    clock: Arc<AtomicU64>,
    dir: tempfile::TempDir,
}

impl World {
    /// A connection of this flow, not authorised yet.
    async fn new(flow: Flow) -> Self {
        Self::with(flow, manifest()).await
    }

    async fn with(flow: Flow, manifest: AuthManifest) -> Self {
        let server = TokenServer::start().await;
        let dir = tempfile::tempdir().unwrap();
        let store = Arc::new(FaultyStore::new(
            SqliteStore::open(dir.path()).await.unwrap(),
        ));
        let clock = Arc::new(AtomicU64::new(NOW_MS));
        let sessions = sessions(Arc::clone(&store) as _, &clock, manifest);
        let origin = server.origin();
        store
            .insert_connection(&ConnectionRecord {
                key: key(),
                package: "crm".to_owned(),
                login_origin: origin.clone(),
                origin: None,
                identity: None,
                flow,
                client_id: "client-id".to_owned(),
                redirect_uri: Some("https://app.example.org/back?from=crm".to_owned()),
                scopes: Vec::new(),
                username: Some("robot@example.com".to_owned()),
                state: ConnectionState::Pending,
                settings: json!({}),
                local_origins: vec![origin],
                reserve: Reserve::default(),
                grants: None,
                created_ms: NOW_MS,
                updated_ms: NOW_MS,
            })
            .await
            .unwrap();
        sessions
            .put_client_secret(&key(), &SecretString::from(SECRET))
            .await
            .unwrap();
        Self {
            server,
            store,
            sessions,
            clock,
            dir,
        }
    }

    /// A connection that a person has authorised: one token request so far.
    async fn authorised() -> Self {
        let world = Self::new(Flow::AuthorizationCode).await;
        world.authorise().await.unwrap();
        assert_eq!(world.server.token_requests(), 1);
        world
    }

    async fn authorise(&self) -> Result<Connected, AuthError> {
        let start = self.begin().await;
        let callback = Callback {
            state: Some(start.state),
            code: Some(SecretString::from("the-code-from-the-product")),
            ..Callback::default()
        };
        self.sessions.finish_authorization(&callback, None).await
    }

    async fn begin(&self) -> AuthorizationStart {
        let hints = AuthorizationHints::default();
        self.sessions
            .begin_authorization(&key(), &hints)
            .await
            .unwrap()
    }

    /// What another process on the same data would have.
    async fn other_process(&self) -> Sessions {
        let store = SqliteStore::open(self.dir.path()).await.unwrap();
        sessions(Arc::new(store), &self.clock, manifest())
    }

    async fn record(&self) -> ConnectionRecord {
        self.store.connection(&key()).await.unwrap()
    }

    async fn change(&self, change: impl FnOnce(&mut ConnectionRecord)) {
        let mut record = self.record().await;
        change(&mut record);
        self.store.update_connection(&record).await.unwrap();
        self.sessions.forget(&key());
    }

    async fn stored_version(&self) -> u64 {
        self.store
            .secret(&key(), TOKENS)
            .await
            .unwrap()
            .unwrap()
            .version
    }

    fn pass(&self, ms: u64) {
        self.clock.fetch_add(ms, Ordering::SeqCst);
    }
}

fn sessions(store: Arc<dyn Store>, clock: &Arc<AtomicU64>, manifest: AuthManifest) -> Sessions {
    let (clock, manifest) = (Arc::clone(clock), Arc::new(manifest));
    Sessions::new(SessionsConfig {
        store,
        sealer: sealer(),
        transport: Transport::new(TransportConfig::default()).unwrap(),
        manifests: Arc::new(move |package: &str| (package == "crm").then(|| Arc::clone(&manifest))),
        now_ms: Arc::new(move || clock.load(Ordering::SeqCst)),
    })
}

fn sealer() -> Sealer {
    let text = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
    Sealer::new(MasterKey::from_variable("KEY", text).unwrap())
}

/// All bytes of all files below a directory.
fn all_bytes(dir: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            bytes.extend(all_bytes(&path));
        } else {
            bytes.extend(std::fs::read(path).unwrap());
        }
    }
    bytes
}
