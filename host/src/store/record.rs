//! What a store keeps: plain records without behaviour of their own.

use std::fmt;
use std::sync::Arc;

use serde_json::Value as Json;

use super::{BadConnectionKey, StoreError};
use crate::grant::ConnectionGrants;
use crate::ledger::Reserve;

/// The longest name of a tenant or a connection, in bytes.
const MAX_NAME_BYTES: usize = 64;

/// Which connection: its tenant and its name there.
///
/// Both are 1 to 64 of `A-Z a-z 0-9 . _ -`, so that they can stand in paths,
/// logs and seals without escaping. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionKey {
    tenant: Arc<str>,
    name: Arc<str>,
}

impl ConnectionKey {
    /// Checks both parts.
    ///
    /// # Errors
    /// Says which part is wrong, and what is allowed.
    pub fn new(tenant: &str, name: &str) -> Result<Self, BadConnectionKey> {
        for (what, part) in [("tenant", tenant), ("connection", name)] {
            let sound = (1..=MAX_NAME_BYTES).contains(&part.len())
                && part
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
            if !sound {
                return Err(BadConnectionKey {
                    what,
                    name: part.chars().take(80).collect(),
                });
            }
        }
        Ok(Self {
            tenant: tenant.into(),
            name: name.into(),
        })
    }

    /// The tenant.
    #[must_use]
    pub fn tenant(&self) -> &str {
        &self.tenant
    }

    /// The connection's name, unique for its tenant.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for ConnectionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.tenant, self.name)
    }
}

impl fmt::Debug for ConnectionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.tenant, self.name)
    }
}

/// How a connection gets its tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Flow {
    /// A person authorises in a browser; a refresh token follows.
    AuthorizationCode,
    /// The client authorises itself with its secret.
    ClientCredentials,
    /// The client signs an assertion for a user (RFC 7523).
    JwtBearer,
}

impl Flow {
    pub(crate) const ALL: [Self; 3] = [
        Self::AuthorizationCode,
        Self::ClientCredentials,
        Self::JwtBearer,
    ];

    /// The name, as stored and as shown.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AuthorizationCode => "authorization-code",
            Self::ClientCredentials => "client-credentials",
            Self::JwtBearer => "jwt-bearer",
        }
    }
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Whether a connection can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectionState {
    /// Not authorised yet.
    Pending,
    /// Authorised.
    Ready,
    /// The grant is dead: a person has to authorise again.
    NeedsReconnect {
        /// Why, for the operator.
        reason: String,
    },
}

/// What is known of a connection.
#[derive(Clone, Debug, PartialEq)]
pub struct ConnectionRecord {
    /// Which one.
    pub key: ConnectionKey,
    /// The name of the connector's package.
    pub package: String,
    /// Where people log in and tokens are asked for: an origin.
    pub login_origin: String,
    /// Where the API is, from the last token answer: an origin.
    pub origin: Option<String>,
    /// Who authorised, from the last token answer.
    pub identity: Option<String>,
    /// How it gets its tokens.
    pub flow: Flow,
    /// The user's own client id at the product.
    pub client_id: String,
    /// Where the product sends the person back to.
    pub redirect_uri: Option<String>,
    /// Scopes to ask for.
    pub scopes: Vec<String>,
    /// For whom an assertion is signed: the subject of JWT bearer.
    pub username: Option<String>,
    /// Whether it can be used.
    pub state: ConnectionState,
    /// The connector's settings, an object.
    pub settings: Json,
    /// For a local connection its exact allowed origins; empty for all others.
    pub local_origins: Vec<String>,
    /// What the operator keeps back of the budget.
    pub reserve: Reserve,
    /// What its connector may do. `None` for a connection that is older than grants of
    /// connections are: it has what its connector asks for, which a host writes down
    /// with the first call.
    pub grants: Option<ConnectionGrants>,
    /// When it was added, in milliseconds since 1970.
    pub created_ms: u64,
    /// When it was last changed, in milliseconds since 1970.
    pub updated_ms: u64,
}

/// Sealed bytes with the version that the seal covers.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed {
    /// Grows with every write of the same secret.
    pub version: u64,
    /// As [`crate::seal::Sealer`] made them.
    pub bytes: Vec<u8>,
}

impl Sealed {
    /// The version that follows `current`; for a secret that does not exist yet
    /// a random one.
    ///
    /// A first version is random so that a write prepared for a connection that
    /// was erased, and made again under the same key, never fits the new one.
    /// It is below 2^47, so versions stay exact where numbers are doubles.
    ///
    /// # Errors
    /// [`StoreError::Backend`] if the system gives no random bytes.
    pub fn next_version(current: Option<u64>) -> Result<u64, StoreError> {
        match current {
            Some(version) => Ok(version.saturating_add(1)),
            None => match getrandom::u64() {
                Ok(random) => Ok((random >> 17).max(1)),
                Err(source) => Err(StoreError::Backend {
                    doing: "get random bytes",
                    source: source.to_string().into(),
                }),
            },
        }
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealed")
            .field("version", &self.version)
            .field("len", &self.bytes.len())
            .finish_non_exhaustive()
    }
}

/// What a token answer changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenUpdate {
    /// The version of the tokens that this replaces; `None` if there are none.
    pub expected: Option<u64>,
    /// The new tokens.
    pub sealed: Sealed,
    /// The API origin that came with them. Written as it is, also if `None`.
    pub origin: Option<String>,
    /// Who authorised. Written as it is, also if `None`.
    pub identity: Option<String>,
    /// The state from now on.
    pub state: ConnectionState,
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
}

/// An authorization under way: begun, and not yet come back.
#[derive(Clone, PartialEq, Eq)]
pub struct Authorization {
    /// For which connection.
    pub key: ConnectionKey,
    /// The sealed PKCE verifier.
    pub sealed_verifier: Vec<u8>,
    /// The redirect URI that it was begun with: the token request must repeat
    /// it to the letter.
    pub redirect_uri: String,
    /// From when it is no longer good, in milliseconds since 1970.
    pub expires_at_ms: u64,
}

impl fmt::Debug for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorization")
            .field("key", &self.key)
            .field("redirect_uri", &self.redirect_uri)
            .field("expires_at_ms", &self.expires_at_ms)
            .finish_non_exhaustive()
    }
}

/// Whose values: one package's for one connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Scope {
    /// The connection.
    pub connection: ConnectionKey,
    /// The package's name.
    pub package: String,
}

/// One stored value.
#[derive(Clone, PartialEq, Eq)]
pub struct Value {
    /// Grows with every write of the same key.
    pub version: u64,
    /// The value.
    pub bytes: Vec<u8>,
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Value")
            .field("version", &self.version)
            .field("len", &self.bytes.len())
            .finish_non_exhaustive()
    }
}

/// Some keys of a scope, in byte order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyPage {
    /// The keys.
    pub keys: Vec<String>,
    /// What to give as `after` to go on; `None` after the last page.
    pub next: Option<String>,
}

/// Calls of one span of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LedgerBucket {
    /// When the span begins, in milliseconds since 1970.
    pub start_ms: u64,
    /// Calls that we made in it.
    pub calls: u64,
}

/// What the product last said of its count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LedgerObservation {
    /// Calls used in the window.
    pub used: u64,
    /// Calls allowed in the window.
    pub limit: u64,
    /// When it said so, in milliseconds since 1970.
    pub at_ms: u64,
}
