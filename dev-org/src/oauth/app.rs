//! An app that may log people in: what Salesforce calls a connected app or an
//! external client app.

use serde::Deserialize;
use url::{Host, Url};

use super::key::VerifyingKey;

/// What an app may ask for unless it is told otherwise.
const SCOPES: [&str; 11] = [
    "api",
    "chatter_api",
    "refresh_token",
    "offline_access",
    "id",
    "openid",
    "profile",
    "email",
    "address",
    "phone",
    "full",
];

/// A registered app.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub struct App {
    /// Its client id (consumer key).
    pub client_id: String,
    /// Its client secret (consumer secret).
    pub client_secret: String,
    /// Where it may be sent back to, compared character by character. With
    /// none, any address on this machine is taken, since ports of tests are
    /// not known beforehand.
    pub redirect_uris: Vec<String>,
    /// Scopes it may ask for.
    pub scopes: Vec<String>,
    /// Refuses authorization requests without a PKCE challenge.
    pub require_pkce: bool,
    /// The code and refresh grants need the client secret.
    pub require_secret: bool,
    /// Username that the client credentials grant runs as; without one the
    /// grant is refused.
    pub run_as: Option<String>,
    /// An administrator has approved it for everyone; otherwise a user has to
    /// approve it on the authorize page before JWT bearer works for them.
    pub preapproved: bool,
    /// Public keys for JWT bearer.
    pub keys: Vec<VerifyingKey>,
}

impl Default for App {
    fn default() -> Self {
        Self {
            client_id: String::new(),
            client_secret: String::new(),
            redirect_uris: Vec::new(),
            scopes: SCOPES.map(str::to_owned).to_vec(),
            require_pkce: false,
            require_secret: true,
            run_as: None,
            preapproved: true,
            keys: Vec::new(),
        }
    }
}

impl App {
    /// An app with every usual scope and no keys.
    pub fn new(client_id: &str, client_secret: &str) -> Self {
        Self {
            client_id: client_id.to_owned(),
            client_secret: client_secret.to_owned(),
            ..Self::default()
        }
    }

    /// Whether it may be sent back to `uri`.
    pub(crate) fn allows_redirect(&self, uri: &str) -> bool {
        if !self.redirect_uris.is_empty() {
            return self.redirect_uris.iter().any(|allowed| allowed == uri);
        }
        match Url::parse(uri).ok().as_ref().and_then(Url::host) {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        }
    }

    /// The scopes of a login: all of the app's when none are asked for, and
    /// nothing when one of them is not the app's.
    pub(crate) fn grant(&self, asked: Option<&str>) -> Option<Vec<String>> {
        let asked: Vec<&str> = asked.unwrap_or_default().split_whitespace().collect();
        if asked.is_empty() {
            return Some(self.scopes.clone());
        }
        asked
            .into_iter()
            .map(|scope| {
                let known = self.scopes.iter().any(|own| same_scope(own, scope));
                known.then(|| scope.to_owned())
            })
            .collect()
    }
}

/// `refresh_token` and `offline_access` are two names of one scope.
fn same_scope(own: &str, asked: &str) -> bool {
    let is_offline = |scope| matches!(scope, "refresh_token" | "offline_access");
    own == asked || (is_offline(own) && is_offline(asked))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_app_without_addresses_is_sent_back_to_this_machine_only() {
        let app = App::new("id", "secret");
        assert!(app.allows_redirect("http://localhost:1717/callback"));
        assert!(app.allows_redirect("http://127.0.0.1/callback"));
        assert!(!app.allows_redirect("https://example.com/callback"));
        assert!(!app.allows_redirect("not an address"));
    }

    #[test]
    fn a_scope_that_is_not_the_apps_refuses_all() {
        let app = App {
            scopes: vec!["api".to_owned(), "refresh_token".to_owned()],
            ..App::new("id", "secret")
        };
        assert_eq!(
            app.grant(Some("api offline_access")),
            Some(vec!["api".to_owned(), "offline_access".to_owned()])
        );
        assert_eq!(app.grant(Some("api openid")), None);
        assert_eq!(app.grant(None).map(|all| all.len()), Some(2));
    }
}
