//! Where people log in and where tokens may be used: the checks that come before
//! any secret is sent or kept.

use url::Url;

use super::error::AuthError;
use crate::manifest::{AuthManifest, HostPattern};
use crate::store::ConnectionRecord;
use crate::transport::{AddressPolicy, clean};

/// The longest host name (RFC 1035), in bytes.
const MAX_HOST_BYTES: usize = 253;

/// The longest label of a host name, in bytes.
const MAX_LABEL_BYTES: usize = 63;

/// How a connection names its login host.
#[derive(Clone, Copy, Debug)]
pub enum Login<'a> {
    /// One of the manifest's, by its name.
    Host {
        /// For instance `production`.
        name: &'a str,
        /// The user's own subdomain, where the login host has a place for it:
        /// one or more labels of a host name.
        subdomain: Option<&'a str>,
    },
    /// The login host of a local connection.
    Local {
        /// Its origin, which may be http.
        origin: &'a str,
        /// The exact origins that the connection may reach.
        allowed: &'a [String],
    },
}

/// The login origin of a connection, as it is kept in its record.
///
/// # Errors
/// [`AuthError::BadLogin`] says what is wrong and what would be right.
pub fn validate_login(auth: &AuthManifest, login: &Login<'_>) -> Result<Url, AuthError> {
    match login {
        Login::Host { name, subdomain } => {
            let origin = named_origin(auth, name, *subdomain)?;
            check_public_host(&origin, &auth.login_hosts).map_err(AuthError::BadLogin)?;
            Ok(origin)
        }
        Login::Local { origin, allowed } => {
            let policy = local_policy(allowed)?;
            let origin = parse_origin(origin).ok_or_else(|| not_an_origin(origin))?;
            check_local(&policy, &origin).map_err(AuthError::BadLogin)?;
            Ok(origin)
        }
    }
}

fn named_origin(
    auth: &AuthManifest,
    name: &str,
    subdomain: Option<&str>,
) -> Result<Url, AuthError> {
    let Some(host) = auth.login.iter().find(|host| host.name == name) else {
        let names: Vec<&str> = auth.login.iter().map(|host| host.name.as_str()).collect();
        return Err(AuthError::BadLogin(format!(
            "there is no login host `{}`; choose one of {}",
            clean(name),
            names.join(", ")
        )));
    };
    let text = match (host.origin.contains("{subdomain}"), subdomain) {
        (false, None) => host.origin.clone(),
        (true, Some(subdomain)) if is_subdomain(subdomain) => host
            .origin
            .replace("{subdomain}", &subdomain.to_ascii_lowercase()),
        (true, Some(subdomain)) => {
            return Err(AuthError::BadLogin(format!(
                "`{}` is not a subdomain: give labels of a-z, 0-9 and - with dots between them, such as `acme`",
                clean(subdomain)
            )));
        }
        (true, None) => {
            return Err(AuthError::NeedsSubdomain(name.to_owned()));
        }
        (false, Some(_)) => {
            return Err(AuthError::BadLogin(format!(
                "the login host `{name}` has no place for a subdomain: leave it out, or choose another login host"
            )));
        }
    };
    parse_origin(&text).ok_or_else(|| not_an_origin(&text))
}

/// One or more labels, and nothing with which a text could leave the host part
/// of a URL.
fn is_subdomain(text: &str) -> bool {
    text.len() <= MAX_HOST_BYTES
        && text.split('.').all(|label| {
            (1..=MAX_LABEL_BYTES).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        })
}

/// A URL that is an origin and nothing more.
fn parse_origin(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let bare = matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    bare.then_some(url)
}

fn not_an_origin(text: &str) -> AuthError {
    AuthError::BadLogin(format!(
        "`{}` is not an origin such as https://login.example.com",
        clean(text)
    ))
}

fn check_public_host(origin: &Url, patterns: &[HostPattern]) -> Result<(), String> {
    AddressPolicy::Public
        .check(origin)
        .map_err(|reason| reason.to_string())?;
    let host = origin.host_str().unwrap_or_default();
    if patterns.iter().any(|pattern| pattern.matches(host)) {
        Ok(())
    } else {
        Err(format!(
            "the host `{}` is not one that the connector's manifest allows",
            clean(host)
        ))
    }
}

fn local_policy(allowed: &[String]) -> Result<AddressPolicy, AuthError> {
    let origins = allowed
        .iter()
        .map(|text| parse_origin(text).ok_or_else(|| not_an_origin(text)))
        .collect::<Result<_, _>>()?;
    Ok(AddressPolicy::Local { origins })
}

fn check_local(policy: &AddressPolicy, origin: &Url) -> Result<(), String> {
    policy.check(origin).map_err(|reason| reason.to_string())
}

/// Where one connection may send its secrets and use its tokens.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// The login origin, checked.
    pub(super) login: Url,
    /// What the transport is held to.
    pub(super) policy: AddressPolicy,
}

impl Place {
    /// Reads a record, and checks it against the manifest as it is now.
    pub(super) fn of(auth: &AuthManifest, record: &ConnectionRecord) -> Result<Self, AuthError> {
        let text = record.login_origin.as_str();
        let login = parse_origin(text).ok_or_else(|| not_an_origin(text))?;
        let policy = if record.local_origins.is_empty() {
            check_public_host(&login, &auth.login_hosts).map_err(AuthError::BadLogin)?;
            AddressPolicy::Public
        } else {
            let policy = local_policy(&record.local_origins)?;
            check_local(&policy, &login).map_err(AuthError::BadLogin)?;
            policy
        };
        Ok(Self { login, policy })
    }

    /// The host, for messages.
    pub(super) fn host(&self) -> String {
        self.login.host_str().unwrap_or_default().to_owned()
    }

    /// Checks an API origin that a token answer names.
    pub(super) fn api_origin(&self, auth: &AuthManifest, text: &str) -> Result<Url, AuthError> {
        let bad = |what: String| AuthError::BadAnswer {
            host: self.host(),
            what,
        };
        let origin = parse_origin(text)
            .ok_or_else(|| bad("it names an API origin that is none".to_owned()))?;
        let checked = match &self.policy {
            AddressPolicy::Public => check_public_host(&origin, &auth.origin_hosts),
            AddressPolicy::Local { .. } => check_local(&self.policy, &origin),
        };
        checked
            .map_err(|reason| bad(format!("the API origin that it names is refused: {reason}")))?;
        Ok(origin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::tests::manifest;

    fn named(name: &str, subdomain: Option<&str>) -> Result<String, AuthError> {
        validate_login(&manifest(), &Login::Host { name, subdomain }).map(String::from)
    }

    #[test]
    fn a_login_host_is_chosen_by_name_and_takes_the_users_subdomain() {
        for (name, subdomain, origin) in [
            ("production", None, "https://login.example.com/"),
            ("own", Some("acme"), "https://acme.my.example.com/"),
            (
                "own",
                Some("ACME--dev.sandbox"),
                "https://acme--dev.sandbox.my.example.com/",
            ),
        ] {
            assert_eq!(named(name, subdomain).unwrap(), origin);
        }
    }

    #[test]
    fn a_subdomain_that_is_more_than_labels_is_refused() {
        for evil in [
            "",
            ".",
            "a.",
            ".a",
            "a..b",
            "-a",
            "a-",
            "a_b",
            "a b",
            "a/b",
            "evil.net/",
            "evil.net#",
            "evil.net?",
            "evil.net\\",
            "evil.net:443",
            "x@evil.net",
            "evil.net%2f",
            "ä",
            "a\n",
            "xn--\u{0}",
            &"a".repeat(64),
            &"a.".repeat(200),
        ] {
            assert!(
                matches!(named("own", Some(evil)), Err(AuthError::BadLogin(_))),
                "{evil:?}"
            );
        }
        assert!(named("own", None).is_err());
        assert!(named("production", Some("acme")).is_err());
        assert!(named("nowhere", None).is_err());
    }

    #[test]
    fn a_login_host_that_the_manifest_does_not_allow_is_refused() {
        let mut auth = manifest();
        auth.login[0].origin = "https://login.evil.example.net".to_owned();
        let login = Login::Host {
            name: "production",
            subdomain: None,
        };
        assert!(matches!(
            validate_login(&auth, &login),
            Err(AuthError::BadLogin(_))
        ));
    }

    #[test]
    fn a_local_connection_logs_in_at_its_exact_origins_only() {
        let allowed = ["http://127.0.0.1:4000".to_owned()];
        let check = |origin| {
            let login = Login::Local {
                origin,
                allowed: &allowed,
            };
            validate_login(&manifest(), &login)
        };
        assert!(check("http://127.0.0.1:4000").is_ok());
        for other in [
            "http://127.0.0.1:4001",
            "https://127.0.0.1:4000",
            "http://localhost:4000",
            "https://login.example.com",
            "http://127.0.0.1:4000/path",
        ] {
            assert!(
                matches!(check(other), Err(AuthError::BadLogin(_))),
                "{other}"
            );
        }
    }
}
